//! A package of this host's distribution, unpacked and kept, without being installed.

use crate::Skipped;
use rustix::fs::{FlockOperation, flock};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The directory into which a package of this host's distribution was unpacked, now or before. It is
/// not installed.
///
/// # Errors
/// It cannot be fetched.
///
/// # Panics
/// The place for it cannot be made.
pub fn unpacked(name: &str) -> Result<PathBuf, Skipped> {
    made("packages", name, |tree| fetch(name, tree))
}

/// A directory that is made once and kept, because it takes long. `name` says what it was made
/// from: whatever it depends on must be part of it.
///
/// # Errors
/// It could not be made, for want of something.
///
/// # Panics
/// The place for it cannot be made.
pub fn cached(
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), Skipped>,
) -> Result<PathBuf, Skipped> {
    made("made", name, |tree| {
        let place = tempfile::tempdir_in(tree.parent().unwrap_or(tree)).expect("ours");
        let unfinished = place.path().join("tree");
        fs::create_dir(&unfinished).expect("a directory of ours");
        make(&unfinished)?;
        fs::rename(&unfinished, tree).expect("a directory of ours");
        Ok(())
    })
}

fn made(
    kind: &str,
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), Skipped>,
) -> Result<PathBuf, Skipped> {
    let cache = cache().join(kind);
    fs::create_dir_all(&cache).unwrap_or_else(|e| panic!("cannot make {}: {e}", cache.display()));
    let lock = fs::File::create(cache.join("lock")).expect("a file of ours");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock of ours");
    let tree = cache.join(name);
    if !tree.is_dir() {
        make(&tree)?;
    }
    Ok(tree)
}

/// Where what was fetched is kept, so that it is fetched once.
pub(crate) fn cache() -> PathBuf {
    if let Some(named) = env::var_os("SVIRT_TEST_CACHE") {
        return named.into();
    }
    if rustix::process::geteuid().is_root() {
        return "/var/cache/svirt-testkit".into();
    }
    env::temp_dir().join(format!("svirt-testkit-{}", rustix::process::geteuid().as_raw()))
}

fn fetch(name: &str, tree: &Path) -> Result<(), Skipped> {
    let no = |what: &str| Skipped::because(format!("the package {name} cannot be {what}"));
    let place = tempfile::tempdir_in(tree.parent().unwrap_or(tree)).expect("a directory of ours");
    let download = Command::new("apt-get").args(["download", name]).current_dir(&place).works();
    let files = fs::read_dir(&place).expect("a directory of ours").flatten();
    let mut packages =
        files.map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "deb"));
    let package = packages.next().filter(|_| download).ok_or_else(|| no("downloaded"))?;
    let unfinished = place.path().join("tree");
    if !Command::new("dpkg").arg("-x").arg(&package).arg(&unfinished).works() {
        return Err(no("unpacked"));
    }
    fs::rename(&unfinished, tree).expect("a directory of ours");
    Ok(())
}

trait Works {
    /// Runs it, and says whether it exited with 0.
    fn works(&mut self) -> bool;
}

impl Works for Command {
    fn works(&mut self) -> bool {
        self.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.status().is_ok_and(|status| status.success())
    }
}
