//! Labelling a directory and everything below it, whoever may be renaming and linking there
//! meanwhile.
//!
//! Every object is opened once, from the directory that it is in, through no symbolic link and no
//! other mount, and labelled on that descriptor. What it was before is given to the caller before it
//! is changed. It does not know what the label means, nor where what was before is kept.

mod walk;

use super::attribute::{AttributeError, Attributes, PutBack, Xattr};
use crate::{Doing, HostError};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
};
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};
use svirt_model::FileId;

/// No more threads than this work on one tree.
const THREADS_MAX: usize = 16;

/// An object that is about to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is, from the tree's root; empty for the root itself.
    pub path: PathBuf,
    /// Which file it is.
    pub file: FileId,
    /// Its label until now.
    pub before: Option<Vec<u8>>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Objects that were looked at.
    pub seen: u64,
    /// Those that were changed.
    pub changed: u64,
}

/// What is to be done to a tree.
pub struct Task<'a> {
    /// Which attribute.
    pub attribute: Xattr,
    /// What every object's is to be.
    pub value: &'a [u8],
    /// How many threads work on it, 1 to 16.
    pub threads: usize,
    /// Gets what is about to be changed, some at a time, and must have it durable when it returns.
    pub record: &'a (dyn Fn(&[Change]) -> Result<(), HostError> + Sync),
    /// Is told now and then how far it has come.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Once this is true, nothing more is begun.
    pub stop: &'a AtomicBool,
}

/// What became of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What was done.
    pub progress: Progress,
    /// Whether everything was looked at; false when it was stopped.
    pub complete: bool,
    /// Sockets, pipes and devices, and what was moved meanwhile: they keep their labels. The first
    /// hundred of them.
    pub passed_over: Vec<PathBuf>,
}

/// A tree cannot be labelled. What was changed until then was recorded.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file with another name, which may be outside.
    #[error("{} has {links} hard links, so it may be a file from elsewhere", .path.display())]
    HardLinked {
        /// Where it is, from the tree's root.
        path: PathBuf,
        /// Their number.
        links: u64,
    },
    /// Another file system.
    #[error("another file system is mounted at {}", .0.display())]
    Mounted(PathBuf),
    /// An object's label.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// Anything else.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl TreeError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::HardLinked { .. } => Some("make a copy of it, or remove its other names"),
            Self::Mounted(_) => Some("share it as a directory of its own, or unmount it"),
            Self::Attribute(error) => error.hint(),
            Self::Host(_) => None,
        }
    }
}

/// Labels a directory, which was opened with `O_PATH` at least, and everything below it.
///
/// It works with threads that are gone when it returns: they are waited for until the kernel has
/// forgotten them, so that a process with one thread can fork afterwards. None may fork meanwhile.
///
/// # Errors
/// See [`TreeError`]: the first one ends the work.
pub fn label(root: impl AsFd, task: &Task<'_>) -> Result<Outcome, TreeError> {
    walk::Walk::new(root.as_fd(), task)?.run(task.threads.clamp(1, THREADS_MAX))
}

/// What became of changes that were to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undone {
    /// How many are as they were.
    pub restored: u64,
    /// Those that are somewhere else now, or have a label that somebody else gave them.
    pub left: Vec<PathBuf>,
}

/// Takes changes back: whatever is still the same file at the same place with the same new label
/// gets its old one, byte for byte.
///
/// # Errors
/// See [`TreeError`].
pub fn put_back(
    root: impl AsFd,
    attribute: Xattr,
    after: &[u8],
    changes: impl IntoIterator<Item = Change>,
) -> Result<Undone, TreeError> {
    let attributes = Attributes::open()?;
    let mut undone = Undone::default();
    for Change { path, file, before } in changes {
        let restored = match reopen(root.as_fd(), &path, file)? {
            None => false,
            Some(object) => {
                let back = attributes.put_back(&object, attribute, before.as_deref(), after)?;
                back == PutBack::Restored
            }
        };
        if restored {
            undone.restored += 1;
        } else {
            undone.left.push(path);
        }
    }
    Ok(undone)
}

/// The object at this place, if it is still this one.
fn reopen(root: BorrowedFd<'_>, path: &Path, file: FileId) -> Result<Option<OwnedFd>, HostError> {
    let object = match open(root, path, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(object) => object,
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::XDEV) => return Ok(None),
        Err(e) => return Err(e).on("open", path),
    };
    let stat = rustix::fs::fstat(&object).on("look at", path)?;
    let same = FileId { device: stat.st_dev, inode: stat.st_ino } == file;
    Ok(same.then_some(object))
}

/// Opens what is below a directory, through no link and no mount. A link at the end can be held.
fn open(directory: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    openat2(directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}
