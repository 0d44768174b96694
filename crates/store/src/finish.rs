//! The end of a machine, or of several: one transaction around what is undone on the host.
//!
//! Between [`Store::finish`] and [`Finish::commit`] nobody can start a machine that wants one of
//! the objects that are being put back. A process that dies in between leaves the machine and its
//! ledger as they were, and whoever cleans up begins again.

use crate::column::{self, Word};
use crate::error::Fault;
use crate::event::append;
use crate::store::Durability;
use crate::{Due, LedgerEntry, Outcome, Store, StoreError, claim, ledger, record, run, store};
use rusqlite::Transaction;
use std::{num::NonZeroU32, path::Path};
use svirt_model::{EventKind, MachineName, Uuid};

/// The ends of machines that are being made. All others wait meanwhile. Dropped without
/// [`Ends::commit`], they change nothing.
#[derive(Debug)]
pub struct Ends<'s> {
    tx: Transaction<'s>,
    path: &'s Path,
    boot: String,
    keep_events: NonZeroU32,
    keep_ledger: NonZeroU32,
    keep_least: u32,
}

/// The end of one machine. Dropped without [`Finish::commit`], it changes nothing.
#[derive(Debug)]
pub struct Finish<'s> {
    ends: Ends<'s>,
    id: Uuid,
}

impl Store {
    /// Begins the end of a live machine: after its VMM ended, after a start that failed, or on
    /// behalf of a supervisor that died. `boot` is the one in which it is made.
    ///
    /// # Errors
    /// [`StoreError::NotLive`], also when another process was faster.
    pub fn finish(&mut self, id: Uuid, boot: &str) -> Result<Finish<'_>, StoreError> {
        let ends = self.ends(boot)?;
        ends.name(id)?;
        Ok(Finish { ends, id })
    }

    /// Begins the ends of several machines, which are one commit: each takes its share of the log's
    /// way to the disk.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn ends(&mut self, boot: &str) -> Result<Ends<'_>, StoreError> {
        let path = &self.path;
        self.copying.has_room()?;
        let tx = store::begin(&mut self.connection, Durability::Lazy)
            .map_err(|e| Fault::from(e).at(path))?;
        let (keep_events, keep_ledger) = (self.retention.events, self.retention.ledger);
        let (boot, keep_least) = (boot.to_owned(), self.ledger_least);
        Ok(Ends { tx, path, boot, keep_events, keep_ledger, keep_least })
    }
}

impl Finish<'_> {
    /// See [`Ends::due`].
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn due(&self) -> Result<Due, StoreError> {
        self.ends.due(self.id)
    }

    /// Makes the end known; see [`Ends::end`].
    ///
    /// # Errors
    /// Those of [`Ends::end`]. Nothing has changed then.
    ///
    /// A loss of power may take the commit back. Nothing lives after that, and recovery finds what was
    /// undone already; see [`Store::again`].
    pub fn commit(
        self,
        outcomes: &[(u64, Outcome)],
        kind: EventKind,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.ends.end(self.id, outcomes, kind, detail)?;
        self.ends.commit()
    }
}

impl Ends<'_> {
    /// The changes to undo, in the order in which to undo them: those that are open in the ledger, or
    /// orphaned, on objects that this machine changed or wants and that no other live machine wants.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn due(&self, id: Uuid) -> Result<Due, StoreError> {
        ledger::to_undo(&self.tx, id).map_err(|e| e.at(self.path))
    }

    /// Ends one machine: it is gone with all that it held, the ledger says what became of each of
    /// the entries of [`Ends::due`], and the event is there.
    ///
    /// # Errors
    /// [`StoreError::NotLive`]; [`StoreError::NotOpen`] for an outcome of an entry that is not open;
    /// [`StoreError::Unsettled`] when an entry has no outcome. None of them may be committed then.
    pub fn end(
        &self,
        id: Uuid,
        outcomes: &[(u64, Outcome)],
        kind: EventKind,
        detail: &str,
    ) -> Result<(), StoreError> {
        let name = self.name(id)?;
        self.save((id, &name), outcomes, kind, detail).map_err(|e| e.at(self.path))
    }

    /// Makes the ends known.
    ///
    /// # Errors
    /// Only when the store cannot be written. Nothing has changed then.
    pub fn commit(self) -> Result<(), StoreError> {
        let path = self.path;
        let forget = || {
            ledger::prune(&self.tx, self.keep_ledger, self.keep_least, &self.boot)?;
            claim::prune(&self.tx)
        };
        forget().and_then(|()| Ok(store::commit(self.tx)?)).map_err(|e: Fault| e.at(path))
    }

    /// The name of a machine that lives.
    ///
    /// # Errors
    /// [`StoreError::NotLive`].
    pub fn name(&self, id: Uuid) -> Result<MachineName, StoreError> {
        run::name_of(&self.tx, id).map_err(|e| e.at(self.path))
    }

    fn save(
        &self,
        (id, name): (Uuid, &MachineName),
        outcomes: &[(u64, Outcome)],
        kind: EventKind,
        detail: &str,
    ) -> Result<(), Fault> {
        let tx = &self.tx;
        let due = ledger::to_undo(tx, id)?;
        for (sequence, outcome) in outcomes {
            ledger::close(tx, *sequence, outcome, &self.boot)?;
        }
        let said = |entry: &&LedgerEntry| outcomes.iter().any(|(said, _)| *said == entry.sequence);
        if let Some(entry) = due.entries.iter().find(|entry| !said(entry)) {
            return Err(StoreError::Unsettled { sequence: entry.sequence }.into());
        }
        record::leave(tx, &due.damaged, column::now_ms())?;
        tx.execute("DELETE FROM runs WHERE id = ?1", [Word(id)])?;
        append(tx, name, kind, detail, self.keep_events)
    }
}
