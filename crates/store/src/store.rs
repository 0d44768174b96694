//! Opening the store, and the two ways to use it: a read of one moment, a write that is one
//! durable commit.

use crate::error::Fault;
use crate::place::{Copying, Place};
use crate::{StoreError, schema};
use rusqlite::{Connection, Transaction, TransactionBehavior, config::DbConfig};
use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long a process waits for another one's commit. One takes about a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pages of 4 KiB that a connection keeps: a start touches about thirty.
const CACHE_PAGES: u32 = 48;

/// Pages in the log at which a commit also brings the log into the database. Whoever opens the
/// store while nobody else has it open reads the whole log, so that a long one makes every command
/// slower; a short one makes more commits pay for the transfer.
const LOG_PAGES: u32 = 128;

/// The log is cut to this many bytes once a large transaction has made it longer.
const LOG_BYTES: u32 = 4 << 20;

/// Whether a commit outlives a loss of power. All of them outlive every process's death, and one
/// that is durable takes those before it along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It does: what is about to be done to the host must be known whatever happens.
    Synced,
    /// It may not. For what the next recovery finds out again: after a boot no machine lives, and
    /// what was undone already is found undone.
    Lazy,
}

/// How much of the past is kept. What is still to be undone is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The ledger's newest entries, unless the user has set how many ([`Store::keep_ledger`]).
    pub ledger: NonZeroU32,
    /// The newest events.
    pub events: NonZeroU32,
    /// The facts that were remembered last.
    pub facts: NonZeroU32,
}

/// Of the ledger and of the events; some megabytes of each.
const TEN_THOUSAND: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
/// A fact may be long (the libraries of a VMM), and there is one for each program.
const SIXTY_FOUR: NonZeroU32 = NonZeroU32::new(64).unwrap();

impl Default for Retention {
    fn default() -> Self {
        Self { ledger: TEN_THOUSAND, events: TEN_THOUSAND, facts: SIXTY_FOUR }
    }
}

/// The open store. Between calls it holds nothing that another process waits for; dropped, it
/// leaves no descriptor open.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) copying: Copying,
    pub(crate) retention: Retention,
    /// Entries of the ledger that are kept whatever its user has set.
    pub(crate) ledger_least: u32,
}

impl Store {
    /// Opens the store in this state directory; makes the directory and an empty store where there
    /// is none.
    ///
    /// # Errors
    /// When the directory or a file in it belongs to another user or may be written by others;
    /// when it is on a file system where locks are not safe; when the file was written by a newer
    /// sVirt or is damaged. A damaged store is never replaced.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let place = Place::open(directory)?;
        if !place.has_database()? {
            place.make_database(schema::build)?;
        }
        place.keep_log()?;
        let copying = place.copying();
        copying.has_room()?;
        let path = place.database();
        let connection = connect(&path).map_err(|e| e.at(&path))?;
        Ok(Self { connection, path, copying, retention: Retention::default(), ledger_least: 0 })
    }

    /// Waits so long for others' commits from now on, where it would wait for ten seconds: hundreds of
    /// machines that start at once wait for each other longer than anybody waits for an answer.
    ///
    /// # Errors
    /// SQLite's.
    pub fn wait_at_most(&mut self, patience: Duration) -> Result<(), StoreError> {
        let set = self.connection.busy_handler(Some(wait(patience)));
        set.map_err(|e| Fault::from(e).at(&self.path))
    }

    /// A number that is another one after others have committed anything: whoever has read the store need not
    /// read it again as long as it is the same.
    ///
    /// # Errors
    /// SQLite's.
    pub fn version(&self) -> Result<i64, StoreError> {
        // <https://sqlite.org/pragma.html#pragma_data_version>
        self.read(|c| {
            let mut version = c.prepare_cached("PRAGMA data_version")?;
            Ok(version.query_row([], |row| row.get(0))?)
        })
    }

    /// Gives back the memory that only speed needs, of somebody who will not need the store soon.
    ///
    /// # Errors
    /// SQLite's.
    pub fn rest(&self) -> Result<(), StoreError> {
        self.read(|connection| Ok(connection.release_memory()?))
    }

    /// Brings the log into the database and begins a new one, unless somebody else is at it: whoever
    /// opens the store while nobody else has it open reads the whole log, and whose commit is the first
    /// in a log waits for the disk once more. The new one is written over the old one, whose place on
    /// the disk it keeps. For somebody for whom nobody waits any more.
    ///
    /// # Errors
    /// SQLite's; [`StoreError::Busy`] when others came in between, which changes nothing.
    pub fn tidy(mut self) -> Result<(), StoreError> {
        let emptied = self.read(|connection| {
            connection.busy_timeout(Duration::ZERO)?;
            // Its first column says whether somebody was in the way.
            let checkpoint = "PRAGMA wal_checkpoint(RESTART)";
            Ok(connection.query_row(checkpoint, [], |row| row.get::<_, i64>(0))? == 0)
        })?;
        if !emptied {
            return Ok(());
        }
        // The log's head is synced before anything may follow it. Any page does to begin with.
        self.write_as(Durability::Lazy, |tx| schema::say_version_again(tx))
    }

    /// Sets how much of the past later commits keep.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// Reads. Every statement sees one moment.
    pub(crate) fn read<T>(
        &self,
        body: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.copying.has_room()?;
        body(&self.connection).map_err(|e| e.at(&self.path))
    }

    /// Writes: all of the body in one commit that is on the disk afterwards, or nothing of it.
    pub(crate) fn write<T>(
        &mut self,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.write_as(Durability::Synced, body)
    }

    /// Writes all of the body in one commit, or nothing of it.
    pub(crate) fn write_as<T>(
        &mut self,
        durability: Durability,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.copying.has_room()?;
        let run = || {
            let tx = begin(&mut self.connection, durability)?;
            let done = body(&tx)?;
            commit(tx)?;
            Ok(done)
        };
        run().map_err(|e: Fault| e.at(&self.path))
    }
}

/// Begins to write. From here on nobody else writes, so that what the transaction has read stays
/// true until it commits.
pub(crate) fn begin(
    connection: &mut Connection,
    durability: Durability,
) -> rusqlite::Result<Transaction<'_>> {
    // <https://sqlite.org/pragma.html#pragma_synchronous>: with a log, NORMAL loses no consistency.
    connection.execute_batch(match durability {
        Durability::Synced => "PRAGMA synchronous = FULL",
        Durability::Lazy => "PRAGMA synchronous = NORMAL",
    })?;
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Ends to write. A test can hold this process before the commit and after it.
pub(crate) fn commit(tx: Transaction<'_>) -> rusqlite::Result<()> {
    svirt_fault::point(|| "store to commit");
    tx.commit()?;
    svirt_fault::point(|| "store committed");
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let mut connection = Connection::open_with_flags(path, schema::open_flags())?;
    configure(&mut connection)?;
    schema::check(&mut connection, path)?;
    Ok(connection)
}

fn configure(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait(PATIENCE)))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A plan is the same for all values: otherwise each new value prepares a statement anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Otherwise every command that finds itself alone would pay for a transfer of the log.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A host whose directories for temporary files are full or read-only can end its machines.
    connection.execute_batch(&format!(
        "PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL; PRAGMA cache_size = {CACHE_PAGES};
         PRAGMA wal_autocheckpoint = {LOG_PAGES}; PRAGMA journal_size_limit = {LOG_BYTES};"
    ))
}

/// What SQLite asks when another process holds the lock that it needs: whether to try again.
fn wait(patience: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut since = Instant::now();
    move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        let waited = since.elapsed();
        thread::sleep(pause(tries, waited));
        waited < patience
    }
}

/// How long to sleep before the next try. Whoever tries most often gets the lock most often:
/// among hundreds of waiters, those that have waited longest must not be the ones that come last.
/// (SQLite's own pauses grow with the time that a process has waited.)
fn pause(tries: i32, waited: Duration) -> Duration {
    match tries {
        ..3 => Duration::from_millis(1),
        _ => (PATIENCE.saturating_sub(waited) / 1000).max(Duration::from_millis(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_is_durable_and_keeps_references_whole() {
        let directory = tempfile::tempdir().unwrap();
        for _ in ["the one that makes the file", "one that finds it"] {
            let store = Store::open(directory.path()).unwrap();
            let pragma = |name| -> String {
                let text = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
                store.connection.query_row(&text, [], |row| row.get(0)).unwrap()
            };
            assert_eq!(pragma("journal_mode"), "wal");
            assert_eq!(pragma("synchronous"), "2", "FULL");
            assert_eq!(pragma("foreign_keys"), "1");
            assert_eq!(pragma("temp_store"), "2", "MEMORY");
        }
    }

    #[test]
    fn a_tidy_store_has_a_new_log_and_keeps_what_was_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        store.remember("key", "value").unwrap();
        let log = || std::fs::read(directory.path().join("svirt.db-wal")).unwrap();
        // <https://sqlite.org/fileformat2.html#walformat>: the head, and one page with its own.
        let begin = 32 + 24 + 4096;
        let before = log();
        store.tidy().unwrap();
        let tidied = log();
        assert_eq!(tidied.len(), before.len(), "it keeps its place on the disk");
        assert_ne!(tidied[..begin], before[..begin], "and begins anew");
        assert_eq!(tidied[begin..], before[begin..]);
        let mut store = Store::open(directory.path()).unwrap();
        assert_eq!(store.recall("key").unwrap().as_deref(), Some("value"));
        store.remember("key", "other").unwrap();
        assert_eq!(log()[..begin], tidied[..begin], "it goes on behind that");
        assert_ne!(log()[begin..before.len()], tidied[begin..]);
    }

    #[test]
    fn the_longer_a_process_has_waited_the_more_often_it_tries() {
        let after = |seconds| pause(100, Duration::from_secs(seconds));
        assert!((1..11).all(|s| after(s) <= after(s - 1)));
        assert_eq!(after(0), Duration::from_millis(10));
        assert_eq!(after(20), Duration::from_millis(1));
    }
}
