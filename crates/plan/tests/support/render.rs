//! A plan in a short form that a person reads in one go: every choice in it, no structure around it.

use std::{fmt::Debug, fmt::Write, path::Path};
use svirt_model::{
    Confinement, DescriptorSource, EntrySource, LayerStatus, Op, Plan, Process, Value,
};

/// All of a plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut text = ops(&plan.ops);
    for process in &plan.processes {
        let _ = write!(text, "\n{}", self::process(process));
    }
    text
}

/// What a plan changes on the host.
pub(crate) fn ops(ops: &[Op]) -> String {
    let rows = ops.iter().map(|op| format!("{} = {}", op.object.display(), value(&op.after)));
    section("ops", rows)
}

/// All of one process.
pub(crate) fn process(process: &Process) -> String {
    let confinement = &process.confinement;
    format!(
        "{}\n{}{}{}{}",
        process.role.to_string().to_uppercase(),
        section("arguments", lines(&confinement.arguments)),
        reach(confinement),
        bounds(confinement),
        layers(&process.layers),
    )
}

/// What a process sees and holds.
pub(crate) fn reach(confinement: &Confinement) -> String {
    let entries = confinement.entries.iter().map(|entry| {
        format!("{} {}{}", word(&entry.grant), entry.at.display(), source(&entry.at, &entry.source))
    });
    let links = confinement.links.iter().map(|(at, text)| link(at, text));
    let descriptors = confinement
        .descriptors
        .iter()
        .map(|descriptor| format!("{} {}", descriptor.number, leads_to(&descriptor.source)));
    section("entries", entries) + &section("links", links) + &section("descriptors", descriptors)
}

/// What keeps a process there.
pub(crate) fn bounds(confinement: &Confinement) -> String {
    let c = confinement;
    let namespaces: Vec<_> = c.namespaces.iter().map(|n| n.file()).collect();
    let own = if c.identity.own { ", its own" } else { "" };
    let landlock = c.landlock.as_ref().map_or("none".into(), |l| {
        format!("ABI {}{}", l.abi, if l.connect_tcp { ", connects to TCP" } else { "" })
    });
    let limits: Vec<_> = c.limits.iter().map(|(l, n)| format!("{}={n}", word(l))).collect();
    let groups: Vec<_> = c.cgroups.iter().map(|g| g.display().to_string()).collect();
    let rows = [
        format!(
            "program {} as {} in {}",
            c.program.path.display(),
            c.host_name,
            c.directory.display()
        ),
        format!("environment {:?}", c.environment),
        format!("user {}:{}{own}", c.identity.uid, c.identity.gid),
        format!("namespaces {}", some(&namespaces.join(" "))),
        format!("root {}", if c.own_root { "its own" } else { "the host's" }),
        format!("landlock {landlock}"),
        format!("seccomp {}", c.seccomp.as_ref().map_or("none".into(), word)),
        format!("limits {}", some(&limits.join(" "))),
        format!("groups {}", some(&groups.join(" "))),
        format!("executable memory {}", word(&c.executable_memory)),
        format!(
            "memory files {}",
            if c.memory_files_no_exec { "never executable" } else { "free" }
        ),
        format!("privileges {}", if c.drop_privileges { "dropped" } else { "kept" }),
    ];
    section("bounds", rows.into_iter())
}

/// What became of each layer.
pub(crate) fn layers(layers: &[LayerStatus]) -> String {
    let rows = layers.iter().map(|status| {
        let parts = [status.detail.as_str(), status.why_not.as_str()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let asked = if status.asked { "" } else { "not asked, " };
        format!("{} {asked}{}: {}", status.layer, word(&status.enforced), parts.join("; "))
    });
    section("layers", rows)
}

/// An option with its value makes one line.
fn lines(arguments: &[String]) -> impl Iterator<Item = String> {
    let mut lines: Vec<String> = Vec::new();
    for argument in arguments {
        match lines.last_mut() {
            Some(last)
                if last.starts_with('-') && !last.contains(' ') && !argument.starts_with('-') =>
            {
                last.push(' ');
                last.push_str(if argument.is_empty() { "\"\"" } else { argument });
            }
            _ => lines.push(argument.clone()),
        }
    }
    lines.into_iter()
}

fn section(title: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: String = rows.map(|row| format!("  {row}\n")).collect();
    if rows.is_empty() { String::new() } else { format!("{title}\n{rows}") }
}

fn some(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The name of an enumeration's value, as Rust spells it, without what it holds.
fn word(value: &impl Debug) -> String {
    format!("{value:?}").to_lowercase()
}

fn link(at: &Path, text: &Path) -> String {
    format!("{} -> {}", at.display(), text.display())
}

fn source(at: &Path, source: &EntrySource) -> String {
    match source {
        EntrySource::Bind(object) if object.path == at => String::new(),
        EntrySource::Bind(object) => format!(" (of {})", object.path.display()),
        EntrySource::Node(object) => format!(" (a node like {})", object.path.display()),
        EntrySource::Made(path) => format!(" (made at {})", path.display()),
        EntrySource::Fresh => " (fresh)".into(),
    }
}

fn leads_to(source: &DescriptorSource) -> String {
    match source {
        DescriptorSource::Read(object) => format!("reads {}", object.path.display()),
        DescriptorSource::ReadWrite(object) => format!("writes {}", object.path.display()),
        DescriptorSource::Scratch(scratch) => {
            format!("scratch of {}, seen as {}", scratch.limit, scratch.virtual_size)
        }
        DescriptorSource::Channel(channel) => format!("channel {}", word(channel)),
        DescriptorSource::Stream(stream) => format!("stream {}", word(stream)),
        DescriptorSource::Null => "null".into(),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Absent => "absent".into(),
        Value::Directory { uid, gid, mode } => format!("directory {uid}:{gid} {mode:04o}"),
        Value::Link(text) => format!("link to {}", text.display()),
        Value::Embedded(what) => format!("embedded {}", word(what)),
        Value::Cgroup(limits) => {
            let limits: Vec<_> =
                limits.iter().map(|(file, text)| format!("{file}={text}")).collect();
            format!("group {}", limits.join(" "))
        }
        Value::EmptyFile => "empty file".into(),
        Value::Label(label) => {
            let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
            format!("label {}", label.as_ref().map_or("none".into(), text))
        }
        Value::Tree(tree) => format!("tree of {}", tree.count),
        Value::Profile(_) => "profile".into(),
        Value::Rules(rules) => format!("rules {}", rules.join("; ")),
    }
}
