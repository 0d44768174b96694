//! What earlier ends could not undo, and what they undid just before the host went down: both are
//! looked at once more, in one transaction around what is done on the host.

use crate::error::Fault;
use crate::event::append;
use crate::record::{self, whole};
use crate::store::Durability;
use crate::{
    Due, LedgerEntry, Outcome, Phase, Store, StoreError, column, column::Bits, ledger, store,
};
use rusqlite::{Connection, Transaction, params};
use std::{num::NonZeroU32, path::Path};
use svirt_model::{EventKind, MachineName, Op};

/// So many entries are looked at in one go: everybody waits meanwhile.
const MANY: u32 = 1_024;

/// A second look that is being made. All others wait meanwhile. Dropped without [`Again::commit`], it
/// changes nothing.
#[derive(Debug)]
pub struct Again<'s> {
    tx: Transaction<'s>,
    path: &'s Path,
    boot: String,
    keep_events: NonZeroU32,
}

impl Store {
    /// Begins a second look, if there is something to look at; `boot` is this one.
    ///
    /// # Errors
    /// Only when the store cannot be read or written.
    pub fn again(&mut self, boot: &str) -> Result<Option<Again<'_>>, StoreError> {
        if !self.read(|c| is_due(c, boot))? {
            return Ok(None);
        }
        let path = &self.path;
        self.copying.has_room()?;
        let tx = store::begin(&mut self.connection, Durability::Lazy)
            .map_err(|e| Fault::from(e).at(path))?;
        written(&tx, boot).map_err(|e| e.at(path))?;
        let keep_events = self.retention.events;
        Ok(Some(Again { tx, path, boot: boot.to_owned(), keep_events }))
    }

    /// The changes that could not be undone yet, the last one first. None whose record is damaged: the next
    /// second look leaves it.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn orphans(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        let rest = "WHERE phase = 'orphaned' ORDER BY sequence DESC";
        self.read(|c| whole(c, rest, []))
    }
}

impl Again<'_> {
    /// The changes to look at, in the order in which to undo them: those that are orphaned, and labels
    /// that were put back in another boot. None that a live machine wants.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn due(&self) -> Result<Due, StoreError> {
        due(&self.tx, &self.boot).map_err(|e| e.at(self.path))
    }

    /// Makes known what became of them, with an event for each machine of which there is something to
    /// say. What was undone before stays so, unless it was found to be not; what cannot be looked at
    /// now is looked at again.
    ///
    /// # Errors
    /// [`StoreError::NotOpen`] for an outcome of an entry that is none of [`Again::due`].
    pub fn commit(
        self,
        outcomes: &[(u64, Outcome)],
        events: &[(MachineName, String)],
    ) -> Result<(), StoreError> {
        let path = self.path;
        self.save(outcomes, events).map_err(|e| e.at(path))
    }

    fn save(
        self,
        outcomes: &[(u64, Outcome)],
        events: &[(MachineName, String)],
    ) -> Result<(), Fault> {
        let due = due(&self.tx, &self.boot)?;
        for (sequence, outcome) in outcomes {
            let entry = due.entries.iter().find(|entry| entry.sequence == *sequence);
            let entry = entry.ok_or(StoreError::NotOpen { sequence: *sequence })?;
            match (entry.phase, outcome) {
                (Phase::Orphaned, Outcome::Later(why)) if *why == entry.reason => {}
                (Phase::Orphaned, _) => ledger::close(&self.tx, *sequence, outcome, &self.boot)?,
                (_, Outcome::Later(_)) => {}
                (_, Outcome::Undone | Outcome::Moved(_) | Outcome::Left(_)) => {
                    let looked = "UPDATE ledger SET boot = NULL WHERE sequence = ?1";
                    self.tx.prepare_cached(looked)?.execute([Bits(*sequence)])?;
                }
            }
        }
        record::leave(&self.tx, &due.damaged, column::now_ms())?;
        for (name, detail) in events {
            append(&self.tx, name, EventKind::Recovered, detail, self.keep_events)?;
        }
        Ok(crate::store::commit(self.tx)?)
    }
}

/// The labels that were put back in another boot, by an index: it knows no "other than".
const OF_ANOTHER_BOOT: &str = "(boot < ?1 OR boot > ?1)";

fn is_due(c: &Connection, boot: &str) -> Result<bool, Fault> {
    let query = format!(
        "SELECT EXISTS (SELECT 1 FROM ledger WHERE phase = 'orphaned')
             OR EXISTS (SELECT 1 FROM ledger WHERE {OF_ANOTHER_BOOT})"
    );
    Ok(c.prepare_cached(&query)?.query_row([boot], |row| row.get(0))?)
}

/// What was put back long before the last that was in its boot is on the disk.
fn written(tx: &Connection, boot: &str) -> Result<(), Fault> {
    let update = format!(
        "UPDATE ledger AS l SET boot = NULL WHERE {OF_ANOTHER_BOOT}
           AND boot_ms < (SELECT max(boot_ms) FROM ledger WHERE boot = l.boot) - ?2"
    );
    tx.execute(&update, params![boot, Bits(ledger::WRITTEN_MS)])?;
    Ok(())
}

fn due(tx: &Connection, boot: &str) -> Result<Due, Fault> {
    use crate::ledger::{FILE_WANTED, WANTED};
    let rest = format!(
        "WHERE sequence IN (
           SELECT sequence FROM ledger WHERE phase = 'orphaned'
           UNION SELECT sequence FROM ledger WHERE {OF_ANOTHER_BOOT})
         AND NOT EXISTS (SELECT 1 FROM wants AS w WHERE {WANTED})
         AND NOT EXISTS (SELECT 1 FROM wants AS w WHERE {FILE_WANTED})
         ORDER BY sequence DESC LIMIT {MANY}"
    );
    Ok(record::select(tx, &rest, [boot])?.into())
}

/// What machines that are gone left labelled, of these files: it could not be put back yet. Nothing whose
/// record is damaged.
pub(crate) fn orphaned(
    c: &Connection,
    labels: &[svirt_model::Attribute],
) -> Result<Vec<Op>, Fault> {
    use crate::column::{Json, Word};
    let rest = format!(
        "WHERE file = ?1 AND attribute = ?2 AND {} AND phase = 'orphaned' ORDER BY sequence",
        ledger::UNSETTLED
    );
    let mut all = Vec::new();
    for attribute in labels {
        let Some(file) = attribute.file() else { continue };
        let entries = whole(c, &rest, params![Word(file), Json(attribute)])?;
        all.extend(entries.into_iter().map(|entry| entry.op));
    }
    Ok(all)
}
