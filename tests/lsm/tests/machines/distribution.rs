//! Whole machines under Debian's whole policy, as an administrator starts them: without our module, which
//! gives them no label, and with it.

use super::{run, selinux};
use crate::real_qemu::{debian, labs};
use svirt_model::{Enforced, Layer, label::Context};
use svirt_testkit::lab::{Lab, Report};

/// What the distribution's own labels would have done to a shell and to what it starts. hostfs keeps no
/// labels: what is below a mount of it has the mount's.
pub(super) const BEGIN: &str = "
    ATTRIBUTE=security.selinux
    are() {
        type=$1
        shift
        for place in \"$@\"; do
            mount -t hostfs -o $place,context=system_u:object_r:$type:s0 none $place
        done
    }
    begin_with() {
        dd if=$BIN/$1 of=/sys/fs/selinux/load bs=16M
        chcon -t null_device_t /dev/null
        chcon -t urandom_device_t /dev/urandom
        are usr_t /usr/share
        are lib_t /usr/lib /usr/lib64
        are bin_t /usr/bin $BIN
        echo -n unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023 >/proc/self/attr/current
        echo 0 >/sys/fs/selinux/checkreqprot
        echo 1 >/sys/fs/selinux/enforce
        images a b
        records >/dev/null
    }
    # What a shell that is an administrator's may not write is the report.
    denied() { records | grep -v 'comm=\"script\"'; }
";

/// A machine beside another one, and a command line of QEMU's.
const MACHINES: &str = "
    told before labels a.raw b.raw
    told b behind b --disk /run/lab/b.raw
    begin root a --append x --disk /run/lab/a.raw
    ask 'write 0 1 mine'
    ask reboot
    ask 'write 0 2 again'
    told during labels a.raw b.raw
    told a.current current a
    told a.inspect as root svirt inspect --json a
    told holds as root svirt verify
    told work denied
    told disk drill a read-file /run/lab/b.raw
    told neighbour drill a ptrace $(vmm b)
    finish
    told stop as root svirt stop --timeout 1 b
    qemu() {
        { echo 'qemu-io virtio0 \"write -P 65 0 512\"'; echo quit; } | as root svirt exec --name q --weaken user -- \\
            /usr/bin/qemu-system-x86_64 -accel tcg -m 64 -nodefaults -display none -monitor stdio \\
            -drive file=/run/lab/b.raw,format=raw,if=virtio 2>&1 | cat
    }
    records >/dev/null
    told qemu qemu
    told qemu.records denied
    told end labels a.raw b.raw
    told required as root svirt exec --name r --require selinux -- /bin/true
    told on-disk dd if=a.raw bs=512 skip=1 count=1
";

/// What holds with and without a label.
#[track_caller]
fn work(report: &Report) {
    report.said("b").exits(0);
    let ended = report.said("a").exits(0);
    assert_eq!(ended.out.matches("svirt guest: ready").count(), 2, "{ended:#?}");
    for refused in ["disk", "neighbour"] {
        report.said(refused).exits(0);
    }
    for name in ["holds", "stop"] {
        report.said(name).exits(0);
    }
    let said = report.said("qemu").out;
    assert!(said.contains("wrote 512/512 bytes"), "{said}");
    assert!(report.said("on-disk").out.starts_with("mine"));
    assert_eq!(report.said("end").out, report.said("before").exits(0).out);
    for records in ["work", "qemu.records"] {
        assert_eq!(report.said(records).out, "", "work was denied something");
    }
}

labs! {
    /// With our module each machine has a context that no other has, and its objects theirs.
    fn a_distributions_policy_with_our_module_labels_machines(host) {
        let policy = host.file("policy", &debian::with_our_module()?);
        let script = format!("{BEGIN}\nbegin_with policy\n{MACHINES}");
        let report = run(&Lab::with_module(host, "selinux")?.carrying(policy), &script);
        work(&report);
        let said = report.said("a.current").exits(0).out;
        let context: Context = said.trim().parse().expect("a context");
        assert!(said.starts_with("unconfined_u:unconfined_r:svirt_machine_tcg_t:s0:c"), "{said}");
        let during = selinux::contexts(&report, "during");
        assert_eq!(during["a.raw"].kind(), "svirt_machine_image_t");
        assert_eq!(during["a.raw"].categories(), context.categories());
        assert!(during["b.raw"].categories() != context.categories());
        assert_eq!(report.layer("a.inspect", Layer::Selinux).enforced, Enforced::Fully);
        report.said("required").exits(0);
    }

    /// Without it machines run, held by everything else, and their status says what is missing.
    fn a_distributions_policy_without_our_module_labels_nothing(host) {
        let policy = host.file("policy", &debian::alone()?);
        let script = format!("{BEGIN}\nbegin_with policy\n{MACHINES}");
        let report = run(&Lab::with_module(host, "selinux")?.carrying(policy), &script);
        work(&report);
        assert!(report.said("a.current").out.starts_with("unconfined_u:unconfined_r:unconfined_t:"));
        assert_eq!(report.said("during").out, report.said("before").out);
        let layer = report.layer("a.inspect", Layer::Selinux);
        assert_eq!(layer.enforced, Enforced::No);
        assert!(layer.why_not.contains("svirt policy install"), "{layer:#?}");
        report.said("a").complains("svirt policy install");
        report.said("required").exits(78).complains("svirt policy install");
    }
}
