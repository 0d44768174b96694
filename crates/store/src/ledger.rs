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

use crate::column::{Bits, Json, Text, TextBuf, Word, now_ms};
use crate::error::Fault;
use crate::{Store, StoreError};
use rusqlite::{Connection, Params, Row, params};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use svirt_model::{Attribute, MachineName, Op, Uuid, Value};

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

pub(crate) const COLUMNS: &str =
    "SELECT sequence, machine, name, object, attribute, before, after, phase,
                              reason, time_ms FROM ledger AS l";

impl Store {
    /// The changes that were made for a machine and are not undone, the last one first: the order
    /// in which they are undone.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn open_entries(&self, machine: Uuid) -> Result<Vec<LedgerEntry>, StoreError> {
        let rest = format!("WHERE machine = ?1 AND {OPEN} ORDER BY sequence DESC");
        self.read(|c| select(c, &rest, [Word(machine)]))
    }

    /// The newest entries of the ledger, open and closed, the last one first.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn history(&self, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        self.read(|c| select(c, "ORDER BY sequence DESC LIMIT ?1", [limit]))
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

pub(crate) fn intend(
    tx: &Connection,
    machine: Uuid,
    name: &MachineName,
    ops: &[Op],
) -> Result<(), Fault> {
    let mut insert = tx.prepare(
        "INSERT INTO ledger
           (machine, name, object, attribute, before, after, phase, reason, time_ms, file)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'intent', '', ?7, ?8)",
    )?;
    let (machine, name, now) = (Word(machine), name.as_str(), Bits(now_ms()));
    for Op { object, attribute, before, after } in ops {
        let file = attribute.file().map(Word);
        let (object, attribute) = (Text(object), Json(attribute));
        let (before, after) = (Json(before), Json(after));
        insert.execute(params![machine, name, object, attribute, before, after, now, file])?;
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
           boot = iif(file IS NOT NULL AND ?2 = 'undone', ?5, NULL)
         WHERE sequence = ?1 AND {UNSETTLED}"
    );
    let row = params![Bits(sequence), Word(phase), reason, Bits(now_ms()), boot];
    match tx.prepare_cached(&update)?.execute(row)? {
        0 => Err(StoreError::NotOpen { sequence }.into()),
        _ => Ok(()),
    }
}

/// The entries that nobody needs any more once this machine is gone: its own that are open, and those on
/// objects that it wants, open or orphaned, unless another live machine wants the object.
pub(crate) fn to_undo(tx: &Connection, machine: Uuid) -> Result<Vec<LedgerEntry>, Fault> {
    let rest = format!(
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
    );
    select(tx, &rest, [Word(machine)])
}

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
           AND (boot IS NULL OR (boot = ?2 AND time_ms < ?3))",
        params![keep.get(), boot, Bits(now_ms().saturating_sub(WRITTEN_MS)), least],
    )?;
    Ok(())
}

pub(crate) fn select(
    c: &Connection,
    rest: &str,
    key: impl Params,
) -> Result<Vec<LedgerEntry>, Fault> {
    let mut entries = c.prepare_cached(&format!("{COLUMNS} {rest}"))?;
    Ok(entries.query_map(key, from_row)?.collect::<Result<_, _>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    let op = Op {
        object: row.get::<_, TextBuf>(3)?.0,
        attribute: row.get::<_, Json<Attribute>>(4)?.0,
        before: row.get::<_, Json<Value>>(5)?.0,
        after: row.get::<_, Json<Value>>(6)?.0,
    };
    Ok(LedgerEntry {
        sequence: row.get::<_, Bits>(0)?.0,
        machine: row.get::<_, Word<Uuid>>(1)?.0,
        name: row.get::<_, Word<MachineName>>(2)?.0,
        op,
        phase: row.get::<_, Word<Phase>>(7)?.0,
        reason: row.get(8)?,
        time_ms: row.get::<_, Bits>(9)?.0,
    })
}
