//! An entry of the ledger as it is read: what was written, or what is left of it.
//!
//! Nothing follows from an entry that does not agree with its digest: it is neither undone nor believed about
//! what was there before. It is kept, so that a person can see it.

use crate::column::{Bits, Json, TextBuf, Word};
use crate::digest::Digest;
use crate::error::Fault;
use crate::ledger::LedgerEntry;
use rusqlite::{Connection, Params, Row, params};
use std::path::PathBuf;
use svirt_model::Op;

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is what was written.
    Whole(LedgerEntry),
    /// It is not.
    Damaged(DamagedEntry),
}

/// An entry that does not agree with its digest, or that says what is never written: as it is by now, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedEntry {
    /// Its place in the ledger.
    pub sequence: u64,
    /// The machine's identity.
    pub machine: String,
    /// The machine's name.
    pub name: String,
    /// The object's path.
    pub object: PathBuf,
    /// Which attribute (JSON).
    pub attribute: String,
    /// What was there before (JSON).
    pub before: String,
    /// What was put there (JSON).
    pub after: String,
    /// How far the change was.
    pub phase: String,
    /// Why it was left.
    pub reason: String,
    /// When that was, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
}

/// What has to be undone, or looked at again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The changes, in the order in which to undo them.
    pub entries: Vec<LedgerEntry>,
    /// Those of which nothing is undone, because their records are damaged: the store itself says that they
    /// were left.
    pub damaged: Vec<DamagedEntry>,
}

impl Recorded {
    /// Its place in the ledger, from 1 on.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Whole(entry) => entry.sequence,
            Self::Damaged(entry) => entry.sequence,
        }
    }

    /// The change, if it is what was written.
    pub fn whole(self) -> Option<LedgerEntry> {
        match self {
            Self::Whole(entry) => Some(entry),
            Self::Damaged(_) => None,
        }
    }
}

impl DamagedEntry {
    /// Why nothing was done because of it.
    pub const REASON: &str = "its record in the ledger is damaged, so nothing was done";
}

impl From<Vec<Recorded>> for Due {
    fn from(all: Vec<Recorded>) -> Self {
        let mut due = Self::default();
        for one in all {
            match one {
                Recorded::Whole(entry) => due.entries.push(entry),
                Recorded::Damaged(entry) => due.damaged.push(entry),
            }
        }
        due
    }
}

/// The columns of which the digest is, in this order.
const DIGESTED: [&str; 7] = ["machine", "name", "object", "attribute", "before", "after", "file"];

/// So many come before them: sequence, phase, reason, time, and the digest.
const OTHERS: usize = 5;

pub(crate) fn select(c: &Connection, rest: &str, key: impl Params) -> Result<Vec<Recorded>, Fault> {
    let columns = DIGESTED.join(", ");
    let query = format!(
        "SELECT sequence, phase, reason, time_ms, digest, {columns} FROM ledger AS l {rest}"
    );
    let mut entries = c.prepare_cached(&query)?;
    Ok(entries.query_map(key, from_row)?.collect::<Result<_, _>>()?)
}

/// Those that are what was written.
pub(crate) fn whole(
    c: &Connection,
    rest: &str,
    key: impl Params,
) -> Result<Vec<LedgerEntry>, Fault> {
    Ok(select(c, rest, key)?.into_iter().filter_map(Recorded::whole).collect())
}

/// Gives those their digest that are from a version that knew none.
pub(crate) fn seal(tx: &Connection) -> rusqlite::Result<()> {
    let query =
        format!("SELECT sequence, {} FROM ledger WHERE digest IS NULL", DIGESTED.join(", "));
    let mut bare = tx.prepare(&query)?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, digest(row, 1).value()));
    let all: Vec<(i64, i64)> = bare.query_map([], row)?.collect::<Result<_, _>>()?;
    let mut update = tx.prepare("UPDATE ledger SET digest = ?2 WHERE sequence = ?1")?;
    all.into_iter().try_for_each(|(sequence, digest)| update.execute([sequence, digest]).map(drop))
}

/// Entries that are damaged are left, as the text that is there of them, without a digest. An index may have been
/// made of what one was before: then what it has of the entry would not be found.
pub(crate) fn leave(tx: &Connection, damaged: &[DamagedEntry], now_ms: u64) -> Result<(), Fault> {
    if damaged.is_empty() {
        return Ok(());
    }
    tx.execute_batch("REINDEX ledger")?;
    let mut gone = tx.prepare("DELETE FROM ledger WHERE sequence = ?1")?;
    let mut replace = tx.prepare(
        "INSERT INTO ledger (sequence, machine, name, object, attribute, before, after, phase,
           reason, time_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'left', ?8, ?9)",
    )?;
    for entry in damaged {
        let DamagedEntry { machine, name, attribute, before, after, .. } = entry;
        gone.execute([Bits(entry.sequence)])?;
        let (sequence, object) = (Bits(entry.sequence), entry.object.to_string_lossy());
        let (reason, now) = (DamagedEntry::REASON, Bits(now_ms));
        replace.execute(params![
            sequence, machine, name, object, attribute, before, after, reason, now
        ])?;
    }
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let written: Option<i64> = row.get(4).ok();
    if written == Some(digest(row, OTHERS).value())
        && let Ok(entry) = entry(row)
    {
        return Ok(Recorded::Whole(entry));
    }
    damaged(row).map(Recorded::Damaged)
}

fn digest(row: &Row<'_>, from: usize) -> Digest {
    Digest::of_row(row, from..from + DIGESTED.len())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    let op = Op {
        object: row.get::<_, TextBuf>(OTHERS + 2)?.0,
        attribute: row.get::<_, Json<_>>(OTHERS + 3)?.0,
        before: row.get::<_, Json<_>>(OTHERS + 4)?.0,
        after: row.get::<_, Json<_>>(OTHERS + 5)?.0,
    };
    Ok(LedgerEntry {
        sequence: row.get::<_, Bits>(0)?.0,
        machine: row.get::<_, Word<_>>(OTHERS)?.0,
        name: row.get::<_, Word<_>>(OTHERS + 1)?.0,
        op,
        phase: row.get::<_, Word<_>>(1)?.0,
        reason: row.get(2)?,
        time_ms: row.get::<_, Bits>(3)?.0,
    })
}

fn damaged(row: &Row<'_>) -> rusqlite::Result<DamagedEntry> {
    let text = |index| {
        let bytes = row.get_ref(index).ok().and_then(|value| value.as_bytes().ok());
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    };
    Ok(DamagedEntry {
        sequence: row.get::<_, Bits>(0)?.0,
        machine: text(OTHERS),
        name: text(OTHERS + 1),
        object: text(OTHERS + 2).into(),
        attribute: text(OTHERS + 3),
        before: text(OTHERS + 4),
        after: text(OTHERS + 5),
        phase: text(1),
        reason: text(2),
        time_ms: row.get::<_, Bits>(3).map_or(0, |time| time.0),
    })
}
