//! AppArmor, with the distribution's parser.

use super::{held, lab, labs};
use svirt_testkit::{Skipped, lab::package};

/// The parser is copied to where root, within that kernel, is its owner.
const SCRIPT: &str = "
    cp $BIN/apparmor_parser parser
    chmod 755 parser
    echo 0 >/proc/sys/kernel/printk_ratelimit
    claim() { told $1 svirt-lsm-inside \"$@\"; }
    claim apparmor-facts
    claim apparmor-compile /run/lab/parser
    claim apparmor-load /run/lab/parser
    claim apparmor-child /run/lab/parser
    claim apparmor-confined /run/lab/parser
    mount -t tmpfs none /usr/sbin
    cp parser /usr/sbin/apparmor_parser
    claim apparmor-machine
    dmesg >log
    told denials grep 'apparmor=.DENIED' log
";

labs! {
    /// Facts, compiling, loading, comparing, the profile of a child and of its threads.
    fn apparmor_is_spoken(host) {
        let parser = package("apparmor")?.join("sbin/apparmor_parser");
        if !parser.is_file() {
            return Err(Skipped::because("the package apparmor has no sbin/apparmor_parser"));
        }
        let report = lab(host, "apparmor")?.carrying(parser).run(SCRIPT);
        held(&report, &["apparmor-facts", "apparmor-compile", "apparmor-load", "apparmor-child", "apparmor-confined", "apparmor-machine"]);
        let denials = report.said("denials").exits(0).out;
        let denied = |l: &str| l.contains("svirt-machine") && l.contains("/run/lab/others");
        assert!(denials.lines().any(denied), "{denials}");
    }
}
