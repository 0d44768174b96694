//! The machines that live: from the commit that precedes the first change to the host, to the one
//! that follows the last. A drill changes the host as well, so it has a run of its own, which is no machine's.
//!
//! ```text
//!   start().commit()          running()            finish().commit()
//!        |                        |                        |
//!   none +------- Starting -------+--- Running, Paused ----+ none
//!                     |                                    |
//!                     +------ a failed start: finish() ----+
//! ```
//! Whether a supervisor still lives is for somebody else to find out; the store only says who it
//! was.

use crate::column::{Bits, Json, Word};
use crate::error::Fault;
use crate::event::append;
use crate::ledger;
use crate::store::Durability;
use crate::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use svirt_model::{Doubt, EventKind, Evidence, MachineName, Plan, State, Uuid, Verification};

/// A process, told from any later one with the same number in the same boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks after the boot: field 22 of `proc_pid_stat(5)`.
    pub start_time: u64,
}

/// The process that supervises a machine, told from any later process with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The process.
    pub pid: u32,
    /// When it started, in clock ticks after the boot: field 22 of `proc_pid_stat(5)`.
    pub start_time: u64,
    /// The boot in which it started: `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// A machine that is about to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its identity: that of its definition, or a new one.
    pub id: Uuid,
    /// Its name.
    pub name: MachineName,
    /// Who supervises it.
    pub supervisor: Supervisor,
    /// Whether it has no definition and is forgotten when it ends.
    pub transient: bool,
    /// Whether it is a drill or a trial, which is no machine: whoever looks for machines does not find it.
    pub drill: bool,
    /// What its user asked for, as JSON. The store does not look into it.
    pub request: String,
}

/// A machine that lives, as far as the store knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: MachineName,
    /// Who supervises it.
    pub supervisor: Supervisor,
    /// [`State::Starting`], [`State::Running`] or [`State::Paused`].
    pub state: State,
    /// When its start began, in milliseconds since 1970 (UTC).
    pub started_ms: u64,
    /// Whether it has no definition and is forgotten when it ends.
    pub transient: bool,
}

const COLUMNS: &str =
    "SELECT id, name, pid, start_time, boot_id, state, started_ms, transient FROM runs";

impl Store {
    /// The live machine of that name.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn run(&self, name: &MachineName) -> Result<Option<Run>, StoreError> {
        let query = format!("{COLUMNS} WHERE name = ?1 AND NOT drill");
        self.read(|c| Ok(c.query_row(&query, [name.as_str()], from_row).optional()?))
    }

    /// Every live machine, by name.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.all_runs("WHERE NOT drill")
    }

    /// Every live machine and every drill, by name: all who may have changed the host.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn holders(&self) -> Result<Vec<Run>, StoreError> {
        self.all_runs("")
    }

    fn all_runs(&self, which: &str) -> Result<Vec<Run>, StoreError> {
        let query = format!("{COLUMNS} {which} ORDER BY name");
        self.read(|c| Ok(c.prepare(&query)?.query_map([], from_row)?.collect::<Result<_, _>>()?))
    }

    /// So many of [`Store::holders`], or all where there are no more, in the order of their identities from
    /// this one on, after the last of which comes the first.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn some_holders(&self, from: Uuid, limit: usize) -> Result<Vec<Run>, StoreError> {
        let after = format!("{COLUMNS} WHERE id >= ?1 ORDER BY id LIMIT ?2");
        let before = format!("{COLUMNS} WHERE id < ?1 ORDER BY id LIMIT ?2");
        self.read(|c| {
            let mut found = Vec::new();
            for query in [after, before] {
                let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
                let mut runs = c.prepare(&query)?;
                let runs = runs.query_map(params![Word(from), left], from_row)?;
                found.extend(runs.collect::<Result<Vec<_>, _>>()?);
            }
            Ok(found)
        })
    }

    /// The plan by which a live machine was started. Nothing that cleans up needs it: the ledger
    /// says what is to be undone.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn plan(&self, id: Uuid) -> Result<Option<Plan>, StoreError> {
        self.read(|c| text(c, "SELECT plan FROM plans WHERE run = ?1", id))
    }

    /// What the user of a live machine had asked for when it was started, as JSON; nothing if it
    /// was started before that was kept.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn request(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        let query = "SELECT request FROM plans WHERE run = ?1";
        let found = self
            .read(|c| Ok(c.query_row(query, [Word(id)], |row| row.get(0)).optional()?.flatten()))?;
        Ok(found)
    }

    /// Notes otherwise what the user of a live machine asked for, where nobody has changed that since it was
    /// read as `was`; else nothing, and `false`.
    ///
    /// # Errors
    /// [`StoreError::NotLive`].
    pub fn ask_again(&mut self, id: Uuid, was: &str, request: &str) -> Result<bool, StoreError> {
        self.write_as(Durability::Lazy, |tx| {
            name_of(tx, id)?;
            let update = "UPDATE plans SET request = ?3 WHERE run = ?1 AND request = ?2";
            Ok(tx.execute(update, params![Word(id), was, request])? > 0)
        })
    }

    /// What was read back from the kernel when the machine started; empty until it runs.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn evidence(&self, id: Uuid) -> Result<Vec<Evidence>, StoreError> {
        let found = self.read(|c| text(c, "SELECT evidence FROM evidence WHERE run = ?1", id));
        found.map(Option::unwrap_or_default)
    }

    /// When a live machine was last verified, in milliseconds since 1970 (UTC), and what did not hold
    /// then; nothing if it never was.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn doubts(&self, id: Uuid) -> Result<Option<(u64, Vec<Doubt>)>, StoreError> {
        let query = "SELECT verified_ms, doubts FROM evidence
                     WHERE run = ?1 AND verified_ms IS NOT NULL";
        let one = |row: &Row<'_>| Ok((row.get::<_, Bits>(0)?.0, row.get::<_, Json<_>>(1)?.0));
        self.read(|c| Ok(c.query_row(query, [Word(id)], one).optional()?))
    }

    /// Machines were verified: each with what did not hold, and an event for each that has something
    /// new. One that has ended meanwhile is passed over.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn verified(&mut self, all: &[Verification]) -> Result<(), StoreError> {
        let keep = self.retention.events;
        self.write_as(Durability::Lazy, |tx| {
            let update = "UPDATE evidence SET verified_ms = ?2, doubts = ?3 WHERE run = ?1";
            let mut update = tx.prepare(update)?;
            for Verification { id, name, time_ms, doubts, .. } in all {
                let row = params![Word(*id), Bits(*time_ms), Json(doubts)];
                let new = doubts.iter().filter(|doubt| doubt.seen_ms == *time_ms);
                let new: Vec<_> = new.map(|doubt| doubt.what.as_str()).collect();
                if update.execute(row)? > 0 && !new.is_empty() {
                    append(tx, name, EventKind::Doubted, &new.join("; "), keep)?;
                }
            }
            Ok(())
        })
    }

    /// The processes of a live machine, in the order in which they are to be ended; none until it
    /// runs.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn processes(&self, id: Uuid) -> Result<Vec<ProcessId>, StoreError> {
        let query = "SELECT pid, start_time FROM processes WHERE run = ?1 ORDER BY position";
        let one = |row: &Row<'_>| {
            Ok(ProcessId { pid: row.get(0)?, start_time: row.get::<_, Bits>(1)?.0 })
        };
        self.read(|c| {
            Ok(c.prepare(query)?.query_map([Word(id)], one)?.collect::<Result<_, _>>()?)
        })
    }

    /// The machine's VMM runs, in these processes, and this was read back from the kernel: the
    /// ledger's intents are done, with the event `Started`, in one commit. `how` it started is told with
    /// that, where there is more to tell.
    ///
    /// # Errors
    /// [`StoreError::NotLive`] when it is not starting: it was cleaned up in the meantime, or it
    /// was said to run before.
    pub fn running(
        &mut self,
        id: Uuid,
        processes: &[ProcessId],
        evidence: &[Evidence],
        how: &str,
    ) -> Result<(), StoreError> {
        let keep = self.retention.events;
        // After a loss of power the machine does not live, whether it was running or starting.
        self.write_as(Durability::Lazy, |tx| {
            let name = change(tx, id, State::Starting, State::Running)?;
            let insert = "INSERT INTO evidence (run, evidence) VALUES (?1, ?2)";
            tx.execute(insert, params![Word(id), Json(evidence)])?;
            save_processes(tx, id, processes)?;
            ledger::mark_done(tx, id)?;
            append(tx, &name, EventKind::Started, how, keep)
        })
    }

    /// The guest of a machine that runs stands still from now on, for a reason where there is one, or
    /// goes on, with an event. Nobody waits for the disk for that.
    ///
    /// # Errors
    /// [`StoreError::NotLive`] when it does not run, or is known like that already.
    pub fn stands_still(&mut self, id: Uuid, still: bool, why: &str) -> Result<(), StoreError> {
        let keep = self.retention.events;
        let (runs, stands) =
            ((State::Running, EventKind::Resumed), (State::Paused, EventKind::Paused));
        let ((from, _), (to, kind)) = if still { (runs, stands) } else { (stands, runs) };
        self.write_as(Durability::Lazy, |tx| {
            let name = change(tx, id, from, to)?;
            append(tx, &name, kind, why, keep)
        })
    }
}

pub(crate) fn insert(tx: &Connection, run: &NewRun, started_ms: u64) -> Result<(), Fault> {
    let NewRun { id, name, supervisor, transient, drill, request: _ } = run;
    let Supervisor { pid, start_time, boot_id } = supervisor;
    let (id, name, start_time) = (Word(id), name.as_str(), Bits(*start_time));
    tx.execute(
        "INSERT INTO runs (id, name, pid, start_time, boot_id, state, started_ms, transient, drill)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            id,
            name,
            pid,
            start_time,
            boot_id,
            Word(State::Starting),
            Bits(started_ms),
            transient,
            drill
        ],
    )?;
    Ok(())
}

fn save_processes(tx: &Connection, id: Uuid, processes: &[ProcessId]) -> Result<(), Fault> {
    let insert = "INSERT INTO processes (run, position, pid, start_time) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = tx.prepare(insert)?;
    for (position, ProcessId { pid, start_time }) in (0i64..).zip(processes) {
        insert.execute(params![Word(id), position, pid, Bits(*start_time)])?;
    }
    Ok(())
}

fn change(tx: &Connection, id: Uuid, from: State, to: State) -> Result<MachineName, Fault> {
    let update = "UPDATE runs SET state = ?2 WHERE id = ?1 AND state = ?3 RETURNING name";
    let states = params![Word(id), Word(to), Word(from)];
    let name = tx.query_row(update, states, |row| row.get::<_, Word<MachineName>>(0)).optional()?;
    Ok(name.ok_or(StoreError::NotLive { id })?.0)
}

/// The name of a live machine.
pub(crate) fn name_of(tx: &Connection, id: Uuid) -> Result<MachineName, Fault> {
    let query = "SELECT name FROM runs WHERE id = ?1";
    let name =
        tx.query_row(query, [Word(id)], |row| row.get::<_, Word<MachineName>>(0)).optional()?;
    Ok(name.ok_or(StoreError::NotLive { id })?.0)
}

fn text<T: DeserializeOwned>(c: &Connection, query: &str, id: Uuid) -> Result<Option<T>, Fault> {
    let found = c.query_row(query, [Word(id)], |row| row.get::<_, Json<T>>(0)).optional()?;
    Ok(found.map(|json| json.0))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    let start_time = row.get::<_, Bits>(3)?.0;
    Ok(Run {
        id: row.get::<_, Word<Uuid>>(0)?.0,
        name: row.get::<_, Word<MachineName>>(1)?.0,
        supervisor: Supervisor { pid: row.get(2)?, start_time, boot_id: row.get(4)? },
        state: row.get::<_, Word<State>>(5)?.0,
        started_ms: row.get::<_, Bits>(6)?.0,
        transient: row.get(7)?,
    })
}
