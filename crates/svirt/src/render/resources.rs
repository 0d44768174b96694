//! Manifests and ops.

use super::table::{Table, Tone};
use crate::{escape, output::Style};
use svirt_model::{
    Access, Attribute, Channel, Delivery, Embedded, Endpoint, FileKind, Manifest, Object, Op,
    Resource, Sharing, Stream, Target, Value,
};

/// What a process may reach. The program's code is counted, unless all of it is wanted.
pub(crate) fn manifest(manifest: &Manifest, all: bool, style: Style) -> String {
    let is_shown = |resource: &&Resource| all || !matches!(resource.target, Target::Code(_));
    let mut table = Table::new(&["KIND", "WHAT", "ACCESS", "SHARED", "AS", "BECAUSE OF"]);
    manifest.resources.iter().filter(is_shown).for_each(|resource| row(&mut table, resource));
    let hidden = manifest.resources.iter().filter(|r| !is_shown(r)).count();
    let mut text = table.text(style);
    if hidden > 0 {
        let code = "and the code of the program, read-only; files:";
        text.push_str(&format!("  {code} {hidden} (--all shows them)\n"));
    }
    text
}

fn row(table: &mut Table, resource: &Resource) {
    let (kind, what) = target(&resource.target);
    let access = match resource.access {
        Access::Read => ("read", Tone::Plain),
        Access::Write => ("read, write", Tone::Plain),
    };
    let shared = match &resource.sharing {
        Sharing::Private => "no".to_owned(),
        Sharing::Group(group) => format!("group {group}"),
    };
    let delivery = delivery(&resource.delivery);
    let origin = resource.origin.to_string();
    table.toned([
        (kind, Tone::Plain),
        (what.as_str(), Tone::Plain),
        access,
        (&shared, Tone::Plain),
        (&delivery, Tone::Plain),
        (&origin, Tone::Plain),
    ]);
}

/// A target's kind, and which one it is.
fn target(target: &Target) -> (&'static str, String) {
    match target {
        Target::Object(object) => (file_kind(object.kind), path(object)),
        Target::Code(object) => ("code", path(object)),
        Target::Device(object) => ("device", path(object)),
        Target::Socket(object) => ("socket", path(object)),
        Target::Scratch(scratch) => ("scratch", format!("at most {}", scratch.limit)),
        Target::Output(path) => ("new file", escape::path(path)),
        Target::Embedded(Embedded::Guest) => ("kernel", "the embedded guest".into()),
        Target::Channel(which) => ("channel", channel(*which).into()),
        Target::Endpoint(endpoint) => ("listens on", endpoint_text(endpoint)),
        Target::Stream(which) => ("stream", stream(*which).into()),
        Target::HostNetwork => ("network", "the host's".into()),
    }
}

fn path(object: &Object) -> String {
    escape::path(&object.path)
}

fn endpoint_text(endpoint: &Endpoint) -> String {
    match &endpoint.link {
        Some(link) => format!("{} at {}", endpoint.name, link.display()),
        None => endpoint.name.clone(),
    }
}

fn file_kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::BlockDevice => "block device",
        FileKind::CharDevice => "device",
        FileKind::Socket => "socket",
        FileKind::Pipe => "pipe",
    }
}

/// The word for a connection within a machine.
pub(crate) fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Console => "console",
        Channel::Monitor => "monitor",
        Channel::Log => "log",
        Channel::Network => "network card",
    }
}

/// The word for a standard stream.
pub(crate) fn stream(stream: Stream) -> &'static str {
    match stream {
        Stream::Input => "standard input",
        Stream::Output => "standard output",
        Stream::Error => "standard error",
    }
}

fn delivery(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Descriptor(number) => format!("descriptor {number}"),
        Delivery::At(path) => path.display().to_string(),
        Delivery::Inherited => "it is".into(),
    }
}

/// What is changed on the host, a line each.
pub(crate) fn ops(ops: &[Op]) -> String {
    let line = |op: &Op| {
        let Op { object, attribute, before, after } = op;
        let object = escape::path(object);
        let change = match (attribute, before) {
            (Attribute::Label { .. }, _) => {
                let change = format!("{} -> {}", value(before), value(after));
                return format!("  label {object}  {}\n", escape::line(&change));
            }
            (Attribute::Presence, Value::Absent) => format!("make {}", value(after)),
            (Attribute::Presence, _) => format!("replace {} by {}", value(before), value(after)),
        };
        format!("  {object}: {}\n", escape::line(&change))
    };
    ops.iter().map(line).collect()
}

/// A value, for people.
pub(super) fn value(of: &Value) -> String {
    match of {
        Value::Absent => "nothing".into(),
        Value::Directory { uid, gid, mode } => {
            format!("a directory of {uid}:{gid}, mode {mode:04o}")
        }
        Value::Link(to) => format!("a link to {}", to.display()),
        Value::Embedded(Embedded::Guest) => "a file with the embedded guest".into(),
        Value::Cgroup(limits) => {
            let limits = limits.iter().map(|(file, limit)| format!("{file} {limit}"));
            format!("a control group with {}", limits.collect::<Vec<_>>().join(", "))
        }
        Value::EmptyFile => "an empty file, which is kept".into(),
        Value::Label(None) => "none".into(),
        Value::Label(Some(label)) => {
            String::from_utf8_lossy(label).trim_end_matches('\0').to_owned()
        }
        Value::Tree(tree) => {
            let others = match tree.exceptions().count() {
                0 => String::new(),
                count => format!(", {count} of them otherwise"),
            };
            let common = value(&Value::Label(tree.common.clone()));
            format!("{common} ({} files and directories{others})", tree.count)
        }
        Value::Profile(text) => format!("an AppArmor profile of {} lines", text.lines().count()),
        Value::Rules(rules) => format!("the Smack rules {}", rules.join(", ")),
    }
}
