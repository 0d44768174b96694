//! A kernel without Landlock: a root of its own, namespaces and a filter hold the machine; where
//! the root is given up too, there is no machine.

use super::{ALL_NAMESPACES, Vmm, full, labs};
use svirt_model::{Enforced, Layer};
use svirt_testkit::lab::{Lab, Report};

const SCRIPT: &str = "
    for who in root user; do
        told $who.exec as $who svirt exec --name e -- /bin/true
        told $who.required as $who svirt run --name n --accel tcg --net none --require landlock
        told $who.nothing as $who svirt run --name n --accel tcg --net none --weaken root
        begin $who $who
        told $who.status as $who svirt inspect --json $who
        told $who.kernel the_vmm
        told $who.read as $who svirt drill $who --attempt read-file --target /etc/passwd
        told $who.tcp as $who svirt drill $who --attempt tcp --target 127.0.0.1:1
        finish
    done
    echo 0 >/proc/sys/user/max_user_namespaces
    told bare as user svirt exec --name e -- /bin/true
    told left ls /run/lab/root/run /run/lab/user/run
";

fn is_held(report: &Report, who: &str) {
    let of = |what: &str| format!("{who}.{what}");
    report.said(&of("exec")).exits(0);
    report.said(&of("required")).exits(78).complains("the kernel has no Landlock");
    report.said(&of("nothing")).exits(78).complains("nothing would hold the machine");
    let ended = report.said(who).exits(0);
    assert!(ended.out.contains("svirt guest: ready"), "{ended:#?}");
    let landlock = report.layer(&of("status"), Layer::Landlock);
    assert_eq!(landlock.enforced, Enforced::No);
    assert_eq!(landlock.why_not, "the kernel has no Landlock");
    let full = full(report, &of("status"));
    let held_by = [Layer::Root, Layer::Namespaces, Layer::UserNamespace, Layer::Seccomp];
    assert!(held_by.iter().all(|layer| full.contains(layer)), "{full:?} of {report:#?}");
    let vmm = Vmm::told(report, &of("kernel"));
    vmm.is_unprivileged_and_filtered();
    vmm.has_an_empty_bounding_set();
    assert_eq!(vmm.own_namespaces(), ALL_NAMESPACES);
    report.said(&of("read")).exits(0);
    report.said(&of("tcp")).exits(0);
}

labs! {
    /// Machines start, say what is missing, and are refused where nothing would be left.
    fn without_landlock_a_root_of_its_own_holds_the_machine(host) {
        let report = Lab::without_landlock(host)?.run(SCRIPT);
        is_held(&report, "root");
        is_held(&report, "user");
        report.said("bare").exits(78).complains("nothing would hold the machine");
        assert_eq!(report.said("left").exits(0).out, "/run/lab/root/run:\n\n/run/lab/user/run:\n");
    }
}
