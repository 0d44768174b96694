//! Everything is put back: at the end of a machine, and once more for what could not be put back then.
//!
//! What is to be undone is the store's to say, and how is the host's; here stands what is said of it.

use super::{alive::boot_id, live::means, trees};
use crate::{
    Engine, Failure,
    recovery::{Rest, rest},
};
use std::collections::BTreeMap;
use svirt_host::{
    apply::{self, Undone},
    known::Mounted,
};
use svirt_model::{EventKind, MachineName, Op, Uuid, Value};
use svirt_store::{DamagedEntry, Ends, LedgerEntry, Outcome, Phase, Run, Store, StoreError};

/// What the event of a machine's end says whose supervisor had died.
pub const SUPERVISOR_DIED: &str = "its supervisor had died";

/// Puts back what no other machine wants and makes the end durable; the event says what was left
/// because somebody else has changed it since, which is returned, and what is put back later. A file
/// that was asked for by name is left to be kept.
pub(crate) fn finish(
    engine: &Engine,
    store: &mut Store,
    id: Uuid,
    kind: EventKind,
    detail: &str,
) -> Result<Vec<Rest>, Failure> {
    clear(store, id)?;
    let (boot, undoing) = (boot_id()?, Undoing::new(engine));
    // Nobody else ends a machine whose supervisor lives; of one that died, several may at once.
    let before = match kind {
        EventKind::Recovered => BTreeMap::new(),
        _ => trees::alone(store, id)?.iter().map(|e| (e.sequence, undoing.undo(e))).collect(),
    };
    let ends = store.ends(&boot)?;
    let left = end(&ends, &undoing, before, id, (kind, detail))?;
    ends.commit()?;
    Ok(left)
}

/// The same for several machines whose supervisors have died, with one commit; one that somebody else
/// has cleaned up meanwhile is none of them.
pub(crate) fn finish_dead(
    engine: &Engine,
    store: &mut Store,
    dead: &[Run],
) -> Result<(Vec<MachineName>, Vec<Rest>), Failure> {
    let (mut names, mut left) = (Vec::new(), Vec::new());
    dead.iter().try_for_each(|run| clear(store, run.id))?;
    let (ends, undoing) = (store.ends(&boot_id()?)?, Undoing::new(engine));
    for run in dead {
        match ends.name(run.id) {
            Ok(name) => names.push(name),
            Err(StoreError::NotLive { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        let said = (EventKind::Recovered, SUPERVISOR_DIED);
        left.extend(end(&ends, &undoing, BTreeMap::new(), run.id, said)?);
    }
    ends.commit()?;
    Ok((names, left))
}

/// Puts back some of the changes of one who goes on; the ledger says what became of each.
pub(crate) fn take_back(
    engine: &Engine,
    store: &mut Store,
    id: Uuid,
    ops: &[Op],
) -> Result<(), Failure> {
    let (boot, undoing) = (boot_id()?, Undoing::new(engine));
    for entry in store.open_entries(id)?.iter().filter(|entry| ops.contains(&entry.op)) {
        store.settle(entry.sequence, &undoing.undo(entry).0, &boot)?;
    }
    Ok(())
}

/// Everybody waits for the store at the end of a machine, so what may take a while comes before.
fn clear(store: &Store, id: Uuid) -> Result<(), Failure> {
    store.open_entries(id)?.iter().for_each(|entry| apply::clear(&entry.op));
    Ok(())
}

/// Ends one machine, of whose changes some were undone `before` everybody had to wait.
fn end(
    ends: &Ends<'_>,
    undoing: &Undoing,
    mut before: BTreeMap<u64, (Outcome, Option<String>)>,
    id: Uuid,
    (kind, detail): (EventKind, &str),
) -> Result<Vec<Rest>, Failure> {
    let (mut outcomes, mut left, mut detail) = (Vec::new(), Vec::new(), detail.to_owned());
    let due = ends.due(id)?;
    for entry in due.entries {
        let (outcome, note) =
            before.remove(&entry.sequence).unwrap_or_else(|| undoing.undo(&entry));
        for said in said(&entry, &outcome).into_iter().chain(note) {
            detail.push_str(&format!("; {said}"));
        }
        left.extend(left_for_good(&entry, &outcome));
        outcomes.push((entry.sequence, outcome));
    }
    for damaged in &due.damaged {
        let rest = rest_of_damaged(damaged);
        detail.push_str(&format!("; {} was left: {}", rest.object.display(), rest.why));
        left.push(rest);
    }
    ends.end(id, &outcomes, kind, &detail)?;
    Ok(left)
}

/// Looks once more at what earlier ends could not put back, and after a boot at what they had put back
/// before.
pub(crate) fn again(engine: &Engine, store: &mut Store) -> Result<Vec<Rest>, Failure> {
    let Some(again) = store.again(&boot_id()?)? else { return Ok(Vec::new()) };
    let (undoing, mut left) = (Undoing::new(engine), Vec::new());
    let (mut outcomes, mut events) = (Vec::new(), BTreeMap::<MachineName, Vec<String>>::new());
    let due = again.due()?;
    for entry in due.entries {
        let (outcome, _) = undoing.undo(&entry);
        if let Some(said) = said_again(&entry, &outcome) {
            events.entry(entry.name.clone()).or_default().push(said);
            left.extend(left_for_good(&entry, &outcome));
        }
        outcomes.push((entry.sequence, outcome));
    }
    for damaged in &due.damaged {
        let rest = rest_of_damaged(damaged);
        // There is no event of what can be no machine.
        if let Ok(name) = damaged.name.parse() {
            let said = format!("{} was left: {}", rest.object.display(), rest.why);
            events.entry(name).or_default().push(said);
        }
        left.push(rest);
    }
    let events: Vec<(MachineName, String)> =
        events.into_iter().map(|(name, said)| (name, said.join("; "))).collect();
    again.commit(&outcomes, &events)?;
    Ok(left)
}

/// Nothing is done because of a record that is not what was written, whatever it says by now.
fn rest_of_damaged(damaged: &DamagedEntry) -> Rest {
    let (machine, object) = (damaged.name.clone(), damaged.object.clone());
    Rest { machine, object, why: DamagedEntry::REASON.to_owned(), later: false }
}

/// What is not as it was, and stays so.
fn left_for_good(entry: &LedgerEntry, outcome: &Outcome) -> Option<Rest> {
    match outcome {
        Outcome::Left(why) if entry.op.after != Value::EmptyFile => {
            Some(rest(entry, why.clone(), false))
        }
        _ => None,
    }
}

/// What undoing needs, found out once for many changes.
struct Undoing {
    profiles: std::path::PathBuf,
    mounted: Mounted,
}

impl Undoing {
    fn new(engine: &Engine) -> Self {
        Self { profiles: engine.paths.profiles(), mounted: Mounted::default() }
    }

    /// What became of a change, and what is to be known of it besides.
    fn undo(&self, entry: &LedgerEntry) -> (Outcome, Option<String>) {
        let outcome = match apply::undo(&entry.op, &means(&self.profiles), &self.mounted) {
            Ok(Undone::Restored) => Outcome::Undone,
            Ok(Undone::Noted(what)) => {
                let note = format!("of {}, {what}", entry.op.object.display());
                return (Outcome::Undone, Some(note));
            }
            Ok(Undone::Moved(to)) => Outcome::Moved(to),
            Ok(Undone::Left(why)) => Outcome::Left(why),
            Ok(Undone::Later(why)) => Outcome::Later(why),
            Err(error) => Outcome::Left(Failure::from(error).to_string()),
        };
        (outcome, None)
    }
}

/// What is to be known of what became of a change. A file that was asked for by name stays; whatever
/// else stays is to be known.
fn said(entry: &LedgerEntry, outcome: &Outcome) -> Option<String> {
    let object = entry.op.object.display();
    match outcome {
        Outcome::Undone => None,
        Outcome::Left(_) if entry.op.after == Value::EmptyFile => None,
        Outcome::Moved(to) => Some(format!("{object} was moved, and restored there: {to}")),
        Outcome::Left(why) => Some(format!("{object} was left: {why}")),
        Outcome::Later(why) => Some(format!("{object} is restored later: {why}")),
    }
}

/// The same of a second look: that it is still not possible was said before, and what was put back
/// before is nobody's business any more if somebody else has changed it since.
fn said_again(entry: &LedgerEntry, outcome: &Outcome) -> Option<String> {
    match (entry.phase, outcome) {
        (_, Outcome::Later(_)) => None,
        (Phase::Orphaned, Outcome::Undone) => {
            Some(format!("{} was restored", entry.op.object.display()))
        }
        (Phase::Orphaned, _) => said(entry, outcome),
        _ => None,
    }
}
