//! What the kernel says of machines that run, beside their plans.

use super::{
    event::utc,
    section,
    table::{Table, Tone},
};
use crate::output::Style;
use std::collections::BTreeSet;
use svirt_model::{Evidence, Finding, Role, Verification};

/// What no kernel shows of another process.
const UNSEEN: &str = "Landlock's domain and the refusal of executable memory are shown by no kernel: \
                      svirt drill attacks them";

/// A line for each machine, then what does not hold, or, where everything is wanted, every row.
pub(crate) fn verifications(all: &[Verification], verbose: bool, style: Style) -> String {
    let mut table = Table::new(&["NAME", "CONFINED", "FACTS", "PROCESSES"]).flush_left();
    for machine in all {
        let (facts, wrong) = count(machine);
        let processes = machine.processes.len().to_string();
        let (word, tone) =
            if wrong == 0 { ("as planned", Tone::Good) } else { ("NOT AS PLANNED", Tone::Bad) };
        table.toned([
            (machine.name.to_string(), Tone::Plain),
            (word.to_owned(), tone),
            (format!("{} of {facts}", facts - wrong), Tone::Plain),
            (processes, Tone::Plain),
        ]);
    }
    let mut text = table.text(style);
    for machine in all.iter().filter(|machine| verbose || !machine.holds()) {
        text.push_str(&section(machine.name.as_str(), &rows(machine, verbose, style), style));
    }
    text.push('\n');
    all.iter().for_each(|machine| text.push_str(&unseen(machine)));
    text + UNSEEN + "\n"
}

/// What only root is shown of a machine.
fn unseen(machine: &Verification) -> String {
    let of = |read: &Evidence| match read.unseen.is_empty() {
        true => String::new(),
        false => {
            let (name, role, what) = (&machine.name, read.role, read.unseen.join(", "));
            format!("{name}: of the {role} only root is shown: {what}\n")
        }
    };
    machine.processes.iter().map(of).collect()
}

/// How many facts there are, and how many do not hold. What planned and found have alike is one fact.
fn count(machine: &Verification) -> (usize, usize) {
    let wrong = machine.rows().filter(|(_, finding)| !finding.holds()).count();
    (machine.rows().count(), wrong)
}

fn rows(machine: &Verification, verbose: bool, style: Style) -> String {
    let mut table = Table::new(&["OF", "LAYER", "WHAT", "PLANNED", "FOUND", "SINCE"]);
    for (role, finding) in machine.rows().filter(|(_, finding)| verbose || !finding.holds()) {
        let of = role.map_or("machine".to_owned(), |role| role.to_string());
        let (since, tone) = since(machine, role, finding);
        table.toned([
            (of, Tone::Plain),
            (finding.layer.word().to_owned(), Tone::Plain),
            (finding.what.clone(), Tone::Plain),
            (finding.expected.clone(), Tone::Plain),
            (finding.observed.clone(), tone),
            (since, tone),
        ]);
    }
    table.text(style)
}

fn since(machine: &Verification, role: Option<Role>, finding: &Finding) -> (String, Tone) {
    let doubt = machine.doubts.iter().find(|d| d.role == role && d.what == finding.what);
    match doubt {
        Some(doubt) => {
            (format!("between {} and {}", utc(doubt.held_ms), utc(doubt.seen_ms)), Tone::Bad)
        }
        None => ("it holds".into(), Tone::Plain),
    }
}

/// The layers of which something does not hold.
pub(crate) fn broken(machine: &Verification) -> BTreeSet<&'static str> {
    let failing = machine.rows().filter(|(_, finding)| !finding.holds());
    failing.map(|(_, finding)| finding.layer.word()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_model::{Doubt, Layer, Uuid};

    fn finding(what: &str, observed: &str) -> Finding {
        let (layer, expected) = (Layer::Limits, "planned".into());
        Finding { layer, what: what.into(), expected, observed: observed.into() }
    }

    fn sample() -> Verification {
        let vmm = Evidence {
            role: Role::Vmm,
            pid: 7,
            findings: vec![finding("mounts", "planned"), finding("descriptors", "7 a\u{1b}[2J")],
            descriptors: Default::default(),
            mounts: 1,
            unseen: vec!["environment".into()],
        };
        let what = "descriptors".to_owned();
        let doubt = Doubt { role: Some(Role::Vmm), what, held_ms: 1000, seen_ms: 2000 };
        Verification {
            id: Uuid::nil(),
            name: "web".parse().unwrap(),
            time_ms: 3000,
            findings: vec![finding("processes", "planned")],
            processes: vec![vmm],
            doubts: vec![doubt],
        }
    }

    #[test]
    fn what_does_not_hold_is_said_with_since_when() {
        let text = verifications(&[sample()], false, Style::PLAIN);
        insta::assert_snapshot!(text, @r"
        NAME  CONFINED        FACTS   PROCESSES
        web   NOT AS PLANNED  2 of 3  1

        web
          OF   LAYER   WHAT         PLANNED  FOUND         SINCE
          VMM  limits  descriptors  planned  7 a\u{1b}[2J  between 1970-01-01T00:00:01.000Z and 1970-01-01T00:00:02.000Z

        web: of the VMM only root is shown: environment
        Landlock's domain and the refusal of executable memory are shown by no kernel: svirt drill attacks them
        ");
    }

    #[test]
    fn all_rows_are_shown_to_whoever_wants_them() {
        let text = verifications(&[sample()], true, Style::PLAIN);
        assert!(text.contains("mounts") && text.contains("it holds"), "{text}");
        assert_eq!(broken(&sample()), BTreeSet::from(["limits"]));
    }
}
