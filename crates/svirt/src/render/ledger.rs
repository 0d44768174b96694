//! What was changed on the host, what would be put back, and what is found on images.

use super::{Table, Tone, event::utc, resources::value};
use crate::{escape, output::Style};
use svirt_engine::{DamagedEntry, LedgerEntry, Pending, Phase, Recorded, Repair};
use svirt_model::{Attribute, Value};

/// The ledger, a line a change.
pub(crate) fn ledger(entries: &[Recorded], style: Style) -> String {
    let mut table =
        Table::new(&["CHANGE", "SINCE", "MACHINE", "STATE", "OBJECT", "FROM", "TO"]).flush_left();
    for entry in entries {
        table.toned(match entry {
            Recorded::Whole(entry) => whole(entry),
            Recorded::Damaged(entry) => damaged(entry),
        });
    }
    table.text(style)
}

fn whole(entry: &LedgerEntry) -> [(String, Tone); 7] {
    let (state, tone) = state(entry);
    [
        (entry.sequence.to_string(), Tone::Plain),
        (utc(entry.time_ms), Tone::Plain),
        (entry.name.to_string(), Tone::Plain),
        (state, tone),
        (object(entry), Tone::Plain),
        (value(&entry.op.before), Tone::Plain),
        (value(&entry.op.after), Tone::Plain),
    ]
}

/// What is there of it, which may be anything.
fn damaged(entry: &DamagedEntry) -> [(String, Tone); 7] {
    let state = format!("damaged: {}", entry.phase);
    let object = format!("{} of {}", entry.attribute, entry.object.display());
    [
        (entry.sequence.to_string(), Tone::Plain),
        (utc(entry.time_ms), Tone::Plain),
        (entry.name.clone(), Tone::Plain),
        (state, Tone::Bad),
        (object, Tone::Plain),
        (entry.before.clone(), Tone::Plain),
        (entry.after.clone(), Tone::Plain),
    ]
}

fn object(entry: &LedgerEntry) -> String {
    let path = entry.op.object.display();
    match entry.op.attribute {
        Attribute::Presence => path.to_string(),
        Attribute::Label { .. } => format!("label of {path}"),
    }
}

/// How far a change is, in words.
pub(crate) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Intent => "begun",
        Phase::Done => "made",
        Phase::Undone => "restored",
        Phase::Orphaned => "restored later",
        Phase::Left => "left",
    }
}

fn state(entry: &LedgerEntry) -> (String, Tone) {
    let tone = match entry.phase {
        Phase::Intent | Phase::Done => Tone::Plain,
        Phase::Undone => Tone::Good,
        Phase::Orphaned => Tone::Fair,
        // What was asked for by name is kept.
        Phase::Left if entry.op.after == Value::EmptyFile => Tone::Plain,
        Phase::Left => Tone::Bad,
    };
    match entry.reason.as_str() {
        "" => (word(entry.phase).to_owned(), tone),
        why => (format!("{}: {why}", word(entry.phase)), tone),
    }
}

/// What a recovery would do, a line an object.
pub(crate) fn pending(pending: &[Pending], style: Style) -> String {
    let mut table = Table::new(&["MACHINE", "OBJECT", "WOULD BE"]).flush_left();
    for Pending { machine, object, before, why_not } in pending {
        let (would, tone) = match (why_not, before) {
            (Some(why), _) => (format!("left or looked for: {why}"), Tone::Fair),
            (None, None | Some(Value::Absent)) => ("removed".to_owned(), Tone::Good),
            (None, Some(before)) => (format!("{} again", value(before)), Tone::Good),
        };
        let (machine, object) = (machine.clone(), object.display().to_string());
        table.toned([(machine, Tone::Plain), (object, Tone::Plain), (would, tone)]);
    }
    table.text(style)
}

/// What was found on images, and what is to be done about it.
pub(crate) fn repairs(repairs: &[Repair]) -> String {
    let line = |text: &String| format!("  {}\n", escape::line(text));
    let one = |repair: &Repair| {
        let path = repair.path.display().to_string();
        let lines = repair.found.iter().chain(&repair.would).map(line);
        format!("{}\n{}", escape::line(&path), lines.collect::<String>())
    };
    match repairs {
        [] => "nothing is to be repaired\n".to_owned(),
        some => some.iter().map(one).collect(),
    }
}
