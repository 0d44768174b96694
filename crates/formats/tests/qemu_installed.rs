//! The tables of QEMU's options, drivers, backends, objects and devices, held against the QEMU
//! that is installed: what it has, sVirt must know.

mod qemu_support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use svirt_formats::command_line::{Problem, ReadError};
use svirt_formats::qemu::{options, read};

const QEMU: &str = "qemu-system-x86_64";

/// What QEMU prints; nothing, after saying so, if it is not installed.
fn qemu(arguments: &[&str]) -> Option<String> {
    match Command::new(QEMU).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => {
            let texts = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&texts).into_owned())
        }
        Err(error) => {
            svirt_testkit::skipped(format!("{QEMU} cannot be run: {error}"));
            None
        }
    }
}

/// The options in the help text: `-a/-b`, `-h or -help`, `-machine [type=]name...`.
fn options_in_help(help: &str) -> BTreeSet<String> {
    let lines = help.lines().filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| {
        let start: Vec<&str> = line.split_whitespace().take(3).collect();
        match start.as_slice() {
            [first, "or", second] => vec![(*first).to_owned(), (*second).to_owned()],
            [first, ..] => first.split('/').map(str::to_owned).collect(),
            [] => Vec::new(),
        }
    });
    let names = words.filter(|word| word.starts_with('-'));
    names.map(|word| word.trim_start_matches('-').to_owned()).collect()
}

#[test]
fn every_option_is_in_the_table() {
    let Some(help) = qemu(&["-help"]) else { return };
    let offered = options_in_help(&help);
    assert!(offered.len() > 100, "{offered:?}");
    let known: BTreeSet<&str> = options().flat_map(|option| option.names.to_vec()).collect();
    let missing: Vec<&String> =
        offered.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_option_is_twice_in_the_table_or_harmless_without_a_reason() {
    let mut seen = BTreeSet::new();
    for option in options() {
        assert!(option.names.iter().all(|name| seen.insert(*name)), "{option:?}");
        assert!(option.harmless.is_none_or(|why| why.len() > 5), "{option:?}");
    }
}

/// QEMU looks at the names of all options before it acts on the first one.
#[test]
fn options_take_values_where_the_table_says_so() {
    let mut agreed = 0;
    for option in options() {
        for name in option.names {
            let Some(said) = qemu(&["-version", &format!("-{name}")]) else { return };
            if said.contains("invalid option") {
                continue; // An option of another version or architecture.
            }
            assert_eq!(
                said.contains("requires an argument"),
                option.takes_value,
                "-{name}: {said}"
            );
            agreed += 1;
        }
    }
    assert!(agreed > 100, "{agreed}");
}

/// The schema of QEMU's monitor, and the parameters of its options.
struct Introspection {
    schema: BTreeMap<String, Value>,
    options: Vec<Value>,
}

impl Introspection {
    fn query() -> Option<Self> {
        let words = ["-machine", "none", "-display", "none", "-nodefaults", "-qmp", "stdio"];
        let spawned =
            Command::new(QEMU).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                svirt_testkit::skipped(format!("{QEMU} cannot be run: {error}"));
                return None;
            }
        };
        let mut input = child.stdin.take().expect("it is piped");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut ask = |command: &str| {
            writeln!(input, r#"{{"execute":"{command}"}}"#).expect("QEMU listens");
            let answers = lines.by_ref().map(|line| line.expect("QEMU answers"));
            let mut answers =
                answers.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
            let answer = answers.find(|answer| answer.get("return").is_some());
            answer.expect("an answer")["return"].clone()
        };
        ask("qmp_capabilities");
        let types = ask("query-qmp-schema");
        let options = ask("query-command-line-options");
        ask("quit");
        child.wait().expect("QEMU ends");
        let types = types.as_array().expect("a list").iter();
        let schema = types.map(|entry| (name(entry), entry.clone())).collect();
        Some(Self { schema, options: options.as_array().expect("a list").clone() })
    }

    /// The variants of what a command takes: their names, and their members with those members'
    /// kinds.
    fn variants(&self, command: &str) -> Vec<(String, Vec<(String, String)>)> {
        let taken = &self.schema[self.schema[command]["arg-type"].as_str().expect("a type")];
        let variants = taken["variants"].as_array().expect("variants").iter();
        let member = |member: &Value| {
            let kind = &self.schema[member["type"].as_str().expect("a type")];
            (name(member), kind["meta-type"].as_str().expect("a kind").to_owned())
        };
        let members = |variant: &Value| {
            let inner = &self.schema[variant["type"].as_str().expect("a type")];
            inner["members"].as_array().expect("members").iter().map(member).collect()
        };
        variants.map(|v| (v["case"].as_str().expect("a name").to_owned(), members(v))).collect()
    }

    /// The keys of an option that QEMU lists.
    fn keys(&self, option: &str) -> Vec<String> {
        let found = self.options.iter().find(|entry| entry["option"] == option);
        let parameters = found.unwrap_or_else(|| panic!("{option}"))["parameters"].as_array();
        parameters.expect("a list").iter().map(name).collect()
    }
}

fn name(entry: &Value) -> String {
    entry["name"].as_str().expect("a name").to_owned()
}

fn answer(option: &str, value: &str) -> Result<(), ReadError> {
    read(&[option.to_owned(), value.to_owned()]).map(drop)
}

/// Whether sVirt has an opinion about an argument: it may refuse it, but not for being unknown.
fn is_known(option: &str, value: &str) -> bool {
    let unknown = |problem: &Problem| {
        matches!(problem, Problem::UnknownKey { .. } | Problem::UnknownKind { .. })
    };
    answer(option, value).map_err(|error| unknown(&error.problem)) != Err(true)
}

/// How a member of this kind is written: with a key under it, if it holds others.
fn written(member: &str, kind: &str) -> String {
    match kind {
        "object" => format!("{member}.type=unix"),
        _ => format!("{member}=1"),
    }
}

#[test]
fn every_block_driver_and_key_is_known() {
    let Some(qemu) = Introspection::query() else { return };
    let drivers = qemu.variants("blockdev-add");
    assert!(drivers.len() > 30);
    for (driver, members) in drivers {
        assert!(is_known("-blockdev", &driver), "{driver}");
        for (member, kind) in members {
            let known = [
                format!("{member}=x"),
                format!("{member}.x=1"),
                format!("{member}.format=x"),
                format!("{member}.node=x"),
                format!("{member}.driver=null-co"),
                format!("{member}.0.driver=null-co"),
            ];
            let any =
                known.iter().any(|key| is_known("-blockdev", &format!("driver={driver},{key}")));
            assert!(any, "{driver}: {member} ({kind})");
        }
    }
}

#[test]
fn every_object_and_key_is_known() {
    let Some(qemu) = Introspection::query() else { return };
    let objects = qemu.variants("object-add");
    assert!(objects.len() > 30);
    for (object, members) in objects {
        // 7.2's schema has a name for this one that its command line does not have.
        let object = object.replace("authz-listfile", "authz-list-file");
        assert!(is_known("-object", &object), "{object}");
        for (member, kind) in members {
            let keys =
                [written(&member, &kind), format!("{member}.0=1"), format!("{member}.0.x=1")];
            let any =
                keys.iter().any(|key| is_known("-object", &format!("qom-type={object},{key}")));
            assert!(any, "{object}: {member} ({kind})");
        }
    }
}

#[test]
fn every_network_and_key_is_known() {
    let Some(qemu) = Introspection::query() else { return };
    for (kind, members) in qemu.variants("netdev_add") {
        assert!(is_known("-netdev", &kind), "{kind}");
        for (member, meta) in members {
            let key = written(&member, &meta);
            assert!(is_known("-netdev", &format!("{kind},{key}")), "{kind}: {member}");
        }
    }
}

#[test]
fn every_key_of_these_options_is_known() {
    let Some(qemu) = Introspection::query() else { return };
    let options = [
        ("drive", "-drive", "file=x,"),
        ("vnc", "-vnc", "unix:/x,"),
        ("fsdev", "-fsdev", "synth,"),
        ("virtfs", "-virtfs", "synth,"),
        ("trace", "-trace", ""),
        ("fw_cfg", "-fw_cfg", ""),
        ("icount", "-icount", ""),
        ("boot-opts", "-boot", ""),
        ("option-rom", "-option-rom", ""),
        ("add-fd", "-add-fd", ""),
    ];
    for (group, option, start) in options {
        for key in qemu.keys(group) {
            let value = if matches!(key.as_str(), "driver" | "format") { "raw" } else { "x" };
            assert!(is_known(option, &format!("{start}{key}={value}")), "{option} {key}");
        }
    }
}

#[test]
fn every_character_device_and_key_is_known() {
    let (Some(help), Some(qemu)) = (qemu(&["-chardev", "help"]), Introspection::query()) else {
        return;
    };
    let backends: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(backends.len() > 10, "{help}");
    for backend in &backends {
        assert!(is_known("-chardev", &format!("{backend},id=c")), "{backend}");
    }
    for key in qemu.keys("chardev") {
        let known = |backend: &&str| is_known("-chardev", &format!("{backend},id=c,{key}=x"));
        assert!(backends.iter().any(known), "{key}");
    }
}

/// Properties with text in them, of every kind of device that is no processor. A value with a
/// slash is what an unlisted property is refused for.
#[test]
fn every_text_property_of_devices_is_listed() {
    let Some(help) = qemu(&["-device", "help"]) else { return };
    let names = help.lines().filter_map(|line| line.strip_prefix("name \"")?.split('"').next());
    // Processors, and the second and third names of virtio devices, have nothing of their own.
    let has_its_own = |name: &&str| !name.ends_with("-cpu") && !name.ends_with("transitional");
    let models: Vec<&str> = names.filter(|name| has_its_own(name)).collect();
    assert!(models.len() > 100);
    let (first, second) = models.split_at(models.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| first.iter().for_each(|model| check_properties(model)));
        second.iter().for_each(|model| check_properties(model));
    });
}

fn check_properties(model: &str) {
    let help = qemu(&["-device", &format!("{model},help")]).expect("it ran before");
    for property in text_properties(&help) {
        let known = is_known("-device", &format!("{model},{property}=/x"));
        assert!(known, "{model}: {property}");
    }
}

#[test]
fn every_text_property_of_machines_is_listed() {
    let Some(help) = qemu(&["-machine", "help"]) else { return };
    let current = |line: &&str| !line.contains("(deprecated)") && !line.contains("-i440fx-");
    let lines = help.lines().skip(1).filter(current);
    for machine in lines.filter_map(|line| line.split_whitespace().next()).step_by(4) {
        let help = qemu(&["-machine", &format!("{machine},help")]).expect("it ran before");
        for property in text_properties(&help) {
            let known = is_known("-machine", &format!("{machine},{property}=/x"));
            assert!(known, "{machine}: {property}");
        }
    }
}

/// The properties in a help text whose values are text.
fn text_properties(help: &str) -> Vec<&str> {
    let properties = help.lines().filter_map(|line| line.trim_start().split_once("=<"));
    let text = |rest: &str| rest.starts_with("str>") || rest.starts_with("string>");
    properties.filter(|(_, rest)| text(rest)).map(|(property, _)| property).collect()
}

/// What the tests above rest on.
#[test]
fn what_is_unknown_is_noticed() {
    assert!(is_known("-device", "e1000,netdev=n") && !is_known("-device", "e1000,x=/x"));
    assert!(is_known("-object", "iothread") && !is_known("-object", "x"));
    assert!(!is_known("-object", "iothread,x=1"));
    assert!(!is_known("-blockdev", "driver=qcow2,x=1") && !is_known("-blockdev", "x"));
    assert!(!is_known("-netdev", "user,x=1") && !is_known("-chardev", "null,x=1"));
    assert!(!is_known("-machine", "pc,x=a/b"));
}
