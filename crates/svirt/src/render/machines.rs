//! One machine, and many.

use super::{
    labels, layers, process_text, section,
    table::{Table, Tone, facts},
    unenforced, weakened,
};
use crate::output::Style;
use std::collections::BTreeSet;
use svirt_model::{Evidence, Finding, Layer, Plan, Role, State, Status};

/// A machine in a list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// How it is.
    pub(crate) machine: Status,
    /// The layers that the user gave up.
    pub(crate) weakened: BTreeSet<Layer>,
}

/// One row a machine.
pub(crate) fn machines(machines: &[Listed], style: Style) -> String {
    let mut table = Table::new(&["NAME", "STATE", "VMM", "LAYERS", "WEAKENED"]).flush_left();
    for Listed { machine, weakened } in machines {
        let given_up: Vec<_> = weakened.iter().map(|layer| layer.word()).collect();
        table.toned([
            (machine.name.to_string(), Tone::Plain),
            (machine.state.to_string(), state_tone(machine.state)),
            (vmm(machine).map_or("-".into(), |pid| pid.to_string()), Tone::Plain),
            (machine.plan.as_ref().map_or("-".into(), layers::count), Tone::Plain),
            (if given_up.is_empty() { "-".into() } else { given_up.join(",") }, Tone::Bad),
        ]);
    }
    table.text(style)
}

fn state_tone(state: State) -> Tone {
    match state {
        State::Running => Tone::Good,
        State::Starting | State::Paused => Tone::Fair,
        State::Dead => Tone::Bad,
        State::Stopped => Tone::Plain,
    }
}

/// The process that runs a machine.
pub(crate) fn vmm(machine: &Status) -> Option<u32> {
    machine.evidence.iter().find(|evidence| evidence.role == Role::Vmm).map(|e| e.pid)
}

/// Everything about one machine.
pub(crate) fn status(listed: &Listed, all: bool, style: Style) -> String {
    let machine = &listed.machine;
    let number = |pid: Option<u32>| pid.map_or("-".to_owned(), |pid| pid.to_string());
    let mut text = format!("{} {}\n", style.heading("machine"), machine.name);
    text.push_str(&weakened(&listed.weakened, style));
    let idle = machine.plan.as_ref().map(|plan| unenforced(plan, style));
    text.push_str(&idle.unwrap_or_default());
    text.push_str(&facts(&[
        ("identity", machine.id.to_string()),
        ("state", machine.state.to_string()),
        ("supervisor", number(machine.supervisor)),
        ("VMM", number(vmm(machine))),
    ]));
    let plan = machine.plan.as_ref();
    text.push_str(&plan.map_or_else(String::new, |plan| labels(plan, style)));
    let processes = plan.map_or(&[][..], |plan: &Plan| &plan.processes);
    processes.iter().for_each(|process| text.push_str(&process_text(process, all, style)));
    machine.evidence.iter().for_each(|read| text.push_str(&evidence(read, all, style)));
    text
}

/// What the kernel said. Rows that agree with the plan are counted, unless all are wanted.
fn evidence(evidence: &Evidence, all: bool, style: Style) -> String {
    let title = format!("{}: what the kernel said about process {}", evidence.role, evidence.pid);
    let holding = evidence.findings.iter().filter(|f| f.holds()).count();
    let summary = format!("  {holding} of {} facts are as planned\n", evidence.findings.len());
    let shown: Vec<_> = evidence.findings.iter().filter(|f| all || !f.holds()).collect();
    let mut body = summary;
    if !shown.is_empty() {
        let mut table = Table::new(&["LAYER", "WHAT", "PLANNED", "FOUND", "AGREES"]);
        shown.into_iter().for_each(|finding| row(&mut table, finding));
        body.push_str(&table.text(style));
    } else if !all && holding > 0 {
        body.push_str("  (--all shows them)\n");
    }
    section(&title, &body, style)
}

fn row(table: &mut Table, finding: &Finding) {
    let agrees = if finding.holds() { ("yes", Tone::Good) } else { ("NO", Tone::Bad) };
    table.toned([
        (finding.layer.word(), Tone::Plain),
        (&finding.what, Tone::Plain),
        (&finding.expected, Tone::Plain),
        (&finding.observed, Tone::Plain),
        agrees,
    ]);
}
