//! Whether the store is what was written: looked at once in each boot, before what a machine left that died is
//! put back, and when somebody asks. It takes a millisecond, and a fifth of a second where a thousand machines
//! live: too long for each command.
//!
//! SQLite finds a bit that is another only where it keeps a page from being one. One in an index hides an entry of
//! the ledger from whoever looks for it there, and what it says would never be undone. An index is made anew from
//! its table; what a table says is believed where the entry's digest and the number of all of them agree; nothing
//! else is mended here.

use crate::column::{Bits, Word, now_ms};
use crate::error::Fault;
use crate::ledger::{FILE_WANTED, WANTED};
use crate::store::Durability;
use crate::{LedgerEntry, Phase, Recorded, Store, StoreError, claim, record};
use rusqlite::{Connection, params};

/// What was found amiss, and is right now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Whether indexes were made anew.
    pub indexes: bool,
    /// Changes that are not undone, and of which the ledger has nothing any more.
    pub lost: u64,
    /// Changes that nobody would have undone. They are orphaned now.
    pub forgotten: u64,
}

/// The fact that says in which boot the store was looked at.
const BOOT: &str = "store checked in boot";

/// Its machine is gone, and no other one wants its object: no end of a machine comes to it any more.
/// The ledger is gone through without an index.
const FORGOTTEN: &str = "NOT INDEXED WHERE phase NOT IN ('undone', 'left', 'orphaned')
    AND machine NOT IN (SELECT id FROM runs)";

const REASON: &str = "the end of its machine did not find it in the damaged ledger";

impl Store {
    /// Looks at the whole store if nobody has in this boot.
    ///
    /// # Errors
    /// Those of [`Store::check`].
    pub fn check_once(&mut self, boot: &str) -> Result<Checked, StoreError> {
        if self.recall(BOOT)?.as_deref() == Some(boot) {
            return Ok(Checked::default());
        }
        let checked = self.check()?;
        self.remember(BOOT, boot)?;
        Ok(checked)
    }

    /// Looks at the whole store, and makes right what can be.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where something else than an index is.
    pub fn check(&mut self) -> Result<Checked, StoreError> {
        if self.read(is_right)? {
            return Ok(Checked::default());
        }
        self.write_as(Durability::Synced, |tx| {
            let indexes = !is_whole(tx)?;
            if indexes {
                tx.execute_batch("REINDEX")?;
                if !is_whole(tx)? {
                    return Err(Fault::Damage("its pages do not agree with each other"));
                }
            }
            let lost = missing(tx)?;
            let account = "UPDATE accounts SET count = count - ?1 WHERE what = 'unsettled'";
            tx.execute(account, [lost])?;
            let forgotten = forgotten(tx)?;
            orphan(tx, &forgotten)?;
            let lost = u64::try_from(lost).unwrap_or(0);
            Ok(Checked { indexes, lost, forgotten: forgotten.len() as u64 })
        })
    }

    /// The changes that a check would find that nobody would have undone.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn forgotten(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        let all = self.read(forgotten)?;
        Ok(all.into_iter().filter_map(Recorded::whole).collect())
    }
}

fn is_right(c: &Connection) -> Result<bool, Fault> {
    // All of it is of one moment.
    let moment = c.unchecked_transaction()?;
    Ok(is_whole(&moment)? && missing(&moment)? == 0 && forgotten(&moment)?.is_empty())
}

/// Whether tables, indexes and pages agree, and every row has its machine.
fn is_whole(c: &Connection) -> Result<bool, Fault> {
    let sound: String = c.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if c.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(Fault::Damage("it has rows of machines that it does not have"));
    }
    if !claim::are_whole(c)? {
        return Err(Fault::Damage("what its machines want is not what was written"));
    }
    Ok(sound == "ok")
}

/// How many changes are not settled that are not in the ledger; below 0, how many more are.
fn missing(c: &Connection) -> Result<i64, Fault> {
    let query = "SELECT (SELECT count FROM accounts WHERE what = 'unsettled')
        - (SELECT count(*) FROM ledger NOT INDEXED WHERE phase NOT IN ('undone', 'left'))";
    Ok(c.query_row(query, [], |row| row.get(0))?)
}

fn forgotten(c: &Connection) -> Result<Vec<Recorded>, Fault> {
    let rest = format!(
        "{FORGOTTEN}
         AND NOT EXISTS (SELECT 1 FROM wants AS w WHERE {WANTED})
         AND NOT EXISTS (SELECT 1 FROM wants AS w WHERE {FILE_WANTED})"
    );
    record::select(c, &rest, [])
}

fn orphan(tx: &Connection, all: &[Recorded]) -> Result<(), Fault> {
    let update = "UPDATE ledger SET phase = ?2, reason = ?3, time_ms = ?4 WHERE sequence = ?1";
    let mut update = tx.prepare(update)?;
    for entry in all {
        let (sequence, phase) = (Bits(entry.sequence()), Word(Phase::Orphaned));
        update.execute(params![sequence, phase, REASON, Bits(now_ms())])?;
    }
    Ok(())
}
