//! Claims about SELinux, under a small policy of the tests' own.

use crate::{
    child::Started,
    common::{every_thread_has, facts, held, is_active, labelled},
    machine::{self, Machine, NODE, SOCKET},
};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use std::{fs, path::Path};
use svirt_host::apply::Undone;
use svirt_host::{
    Reason,
    mac::{
        Lsm,
        attribute::{AttributeError, Attributes, Xattr},
        process::{self, ExecLabel},
        selinux::{self, Selinux},
        tree::{self, Change, TreeError},
    },
    sys::SingleThreaded,
};
use svirt_model::label::{CategorySet, Context, ProcessLabel, SecurityModel, Tree};

const MODEL: SecurityModel = SecurityModel::Selinux;
const OWN: &str = "sys_u:sys_r:sys_t:s0-s1:c0.c1023";
const MACHINE: &str = "sys_u:sys_r:svirt_t:s0:c1,c2";
const IMAGE: &str = "sys_u:object_r:image_t:s0:c1,c2";
const OTHERS: &str = "sys_u:object_r:image_t:s0:c1,c3";
/// `EINVAL`.
const INVALID: Reason = Reason::Kernel(22);

fn context(text: &str) -> Context {
    text.parse().expect(text)
}

fn open() -> Selinux {
    Selinux::open().expect("the kernel answers").expect("it is active")
}

/// A kernel with SELinux and no policy labels nothing.
pub(crate) fn no_policy_is_no_selinux() {
    is_active(Lsm::Selinux);
    let facts = facts();
    assert_eq!((facts.selinux, facts.apparmor, facts.smack), (None, None, None));
    let why = facts.unread.get(&SecurityModel::Selinux).expect("it is active");
    assert!(why.contains("no policy"), "{why}");
}

/// Loads a policy in the one write that the kernel wants.
pub(crate) fn load(policy: &str) {
    let policy = fs::read(policy).expect("a policy");
    fs::write("/sys/fs/selinux/load", policy).expect("the kernel takes it");
}

pub(crate) fn facts_are_right(enforcing: bool) {
    let facts = facts().selinux.expect("it is active");
    assert_eq!(facts.mount, Path::new("/sys/fs/selinux"));
    assert_eq!(facts.enforcing, enforcing);
    assert!(facts.mls && facts.nnp_transition && !facts.denies_unknown, "{facts:?}");
    // The script sets both.
    assert_eq!(facts.checks_requested_protection, !enforcing);
    assert!(facts.policy_version >= 31, "{facts:?}");
    assert_eq!(facts.own.to_string(), OWN);
    assert_eq!(facts.categories, 1024);
    // It has an svirt_t, and no svirt_image_t.
    assert_eq!(facts.types, None);
}

pub(crate) fn the_policy_answers() {
    let selinux = open();
    let there = |text: &str| selinux.canonical(&context(text)).expect("the kernel answers");
    for text in [OWN, MACHINE, IMAGE, "sys_u:object_r:image_t:s1:c0.c2,c5,c6,c9.c11"] {
        assert_eq!(there(text).map(|c| c.to_string()).as_deref(), Some(text));
    }
    for text in [
        "sys_u:sys_r:nobody_t:s0",
        "nobody_u:sys_r:svirt_t:s0",
        "sys_u:sys_r:svirt_t:s0:c1024",
        "sys_u:sys_r:svirt_t:s9",
        "sys_u:sys_r:svirt_t",
    ] {
        assert_eq!(there(text), None, "{text}");
    }
    let file = selinux.class("file").expect("the kernel answers").expect("it is there");
    assert!(file.has("read") && !file.has("fly"));
    assert_eq!(selinux.class("nonsense").expect("the kernel answers"), None);
    assert!(selinux.class("../enforce").is_err());
    let process = selinux.class("process2").expect("the kernel answers").expect("it is there");
    assert!(process.has("nnp_transition"));
    let may = |target: &str, what: &[&str]| {
        selinux.decide(&context(MACHINE), &context(target), &file, what).expect("it answers")
    };
    assert!(may(IMAGE, &["read", "write"]).allows());
    assert_eq!(may(OTHERS, &["read", "write"]).refused, ["read", "write"]);
    assert_eq!(may(IMAGE, &["read", "fly", "relabelto"]).refused, ["fly", "relabelto"]);
    assert!(!may(IMAGE, &["read"]).permissive_domain);
    let unknown = selinux.decide(&context("a:b:c:s0"), &context(IMAGE), &file, &["read"]);
    assert_eq!(unknown.expect_err("there is no such context").reason(), INVALID);
    let made = selinux.created(&context(MACHINE), &context(IMAGE), &file).expect("it answers");
    // Nothing is said of what it makes: the object gets the low level of its maker.
    assert_eq!(made.to_string(), "sys_u:object_r:image_t:s0:c1,c2");
}

/// The types that are found, `-` for each that is not, or `none`; below, what is in the way of those
/// that the policy has and this launcher may not use.
pub(crate) fn tell_the_types() {
    let facts = facts().selinux.expect("it is active");
    match &facts.types {
        None => println!("none"),
        Some(types) => {
            let or_none = |name: &Option<String>| name.as_deref().unwrap_or("-").to_owned();
            let (vmm, image) = (&types.vmm, &types.image);
            let [translating, network, content] =
                [&types.translating_vmm, &types.network, &types.content].map(or_none);
            println!("{vmm} {translating} {network} {image} {content}");
        }
    }
    for candidate in open().candidates(&facts.own, facts.nnp_transition).expect("it answers") {
        for obstacle in candidate.obstacles {
            println!("{:?}: {obstacle}", candidate.whose);
        }
    }
}

/// Whether the policy lets this source do this to this target: `yes` or `no`.
pub(crate) fn tell_whether(source: &str, target: &str, class: &str, permission: &str) {
    let permissions = [permission];
    let question = (context(target), class, permissions.as_slice());
    let answer = open().permitted(&context(source), &[question]).expect("it answers");
    println!("{}", if answer == [true] { "yes" } else { "no" });
}

/// The answers to a list of questions are those to each, and what a policy does not know is no error.
pub(crate) fn many_questions_are_answered() {
    let selinux = open();
    let (own, others) = (context(IMAGE), context(OTHERS));
    let unknown = context("another_u:object_r:policys_t:s0:c5");
    let questions: [(Context, &str, &[&str]); 9] = [
        (own.clone(), "file", &["read", "write"]),
        (others.clone(), "file", &["read"]),
        (own.clone(), "file", &["read", "relabelto"]),
        (own.clone(), "dir", &["search"]),
        (own.clone(), "file", &[]),
        // What this policy does not know, it allows.
        (own.clone(), "file", &["read", "fly"]),
        (own.clone(), "blk_file", &["read"]),
        // An object with a label of another policy's is an unlabelled one.
        (unknown.clone(), "file", &["read"]),
        (unknown, "file", &["fly"]),
    ];
    let permitted = selinux.permitted(&context(MACHINE), &questions).expect("it answers");
    assert_eq!(permitted, [true, false, false, true, true, true, true, false, false]);
    let file = selinux.class("file").expect("the kernel answers").expect("it is there");
    for ((target, class, permissions), permitted) in questions.iter().zip(permitted).take(3) {
        let alone = selinux.decide(&context(MACHINE), target, &file, permissions);
        assert_eq!((*class, alone.expect("it answers").allows()), ("file", permitted));
    }
    let nobody = selinux.permitted(&context("sys_u:sys_r:nobody_t:s0"), &questions);
    let nobody = nobody.expect_err("the policy has no such type").to_string();
    assert!(nobody.contains("sys_u:sys_r:nobody_t:s0"), "{nobody}");
    assert!(selinux.permitted(&context(MACHINE), &[(own, "../enforce", &[])]).is_err());
}

/// It reads its own image and no other machine's, and its label is seen from outside.
pub(crate) fn a_child_gets_its_label() {
    labelled("/run/lab/own", Xattr::Selinux, IMAGE);
    labelled("/run/lab/theirs", Xattr::Selinux, OTHERS);
    let exec = ExecLabel::open(Lsm::Selinux).expect("procfs");
    assert_eq!(exec.read().expect("none is set"), "");
    let unknown = exec.set("sys_u:sys_r:nobody_t:s0").expect_err("the policy does not know it");
    assert_eq!(unknown.reason(), INVALID);
    exec.set(MACHINE).expect("the policy knows it");
    assert_eq!(exec.read().expect("it is set"), MACHINE);
    let child = Started::new(&["child", "/run/lab/own", "/run/lab/theirs"]);
    let expected = ["/run/lab/own can be read", "/run/lab/theirs cannot: PermissionDenied"];
    assert_eq!(child.said, expected);
    every_thread_has(child.id(), Lsm::Selinux, MACHINE);
    let running = selinux::running().expect("procfs");
    assert!(running.contains(&(child.id(), context(MACHINE))), "{running:?}");
    assert_eq!(process::own(Lsm::Selinux).expect("procfs"), OWN);
    let pair: CategorySet = [1, 2].into_iter().collect();
    assert!(running.iter().any(|(_, context)| context.categories() == pair));
    child.end();
}

/// The way of a launcher: open, leave procfs behind, write, read back. This is in a mount namespace
/// of its own.
pub(crate) fn a_label_is_written_without_procfs() {
    let exec = ExecLabel::open(Lsm::Selinux).expect("procfs");
    unmount("/proc", UnmountFlags::DETACH).expect("we are root");
    assert!(ExecLabel::open(Lsm::Selinux).is_err(), "there is no procfs");
    assert!(Attributes::open().is_err(), "there is no procfs");
    exec.set(MACHINE).expect("the descriptor is enough");
    assert_eq!(exec.read().expect("the descriptor is enough"), MACHINE);
}

/// Something is mounted over the file that a label is written to (CVE-2019-16884).
pub(crate) fn a_covered_attribute_is_refused() {
    fs::write("/run/lab/fake", "").expect("a file of ours");
    mount_bind("/run/lab/fake", "/proc/thread-self/attr/exec").expect("we are root");
    let refused = ExecLabel::open(Lsm::Selinux).expect_err("it is covered");
    // EXDEV.
    assert_eq!(refused.reason(), Reason::Kernel(18), "{refused}");
    unmount("/proc/thread-self/attr/exec", UnmountFlags::DETACH).expect("it is mounted");
    mount_bind("/run/lab", "/sys/fs/selinux").expect("we are root");
    assert!(Selinux::open().expect("it is no error").is_none(), "a tmpfs was taken for selinuxfs");
}

/// Threads label it, and none of them is left to forbid a fork; a label that this policy does not
/// know comes back as it was.
pub(crate) fn a_tree_is_labelled_and_put_back(root: &str) {
    let attributes = Attributes::open().expect("procfs");
    let read = |path: &str| attributes.read(held(path), Xattr::Selinux).expect("a label");
    fs::create_dir_all(format!("{root}/a/b")).expect("a directory of ours");
    for number in 0..300 {
        labelled(&format!("{root}/a/b/{number}"), Xattr::Selinux, OTHERS);
    }
    let alien = format!("{root}/a/alien");
    labelled(&alien, Xattr::Selinux, "another_u:object_r:policys_t:s0:c5");
    let before = read(&alien);
    assert_eq!(before.as_deref(), Some(b"another_u:object_r:policys_t:s0:c5\0".as_slice()));
    let value = format!("{IMAGE}\0");
    let value = value.as_bytes();
    for _ in 0..20 {
        let seen = tree::scan(held(root), MODEL, &|_| {}).expect("all of it can be labelled");
        SingleThreaded::verify().expect("the threads are gone");
        assert_eq!((seen.count, seen.exceptions().count()), (304, 301));
        let change = Change { model: MODEL, before: &seen, after: value };
        let done = tree::label(held(root), change, &|_| {}).expect("all of it can be labelled");
        SingleThreaded::verify().expect("the threads are gone");
        assert_eq!(done.changed, 304);
        assert_eq!(read(&alien).as_deref(), Some(value));
        assert_eq!(read(&format!("{root}/a/b/7")).as_deref(), Some(value));
        let undone = tree::put_back(held(root), change, &|_| {}).expect("all of it");
        SingleThreaded::verify().expect("the threads are gone");
        assert_eq!((undone.restored, undone.left), (304, 0));
        assert_eq!(read(&alien), before);
        assert_eq!(read(&format!("{root}/a/b/7")), Some(format!("{OTHERS}\0").into_bytes()));
    }
    let nonsense = attributes.write(held("/proc/self"), Xattr::Selinux, value);
    assert!(matches!(nonsense, Err(AttributeError::Unsupported { .. })), "{nonsense:?}");
}

/// `m` in the tree is the root of another file system.
pub(crate) fn a_mount_in_a_tree_is_refused(root: &str) {
    let refused = tree::scan(held(root), MODEL, &|_| {});
    assert!(matches!(&refused, Err(TreeError::Mounted(m)) if m == Path::new("m")), "{refused:?}");
    let common = Attributes::open().expect("procfs").read(held(root), Xattr::Selinux);
    let before = Tree { common: common.expect("a label"), count: 1, labels: Vec::new() };
    let change = Change { model: MODEL, before: &before, after: IMAGE.as_bytes() };
    let refused = tree::label(held(root), change, &|_| {});
    assert!(matches!(&refused, Err(TreeError::Mounted(m)) if m == Path::new("m")), "{refused:?}");
    let undone = tree::put_back(held(root), change, &|_| {}).expect("all but what is mounted");
    assert_eq!((undone.restored, undone.named), (1, vec!["m".into()]));
}

/// A file on a file system that is mounted with `context=`: its label is that of the mount.
pub(crate) fn a_mount_with_a_context_keeps_no_other(file: &str) {
    let attributes = Attributes::open().expect("procfs");
    let read = || attributes.read(held(file), Xattr::Selinux).expect("a label");
    assert_eq!(read(), Some(format!("{IMAGE}\0").into_bytes()));
    let refused = attributes.write(held(file), Xattr::Selinux, OTHERS.as_bytes());
    assert!(matches!(refused, Err(AttributeError::Unsupported { .. })), "{refused:?}");
    assert_eq!(read(), Some(format!("{IMAGE}\0").into_bytes()));
}

/// A whole machine: its image is labelled and put back, its process is held with its label by every
/// thread, reaches its own and not another's, and runs with no other label than was planned.
pub(crate) fn a_machine_is_labelled() {
    let (own, theirs) = ("/run/lab/machines", "/run/lab/others");
    // Of a policy that is not loaded; without a NUL.
    labelled(own, Xattr::Selinux, "another_u:object_r:policys_t:s0:c5");
    labelled(theirs, Xattr::Selinux, OTHERS);
    let image = machine::labelling(own, SecurityModel::Selinux, format!("{IMAGE}\0").as_bytes());
    machine::made(&image);
    let label = |label: &str| ProcessLabel {
        model: SecurityModel::Selinux,
        label: label.into(),
        image_label: Some(IMAGE.into()),
        mode: None,
    };
    let planned = machine::planned(label(MACHINE), &[own, theirs], &[own, theirs, NODE, SOCKET]);
    let started = Machine::start(&planned);
    let said = [
        format!("{own} can be read"),
        format!("{theirs} cannot: PermissionDenied"),
        format!("{NODE} can be read"),
        format!("{SOCKET} can be made"),
    ];
    assert_eq!(started.said, said);
    started.is_labelled(Lsm::Selinux, MACHINE, OWN);
    started.shows_others(MACHINE);
    started.has_marked(Xattr::Selinux, IMAGE);
    started.end();
    machine::another_label_is_found(&planned, "sys_u:sys_r:svirt_t:s0:c1,c3");
    for (label, step) in [
        ("sys_u:sys_r:nobody_t:s0", "cannot set the selinux label"),
        // The supervisor may not trace it; no transition with no_new_privs; none on nosuid mounts.
        ("sys_u:sys_r:untraced_t:s0:c1,c2", "cannot execute"),
        ("sys_u:sys_r:not_new_t:s0:c1,c2", "cannot execute"),
        ("sys_u:sys_r:not_nosuid_t:s0:c1,c2", "cannot execute"),
    ] {
        let refused = machine::a_label_is_refused(&planned, label);
        println!("{refused}");
        assert!(refused.contains(step), "{label}: {refused}");
    }
    assert_eq!(machine::undone(&image), Undone::Restored);
    let found = Attributes::open().expect("procfs").read(held(own), Xattr::Selinux);
    let before = b"another_u:object_r:policys_t:s0:c5\0".as_slice();
    assert_eq!(found.expect("a label").as_deref(), Some(before));
}
