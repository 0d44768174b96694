//! SELinux, enforcing, with the small policy and our module: one boot, many claims.

use super::{open, refused, run};
use crate::real_qemu::labs;
use std::{fs, process::Command};
use svirt_policy::selinux::{Naming, base, module};
use svirt_testkit::{
    Skipped, has_program,
    lab::{Lab, Report},
};

/// How the script begins: the policy, the labels of everything that two machines share, and then
/// enforcement.
pub(super) const BEGIN: &str = r#"
    context() {
        case $1 in share) type=usr_t ;; *) type=$1_t ;; esac
        echo ",context=system_u:object_r:$type:s0"
    }
    who=${who:-system_u:system_r} prefix=${prefix:-svirt}
    # In one write, as the kernel wants it.
    dd if=$BIN/policy of=/sys/fs/selinux/load bs=16M
    told load records
    [ -n "$PLACE" ] || for name in bin lib share; do
        chcon -R $(context $name | cut -d = -f 2) /usr/$name
    done
    make_root
    chcon -t bin_t own/svirt
    [ -n "$PLACE" ] || chcon -t lib_t own/lib64/*
    chcon -t null_device_t own/dev/null /dev/null
    chcon -t urandom_device_t own/dev/urandom
    image() { chcon system_u:object_r:${prefix}_image_t:s0:$1 own/$2; }
    echo 0 >/proc/sys/kernel/printk_ratelimit
    echo mine >own/m/a
    echo others >own/m/b
    echo both >own/m/both
    echo whose >own/m/none
    image c1,c2 m/a
    image c3,c4 m/b
    image c900,c901 m/both
    echo everybodys >own/m/content
    chcon system_u:object_r:${prefix}_content_t:s0 own/m/content
    one=$who:${prefix}_t:s0:c1,c2
    two=$who:${prefix}_t:s0:c3,c4
    tcg=$who:${prefix}_tcg_t:s0:c1,c2
    grouped=$who:${prefix}_t:s0:c1,c2,c900,c901
    net=$who:${prefix}_net_t:s0:c1,c2
    echo 1 >/sys/fs/selinux/enforce
    records >/dev/null
"#;

const SCRIPT: &str = r#"
    told mode cat /sys/fs/selinux/enforce
    told read.own probe $one read-file /m/a
    told write.own probe $one write-file /m/a
    told read.foreign probe $one read-file /m/b
    told write.foreign probe $one write-file /m/b
    told read.unlabelled probe $one read-file /m/none
    told read.group probe $one read-file /m/both
    told grouped.group probe $grouped write-file /m/both
    told grouped.own probe $grouped write-file /m/a
    told grouped.foreign probe $grouped read-file /m/b
    told read.content probe $one read-file /m/content
    told read.content.too probe $two read-file /m/content
    told write.content probe $one write-file /m/content

    mkdir own/m/two
    image c3,c4 m/two
    launch $two /usr/bin/perl -MSocket -e '
        socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("/m/two/s")) or die $!; listen(S, 5);
        open(R, ">", "/m/two/ready"); close(R); sleep 1000' &
    until [ -e own/m/two/ready ] || ! kill -0 $!; do usleep 20000; done
    other=$(pidof perl)
    told label cat /proc/$other/attr/current
    told nnp grep NoNewPrivs /proc/$other/status
    told connect.path probe $one connect /m/two/s
    image c1,c2 m/two
    image c1,c2 m/two/s
    told connect.process probe $one connect /m/two/s
    told connect.own probe $two connect /m/two/s
    image c3,c4 m/two
    image c3,c4 m/two/s
    told connect.same probe $two connect /m/two/s
    told signal.foreign probe $one signal $other
    told signal.same probe $two signal $other
    told ptrace.foreign probe $one ptrace $other
    told ptrace.group probe $grouped ptrace $other
    told ptrace.launcher unconfined ptrace $other
    kill -9 $other

    tcp() { launch $1 /usr/bin/perl -MSocket -e '
        socket(S, AF_INET, SOCK_STREAM, 0) or print "socket: $!\n" and exit;
        connect(S, sockaddr_in(9, inet_aton("127.0.0.1"))) or print "connect: $!\n"'; }
    ip link set lo up
    told tcp.kvm tcp $one
    told tcp.net tcp $net
    told death death_signal $one
    told secure secure_mode $one
    told exec launch $one /usr/bin/perl -e 'exec "/bin/true" or print "$!\n"'
    told avc records

    dd if=/dev/zero of=own/m/a bs=512 count=64
    told qemu.tcg qemu $tcg
    told qemu.disk head -c 4 own/m/a
    told qemu.denials records

    dd if=$BIN/distrusting of=/sys/fs/selinux/load bs=16M
    told distrusting.death death_signal $one
    told distrusting.secure secure_mode $one
"#;

/// The small policy permits everything to a launcher, `noatsecure` too.
const EVERYTHING: &str = "(allow unconfined_t base_object (process (all)))";
/// Without that the linker distrusts the environment of a process whose label has changed.
const DISTRUSTING: &str = "(allow unconfined_t base_object (process (not (noatsecure))))";

/// What user-mode-linux cannot show: it never asks SELinux about executable memory.
const MEMORY: &str = r#"
    # mmap of four kilobytes, readable, writable and executable, and nobody's.
    execmem() { launch $1 /usr/bin/perl -e 'print syscall(9, 0, 4096, 7, 0x22, -1, 0) == -1 ? "$!\n" : "mapped\n"'; }
    told execmem.kvm execmem $one
    told execmem.tcg execmem $tcg
    told execmem.net execmem $net
    told memory.avc records
    dd if=/dev/zero of=own/m/a bs=512 count=64
    told qemu.tcg qemu $tcg
    told qemu.disk head -c 4 own/m/a
    told qemu.denials records
    told qemu.kvm qemu $one
    told qemu.avc records
"#;

/// The policy as the kernel reads it.
pub(in crate::real_qemu) fn compiled(source: &str) -> Result<Vec<u8>, Skipped> {
    if !has_program("secilc") {
        return Err(Skipped::because("there is no secilc"));
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::write(place.path().join("policy.cil"), source).expect("a file of ours");
    let mut secilc = Command::new("secilc");
    secilc.args(["-c", "33", "-o", "policy", "-f", "contexts", "policy.cil"]);
    let said = secilc.current_dir(&place).output().expect("secilc starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Ok(fs::read(place.path().join("policy")).expect("secilc wrote it"))
}

/// Whether the kernel recorded that this was denied.
#[track_caller]
pub(super) fn has_record(records: &str, denied: &str, from: &str, to: &str, class: &str) {
    let found = records.lines().any(|line| {
        line.contains("avc:  denied  {")
            && line.contains(&format!(" {denied} "))
            && line.contains(&format!(":{from} tcontext="))
            && line.contains(&format!(":{to} tclass={class} "))
            && line.contains("permissive=0")
    });
    assert!(found, "no record of {denied} {from} {to} {class} in {records}");
}

/// That the kernel recorded no denial of, or to, a type of ours.
#[track_caller]
pub(super) fn assert_no_record(records: &str) {
    let found = records.lines().find(|line| line.contains("avc:") && line.contains(":svirt_"));
    assert_eq!(found, None);
}

fn objects_are_kept_apart(report: &Report, avc: &str) {
    open(report, "read.own");
    open(report, "write.own");
    for name in ["read.foreign", "write.foreign", "read.unlabelled", "read.group"] {
        refused(report, name, "EACCES");
    }
    has_record(avc, "read", "svirt_t:s0:c1,c2", "svirt_image_t:s0:c3,c4", "file");
    has_record(avc, "write", "svirt_t:s0:c1,c2", "svirt_image_t:s0:c3,c4", "file");
    has_record(avc, "read", "svirt_t:s0:c1,c2", "svirt_image_t:s0:c900,c901", "file");
    open(report, "grouped.group");
    open(report, "grouped.own");
    refused(report, "grouped.foreign", "EACCES");
    open(report, "read.content");
    open(report, "read.content.too");
    refused(report, "write.content", "EACCES");
    has_record(avc, "write", "svirt_t:s0:c1,c2", "svirt_content_t:s0", "file");
}

fn processes_are_kept_apart(report: &Report, avc: &str) {
    assert!(report.said("label").out.starts_with("system_u:system_r:svirt_t:s0:c3,c4"));
    assert_eq!(report.said("nnp").out.trim(), "NoNewPrivs:\t1");
    refused(report, "connect.path", "EACCES");
    refused(report, "connect.process", "EACCES");
    open(report, "connect.same");
    refused(report, "signal.foreign", "EACCES");
    open(report, "signal.same");
    refused(report, "ptrace.foreign", "EACCES");
    refused(report, "ptrace.group", "EACCES");
    open(report, "ptrace.launcher");
    let (one, two) = ("svirt_t:s0:c1,c2", "svirt_t:s0:c3,c4");
    has_record(avc, "connectto", one, two, "unix_stream_socket");
    has_record(avc, "signull", one, two, "process");
    has_record(avc, "ptrace", one, two, "process");
}

fn the_network_is_the_helpers(report: &Report, avc: &str) {
    let denied = "Permission denied\n";
    assert_eq!(report.said("tcp.kvm").out, format!("socket: {denied}"));
    assert_eq!(report.said("tcp.net").out, "connect: Connection refused\n");
    assert_eq!(report.said("exec").out, denied);
    let own = "svirt_t:s0:c1,c2";
    has_record(avc, "create", "svirt_t:s0:c1,c2", own, "tcp_socket");
}

/// The kernel forgets it with a change of label, whatever the policy grants besides: the launcher
/// cannot count on it.
fn the_death_signal_is_cleared(report: &Report) {
    assert_eq!(report.said("death").out, "0");
    assert_eq!(report.said("secure").out, "trusting");
    assert_eq!(report.said("distrusting.death").out, "0");
    assert_eq!(report.said("distrusting.secure").out, "secure");
}

fn a_real_qemu_works(report: &Report) {
    assert!(report.said("qemu.tcg").out.contains("wrote 512/512 bytes"), "{report:#?}");
    assert_eq!(report.said("qemu.disk").out, "AAAA");
    assert_no_record(&report.said("qemu.denials").out);
}

fn memory_is_what_the_type_says(report: &Report) {
    let denied = "Permission denied\n";
    assert_eq!(report.said("execmem.kvm").out, denied);
    assert_eq!(report.said("execmem.tcg").out, "mapped\n");
    assert_eq!(report.said("execmem.net").out, denied);
    assert!(!report.said("qemu.kvm").out.contains("wrote"), "{report:#?}");
    for records in ["memory.avc", "qemu.avc"] {
        let records = report.said(records).out;
        let own = "svirt_t:s0:c1,c2";
        has_record(&records, "execmem", "svirt_t:s0:c1,c2", own, "process");
    }
}

labs! {
    /// Two machines' processes and objects are kept apart by the kernel, which says so, and QEMU
    /// needs nothing that the module does not give it.
    fn selinux_keeps_machines_apart(host) {
        let policy = compiled(&format!("{}{}", base(), module(Naming::Plain)))?;
        assert!(base().contains(EVERYTHING));
        let distrusting = base().replace(EVERYTHING, DISTRUSTING) + &module(Naming::Plain);
        let distrusting = compiled(&distrusting)?;
        let script = format!("{BEGIN}{SCRIPT}");
        let files: [(&str, &[u8]); 2] = [("policy", &policy), ("distrusting", &distrusting)];
        let report = run(host, Lab::with_module(host, "selinux")?, &files, &script)?;
        assert_eq!(report.said("mode").out, "1");
        // The kernel says so where the small policy lacks a class or a permission of its own.
        let load = report.said("load").out;
        assert!(load.contains("SELinux:") && !load.contains("not defined in policy"), "{load}");
        let avc = report.said("avc").out;
        objects_are_kept_apart(&report, &avc);
        processes_are_kept_apart(&report, &avc);
        the_network_is_the_helpers(&report, &avc);
        the_death_signal_is_cleared(&report);
        a_real_qemu_works(&report);
    }
    /// Only the type for translating VMMs executes what it wrote; QEMU works under it, and does not
    /// come up under the other without KVM.
    fn selinux_knows_who_translates(host) {
        let policy = compiled(&format!("{}{}", base(), module(Naming::Plain)))?;
        let lab = Lab::with_landlock_and(host, "selinux")?;
        let report = run(host, lab, &[("policy", &policy)], &format!("{BEGIN}{MEMORY}"))?;
        memory_is_what_the_type_says(&report);
        a_real_qemu_works(&report);
    }
}
