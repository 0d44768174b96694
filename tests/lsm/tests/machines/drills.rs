//! The whole drill on a machine under each security module: whatever is tried, nothing is open. Parts of
//! it are in the tests of each.

use super::{apparmor, run, selinux};
use crate::real_qemu::labs;
use serde_json::Value;
use std::time::Duration;
use svirt_testkit::lab::{Lab, Report};

/// A drill launches a hundred probes, one after the other.
const PATIENCE: Duration = Duration::from_secs(900);

/// A machine that is attacked while it runs. What the drill makes its attempts on is on a file system
/// that can be written.
const DRILL: &str = "
    mkdir -m 1777 tmp
    export TMPDIR=/run/lab/tmp
    images drilled
    told machine behind m --disk /run/lab/drilled.raw
    told drill as root svirt drill --json m
    told holds as root svirt verify m
    told end as root svirt kill m
    told left ls tmp
";

/// Of each outcome the attempts that came to it, with what they met.
fn with_outcome(machine: &Value, outcome: &str) -> Vec<String> {
    let rows = machine["attempts"].as_array().expect("attempts").iter();
    let found = rows.filter(|row| row["outcome"] == outcome);
    found.map(|row| format!("{}: {}", row["attempt"], row["inside"])).collect()
}

#[track_caller]
fn nothing_is_open(report: &Report) {
    report.said("machine").exits(0);
    let said = report.said("drill");
    let document: Value =
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:#?}"));
    let machine = &document["machines"][0];
    assert_eq!(with_outcome(machine, "open"), [""; 0]);
    assert_eq!(with_outcome(machine, "unproven"), [""; 0]);
    // It translates guest code.
    assert_eq!(with_outcome(machine, "granted").len(), 4, "{:?}", with_outcome(machine, "granted"));
    let blocked = with_outcome(machine, "blocked");
    assert!(blocked.len() >= 100, "{} are blocked: {blocked:?}", blocked.len());
    said.exits(0);
    report.said("holds").exits(0);
    report.said("end").exits(0);
    assert_eq!(report.said("left").exits(0).out, "");
}

labs! {
    /// Under SELinux.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn nothing_is_open_under_selinux(host) {
        let begin = selinux::BEGIN;
        nothing_is_open(&run(&selinux::lab(host)?.patient(PATIENCE), &format!("{begin}{DRILL}")));
    }

    /// Under AppArmor, where the probe has a profile of its own.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn nothing_is_open_under_apparmor(host) {
        let lab = apparmor::with_parser(Lab::with_module(host, "apparmor")?)?;
        nothing_is_open(&run(&lab.patient(PATIENCE), &format!("{}\n{DRILL}", apparmor::WORDS)));
    }

    /// Under Smack.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn nothing_is_open_under_smack(host) {
        let lab = Lab::with_module(host, "smack")?.patient(PATIENCE);
        nothing_is_open(&run(&lab, DRILL));
    }
}
