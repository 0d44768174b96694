//! The reference of the specification says what the reader does: its fields are those that serde
//! knows, its words and defaults are the reader's, and its examples are read.

use std::collections::BTreeSet;
use svirt_formats::spec::{SPEC_MAX, SpecError, read};
use svirt_model::{ImageFormat, Layer, NAME_MAX};

const DOCUMENT: &str = include_str!("../../../docs/reference/spec.md");

/// Each object of the form: its heading, and a text in which an unknown `WORD` stands in it.
const OBJECTS: [(&str, &str); 13] = [
    ("The machine", r#"{"WORD":0}"#),
    ("The guest", r#"{"guest":{"WORD":0}}"#),
    ("A disk", r#"{"guest":{"disks":[{"WORD":0}]}}"#),
    ("A backing image", r#"{"guest":{"disks":[{"backing":[{"WORD":0}]}]}}"#),
    ("Firmware", r#"{"guest":{"firmware":{"WORD":0}}}"#),
    ("The command", r#"{"command":{"WORD":0}}"#),
    ("A security label", r#"{"seclabels":[{"WORD":0}]}"#),
    ("A channel", r#"{"guest":{"channels":[{"WORD":0}]}}"#),
    ("A label of one source", r#"{"guest":{"disks":[{"seclabel":{"WORD":0}}]}}"#),
    ("Places in the guest", r#"{"guest":{"pci":{"WORD":0}}}"#),
    ("A PCI bus", r#"{"guest":{"pci":{"buses":[{"WORD":0}]}}}"#),
    ("The domain", r#"{"domain":{"WORD":0}}"#),
    ("A share", r#"{"command":{"share":[{"WORD":0}]}}"#),
];

fn section(heading: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("\n## {heading}\n")).expect(heading);
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The words between backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(|word| word.trim_matches('"').to_owned()).collect()
}

/// The rows of a section's table, each as its cells.
fn rows(heading: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = section(heading).lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// The words that serde would have taken in the place of `WORD`, as it says in its refusal.
fn known_at(text: &str) -> BTreeSet<String> {
    match read(text.replace("WORD", "no such word").as_bytes()) {
        Err(SpecError::Form(error)) => {
            let refusal = error.to_string();
            let (_, known) = refusal.split_once("expected ").expect(&refusal);
            quoted(known)
        }
        other => panic!("{text}: {other:?}"),
    }
}

/// The examples: of each whether it is to be refused, and its text.
fn examples() -> Vec<(bool, &'static str)> {
    let blocks = DOCUMENT.split("\n```").skip(1).step_by(2);
    let example = |block: &'static str| {
        let (kind, text) = block.split_once('\n')?;
        kind.starts_with("json").then_some((kind.ends_with("refused"), text))
    };
    blocks.filter_map(example).collect()
}

#[test]
fn each_table_lists_the_fields_that_the_reader_knows_and_no_other() {
    for (heading, text) in OBJECTS {
        let listed: BTreeSet<String> = rows(heading).flat_map(|row| quoted(row[0])).collect();
        assert_eq!(listed, known_at(text), "{heading}");
    }
}

#[test]
fn each_choice_lists_the_words_that_the_reader_knows_and_no_other() {
    for field in ["net", "display", "accelerator", "watchdog"] {
        let row = rows("The guest").find(|row| row[0] == format!("`{field}`")).unwrap();
        let text = format!(r#"{{"guest":{{"{field}":"WORD"}}}}"#);
        assert_eq!(quoted(row[1]), known_at(&text), "{field}");
    }
    let kinds = section("Kinds of values");
    let words = |kind: &str| quoted(kinds.lines().find(|line| line.contains(kind)).unwrap());
    assert_eq!(words("| *layer*"), known_at(r#"{"require":["WORD"]}"#));
    assert_eq!(words("| *layer*").len(), Layer::ALL.len());
    assert_eq!(words("| *model*"), known_at(r#"{"seclabels":[{"model":"WORD"}]}"#));
    let kind = rows("A security label").find(|row| row[0] == "`type`").unwrap();
    assert_eq!(quoted(kind[1]), known_at(r#"{"seclabels":[{"type":"WORD"}]}"#));
    assert_eq!(words("| *format*"), ImageFormat::ALL.iter().map(|f| f.word().into()).collect());
    assert!(kinds.contains(&format!("1 to {NAME_MAX} letters")));
    assert_eq!(SPEC_MAX, 1 << 20, "the document says 1 MiB");
}

#[test]
fn each_default_is_what_the_reader_takes_for_a_field_that_is_left_out() {
    for (heading, text) in OBJECTS {
        for row in rows(heading) {
            let Some(value) = row[2].strip_prefix('`').and_then(|v| v.strip_suffix('`')) else {
                continue;
            };
            let name = row[0].trim_matches('`');
            let with = |fields: &str| read(complete(heading, fields).as_bytes()).expect(text);
            let said = format!(r#""{name}":{value}"#);
            assert_eq!(with(&said), with(""), "{heading}: {name}");
        }
    }
}

/// A specification whose object under this heading has these fields and those that it must have.
fn complete(heading: &str, fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    match heading {
        "The machine" => format!(r#"{{"version":1{comma}{fields}}}"#),
        "The guest" => format!(r#"{{"version":1,"guest":{{{fields}}}}}"#),
        "A disk" => {
            format!(r#"{{"version":1,"guest":{{"disks":[{{"path":"/a"{comma}{fields}}}]}}}}"#)
        }
        "A backing image" => format!(
            r#"{{"version":1,"guest":{{"disks":[{{"path":"/a","backing":[{{"path":"/b","format":"raw"{comma}{fields}}}]}}]}}}}"#
        ),
        "A security label" => format!(r#"{{"version":1,"seclabels":[{{{fields}}}]}}"#),
        "A channel" => format!(r#"{{"version":1,"guest":{{"channels":[{{{fields}}}]}}}}"#),
        "A label of one source" => format!(
            r#"{{"version":1,"guest":{{"disks":[{{"path":"/a","seclabel":{{"label":"b"{comma}{fields}}}}}]}}}}"#
        ),
        "The domain" => format!(
            r#"{{"version":1,"domain":{{"xml":"<domain type='kvm'><name>a</name><memory>65536</memory><os><type>hvm</type></os></domain>"{comma}{fields}}}}}"#
        ),
        "Places in the guest" => {
            format!(r#"{{"version":1,"guest":{{"pci":{{{fields}}}}}}}"#)
        }
        "A PCI bus" => format!(
            r#"{{"version":1,"guest":{{"pci":{{"buses":[{{"index":1,"model":"pcie-root-port"{comma}{fields}}}]}}}}}}"#
        ),
        "Firmware" => {
            format!(r#"{{"version":1,"guest":{{"firmware":{{"code":"/a"{comma}{fields}}}}}}}"#)
        }
        _ => format!(
            r#"{{"version":1,"command":{{"command":["x"],"directory":"/"{comma}{fields}}}}}"#
        ),
    }
}

#[test]
fn each_required_field_is_missed() {
    let missed = |text: &str, field: &str| {
        let error = read(text.as_bytes()).unwrap_err();
        let why = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(why.contains(&format!("missing field `{field}`")), "{why}");
    };
    missed(r#"{"version":1,"command":{"directory":"/"}}"#, "command");
    missed(r#"{"version":1,"command":{"command":["x"]}}"#, "directory");
    let share = |fields: &str| {
        format!(
            r#"{{"version":1,"command":{{"command":["x"],"directory":"/","share":[{fields}]}}}}"#
        )
    };
    missed(r#"{"version":1,"domain":{"document":"a"}}"#, "xml");
    missed(&share(r#"{"with":"pair"}"#), "path");
    missed(&share(r#"{"path":"/a"}"#), "with");
    assert!(matches!(read(b"{}"), Err(SpecError::Version(0))));
}

#[test]
fn each_example_is_read_or_refused_as_the_document_says() {
    let examples = examples();
    for (refused, text) in &examples {
        let answer = read(text.as_bytes());
        assert_eq!(answer.is_err(), *refused, "{text}: {answer:?}");
    }
    let refused = examples.iter().filter(|example| example.0).count();
    assert!(refused >= 3 && examples.len() - refused >= 4, "{} examples", examples.len());
}
