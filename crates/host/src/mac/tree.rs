//! The labels of a directory and of everything below it: looked at, changed and put back, whoever may
//! be renaming and linking there meanwhile.
//!
//! ```text
//!   scan (reads)  --->  Tree: the common label, and who has another  --->  durable, as one record
//!                                                                              |
//!   put_back  <---------------------------  label  <---------------------------+
//! ```
//! What is changed is opened once, from the directory that it is in, through no symbolic link and no
//! other mount, and labelled on that descriptor, if its label is still the one that was seen. What is
//! put back is what has the label that was given, or got it from its directory. It does not know what
//! a label means, nor where what was before is kept.

mod direct;
mod visit;
mod walk;

use super::{
    attribute::{AttributeError, Xattr},
    files::{KernelFiles, mount_point},
};
use crate::{Doing, HostError};
use direct::Direct;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2, syncfs},
    io::Errno,
};
use std::{
    collections::HashMap,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};
use svirt_model::label::{Inode, SecurityModel, Tree};
use visit::{Finder, Labeller, Restorer};
use walk::Walk;

/// So many objects below a directory may have another label than the directory.
pub const EXCEPTIONS_MAX: usize = 10_000;
/// So many of what is left are named.
const NAMED_MAX: usize = 10;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Objects that were looked at.
    pub seen: u64,
    /// Those that were changed.
    pub changed: u64,
}

/// Is told now and then how far it has come, by whichever thread has come so far.
pub type Watch<'a> = &'a (dyn Fn(Progress) + Sync);

/// A change of a tree's labels.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Whose labels.
    pub model: SecurityModel,
    /// What they were.
    pub before: &'a Tree,
    /// What all of them become.
    pub after: &'a [u8],
}

/// A tree cannot be labelled.
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
    /// Another user's file, whose label only root may change.
    #[error("{} belongs to user {owner}", .path.display())]
    Foreign {
        /// Where it is, from the tree's root.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Too much of it has other labels.
    #[error("more than {EXCEPTIONS_MAX} files in it have another label than the directory")]
    Mixed,
    /// Not what it was when it was looked at.
    #[error(
        "{} was labelled or put there since the directory was looked at: it has {found}",
        .path.display()
    )]
    Changed {
        /// Where it is, from the tree's root.
        path: PathBuf,
        /// Its label, for people.
        found: String,
    },
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
            Self::Foreign { .. } => Some("give it to yourself, or start the machine as root"),
            Self::Mixed => Some("share its directories one by one, or label it alike first"),
            Self::Changed { .. } => {
                Some("start again; if other machines use the directory, stop them first")
            }
            Self::Attribute(error) => error.hint(),
            Self::Host(_) => None,
        }
    }
}

/// What became of a tree that was to be put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Returned {
    /// How many have the label that they had, or that the directory had before it was changed.
    pub restored: u64,
    /// How many have a label that somebody else gave them, which was left.
    pub left: u64,
    /// The first ten of those, from the tree's root.
    pub named: Vec<PathBuf>,
}

/// Looks at a directory, which was opened with `O_PATH` at least, and at everything below it: what
/// [`label`] would be kept from doing is an error here.
///
/// This and the other two work with threads where there is much to do, which are gone when it returns: they are waited
/// for until the kernel has forgotten them, so that a process with one thread can fork afterwards. None may
/// fork meanwhile.
///
/// # Errors
/// See [`TreeError`]: the first one ends the work.
pub fn scan(root: impl AsFd, model: SecurityModel, watch: Watch<'_>) -> Result<Tree, TreeError> {
    let direct = Direct::open(attribute(model)?)?;
    let finder = Finder::new(&direct, root.as_fd())?;
    let progress = Walk::new(root.as_fd(), &finder, watch).run()?;
    Ok(finder.into_tree(progress.seen))
}

/// Labels a directory and everything below it.
///
/// # Errors
/// See [`TreeError`]: the first one ends the work. [`put_back`] takes back what was done until then.
pub fn label(root: impl AsFd, change: Change<'_>, watch: Watch<'_>) -> Result<Progress, TreeError> {
    let direct = Direct::open(attribute(change.model)?)?;
    let (before, one_mount) = (Before::of(change.before), is_one_mount(root.as_fd())?);
    let labeller = Labeller { direct: &direct, change, before, one_mount };
    Walk::new(root.as_fd(), &labeller, watch).run()
}

/// Puts back what has the label that was given or comes of it, wherever below the directory it is by
/// now, and waits for the disk to have it. What was not there before gets the directory's own.
///
/// # Errors
/// The first of what failed, when all else was put back; see [`TreeError`].
pub fn put_back(
    root: impl AsFd,
    change: Change<'_>,
    watch: Watch<'_>,
) -> Result<Returned, TreeError> {
    let direct = Direct::open(attribute(change.model)?)?;
    let restorer = Restorer::new(&direct, change, Before::of(change.before));
    Walk::new(root.as_fd(), &restorer, watch).run()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let opened = open(root.as_fd(), c".", flags).doing(|| "open a tree")?;
    syncfs(&opened).doing(|| "wait for a tree's file system")?;
    restorer.into_returned()
}

/// Whether nothing is mounted below a directory. Only root could change that meanwhile.
fn is_one_mount(directory: BorrowedFd<'_>) -> Result<bool, HostError> {
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let path = std::fs::read_link(&link).doing(|| format!("read {link}"))?;
    let mounts = KernelFiles::proc()?.read("self/mountinfo")?;
    let mut points = mounts.split(|b| *b == b'\n').filter_map(mount_point);
    Ok(!points.any(|point| point != path && point.starts_with(&path)))
}

fn attribute(model: SecurityModel) -> Result<Xattr, HostError> {
    let none = || std::io::Error::other("it keeps no labels with files");
    Xattr::of(model).ok_or_else(none).doing(|| format!("label a tree for {model}"))
}

/// What each object of a tree had.
struct Before<'a> {
    /// Each label once; that of the directory itself is the first.
    labels: Vec<Option<&'a [u8]>>,
    exceptions: HashMap<Inode, usize>,
}

impl<'a> Before<'a> {
    /// The directory's own.
    const COMMON: usize = 0;

    fn of(tree: &'a Tree) -> Self {
        let objects = |(index, labelled): (usize, &'a svirt_model::label::Labelled)| {
            labelled.objects.iter().map(move |below| (below.inode, index + 1))
        };
        let exceptions = tree.labels.iter().enumerate().flat_map(objects).collect();
        Self { labels: tree.all().collect(), exceptions }
    }

    /// Which label an object had.
    fn index(&self, inode: Inode) -> usize {
        self.exceptions.get(&inode).copied().unwrap_or(Self::COMMON)
    }
}

/// Opens what is below a directory, through no link and no mount. A link at the end can be held.
///
/// A name that leads out of the directory by the time that it was looked up is refused as a mount is
/// (`complete_walk` in the kernel's `fs/namei.c`); only a mount is still in the way at a second look.
fn open(
    directory: BorrowedFd<'_>,
    path: impl rustix::path::Arg + Copy,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let beneath = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let once = || openat2(directory, path, flags | OFlags::CLOEXEC, Mode::empty(), beneath);
    match once() {
        Err(Errno::XDEV) => once(),
        opened => opened,
    }
}
