//! The command line itself: what it says about mistakes, how it exits, what it leaves off a
//! terminal. Nothing here starts a machine.

mod support;

use std::{
    fs,
    io::Write,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    process::Stdio,
};
use support::Host;

#[test]
fn a_mistake_on_the_command_line_exits_with_64() {
    let host = Host::new();
    for words in [&["bogus"][..], &["run", "--memory", "lots"], &["stop"], &["run", "--json"], &[]]
    {
        let said = host.say(words);
        assert_eq!(said.code, Some(64), "{words:?}: {said:?}");
        assert_eq!(said.out, "", "{words:?}");
        assert!(!said.err.is_empty(), "{words:?}");
    }
    let said = host.say(&["run", "--disk", "a,b"]);
    assert!(said.err.starts_with("svirt: invalid value 'a,b' for '--disk"), "{}", said.err);
    assert!(said.err.contains("a comma in a path is written twice: a,,b"), "{}", said.err);
}

#[test]
fn help_and_version_are_data() {
    let host = Host::new();
    for words in [&["--help"][..], &["run", "--help"], &["plan", "exec", "-h"], &["--version"]] {
        let said = host.say(words);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(said.out.contains("svirt") || said.out.contains("Run"), "{words:?}: {}", said.out);
    }
    assert!(host.out(&["run", "--help"]).contains("executable-memory"), "the layers are listed");
}

#[test]
fn what_is_named_and_is_not_there_exits_with_66_and_a_hint() {
    let host = Host::new();
    for words in [["stop", "web"], ["kill", "web"], ["inspect", "web"], ["console", "web"]] {
        let said = host.say(&words);
        assert_eq!(said.code, Some(66), "{words:?}: {said:?}");
        assert_eq!(said.err, "svirt: there is no machine web\nhint: svirt ps --all lists them\n");
    }
    let said = host.say(&["run", "--spec", "none.json"]);
    assert_eq!(said.code, Some(66), "{said:?}");
    let said = host.say(&["rm", "one", "two"]);
    assert_eq!((said.code, said.err.lines().count()), (Some(66), 4), "each is told: {said:?}");
}

#[test]
fn nothing_from_outside_controls_the_terminal() {
    let host = Host::new();
    let hostile = "\u{1b}[2J\n\u{9b}31m.qcow2";
    fs::write(host.path("bad.json"), "{\"version\":1,\"\\u001b[2J\":1}").unwrap();
    for words in [
        &["run", hostile][..],
        &["run", "--disk", &format!("{hostile},\u{1b}")],
        &["run", "--name", hostile],
        &["run", "--spec", "bad.json"],
        &[hostile],
    ] {
        let said = host.say(words);
        assert_ne!(said.code, Some(0));
        let controls = |c: char| c.is_control() && c != '\n';
        assert!(!said.err.contains(controls), "{words:?}: {:?}", said.err);
        assert!(!said.err.is_empty());
    }
    let odd = std::ffi::OsString::from_vec(b"a\xff\x1b.raw".to_vec());
    let said = host.say(&["run".into(), odd]);
    assert_eq!(said.code, Some(64), "{said:?}");
    assert!(said.err.contains("is not UTF-8"), "{}", said.err);
}

#[test]
fn an_empty_list_is_a_heading_or_an_empty_array() {
    let host = Host::new();
    assert_eq!(host.out(&["ps", "--all"]), "NAME  STATE  VMM  LAYERS  WEAKENED\n");
    assert_eq!(host.out(&["ps", "--json"]), "{\"machines\":[],\"version\":1}\n");
    assert_eq!(host.out(&["events", "--json"]), "");
    assert_eq!(host.out(&["recover", "--dry-run"]), "MACHINE  OBJECT  WOULD BE\n");
    assert_eq!(host.out(&["ledger"]), "CHANGE  SINCE  MACHINE  STATE  OBJECT  FROM  TO\n");
    assert_eq!(host.out(&["ledger", "export"]), "");
    let empty = "{\"begins\":null,\"entries\":[],\"kept\":10000,\"version\":1}\n";
    assert_eq!(host.out(&["ledger", "--json"]), empty);
    assert_eq!(host.out(&["recover", "--json"]), "{\"recovered\":[],\"rest\":[],\"version\":1}\n");
}

#[test]
fn a_specification_from_standard_input_is_checked() {
    let host = Host::new();
    for (text, why) in [
        ("{\"version\":1,\"wekaen\":[\"user\"]}", "unknown field"),
        ("{\"version\":2}", "of version 2"),
        ("{\"version\":1,\"guest\":{\"initrd\":\"i\"}}", "an initrd needs a kernel"),
        ("", "cannot be read"),
    ] {
        let mut child =
            host.svirt(&["plan", "run", "--spec", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said: support::Said = child.wait_with_output().unwrap().into();
        assert_eq!(said.code, Some(65), "{text}: {said:?}");
        assert!(said.err.contains(why), "{text}: {}", said.err);
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    let host = Host::new();
    for words in [&["completions", "bash"][..], &["ps"], &["ps", "--json"], &["run", "--help"]] {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let said: support::Said = host.svirt(words).stdout(writer).output().unwrap().into();
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let host = Host::new();
    let pages = host.path("man");
    host.out(&["man", pages.to_str().unwrap()]);
    let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("svirt.1").contains("svirt\\-run(1)"));
    let run = page("svirt-run.1");
    for part in [".SH SYNOPSIS", "\\fB\\-\\-ephemeral\\fR", ".SH \"EXIT STATUS\"", "\\fB78\\fR"] {
        assert!(run.contains(part), "{part}: {run}");
    }
    assert!(!pages.join("svirt-probe.1").exists());
}

#[test]
fn an_editor_that_saves_nonsense_changes_nothing() {
    let host = Host::new();
    let said = host.say(&["create", "--name", "web", "--accel", "tcg", "--memory", "64M"]);
    if said.code == Some(69) {
        return svirt_testkit::skipped(said.err.trim());
    }
    assert_eq!(said.code, Some(0), "{said:?}");
    let edit = |script: &str| {
        let editor = host.path("editor");
        fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
        let words = format!("{} an-argument", editor.display());
        support::Said::from(host.svirt(&["edit", "web"]).env("EDITOR", words).output().unwrap())
    };
    let definition = || host.json(&["inspect", "web", "--json"])["definition"].clone();
    let before = definition();

    let said = edit("echo '{' >\"$2\"");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.err.ends_with("svirt: the definition of web was not changed\n"), "{}", said.err);
    let said = edit("exit 3");
    assert_eq!(said.code, Some(69), "{said:?}");
    let said = edit(":");
    assert_eq!((said.code, said.err.as_str()), (Some(0), "svirt: nothing was changed\n"));
    assert_eq!(definition(), before);

    let said = edit("sed -i s/64M/128M/ \"$2\"");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(definition()["guest"]["memory"], "128M");
    host.out(&["rm", "web"]);
    assert_eq!(host.say(&["edit", "web"]).code, Some(66));
}

#[test]
fn a_word_is_said_about_what_takes_long_and_only_then() {
    let host = Host::new();
    let words = ["say-if-it-takes-long", "slow"];
    let short = host.say(&words);
    assert_eq!((short.code, short.err.as_str()), (Some(0), ""));
    let mut child = host.svirt(&words).stdin(Stdio::piped()).spawn().unwrap();
    let held = child.stdin.take();
    let said: support::Said = child.wait_with_output().unwrap().into();
    drop(held);
    assert_eq!((said.code, said.err.as_str()), (Some(0), "svirt: slow\n"));
}

#[test]
fn what_is_no_kernel_and_what_is_no_program_is_said_before_anything_starts() {
    let host = Host::new();
    fs::write(host.path("junk"), vec![0; 4096]).unwrap();
    fs::set_permissions(host.path("junk"), fs::Permissions::from_mode(0o755)).unwrap();
    let said = host.say(&["plan", "run", "--accel", "tcg", "--kernel", "junk"]);
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.err.contains("neither a bzImage nor an ELF kernel"), "{}", said.err);
    let said = host.say(&["plan", "exec", "--", "./junk"]);
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.err.contains("ELF header"), "{}", said.err);
}

#[test]
fn the_plan_of_a_defined_machine_has_its_identity() {
    let host = Host::new();
    let said = host.say(&["create", "--name", "web", "--accel", "tcg", "--memory", "64M"]);
    if said.code == Some(69) {
        return svirt_testkit::skipped(said.err.trim());
    }
    let id = |document: serde_json::Value, what: &str| document[what]["id"].clone();
    let defined = id(host.json(&["inspect", "web", "--json"]), "machine");
    assert!(defined.is_string(), "{defined}");
    assert_eq!(id(host.json(&["plan", "start", "web", "--json"]), "plan"), defined);
}

#[test]
fn the_module_is_shown_under_either_name_and_whole() {
    let host = Host::new();
    let plain = host.out(&["policy", "show", "--naming", "plain"]);
    assert!(plain.contains("\n(type svirt_t)\n") && plain.starts_with("; "), "{plain}");
    let own = host.out(&["policy", "show", "--naming", "own"]);
    assert!(own.contains("\n(type svirt_machine_t)\n"), "{own}");
    let whole = host.out(&["policy", "show", "--naming", "plain", "--whole"]);
    assert!(whole.ends_with(&plain) && whole.contains("(category c1023)"), "it carries the module");
    let document = host.json(&["policy", "show", "--naming", "own", "--json"]);
    let shown = &document["policies"][0];
    assert_eq!((&shown["model"], &shown["text"]), (&"selinux".into(), &own.into()));
    for (words, hint) in [
        (&["policy", "show", "--model", "apparmor"][..], "name a machine"),
        (&["policy", "show", "web", "--model", "selinux"], "leave the machine's name out"),
        (&["policy", "show", "web", "--whole"], "cannot be used with"),
        (&["policy"], "Usage"),
    ] {
        let said = host.say(words);
        assert_eq!(said.code, Some(64), "{words:?}: {said:?}");
        assert!(said.err.contains(hint), "{words:?}: {}", said.err);
    }
    assert_eq!(host.say(&["policy", "show", "web"]).code, Some(66));
}

#[test]
fn a_check_of_the_policies_exits_as_it_says() {
    let host = Host::new();
    let said = host.say(&["policy", "check", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let check = &document["check"];
    let labelled = check["labelled"].as_bool().unwrap();
    assert_eq!(said.code, Some(if labelled { 0 } else { 1 }), "{said:?}");
    let models = check["models"].as_array().unwrap();
    let free = models.iter().any(|model| model["obstacle"].is_null());
    assert_eq!((models.len(), free), (3, labelled), "{check}");
    let text = host.say(&["policy", "check"]);
    let first = text.out.lines().next().unwrap_or_default();
    assert_eq!((text.code, first == "machines are labelled"), (said.code, labelled), "{text:?}");
}
