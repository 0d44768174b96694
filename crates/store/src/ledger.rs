//! Every change to the host, written down before it is made and until it is undone.
//!
//! ```text
//!   intent ---> done ---> undone
//!      |          |         ^
//!      +----------+-----> orphaned   (its machine is gone, and it could not be undone yet)
//!      |          |         v
//!      +----------+-----> left       (somebody else changed it since: it stays, and the reason is kept)
//! ```
//! An entry is open while it is an intent or done. One that is an intent may have been carried out
//! or not: whoever undoes it looks. One that is orphaned is looked at by each recovery, unless a live
//! machine wants the object; then that machine's end takes it along.
//!
//! The end of a machine may outlive a loss of power that its labels, put back just before, do not. So
//! an entry of a label keeps the boot in which it was undone, until it was looked at in another one.

use crate::column::{Bits, Json, Text, Word, boot_ms, now_ms};
use crate::digest::Digest;
use crate::error::Fault;
use crate::record::{self, Recorded, whole};
use crate::{Due, Store, StoreError, run};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use svirt_model::{Attribute, Known, MachineName, Op, Uuid, Value};

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It may have been made.
    Intent,
    /// It was made.
    Done,
    /// It was made and undone, or never made.
    Undone,
    /// Its machine is gone, and it could not be undone yet; the entry says why.
    Orphaned,
    /// It was not undone; the entry says why.
    Left,
}

/// One change to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its place in the ledger, from 1 on. Later changes have higher numbers.
    pub sequence: u64,
    /// The machine for which it was made.
    pub machine: Uuid,
    /// That machine's name.
    pub name: MachineName,
    /// The change.
    pub op: Op,
    /// How far it is.
    pub phase: Phase,
    /// Why it was left or is orphaned, or where an object was that had been moved; otherwise empty.
    pub reason: String,
    /// When it got into this phase, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The object is as it was before.
    Undone,
    /// So it is, and it had been moved, to what this says.
    Moved(String),
    /// The object was left as it is, for this reason.
    Left(String),
    /// It cannot be undone now, for this reason.
    Later(String),
}

/// What a partial index of the schema holds; a query has to say exactly this to use it.
const OPEN: &str = "phase IN ('intent', 'done')";
/// The same, of another one.
pub(crate) const UNSETTLED: &str = "phase IN ('intent', 'done', 'orphaned')";

impl Store {
    /// The changes that were made for a machine and are not undone, the last one first: the order
    /// in which they are undone. None whose record is damaged.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn open_entries(&self, machine: Uuid) -> Result<Vec<LedgerEntry>, StoreError> {
        let rest = format!("WHERE machine = ?1 AND {OPEN} ORDER BY sequence DESC");
        self.read(|c| whole(c, &rest, [Word(machine)]))
    }

    /// The newest entries of the ledger, open and closed, the last one first. None that is damaged.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn history(&self, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        self.read(|c| whole(c, "ORDER BY sequence DESC LIMIT ?1", [limit]))
    }

    /// Further changes that are about to be made for who lives; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::NotLive`]; a path is not UTF-8.
    pub fn intend(&mut self, machine: Uuid, ops: &[Op]) -> Result<(), StoreError> {
        self.write(|tx| intend(tx, machine, &run::name_of(tx, machine)?, ops))
    }

    /// The machine's intents were carried out. [`Store::running`] says so as well.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn mark_done(&mut self, machine: Uuid) -> Result<(), StoreError> {
        self.write(|tx| mark_done(tx, machine))
    }

    /// Says what became of one open entry while its machine goes on, in this boot.
    ///
    /// # Errors
    /// [`StoreError::NotOpen`].
    pub fn settle(
        &mut self,
        sequence: u64,
        outcome: &Outcome,
        boot: &str,
    ) -> Result<(), StoreError> {
        self.write(|tx| close(tx, sequence, outcome, boot))
    }
}

/// One change. A label that another machine's entry will put back alike needs no second entry: whoever
/// wants it last undoes the first. Where there was always one who wants it, they would never end.
pub(crate) const INTEND: &str = "
    INSERT INTO ledger
      (machine, name, object, attribute, before, after, file, phase, reason, time_ms, digest)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'intent', '', ?8, ?9 WHERE ?7 IS NULL OR NOT EXISTS (
      SELECT 1 FROM ledger INDEXED BY ledger_unsettled_file
      WHERE file = ?7 AND attribute = ?4 AND object = ?3 AND before = ?5 AND after = ?6
        AND phase IN ('intent', 'done', 'orphaned') AND phase <> 'orphaned')";

pub(crate) fn intend(
    tx: &Connection,
    machine: Uuid,
    name: &MachineName,
    ops: &[Op],
) -> Result<(), Fault> {
    let mut insert = tx.prepare(INTEND)?;
    let (machine, now) = (Word(machine).text()?, Bits(now_ms()));
    for Op { object, attribute, before, after } in ops {
        let file = attribute.file().map(|file| Word(file).text()).transpose()?;
        let (object, attribute) = (Text(object).as_str()?, Json(attribute).text()?);
        let (before, after) = (Json(before).text()?, Json(after).text()?);
        // In the order in which they are digested.
        let all: [&str; 6] = [&machine, name.as_str(), object, &attribute, &before, &after];
        let digest = Digest::of(all.into_iter().map(Some).chain([file.as_deref()]));
        let [machine, name, object, attribute, before, after] = all;
        let row =
            params![machine, name, object, attribute, before, after, file, now, digest.value()];
        insert.execute(row)?;
    }
    Ok(())
}

pub(crate) fn mark_done(tx: &Connection, machine: Uuid) -> Result<(), Fault> {
    let update = format!(
        "UPDATE ledger SET phase = 'done', time_ms = ?2
         WHERE machine = ?1 AND {OPEN} AND phase = 'intent'"
    );
    tx.execute(&update, params![Word(machine), Bits(now_ms())])?;
    Ok(())
}

pub(crate) fn close(
    tx: &Connection,
    sequence: u64,
    outcome: &Outcome,
    boot: &str,
) -> Result<(), Fault> {
    let (phase, reason) = match outcome {
        Outcome::Undone => (Phase::Undone, ""),
        Outcome::Moved(to) => (Phase::Undone, to.as_str()),
        Outcome::Left(why) => (Phase::Left, why.as_str()),
        Outcome::Later(why) => (Phase::Orphaned, why.as_str()),
    };
    let update = format!(
        "UPDATE ledger SET phase = ?2, reason = ?3, time_ms = ?4,
           boot = iif(file IS NOT NULL AND ?2 = 'undone', ?5, NULL),
           boot_ms = iif(file IS NOT NULL AND ?2 = 'undone', ?6, NULL)
         WHERE sequence = ?1 AND {UNSETTLED}"
    );
    let (now, since) = (Bits(now_ms()), Bits(boot_ms()));
    let row = params![Bits(sequence), Word(phase), reason, now, boot, since];
    match tx.prepare_cached(&update)?.execute(row)? {
        0 => Err(StoreError::NotOpen { sequence }.into()),
        _ => Ok(()),
    }
}

/// The entries that nobody needs any more once this machine is gone: its own that are open, and those on
/// objects that it wants, open or orphaned, unless another live machine wants the object.
pub(crate) fn to_undo(tx: &Connection, machine: Uuid) -> Result<Due, Fault> {
    Ok(record::select(tx, &of_nobody_else(), [Word(machine)])?.into())
}

/// The entries that [`to_undo`] selects.
pub(crate) fn of_nobody_else() -> String {
    format!(
        "WHERE sequence IN (
           SELECT sequence FROM ledger WHERE machine = ?1 AND {OPEN}
           UNION
           SELECT sequence FROM wants AS w JOIN ledger AS m
             ON m.object = w.object AND m.attribute = w.attribute AND m.{UNSETTLED}
             WHERE w.run = ?1
           UNION
           SELECT sequence FROM wants AS w JOIN ledger AS m
             ON m.file = w.file AND m.attribute = w.attribute AND m.{UNSETTLED}
             WHERE w.run = ?1 AND w.file IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM wants AS w WHERE {WANTED} AND w.run <> ?1)
         AND NOT EXISTS (SELECT 1 FROM wants AS w WHERE {FILE_WANTED} AND w.run <> ?1)
         ORDER BY sequence DESC"
    )
}

/// What the earliest change of a file's label that is not undone has recorded of it, for somebody who
/// relies on it.
///
/// # Errors
/// [`StoreError::Record`].
pub(crate) fn earliest(
    tx: &Connection,
    file: &Known,
    attribute: &Attribute,
) -> Result<Option<Value>, Fault> {
    match record::select(tx, EARLIEST, params![Word(file), Json(attribute)])?.pop() {
        None => Ok(None),
        Some(Recorded::Whole(entry)) => Ok(Some(entry.op.before)),
        Some(Recorded::Damaged(entry)) => {
            Err(StoreError::Record { sequence: entry.sequence, object: entry.object }.into())
        }
    }
}

pub(crate) const EARLIEST: &str = "INDEXED BY ledger_unsettled_file
    WHERE file = ?1 AND attribute = ?2
      AND phase IN ('intent', 'done', 'orphaned') AND phase <> 'orphaned'
    ORDER BY sequence LIMIT 1";

/// A want is of an entry's object.
pub(crate) const WANTED: &str = "w.object = l.object AND w.attribute = l.attribute";
/// A want is of an entry's file, under whatever name.
pub(crate) const FILE_WANTED: &str = "w.file = l.file AND w.attribute = l.attribute";

/// So long after a label was put back, in milliseconds, it is on the disk: the kernel writes what was
/// changed within half a minute (`dirty_expire_centisecs`), and file systems their journals sooner.
pub(crate) const WRITTEN_MS: u64 = 3_600_000;

/// Drops closed entries that are not among the newest. The newest entry always stays, so that no
/// number comes twice; so do labels that have just been put back, and those that were in another boot
/// and have not been looked at since.
pub(crate) fn prune(
    tx: &Connection,
    keep: NonZeroU32,
    least: u32,
    boot: &str,
) -> Result<(), Fault> {
    tx.execute(
        "DELETE FROM ledger WHERE phase IN ('undone', 'left')
           AND sequence <= (SELECT max(sequence) FROM ledger)
             - max(coalesce((SELECT value FROM settings WHERE key = 'ledger'), ?1), ?4)
           AND (boot IS NULL OR (boot = ?2 AND boot_ms < ?3))",
        params![keep.get(), boot, Bits(boot_ms().saturating_sub(WRITTEN_MS)), least],
    )?;
    Ok(())
}
