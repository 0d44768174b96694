//! The ledger's past: what was changed, for whom, and what became of it; and how much of it is kept.

use crate::column::{Bits, Text, Word};
use crate::record::select;
use crate::{Recorded, Retention, Store, StoreError};
use rusqlite::{OptionalExtension, params};
use std::{num::NonZeroU32, ops::RangeInclusive, path::PathBuf};
use svirt_model::Known;

/// How many of the ledger's newest entries may be kept: enough for a day of many machines at least,
/// and no more than some hundreds of megabytes.
pub const LEDGER_KEPT: RangeInclusive<u32> = 1_000..=1_000_000;

/// Which entries are sought; one that says nothing seeks all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// Those of this machine, by its name or its identity.
    pub machine: Option<String>,
    /// Those of the object that had this path,
    pub path: Option<PathBuf>,
    /// or that is known by this, whatever its path was.
    pub file: Option<Known>,
}

impl Store {
    /// The newest entries of the ledger that are sought, open and closed, the last one first.
    ///
    /// # Errors
    /// The store cannot be read; a path that is not UTF-8.
    pub fn sought(&self, sought: &Sought, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        let rest = "WHERE (?1 IS NULL OR name = ?1 OR machine = ?1)
            AND ((?2 IS NULL AND ?3 IS NULL) OR object = ?2 OR file = ?3)
            ORDER BY sequence DESC LIMIT ?4";
        let (path, file) = (sought.path.as_deref().map(Text), sought.file.as_ref().map(Word));
        self.read(|c| select(c, rest, params![sought.machine, path, file, limit]))
    }

    /// At most `limit` entries after the one with this number, oldest first.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn ledger_since(&self, sequence: u64, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        let rest = "WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
        // Numbers beyond what SQLite counts to are after every entry.
        let after = i64::try_from(sequence).unwrap_or(i64::MAX);
        self.read(|c| select(c, rest, params![after, limit]))
    }

    /// The number of the oldest entry that is kept; none of an empty ledger.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn ledger_begins(&self) -> Result<Option<u64>, StoreError> {
        let oldest = "SELECT min(sequence) FROM ledger";
        let found: Option<Bits> = self.read(|c| Ok(c.query_row(oldest, [], |row| row.get(0))?))?;
        Ok(found.map(|bits| bits.0))
    }

    /// How many of the ledger's newest entries are kept.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn ledger_kept(&self) -> Result<u32, StoreError> {
        let set = "SELECT value FROM settings WHERE key = 'ledger'";
        let set = self.read(|c| Ok(c.query_row(set, [], |row| row.get(0)).optional()?))?;
        Ok(set.unwrap_or(Retention::default().ledger.get()).max(self.ledger_least))
    }

    /// Keeps so many of the ledger's newest entries at least, whatever was set, as long as this is open.
    pub fn keep_at_least(&mut self, entries: u32) {
        self.ledger_least = entries.min(*LEDGER_KEPT.end());
    }

    /// Sets how many of the ledger's newest entries are kept from the next end of a machine on; not
    /// fewer or more than [`LEDGER_KEPT`] says.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn keep_ledger(&mut self, entries: NonZeroU32) -> Result<(), StoreError> {
        let entries = entries.get().clamp(*LEDGER_KEPT.start(), *LEDGER_KEPT.end());
        let set = "INSERT INTO settings (key, value) VALUES ('ledger', ?1)
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.write(|tx| Ok(tx.execute(set, [entries]).map(drop)?))
    }
}
