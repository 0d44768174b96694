//! Machines with a few directories each, and a look into the file past the store.
#![allow(dead_code, reason = "each test file uses a part of it")]

use rusqlite::Connection;
use std::{num::NonZeroU32, path::Path};
use svirt_model::{
    Access, Attribute, EventKind, FileId, MachineName, Op, Plan, Sharing, Uuid, Value, Want,
};
use svirt_store::{Claim, NewRun, Outcome, Retention, Start, Store, StoreError, Supervisor};

/// How many directories each machine of [`live`] wants.
pub(crate) const DIRECTORIES: usize = 3;

pub(crate) fn name(text: &str) -> MachineName {
    text.parse().unwrap()
}

/// A directory that is gone after the test; in memory where the host has such a place, since a
/// commit costs milliseconds on a busy disk and these tests make thousands.
pub(crate) fn fast_directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// A transient machine that this process supervises.
pub(crate) fn new_run(id: u128, text: &str) -> NewRun {
    let supervisor =
        Supervisor { pid: std::process::id(), start_time: u64::MAX, boot_id: "a boot".to_owned() };
    NewRun {
        id: Uuid::from_u128(id),
        name: name(text),
        supervisor,
        transient: true,
        drill: false,
        request: "{}".to_owned(),
    }
}

pub(crate) fn directory_op(object: &str) -> Op {
    let after = Value::Directory { uid: 1000, gid: 1000, mode: 0o700 };
    let (object, attribute) = (object.into(), Attribute::Presence);
    Op { object, attribute, before: Value::Absent, after }
}

pub(crate) fn plan(run: &NewRun, objects: &[String]) -> Plan {
    let ops = objects.iter().map(|object| directory_op(object)).collect();
    Plan { id: run.id, name: run.name.clone(), labels: vec![], ops, processes: vec![] }
}

pub(crate) fn wants(run: &NewRun, objects: &[String]) -> Vec<Want> {
    let want = |op: Op| Want {
        machine: run.id,
        object: op.object,
        attribute: op.attribute,
        value: op.after,
    };
    objects.iter().map(|object| want(directory_op(object))).collect()
}

pub(crate) fn claim(run: &NewRun) -> Claim {
    Claim {
        file: FileId { device: u64::MAX, inode: u64::MAX - 1 },
        path: format!("/srv/{}.qcow2", run.name).into(),
        access: Access::Write,
        sharing: Sharing::Private,
        beneath: false,
        labelled: false,
    }
}

pub(crate) fn objects(run: &NewRun) -> Vec<String> {
    (0..DIRECTORIES).map(|part| format!("/run/svirt/{}/{part}", run.id)).collect()
}

/// Plans the machine's directories and commits.
pub(crate) fn commit(start: Start<'_>, run: &NewRun) -> Result<(), StoreError> {
    let objects = objects(run);
    start.commit(&plan(run, &objects), &wants(run, &objects), &[claim(run)])
}

/// Starts the machine, up to its first commit.
pub(crate) fn live(store: &mut Store, run: &NewRun) -> Result<u32, StoreError> {
    let start = store.start(run.clone())?;
    let user = start.reserve_user(1000..2000, |_| true)?;
    commit(start, run).map(|()| user)
}

/// Ends the machine with everything undone.
pub(crate) fn end(store: &mut Store, id: Uuid) -> Result<(), StoreError> {
    let finish = store.finish(id, "boot")?;
    let due = finish.due()?.entries;
    let undone: Vec<_> = due.iter().map(|e| (e.sequence, Outcome::Undone)).collect();
    finish.commit(&undone, EventKind::Stopped, "exited with code 0")
}

/// The database, past the store.
pub(crate) fn raw(directory: &Path) -> Connection {
    let connection = Connection::open(directory.join("svirt.db")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection
}

/// A number from the database, past the store.
pub(crate) fn number(c: &Connection, query: &str) -> i64 {
    c.query_row(query, [], |row| row.get(0)).unwrap_or_else(|e| panic!("{query}: {e}"))
}

pub(crate) fn retention(ledger: u32, events: u32, facts: u32) -> Retention {
    let count = |n| NonZeroU32::new(n).unwrap();
    Retention { ledger: count(ledger), events: count(events), facts: count(facts) }
}

/// The attributes of objects that these wants are about.
pub(crate) fn keys(wants: &[Want]) -> Vec<svirt_model::Attribute> {
    wants.iter().map(|want| want.attribute.clone()).collect()
}
