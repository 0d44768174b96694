//! What happened to machines, in one order for all of them.

use crate::column::{Bits, Word, now_ms};
use crate::error::Fault;
use crate::{Store, StoreError};
use rusqlite::{Connection, Row, params};
use std::num::NonZeroU32;
use svirt_model::{Event, EventKind, MachineName};

impl Store {
    /// Appends an event in a commit of its own. What the store itself changes (a definition, a
    /// start, an end) has its event in the same commit already. A detail is cut after 1,000
    /// characters.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn append_event(
        &mut self,
        machine: &MachineName,
        kind: EventKind,
        detail: &str,
    ) -> Result<(), StoreError> {
        let keep = self.retention.events;
        self.write(|tx| append(tx, machine, kind, detail, keep))
    }

    /// At most `limit` events after the one with this number, oldest first. If the first of them
    /// does not follow directly, those between were dropped by the retention.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn events_since(&self, sequence: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let query = "SELECT sequence, time_ms, machine, kind, detail FROM events
                     WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
        // Numbers beyond what SQLite counts to are after every event.
        let after = i64::try_from(sequence).unwrap_or(i64::MAX);
        self.read(|c| {
            let mut events = c.prepare(query)?;
            Ok(events.query_map(params![after, limit], from_row)?.collect::<Result<_, _>>()?)
        })
    }

    /// The number of the newest event; 0 where there is none.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn last_event(&self) -> Result<u64, StoreError> {
        let query = "SELECT coalesce(max(sequence), 0) FROM events";
        self.read(|c| Ok(c.query_row(query, [], |row| row.get::<_, Bits>(0))?.0))
    }
}

/// The longest detail of an event, in characters: some of it comes from a guest or a VMM.
const DETAIL_MAX: usize = 1_000;

/// Appends within a transaction; a detail that is too long is cut. SQLite numbers a row one higher than the highest, and the newest
/// is never dropped, so that the numbers have no gaps and none comes twice.
pub(crate) fn append(
    tx: &Connection,
    machine: &MachineName,
    kind: EventKind,
    detail: &str,
    keep: NonZeroU32,
) -> Result<(), Fault> {
    let detail: String = detail.chars().take(DETAIL_MAX).collect();
    // A machine's start and its end have an event each.
    let insert = "INSERT INTO events (time_ms, machine, kind, detail) VALUES (?1, ?2, ?3, ?4)";
    let row = params![Bits(now_ms()), machine.as_str(), Word(kind), detail];
    tx.prepare_cached(insert)?.execute(row)?;
    let last_dropped = tx.last_insert_rowid() - i64::from(keep.get());
    tx.prepare_cached("DELETE FROM events WHERE sequence <= ?1")?.execute([last_dropped])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        sequence: row.get::<_, Bits>(0)?.0,
        time_ms: row.get::<_, Bits>(1)?.0,
        machine: row.get::<_, Word<MachineName>>(2)?.0,
        kind: row.get::<_, Word<EventKind>>(3)?.0,
        detail: row.get(4)?,
    })
}
