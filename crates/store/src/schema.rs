//! The schema's versions, and how a file comes to have the newest one.

use crate::error::Fault;
use crate::store::commit;
use crate::{StoreError, claim, label, record};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;

/// What leads from each version to the next; the first from an empty file.
const MIGRATIONS: &[&str] = &[
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
    include_str!("schema-8.sql"),
    include_str!("schema-9.sql"),
];

/// From this version on an entry of the ledger has a digest, which no SQL makes.
const DIGESTS: i32 = 6;
/// And from this one on a want.
const DIGESTS_OF_WANTS: i32 = 8;

/// From this one on a label is found by its parts.
const PARTS: i32 = 9;

/// How a database is opened: never made by SQLite, never through a symbolic link, and with no
/// URI's meaning in its path. A connection is used by one thread at a time.
pub(crate) fn open_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE
}

/// Fills an empty file with the newest schema and leaves nothing beside it.
pub(crate) fn build(path: &Path) -> Result<(), StoreError> {
    let fill = || -> Result<(), Fault> {
        let mut connection = Connection::open_with_flags(path, open_flags())?;
        migrate(&mut connection, MIGRATIONS)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.close().map_err(|(_, e)| e.into())
    };
    fill().map_err(|e| e.at(path))
}

/// Brings the file to the newest version, or says why it cannot be used.
pub(crate) fn check(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    let (found, known) = (version(connection)?, newest(MIGRATIONS));
    match found {
        _ if found == known => Ok(()),
        _ if found > known => Err(StoreError::Newer { path: path.to_owned(), found, known }.into()),
        1.. => migrate(connection, MIGRATIONS),
        _ => Err(not_ours(path).into()),
    }
}

/// The version that all steps together lead to.
fn newest(steps: &[&str]) -> i32 {
    i32::try_from(steps.len()).unwrap_or(i32::MAX)
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Writes what is there already: the smallest commit.
pub(crate) fn say_version_again(connection: &Connection) -> Result<(), Fault> {
    Ok(connection.pragma_update(None, "user_version", version(connection)?)?)
}

/// All steps that are missing, in one transaction. Another process may have been faster.
fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), Fault> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&tx)?;
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    if found < DIGESTS && newest(steps) >= DIGESTS {
        record::seal(&tx)?;
    }
    if found < DIGESTS_OF_WANTS && newest(steps) >= DIGESTS_OF_WANTS {
        claim::seal(&tx)?;
    }
    if found < PARTS && newest(steps) >= PARTS {
        label::take_apart(&tx)?;
    }
    tx.pragma_update(None, "user_version", found.max(newest(steps)))?;
    Ok(commit(tx)?)
}

/// A database without our version is another program's.
fn not_ours(path: &Path) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what: "it is not sVirt's", source: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[&str] = &[
        "CREATE TABLE a (n INTEGER); INSERT INTO a VALUES (1);",
        "CREATE TABLE b (n INTEGER); INSERT INTO b SELECT n + 1 FROM a;",
        "DROP TABLE a;",
    ];

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    fn must<T>(result: Result<T, Fault>) -> T {
        result.map_err(|e| e.at(Path::new("memory"))).unwrap()
    }

    #[test]
    fn a_file_of_any_version_gets_the_steps_that_it_lacks() {
        for old in 0..=STEPS.len() {
            let mut connection = memory();
            must(migrate(&mut connection, &STEPS[..old]));
            must(migrate(&mut connection, STEPS));
            assert_eq!(version(&connection).unwrap(), 3);
            let n: i64 = connection.query_row("SELECT n FROM b", [], |row| row.get(0)).unwrap();
            assert_eq!(n, 2, "from version {old}");
        }
    }

    #[test]
    fn a_store_that_knew_files_otherwise_is_brought_up() {
        let mut connection = memory();
        must(migrate(&mut connection, &MIGRATIONS[..4]));
        let insert = "INSERT INTO ledger (machine, name, object, attribute, before, after, phase,
                        reason, time_ms) VALUES ('m', 'n', '/o', ?1, '', '', 'undone', '', 1)";
        for attribute in ["\"presence\"", r#"{"label":{"file":{"device":1,"inode":2}}}"#] {
            connection.execute(insert, [attribute]).unwrap();
        }
        must(migrate(&mut connection, MIGRATIONS));
        let left = "SELECT group_concat(attribute) FROM ledger WHERE boot IS NULL";
        let left: String = connection.query_row(left, [], |row| row.get(0)).unwrap();
        assert_eq!(left, "\"presence\"");
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = memory();
        must(migrate(&mut connection, &STEPS[..1]));
        let broken = [STEPS[0], STEPS[1], "DROP TABLE missing;"];
        assert!(migrate(&mut connection, &broken).is_err());
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(!connection.table_exists(None, "b").unwrap());
    }

    #[test]
    fn whoever_comes_late_does_not_take_a_version_back() {
        let mut connection = memory();
        must(migrate(&mut connection, STEPS));
        must(migrate(&mut connection, &STEPS[..2]));
        assert_eq!(version(&connection).unwrap(), 3);
    }
}
