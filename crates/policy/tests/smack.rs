//! Smack's rules.

use svirt_model::{Uuid, label::SmackLabel};
use svirt_policy::{
    Finding, review,
    smack::{Share, ShareAccess, policy, rules},
};

fn label(text: &str) -> SmackLabel {
    SmackLabel::for_machine(text).expect("a label")
}

fn share(text: &str, access: ShareAccess) -> Share {
    Share { label: text.parse().expect("a label"), access, why: "both name the disk".into() }
}

#[test]
fn a_machines_rules_are_these() {
    let shares = [
        share("svirt-group-a", ShareAccess::Write),
        share("svirt-group-b", ShareAccess::Read),
        share("svirt-x-helper", ShareAccess::Connect),
    ];
    assert_eq!(review(&policy(&label("svirt-x"), false, &shares)), []);
    let lines: Vec<_> = rules(&label("svirt-x"), &shares).iter().map(ToString::to_string).collect();
    let expected =
        ["svirt-x svirt-group-a rwxal", "svirt-x svirt-group-b rxl", "svirt-x svirt-x-helper w"];
    assert_eq!(lines, expected);
}

#[test]
fn a_machine_that_shares_nothing_needs_no_rule() {
    assert!(rules(&SmackLabel::of_machine(Uuid::nil()), &[]).is_empty());
}

#[test]
fn a_rule_for_everybodys_label_is_found() {
    let found = review(&policy(&label("svirt-x"), false, &[share("*", ShareAccess::Read)]));
    assert!(matches!(found[..], [Finding::Wildcard { .. }]), "{found:?}");
}
