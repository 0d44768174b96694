//! Whether somebody still lives, told by the kernel to whoever asks, from whatever namespaces: by a lock
//! that he holds in a file that both can reach. A number of a process, and when it started, mean the same
//! only in the pid namespace and the time namespace in which they were read.
//!
//! A lock is of one byte, whose place is that of its holder. The kernel ends it with the last descriptor
//! (`fcntl_locking(2)`), which no exec passes on.

use crate::{Doing, HostError, sys};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// The file's name in its directory.
const FILE: &str = "alive";

/// A lease that this process holds until this is dropped.
#[derive(Debug)]
pub struct Lease {
    #[allow(dead_code, reason = "it is held: closing it ends the lock")]
    file: OwnedFd,
}

impl Lease {
    /// Takes the lease of this place, in a directory of this user's.
    ///
    /// # Errors
    /// The kernel's; somebody else holds it.
    pub fn take(directory: &Path, place: u64) -> Result<Self, HostError> {
        let (path, create) = (directory.join(FILE), OFlags::CREATE);
        let file = open(&path, create).on("open", &path)?;
        match sys::lock_byte(&file, place).on("lock", &path)? {
            true => Ok(Self { file }),
            false => Err(io::Error::from(io::ErrorKind::WouldBlock)).on("lock", &path),
        }
    }

    /// Whether anybody holds the lease of this place.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_held(directory: &Path, place: u64) -> Result<bool, HostError> {
        let path: PathBuf = directory.join(FILE);
        match open(&path, OFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            file => sys::is_byte_locked(file.on("open", &path)?, place).on("look at", &path),
        }
    }
}

fn open(path: &Path, more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | more;
    let (mode, resolve) = (Mode::from_raw_mode(0o600), ResolveFlags::NO_MAGICLINKS);
    let mode = if more.contains(OFlags::CREATE) { mode } else { Mode::empty() };
    rustix::fs::openat2(rustix::fs::CWD, path, flags, mode, resolve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_had_by_one_and_ends_with_him() {
        let directory = tempfile::tempdir().unwrap();
        let is_held = |place| Lease::is_held(directory.path(), place).unwrap();
        assert!(!is_held(4), "nobody ever had one");
        for place in [0, 4, u64::MAX] {
            let lease = Lease::take(directory.path(), place).unwrap();
            assert!(is_held(place));
            assert!(!is_held(place ^ 8), "another place is another's");
            assert!(Lease::take(directory.path(), place).is_err());
            drop(lease);
            assert!(!is_held(place));
        }
    }
}
