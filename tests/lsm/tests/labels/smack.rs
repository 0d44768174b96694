//! Smack.

use super::{held, lab, labs};

const SCRIPT: &str = "
    echo 0 >/proc/sys/kernel/printk_ratelimit
    claim() { told $1 svirt-lsm-inside \"$@\"; }
    claim smack-facts
    claim smack-rules
    claim smack-child-claim
    claim smack-capable
    claim smack-machine
    dmesg >log
    told denials grep lsm=SMACK log
";

labs! {
    /// Facts, rules, the label of a child and of its threads, and whose capabilities count.
    fn smack_is_spoken(host) {
        let report = lab(host, "smack")?.run(SCRIPT);
        held(&report, &["smack-facts", "smack-rules", "smack-child-claim", "smack-capable", "smack-machine"]);
        let denials = report.said("denials").exits(0).out;
        let denied = |l: &str| l.contains("svirt-machine") && l.contains("svirt-other");
        assert!(denials.lines().any(denied), "{denials}");
    }
}
