//! Where the store may be kept, and with which modes.

mod common;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};
use svirt_store::{PlaceError, Store, StoreError};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn refusal(directory: &Path) -> PlaceError {
    match Store::open(directory).unwrap_err() {
        StoreError::Place(refusal) => refusal,
        other => panic!("refused for another reason: {other}"),
    }
}

/// The directory's files, by name.
fn files(directory: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|e| name(e.unwrap())).collect();
    names.sort();
    names
}

#[test]
fn what_is_made_is_for_this_user_alone() {
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("some/where");
    drop(Store::open(&directory).unwrap());
    assert_eq!(files(&directory), ["svirt.db", "svirt.db-shm", "svirt.db-wal"]);
    assert_eq!((mode(above.path().join("some")), mode(&directory)), (0o700, 0o700));
    for file in files(&directory) {
        assert_eq!(mode(directory.join(&file)), 0o600, "{file}");
    }
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let mut theirs = above.path().to_owned();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&theirs, Some(12_345), None).unwrap();
    } else {
        theirs = "/".into();
    }
    let refusal = refusal(&theirs);
    assert!(matches!(refusal, PlaceError::Foreign { .. }), "{refusal}");
    assert!(refusal.hint().unwrap().starts_with("run as user "));
    assert!(!theirs.join("svirt.db").exists());
}

#[test]
fn a_directory_that_others_may_write_is_refused() {
    for bits in [0o777, 0o1777, 0o770, 0o702] {
        let directory = tempfile::tempdir().unwrap();
        set_mode(&directory, bits);
        let refusal = refusal(directory.path());
        assert!(matches!(refusal, PlaceError::Writable { mode, .. } if mode == bits), "{refusal}");
        assert!(files(directory.path()).is_empty());
    }
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    for file in ["svirt.db", "svirt.db-wal", "svirt.db-shm"] {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path()).unwrap());
        set_mode(directory.path().join(file), 0o660);
        let refusal = refusal(directory.path());
        assert!(matches!(refusal, PlaceError::Writable { .. }), "{file}: {refusal}");
        assert!(refusal.to_string().contains(file), "{refusal}");
    }
}

#[test]
fn a_link_in_the_place_of_a_file_is_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    drop(Store::open(elsewhere.path()).unwrap());
    for file in ["svirt.db", "svirt.db-wal", "svirt.db-shm"] {
        let directory = tempfile::tempdir().unwrap();
        symlink(elsewhere.path().join(file), directory.path().join(file)).unwrap();
        let refusal = refusal(directory.path());
        assert!(matches!(refusal, PlaceError::NotAFile { .. }), "{file}: {refusal}");
    }
}

#[test]
fn a_file_with_a_second_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    fs::hard_link(directory.path().join("svirt.db"), directory.path().join("other")).unwrap();
    assert!(matches!(refusal(directory.path()), PlaceError::NotAFile { .. }));
}

#[test]
fn an_administrators_link_to_the_directory_is_followed() {
    let above = tempfile::tempdir().unwrap();
    let (real, link) = (above.path().join("real"), above.path().join("link"));
    fs::create_dir(&real).unwrap();
    set_mode(&real, 0o700);
    symlink(&real, &link).unwrap();
    drop(Store::open(&link).unwrap());
    assert!(real.join("svirt.db").exists());
}

#[test]
fn what_a_maker_left_unfinished_does_not_stand_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    set_mode(&directory, 0o700);
    fs::write(directory.path().join("svirt.db.new"), "half a database").unwrap();
    fs::write(directory.path().join("svirt.db.new-journal"), "and its journal").unwrap();
    drop(Store::open(directory.path()).unwrap());
    assert_eq!(files(directory.path()), ["svirt.db", "svirt.db-shm", "svirt.db-wal"]);
}

#[test]
fn a_path_that_looks_like_an_uri_is_a_path() {
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("file:a?mode=memory#b%20c");
    drop(Store::open(&directory).unwrap());
    assert_eq!(files(&directory).len(), 3);
}
