//! Answers as text for people. Every value that is not ours is escaped on its way into a table.

mod confinement;
mod event;
pub(crate) mod json;
pub(crate) mod layers;
mod machines;
mod resources;
mod table;

pub(crate) use event::event;
pub(crate) use machines::{Listed, machines, status};
pub(crate) use table::{Table, Tone};

use crate::{escape, output::Style};
use std::collections::BTreeSet;
use svirt_engine::spec::Spec;
use svirt_model::{Layer, Plan, Process};

/// A plan: what is changed, and each process.
pub(crate) fn plan(plan: &Plan, all: bool, style: Style) -> String {
    let mut text = format!("{} {}\n", style.heading("plan for"), plan.name);
    text.push_str(&weakened(&layers::weakened(plan), style));
    text.push_str(&section(
        "changes to the host, undone at the end",
        &resources::ops(&plan.ops),
        style,
    ));
    for process in &plan.processes {
        text.push_str(&process_text(process, all, style));
    }
    text
}

/// A definition, as `svirt edit` shows it.
pub(crate) fn definition(spec: &Spec, style: Style) -> String {
    let text = serde_json::to_string_pretty(spec).unwrap_or_default();
    let lines = text.lines().map(|line| format!("  {}\n", escape::line(line)));
    section("definition", &lines.collect::<String>(), style)
}

fn process_text(process: &Process, all: bool, style: Style) -> String {
    let role = process.role.to_string();
    let mut text = section(&role, &confinement::text(&process.confinement), style);
    text.push_str(&section(
        &format!("{role}: layers"),
        &layers::table(&process.layers, style),
        style,
    ));
    let manifest = resources::manifest(&process.manifest, all, style);
    text.push_str(&section(&format!("{role}: what it may reach"), &manifest, style));
    text
}

/// A heading and what stands under it, after an empty line.
fn section(title: &str, body: &str, style: Style) -> String {
    let body = if body.is_empty() { "  none\n" } else { body };
    format!("\n{}\n{body}", style.heading(title))
}

/// The line that nobody can overlook, where there is something to say.
fn weakened(given_up: &BTreeSet<Layer>, style: Style) -> String {
    if given_up.is_empty() {
        return String::new();
    }
    let words = given_up.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{}\n", style.bad(&format!("WEAKENED by the user: {words}")))
}
