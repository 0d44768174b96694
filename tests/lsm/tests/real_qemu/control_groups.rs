//! Control groups of version 2: root's at the top, and a branch that was given to an ordinary user.

use super::{full, labs};
use svirt_model::Layer;
use svirt_testkit::lab::{Lab, Report};

const SCRIPT: &str = "
    delegate
    groups() { find /sys/fs/cgroup -name 'svirt-*'; }
    begin root r
    told r.status as root svirt inspect --json r
    told r.group a_group $(groups)
    finish
    told r.left groups
    begin member m
    told m.status as member svirt inspect --json m
    told m.group a_group $(groups)
    finish
    told m.left groups
    begin member k
    told k.kill as member svirt kill k
    finish
    told k.left groups
";

fn is_limited(report: &Report, name: &str) {
    let status = format!("{name}.status");
    assert!(full(report, &status).contains(&Layer::Cgroup), "{report:#?}");
    let group = report.said(&format!("{name}.group")).exits(0).out;
    let lines: Vec<_> = group.lines().collect();
    let [memory, processes, inside] = lines[..] else { panic!("{group}") };
    let limit = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    assert!(limit(memory).is_some_and(|bytes| bytes >= 32 << 20), "{memory}");
    assert!(limit(processes).is_some_and(|count| count > 0), "{processes}");
    assert_eq!(inside, "it is inside");
    report.said(name).exits(0);
    assert_eq!(report.said(&format!("{name}.left")).exits(0).out, "");
}

/// What the plan of a machine says, before anything was delegated and after its advice was followed.
const ADVICE: &str = "
    told user.plan as user svirt plan run --accel tcg --net none --json
    told root.plan as root svirt plan run --accel tcg --net none --json
    as root svirt plan run --accel tcg --net none --json >plan
    eval \"$(sed \"s/.*\\(echo '+memory +pids' > [^\\\" ]*\\).*/\\1/\" plan)\"
    told root.again as root svirt plan run --accel tcg --net none --json
";

labs! {
    /// Who has no control group is told what makes one, and that does.
    fn what_would_make_a_control_group_is_said(host) {
        let report = Lab::with_landlock(host)?.run(ADVICE);
        let none = "can make no control group";
        let root = report.said("root.plan").exits(0).out;
        assert!(root.contains(none) && root.contains("cgroup.subtree_control"), "{root}");
        let user = report.said("user.plan").exits(0).out;
        assert!(user.contains(none) && user.contains("Delegate=yes"), "{user}");
        let again = report.said("root.again").exits(0).out;
        assert!(!again.contains(none) && again.contains("version 2: memory, pids"), "{again}");
    }

    /// The VMM is in a group with limits while it runs, and afterwards there is no group.
    fn a_machine_has_a_control_group_of_version_2(host) {
        let report = Lab::with_landlock(host)?.run(SCRIPT);
        is_limited(&report, "r");
        is_limited(&report, "m");
        report.said("k.kill").exits(0);
        report.said("k").exits(137);
        assert_eq!(report.said("k.left").exits(0).out, "");
    }
}
