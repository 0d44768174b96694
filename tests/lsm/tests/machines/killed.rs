//! Whoever is killed while labels, profiles and rules are made or taken back: all are as they were.
//!
//! The kinds of change that only a kernel with a security module has; every other, and everybody else
//! who can be killed, is in `tests/crash`.

use super::{apparmor, power, run, selinux};
use crate::real_qemu::labs;
use std::collections::BTreeSet;
use svirt_model::OpKind;
use svirt_testkit::lab::{Lab, Report};
use svirt_tests_crash::{Tried, tried_in};

/// Goes once through a machine's life to know its points, and then kills whoever comes to one of those that
/// are asked for. What `state` says is the same after each recovery.
const KILLED: &str = "
    told first as root $life
    state >before
    told points as root svirt-lsm-killer list $life
    grep -E \"$points\" out >which
    while read count name; do
        as root svirt-lsm-killer kill $count \"$name\" $life >/dev/null 2>&1 </dev/null
        hit=$?
        as root svirt recover >recovered 2>&1 </dev/null || hit=recovery
        state >after
        cmp -s before after || { hit=differs; diff before after; }
        echo \"$hit $count $name\"
    done <which >all
    told killed cat all
    told left ls /run/lab/root/run
";

/// What is started, and at which of its points it is killed.
const LIFE: &str = "
    life='svirt exec --name k --weaken user --rw /run/lab/a.raw --ro /run/lab/base.raw -- /bin/true'
    points='^0 op (label|profile|rules) '
";

/// The kinds of change that each lab goes through.
const UNDER_SELINUX: &[OpKind] = &[OpKind::Label];
const UNDER_SMACK: &[OpKind] = &[OpKind::Label, OpKind::Tree, OpKind::Rules];
const UNDER_APPARMOR: &[OpKind] = &[OpKind::Profile];

const LABELS: &str = "state() { labels *.raw; }\n";

fn lab(lab: Lab<'_>) -> Lab<'_> {
    lab.carrying(env!("CARGO_BIN_EXE_svirt-lsm-killer"))
}

/// Every point was come to, nothing differed, and these kinds were among them at each of their moments.
#[track_caller]
fn is_as_before(report: &Report, kinds: &[OpKind]) {
    report.said("first").exits(0);
    report.said("points").exits(0);
    let killed = report.said("killed").exits(0).out;
    let wrong: Vec<&str> = killed.lines().filter(|line| !line.starts_with("0 ")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let names: BTreeSet<String> =
        killed.lines().filter_map(|line| line.splitn(3, ' ').nth(2)).map(str::to_owned).collect();
    for kind in kinds {
        for moment in ["to be made", "made", "to be undone", "undone"] {
            let name = format!("op {kind} {moment}");
            assert!(names.contains(&name), "nobody came to {name:?}: {names:#?}");
        }
    }
    assert_eq!(report.said("left").exits(0).out, "", "something is left of a machine");
}

#[test]
fn every_kind_of_change_of_a_module_is_in_some_lab() {
    let all = [UNDER_SELINUX, UNDER_SMACK, UNDER_APPARMOR].into_iter().flatten().copied();
    assert_eq!(all.collect::<BTreeSet<_>>(), tried_in(Tried::InLabs).collect());
}

labs! {
    /// Labels of SELinux.
    fn labels_of_selinux_are_as_they_were(host) {
        let begin = selinux::BEGIN;
        let report = run(&lab(selinux::lab(host)?), &format!("{begin}{LIFE}{LABELS}{KILLED}"));
        is_as_before(&report, UNDER_SELINUX);
    }

    /// Labels and rules of Smack.
    fn labels_and_rules_of_smack_are_as_they_were(host) {
        let begin = format!("{}{}", power::MOUNTED, power::MADE);
        let state = "
            mkdir root/d root/d/e
            echo one >root/d/one
            echo two >root/d/e/two
            set_label mine root/d root/d/one root/d/e
            set_label other root/d/e/two
            life=$(echo \"$life\" | sed 's|-- |--rw /run/lab/root/d -- |')
            points='^0 op (label|tree|rules) '
            state() { labels root/*.raw root/d root/d/* root/d/e/*; grep -v ' *-$' /sys/fs/smackfs/load2 | sort; }
        ";
        let report = run(&power::lab(host)?, &format!("{begin}{state}{KILLED}"));
        is_as_before(&report, UNDER_SMACK);
    }

    /// Profiles of AppArmor.
    fn profiles_of_apparmor_are_as_they_were(host) {
        let words = apparmor::WORDS;
        let begin = "images a base
            state() { loaded; ls /run/lab/root/state/profiles/loaded 2>/dev/null; }
        ";
        let with = apparmor::with_parser(lab(Lab::with_landlock_and(host, "apparmor")?))?;
        let report = run(&with, &format!("{words}{begin}{LIFE}{KILLED}"));
        is_as_before(&report, UNDER_APPARMOR);
    }
}
