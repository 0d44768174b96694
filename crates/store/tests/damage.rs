//! A store that is damaged, lost or from the future is refused with a way out, and left as it is.

mod common;

use common::{live, new_run, number, raw};
use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use svirt_store::{PlaceError, Store, StoreError};

/// A store with a machine in it, all in the one file, and its path.
fn settled() -> (tempfile::TempDir, PathBuf) {
    let directory = common::fast_directory();
    let mut store = Store::open(directory.path()).unwrap();
    live(&mut store, &new_run(1, "web")).unwrap();
    drop(store);
    let path = directory.path().join("svirt.db");
    // The last connection of a program that does not ask otherwise brings the log in.
    assert_eq!(number(&raw(directory.path()), "SELECT count(*) FROM runs"), 1);
    assert!(!path.with_extension("db-wal").exists());
    (directory, path)
}

/// Opens and reads everything; the file must be the same afterwards.
fn refusal(directory: &Path) -> StoreError {
    let before = fs::read(directory.join("svirt.db")).unwrap();
    let refusal = Store::open(directory).and_then(|store| {
        store.runs()?;
        store.claims()?;
        store.wants()?;
        store.history(u32::MAX)
    });
    assert_eq!(fs::read(directory.join("svirt.db")).unwrap(), before, "the file was changed");
    refusal.unwrap_err()
}

#[track_caller]
fn assert_damaged(refusal: &StoreError) {
    assert!(matches!(refusal, StoreError::Damaged { .. }), "{refusal}");
    assert!(refusal.to_string().contains("svirt.db is damaged: "), "{refusal}");
    assert!(refusal.hint().unwrap().contains(".recover"));
}

#[track_caller]
fn assert_lost(directory: &Path) {
    let log = fs::read(directory.join("svirt.db-wal")).unwrap();
    let refusal = Store::open(directory).unwrap_err();
    assert!(matches!(refusal, StoreError::Place(PlaceError::Lost { .. })), "{refusal}");
    assert!(refusal.hint().is_some());
    assert_eq!(fs::read(directory.join("svirt.db-wal")).unwrap(), log, "the log was changed");
}

#[test]
fn a_database_that_is_gone_or_empty_is_not_made_anew_over_its_log() {
    let directory = common::fast_directory();
    let mut store = Store::open(directory.path()).unwrap();
    live(&mut store, &new_run(1, "web")).unwrap();
    drop(store);
    let path = directory.path().join("svirt.db");
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert_lost(directory.path());
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    fs::remove_file(&path).unwrap();
    assert_lost(directory.path());
    assert!(!path.exists());
}

#[test]
fn a_file_that_was_cut_is_damaged() {
    let (directory, path) = settled();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    for bytes in [file.metadata().unwrap().len() / 2, 4096, 1000, 50] {
        file.set_len(bytes).unwrap();
        assert_damaged(&refusal(directory.path()));
    }
}

#[test]
fn a_file_of_something_else_is_damaged() {
    let (directory, path) = settled();
    fs::write(path, "no database at all, ".repeat(1000)).unwrap();
    assert_damaged(&refusal(directory.path()));
}

#[test]
fn rubbish_in_any_page_but_a_free_one_is_found_when_it_is_read() {
    let (directory, path) = settled();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in 1..pages {
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
    assert_damaged(&refusal(directory.path()));
}

#[test]
fn a_database_of_another_program_is_damaged() {
    let (directory, _) = settled();
    raw(directory.path()).pragma_update(None, "user_version", 0).unwrap();
    let refusal = refusal(directory.path());
    assert_damaged(&refusal);
    assert!(refusal.to_string().ends_with("it is not sVirt's"));
}

#[test]
fn a_value_that_is_never_written_is_damage() {
    let (directory, _) = settled();
    raw(directory.path()).execute("UPDATE runs SET state = 'dancing'", []).unwrap();
    assert_damaged(&refusal(directory.path()));
}

#[test]
fn a_newer_file_is_left_to_the_newer_program() {
    let (directory, _) = settled();
    let known = number(&raw(directory.path()), "PRAGMA user_version");
    raw(directory.path()).pragma_update(None, "user_version", 99).unwrap();
    let refusal = refusal(directory.path());
    let expected = format!(
        "{} was written by a newer sVirt (schema 99; this one knows up to {known})",
        directory.path().canonicalize().unwrap().join("svirt.db").display()
    );
    assert_eq!(refusal.to_string(), expected);
    assert!(refusal.hint().is_some());
}
