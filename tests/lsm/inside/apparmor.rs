//! Claims about AppArmor.

use crate::{
    child::Started,
    common::{every_thread_has, facts, is_active},
    machine::{self, Machine, NODE, SOCKET},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};
use svirt_host::apply::{self, Undone};
use svirt_host::{
    Reason,
    mac::{
        Lsm,
        apparmor::{Apparmor, Comparison, Content},
        compile::{CompileError, Compiler},
        process::ExecLabel,
    },
};
use svirt_model::{
    Value,
    label::{ProcessLabel, ProfileMode, ProfileName, SecurityModel, ShownProfile},
};

const KEPT: &str = "/run/lab/kept";

fn open() -> Apparmor {
    Apparmor::open().expect("the kernel answers").expect("it is active")
}

fn profile(name: &str, rule: &str) -> String {
    format!("profile {name} {{\n  /{{usr,lib,lib64,etc,proc,sys,tmp,var}}/** mrix,\n  {rule}\n}}\n")
}

fn name(text: &str) -> ProfileName {
    text.parse().expect(text)
}

fn compiler(parser: &str) -> Compiler {
    Compiler::with_parser(Path::new(parser), &open(), Path::new(KEPT)).expect("it can be used")
}

pub(crate) fn facts_are_right() {
    is_active(Lsm::Apparmor);
    let facts = facts();
    assert_eq!((facts.selinux, facts.smack), (None, None));
    let facts = facts.apparmor.expect("it is active");
    assert!(facts.own.is_unconfined() && facts.may_load && facts.stacks, "{facts:?}");
    assert_eq!((facts.namespace.as_str(), facts.namespace_level), ("root", 0));
    assert!(facts.abi >= 7, "{facts:?}");
    assert_eq!(facts.mount, Path::new("/sys/kernel/security/apparmor"));
    assert!(open().profiles().expect("we are root").is_empty());
}

/// The parser runs once for each text; what was kept and damaged is not used.
pub(crate) fn a_text_is_compiled_once(parser: &str) {
    let mut compiler = compiler(parser);
    let (one, other) = (profile("svirt-one", "/run/lab/own rw,"), profile("svirt-one", ""));
    let first = compiler.compile(&one).expect("it is a profile");
    assert!(first.fresh && compiler.runs() == 1);
    let again = compiler.compile(&one).expect("it is kept");
    assert_eq!((again.fresh, &again.binary, compiler.runs()), (false, &first.binary, 1));
    let different = compiler.compile(&other).expect("it is a profile");
    assert!(different.fresh && different.binary != first.binary && compiler.runs() == 2);
    let mut later = self::compiler(parser);
    assert!(!later.compile(&one).expect("it is kept").fresh);
    let files = || fs::read_dir(KEPT).expect("it is ours").flatten().map(|entry| entry.path());
    assert_eq!(files().count(), 2);
    for path in files() {
        let whole = fs::read(&path).expect("it is ours");
        assert_eq!(fs::metadata(&path).expect("it is ours").permissions().mode() & 0o777, 0o600);
        fs::write(&path, &whole[..whole.len() - 1]).expect("it is ours");
    }
    assert!(later.compile(&one).expect("it is compiled anew").fresh);
    for path in files() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
    }
    assert!(later.compile(&one).expect("it is compiled anew").fresh);
    for path in files() {
        fs::rename(&path, "/run/lab/elsewhere").expect("it is ours");
        symlink("/run/lab/elsewhere", &path).expect("it is ours");
    }
    assert!(later.compile(&one).expect("it is compiled anew").fresh);
    let refused = compiler.compile("profile x { nonsense").expect_err("it is none");
    assert!(matches!(&refused, CompileError::Refused(why) if why.contains("syntax")), "{refused}");
    let long = compiler.compile(&" ".repeat(2 << 20)).expect_err("it is too long");
    assert!(matches!(long, CompileError::TooLong(_)), "{long}");
    fs::set_permissions(KEPT, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let exposed = Compiler::with_parser(Path::new(parser), &open(), Path::new(KEPT));
    assert!(matches!(exposed, Err(CompileError::Exposed(_))), "{exposed:?}");
    fs::set_permissions(KEPT, fs::Permissions::from_mode(0o700)).expect("it is ours");
    fs::set_permissions(parser, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let foreign = Compiler::with_parser(Path::new(parser), &open(), Path::new(KEPT));
    assert!(matches!(foreign, Err(CompileError::Untrusted(_))), "{foreign:?}");
    fs::set_permissions(parser, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// The kernel has these very bytes, or others, or nothing.
pub(crate) fn a_profile_is_loaded_compared_and_removed(parser: &str) {
    let (apparmor, mut compiler) = (open(), compiler(parser));
    let (one, ten) = (name("svirt-1"), name("svirt-1.0"));
    let mut binary = |name: &str, rule| compiler.compile(&profile(name, rule)).expect(name).binary;
    let mine = binary("svirt-1", "/run/lab/own rw,");
    let widened = binary("svirt-1", "/run/** rw,");
    assert_eq!(apparmor.loaded(&one).expect("the kernel answers"), None);
    apparmor.load(&mine).expect("we are root");
    // Its directory begins as the other's does.
    apparmor.load(&binary("svirt-1.0", "")).expect("we are root");
    let loaded = apparmor.loaded(&one).expect("the kernel answers").expect("it is loaded");
    assert_eq!((loaded.mode, loaded.compare(&mine)), (ProfileMode::Enforce, Comparison::Same));
    assert!(matches!(loaded.content, Content::Binary(_)));
    assert_eq!(loaded.compare(&widened), Comparison::Different);
    assert!(apparmor.loaded(&ten).expect("the kernel answers").is_some());
    assert_eq!(apparmor.loaded(&name("svirt")).expect("the kernel answers"), None);
    let names: Vec<_> = apparmor.profiles().expect("we are root").into_keys().collect();
    assert_eq!(names, ["svirt-1", "svirt-1.0"]);
    apparmor.load(&widened).expect("we are root");
    let replaced = apparmor.loaded(&one).expect("the kernel answers").expect("it is loaded");
    assert_eq!(replaced.compare(&mine), Comparison::Different);
    assert!(apparmor.load(b"profile svirt-2 {}").is_err(), "a text was loaded");
    assert!(apparmor.load(&mine[..mine.len() / 2]).is_err(), "half a profile was loaded");
    for _ in 0..2 {
        apparmor.remove(&one).expect("we are root");
        assert_eq!(apparmor.loaded(&one).expect("the kernel answers"), None);
    }
    apparmor.remove(&ten).expect("we are root");
    assert!(apparmor.profiles().expect("we are root").is_empty());
}

/// It reads what its profile names and nothing else, and its profile is seen from outside.
pub(crate) fn a_child_gets_its_profile(parser: &str) {
    fs::write("/run/lab/own", "image").expect("a file of ours");
    fs::write("/run/lab/theirs", "image").expect("a file of ours");
    let (apparmor, mut compiler) = (open(), compiler(parser));
    let exec = ExecLabel::open(Lsm::Apparmor).expect("procfs");
    assert_eq!(exec.read().expect("none is set"), "");
    let missing = exec.set("svirt-child").expect_err("it is not loaded");
    // ENOENT.
    assert_eq!(missing.reason(), Reason::Kernel(2), "{missing}");
    let compiled =
        compiler.compile(&profile("svirt-child", "/run/lab/own rw,")).expect("a profile");
    apparmor.load(&compiled.binary).expect("we are root");
    exec.set("svirt-child").expect("it is loaded");
    assert_eq!(exec.read().expect("it is set"), "svirt-child");
    let child = Started::new(&["child", "/run/lab/own", "/run/lab/theirs"]);
    let expected = ["/run/lab/own can be read", "/run/lab/theirs cannot: PermissionDenied"];
    assert_eq!(child.said, expected);
    every_thread_has(child.id(), Lsm::Apparmor, "svirt-child (enforce)");
    child.end();
    apparmor.remove(&name("svirt-child")).expect("we are root");
}

/// A launcher that has a profile itself may load none.
pub(crate) fn a_confined_launcher_is_said_to_be(parser: &str) {
    let (apparmor, mut compiler) = (open(), compiler(parser));
    let compiled = compiler.compile(&profile("launcher", "")).expect("a profile");
    apparmor.load(&compiled.binary).expect("we are root");
    ExecLabel::open(Lsm::Apparmor).expect("procfs").set("launcher").expect("it is loaded");
    let program = std::env::current_exe().expect("this program has a path");
    let status = std::process::Command::new(program).arg("apparmor-confined-facts").status();
    assert!(status.expect("it can be started").success());
    apparmor.remove(&name("launcher")).expect("we are root");
}

/// What such a launcher finds.
pub(crate) fn this_is_confined() {
    let facts = facts().apparmor.expect("it is active");
    assert_eq!(facts.own, ShownProfile::read("launcher (enforce)"));
    assert!(!facts.may_load && !facts.own.is_unconfined());
}

/// A whole machine, with the parser where distributions have it.
pub(crate) fn a_machine_gets_its_profile() {
    const NAME: &str = "svirt-machine";
    let (own, theirs) = ("/run/lab/machines", "/run/lab/others");
    fs::write(own, "image").expect("a file of ours");
    fs::write(theirs, "image").expect("a file of ours");
    let text = |name: &str, mode: &str| {
        let rules = format!("{own} r, /dev/null rw, /run/fresh/** rw, network unix,");
        // The other one receives no signals from here; it is ended all the same.
        let signals = if name == NAME { " signal (receive) peer=unconfined," } else { "" };
        let rules = format!("{rules}{signals}");
        profile(name, &rules).replacen(" {", &format!(" flags=({mode}attach_disconnected) {{"), 1)
    };
    let load = |name: &str| {
        let op = machine::making(name, Value::Profile(text(name, "")));
        machine::made(&op);
        op
    };
    let (loaded, other) = (load(NAME), load("svirt-other"));
    assert!(apply::make(&loaded, &machine::means()).is_err(), "it was loaded twice");
    let lenient =
        machine::making("svirt-lenient", Value::Profile(text("svirt-lenient", "complain,")));
    assert!(apply::make(&lenient, &machine::means()).is_err(), "it denies nothing");
    assert_eq!(machine::undone(&lenient), Undone::Restored);
    let process = ProcessLabel {
        model: SecurityModel::Apparmor,
        label: NAME.into(),
        image_label: None,
        mode: Some(ProfileMode::Enforce),
    };
    let planned = machine::planned(process, &[own, theirs], &[own, theirs, NODE, SOCKET]);
    let started = Machine::start(&planned);
    let said = [
        format!("{own} can be read"),
        format!("{theirs} cannot: PermissionDenied"),
        format!("{NODE} can be read"),
        format!("{SOCKET} can be made"),
    ];
    assert_eq!(started.said, said);
    started.is_labelled(Lsm::Apparmor, &format!("{NAME} (enforce)"), "unconfined");
    started.shows_others(&format!("{NAME} (enforce)"));
    started.end();
    machine::another_label_is_found(&planned, "svirt-other");
    // ENOENT: the kernel has none.
    let refused = machine::a_label_is_refused(&planned, "svirt-missing");
    assert!(refused.contains("cannot set the apparmor label svirt-missing"), "{refused}");
    // A profile that records and does not deny is found, whoever has put it there.
    let binary = |text: &str| compiler("/usr/sbin/apparmor_parser").compile(text).expect("a text");
    open().load(&binary(&text(NAME, "complain,")).binary).expect("we are root");
    let stopped = Machine::other(&planned, &planned).err().expect("it was let go");
    assert!(format!("{stopped:?}").contains("svirt-machine (complain)"), "{stopped:#?}");
    assert!(matches!(machine::undone(&loaded), Undone::Left(_)), "it was replaced");
    let kept = open().loaded(&name(NAME)).expect("the kernel answers").expect("it is left");
    assert_eq!(kept.mode, ProfileMode::Complain);
    open().remove(&name(NAME)).expect("we are root");
    for _ in 0..2 {
        assert_eq!(machine::undone(&other), Undone::Restored);
    }
    assert!(open().profiles().expect("we are root").is_empty());
}
