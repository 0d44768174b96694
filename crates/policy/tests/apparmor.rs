//! What a machine's AppArmor profile says, that the real parser takes it whatever things are called,
//! and what cannot be said.

#[path = "../build/apparmor.rs"]
mod apparmor_data;

use proptest::prelude::*;
use std::{
    io::Write,
    process::{Command, Stdio},
};
use svirt_model::{
    Grant, Uuid,
    label::{ApparmorAbi, ProfileName, ShownProfile},
};
use svirt_policy::{
    Finding, Grants, Launcher, Reach, Reached,
    apparmor::{ProfileError, exec_attribute, is_confined, policy, profile},
    diff, review,
};

const DATA: &str = include_str!("../apparmor/rules.toml");

fn reach(path: &str, what: Reached) -> Reach {
    Reach { path: path.into(), what, why: "a reason".into() }
}

fn grants(reaches: Vec<Reach>) -> Grants {
    Grants {
        label: ProfileName::of_machine(Uuid::from_u128(0x1234)),
        reaches,
        network: false,
        translates: false,
        launcher: Launcher::Unconfined,
        peers: Vec::new(),
    }
}

fn machine() -> Grants {
    grants(vec![
        reach("/usr/bin/qemu-system-x86_64", Reached::Entry(Grant::Execute)),
        reach("/usr/share/seabios/bios-256k.bin", Reached::Entry(Grant::Read)),
        reach("/dev/kvm", Reached::Entry(Grant::Device)),
        reach("/srv/my disk {1}.qcow2", Reached::Descriptor { write: true }),
        reach("/srv/base.qcow2", Reached::Descriptor { write: false }),
        reach("/export/read", Reached::Entry(Grant::ReadTree)),
        reach("/export/write", Reached::Entry(Grant::WriteTree)),
        reach("/sockets", Reached::Entry(Grant::Endpoint)),
        reach("/run/swtpm.sock", Reached::Entry(Grant::Connect)),
    ])
}

/// What the parser makes of a profile (`--stdout`: the compiled profile, `--names`: its name), or
/// nothing where there is no parser. It loads nothing.
fn parsed(text: &str, what: &str) -> Option<Result<String, String>> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut parser = Command::new("apparmor_parser");
    parser.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    parser.args(["--skip-kernel-load", "--skip-cache", what]);
    parser.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = parser.spawn() else {
        eprintln!("skipped: there is no apparmor_parser");
        return None;
    };
    child.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let said = child.wait_with_output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(if said.status.success() { Ok(text(&said.stdout)) } else { Err(text(&said.stderr)) })
}

/// That the parser compiles it, and finds one profile in it.
#[track_caller]
fn accepted(grants: &Grants) {
    let text = profile(grants, ApparmorAbi::V3).expect("AppArmor can name all of it");
    let (Some(names), Some(compiled)) = (parsed(&text, "--names"), parsed(&text, "--stdout"))
    else {
        return;
    };
    assert_eq!(names, Ok(format!("{}\n", grants.label)), "{text}");
    assert!(compiled.as_ref().is_ok_and(|bytes| bytes.len() > 1000), "{compiled:?}: {text}");
}

#[test]
fn a_machines_profile_is_this() {
    insta::assert_snapshot!(profile(&machine(), ApparmorAbi::V3).expect("it can be written"));
    accepted(&machine());
}

#[test]
fn the_helpers_profile_is_this() {
    let mut helper = grants(vec![reach("/usr/bin/passt.avx2", Reached::Entry(Grant::Execute))]);
    let machine = helper.label.clone();
    helper.label = format!("{machine}.net").parse().expect("a name");
    helper.network = true;
    helper.peers = vec![machine];
    helper.launcher = Launcher::Confined("/usr/sbin/lib{virt}d//hat".into());
    insta::assert_snapshot!(profile(&helper, ApparmorAbi::V3).expect("it can be written"));
    accepted(&helper);
}

#[test]
fn nothing_is_found_in_a_machines_profile() {
    assert_eq!(review(&policy(&machine()).expect("it can be named")), []);
}

#[test]
fn a_program_in_a_directory_that_the_guest_may_write_is_found() {
    let mut grants = machine();
    grants.reaches.push(reach("/export/write/bin/x", Reached::Entry(Grant::Execute)));
    let found = review(&policy(&grants).expect("it can be named"));
    assert!(matches!(found[..], [Finding::WritableAndExecutable { .. }]), "{found:?}");
}

#[test]
fn a_directory_of_everybodys_is_found() {
    for path in ["/", "/dev", "/var/lib"] {
        let found = policy(&grants(vec![reach(path, Reached::Entry(Grant::ReadTree))]));
        let found = review(&found.expect("it can be named"));
        assert!(matches!(found[..], [Finding::Wildcard { .. }]), "{path}: {found:?}");
    }
}

#[test]
fn a_disk_more_is_one_difference() {
    let (old, mut new) = (machine(), machine());
    new.reaches.push(reach("/srv/b.raw", Reached::Descriptor { write: true }));
    let [old, new] = [old, new].map(|grants| policy(&grants).expect("it can be named"));
    let changes = diff(&old, &new);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].object.to_string(), "\"/srv/b.raw\"");
    assert!(changes[0].removed.is_empty());
}

#[test]
fn a_newer_parser_is_told_to_mediate_more() {
    let text = profile(&machine(), ApparmorAbi::V4).expect("it can be written");
    assert!(text.starts_with("abi <abi/4.0>,\n"));
}

#[test]
fn what_apparmor_cannot_name_is_refused() {
    let refused = |path: &str| {
        profile(&grants(vec![reach(path, Reached::Entry(Grant::Read))]), ApparmorAbi::V3)
    };
    for path in ["/a\nb", "/a\tb", "/a\0b", "/a\u{7f}"] {
        assert_eq!(refused(path), Err(ProfileError::Control(path.into())));
    }
    for path in ["", "a", "/a/../b", "/a//b", "/a/", "/."] {
        assert_eq!(refused(path), Err(ProfileError::Path(path.into())));
    }
}

#[test]
fn a_reason_cannot_end_its_comment() {
    let mut grants = grants(vec![reach("/a", Reached::Entry(Grant::Read))]);
    grants.reaches[0].why = "--disk x\n  /** rw,\n#".into();
    let text = profile(&grants, ApparmorAbi::V3).expect("it can be written");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("/**")));
    accepted(&grants);
}

#[test]
fn a_confined_launcher_stacks() {
    let mut grants = machine();
    let own = grants.label.clone();
    let is_confined =
        |shown: &str, grants: &Grants| is_confined(&ShownProfile::read(shown), grants);
    assert_eq!(exec_attribute(&grants), format!("exec {own}"));
    assert!(is_confined(&format!("{own} (enforce)\n"), &grants));
    for wrong in [format!("{own} (complain)\n"), "unconfined\n".into(), format!("{own}x (enforce)")]
    {
        assert!(!is_confined(&wrong, &grants), "{wrong}");
    }
    grants.launcher = Launcher::Confined("outer//&other".into());
    assert_eq!(exec_attribute(&grants), format!("stack {own}"));
    assert!(is_confined(&format!("other//&{own}//&outer (enforce)\n"), &grants));
    assert!(!is_confined(&format!("{own} (enforce)\n"), &grants));
    assert!(!is_confined(&format!("outer//&{own} (enforce)\n"), &grants));
}

/// Names in which whatever the grammar gives a meaning is frequent.
fn odd_name() -> impl Strategy<Value = String> {
    let special =
        prop::sample::select(r#"\"*?[]{}^@#,.$!()|<>=~`'%&:;+- aé0"#.chars().collect::<Vec<_>>());
    let any =
        prop::char::any().prop_filter("a character of a name", |c| !c.is_control() && *c != '/');
    prop::collection::vec(prop_oneof![4 => special, 1 => any], 1..24)
        .prop_map(|chars| chars.into_iter().collect::<String>())
        .prop_filter("a name", |name| name != "." && name != "..")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The parser starts once for each case, for many names.
    #[test]
    fn the_parser_takes_any_name(names in prop::collection::vec(odd_name(), 1..24)) {
        let reaches = names.iter().enumerate().map(|(n, name)| {
            let what = match n % 3 {
                0 => Reached::Descriptor { write: true },
                1 => Reached::Entry(Grant::ReadTree),
                _ => Reached::Entry(Grant::Connect),
            };
            reach(&format!("/srv/{n}/{name}"), what)
        });
        let mut grants = grants(reaches.collect());
        grants.launcher = Launcher::Confined(names[0].clone());
        accepted(&grants);
    }

    /// However a path is written, nothing of it stands outside the quotes.
    #[test]
    fn quotes_end_where_they_should(name in odd_name()) {
        let text = profile(&grants(vec![reach(&format!("/{name}"), Reached::Entry(Grant::Read))]), ApparmorAbi::V3);
        let text = text.expect("it can be written");
        let line = text.lines().find(|line| line.starts_with("  \"/")).expect("the rule");
        let mut escaped = false;
        let quotes = line.chars().filter(|c| {
            let plain = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            plain
        });
        prop_assert_eq!(quotes.count(), 2);
        prop_assert!(line.ends_with("\" kr,"));
    }
}

#[test]
fn the_parser_is_really_asked() {
    let Some(answer) = parsed("profile x {\n  \"/a r,\n}\n", "--stdout") else { return };
    assert!(answer.is_err());
}

#[test]
fn a_rule_without_a_reason_does_not_build() {
    let file = apparmor_data::parse("rules.toml", DATA).expect("it is well formed");
    assert!(apparmor_data::emit(&file).starts_with("static RULES"));
    let refusal = |from: &str, to: &str| {
        assert!(DATA.contains(from));
        apparmor_data::parse("rules.toml", &DATA.replacen(from, to, 1)).expect_err("it is not")
    };
    assert!(refusal("Its threads wake each other by signals.", "").contains("the reason is empty"));
    assert!(refusal("class = \"ptrace\"", "class = \"mount\"").contains("no rule is about this"));
    assert!(refusal("\"tracedby\"", "\"all\"").contains("there is no permission"));
    assert!(refusal("inet stream", "inet stream, /** rw").contains("the words are not plain"));
}
