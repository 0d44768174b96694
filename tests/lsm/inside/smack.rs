//! Claims about Smack.

use crate::{
    child::{self, Started},
    common::{every_thread_has, facts, held, is_active, labelled},
    machine::{self, Machine, NODE, SOCKET},
};
use std::path::Path;
use svirt_host::apply::{self, Undone};
use svirt_host::mac::{
    Lsm,
    attribute::{Attributes, PutBack, Xattr},
    process::ExecLabel,
    smack::{Access, Rule, Smack},
};
use svirt_model::{
    Op, Value,
    label::{ProcessLabel, SecurityModel, SmackLabel},
};

/// The label of a machine.
const NAME: &str = "svirt-machine";

fn open() -> Smack {
    Smack::open().expect("the kernel answers").expect("it is active")
}

fn label(text: &str) -> SmackLabel {
    text.parse().expect(text)
}

fn rule(subject: &str, object: &str, access: &str) -> Rule {
    let access = Access::new(access).expect("letters");
    Rule { subject: label(subject), object: label(object), access }
}

pub(crate) fn facts_are_right() {
    is_active(Lsm::Smack);
    let facts = facts();
    assert_eq!((facts.selinux, facts.apparmor), (None, None));
    let facts = facts.smack.expect("it is active");
    assert_eq!((facts.own.as_str(), facts.ambient.as_str(), facts.doi), ("_", "_", 3));
    assert!(facts.only_capable.is_empty());
    assert_eq!(facts.mount, Path::new("/sys/fs/smackfs"));
}

pub(crate) fn rules_are_what_the_kernel_has() {
    let smack = open();
    assert!(smack.rules().expect("the kernel answers").is_empty());
    smack.allow(&rule("svirt-1", "svirt-group", "rw")).expect("we are root");
    let grants = |one: &Rule| smack.grants(one).expect("the kernel answers");
    assert!(grants(&rule("svirt-1", "svirt-group", "r")));
    assert!(grants(&rule("svirt-1", "svirt-group", "rw")));
    assert!(!grants(&rule("svirt-1", "svirt-group", "rwx")));
    assert!(!grants(&rule("svirt-2", "svirt-group", "r")));
    assert!(grants(&rule("svirt-1", "svirt-1", "rwxat")), "a label reaches itself");
    assert_eq!(smack.rules().expect("the kernel answers"), [rule("svirt-1", "svirt-group", "rw")]);
    smack.revoke(&label("svirt-1")).expect("we are root");
    assert!(!grants(&rule("svirt-1", "svirt-group", "r")));
}

/// As a launcher does it: label, then another user, then the program.
pub(crate) fn become_and_run(own: &str, paths: &[&str]) {
    let exec = ExecLabel::open(Lsm::Smack).expect("procfs");
    exec.set(own).expect("we are root");
    assert_eq!(exec.read().expect("it is set"), own);
    assert!(exec.set("-no-label").is_err());
    child::run(paths);
}

/// Under `onlycap` root is held by the rules too, so what it reads shows what they grant.
pub(crate) fn a_child_gets_its_label() {
    let smack = open();
    labelled("/run/lab/own", Xattr::Smack, "svirt-1");
    labelled("/run/lab/theirs", Xattr::Smack, "svirt-2");
    labelled("/run/lab/shared", Xattr::Smack, "svirt-group");
    smack.allow(&rule("svirt-1", "svirt-group", "r")).expect("we are root");
    smack.set_only_capable(&[label("_")]).expect("we are root");
    let files = ["/run/lab/own", "/run/lab/theirs", "/run/lab/shared"];
    let child = Started::new(&[&["smack-child", "svirt-1"], &files[..]].concat());
    let expected = [
        "/run/lab/own can be read",
        "/run/lab/theirs cannot: PermissionDenied",
        "/run/lab/shared can be read",
    ];
    assert_eq!(child.said, expected);
    every_thread_has(child.id(), Lsm::Smack, "svirt-1");
    child.end();
    let attributes = Attributes::open().expect("procfs");
    let own = held("/run/lab/own");
    let found = attributes.read(&own, Xattr::Smack).expect("a label");
    assert_eq!(found.as_deref(), Some(b"svirt-1".as_slice()));
    let back = attributes.put_back(&own, Xattr::Smack, Some(b"_"), b"svirt-1").expect("it can be");
    assert_eq!(back, PutBack::Restored);
    assert_eq!(
        attributes.read(&own, Xattr::Smack).expect("a label").as_deref(),
        Some(b"_".as_slice())
    );
    smack.set_only_capable(&[]).expect("we are root");
}

pub(crate) fn capabilities_can_be_kept_from_other_labels() {
    let smack = open();
    let only = [label("_"), label("svirt-launcher")];
    smack.set_only_capable(&only).expect("we are root");
    let mut found = smack.only_capable().expect("the kernel answers");
    found.sort();
    assert_eq!(found, only);
    smack.set_only_capable(&[]).expect("we are root");
    assert!(smack.only_capable().expect("the kernel answers").is_empty());
}

/// A whole machine: where root's capabilities count, and where only those of the floor do, so that
/// the launcher itself is held by the rules from its label on.
pub(crate) fn a_machine_is_labelled() {
    let process = ProcessLabel {
        model: SecurityModel::Smack,
        label: NAME.into(),
        image_label: Some(NAME.into()),
        mode: None,
    };
    let (own, theirs, shared) = ("/run/lab/machines", "/run/lab/others", "/run/lab/groups");
    labelled(own, Xattr::Smack, "before");
    labelled(theirs, Xattr::Smack, "svirt-other");
    labelled(shared, Xattr::Smack, "svirt-group");
    let image = machine::labelling(own, SecurityModel::Smack, NAME.as_bytes());
    machine::made(&image);
    let rules = machine::making(NAME, Value::Rules(vec![format!("{NAME} svirt-group r")]));
    machine::made(&rules);
    assert!(apply::make(&rules, &machine::means()).is_err(), "it has rules already");
    let plan = |files: &[&str]| {
        machine::planned(process.clone(), files, &[files, &[NODE, SOCKET]].concat())
    };
    let (all, its) = (plan(&[own, theirs, shared]), plan(&[own, shared]));
    let reached = ["read", "read", "read", "made"];
    for (only, planned) in [(&[][..], &all), (&[label("_")], &its)] {
        open().set_only_capable(only).expect("we are root");
        let started = Machine::start(planned);
        let said = started.said.iter().filter(|said| !said.contains(theirs));
        let said: Vec<_> = said.filter_map(|said| said.rsplit(' ').next()).collect();
        assert_eq!(said, reached, "{:?}", started.said);
        let denied = format!("{theirs} cannot: PermissionDenied");
        assert_eq!(started.said.contains(&denied), only.is_empty(), "{:?}", started.said);
        started.is_labelled(Lsm::Smack, NAME, NAME);
        started.has_marked(Xattr::Smack, NAME);
        started.end();
    }
    let refused = machine::a_label_is_refused(&all, NAME);
    assert!(refused.contains("cannot take the mount of /run/lab/others"), "{refused}");
    open().set_only_capable(&[]).expect("we are root");
    machine::another_label_is_found(&its, "svirt-other");
    let refused = machine::a_label_is_refused(&its, "no/label");
    assert!(refused.contains("cannot set the smack label no/label"), "{refused}");
    assert_eq!(machine::undone(&image), Undone::Restored);
    let found = Attributes::open().expect("procfs").read(held(own), Xattr::Smack);
    assert_eq!(found.expect("a label").as_deref(), Some(b"before".as_slice()));
    rules_of_others_stay(&rules);
}

/// What somebody else has granted since stays, and is said.
fn rules_of_others_stay(rules: &Op) {
    let smack = open();
    let of_it = || {
        let all = smack.rules().expect("the kernel answers").into_iter();
        all.filter(|rule| rule.subject.as_str() == NAME).collect::<Vec<_>>()
    };
    smack.allow(&rule(NAME, "svirt-other", "r")).expect("we are root");
    assert!(matches!(machine::undone(rules), Undone::Left(_)));
    assert_eq!(of_it(), [rule(NAME, "svirt-other", "r")]);
    smack.revoke(&label(NAME)).expect("we are root");
    machine::made(rules);
    assert_eq!(machine::undone(rules), Undone::Restored);
    assert_eq!(of_it(), []);
}
