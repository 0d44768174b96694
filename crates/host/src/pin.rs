//! From a name to a checked descriptor, once. Everything later acts on the descriptor.
//!
//! A symbolic link is followed only where nobody but root and the caller could have planted it;
//! links of procfs ("magic links") never. What was found is compared again whenever the object is
//! opened anew. This module does not know what an object is for: the caller says what it accepts.

use crate::{Doing, HostError, block};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};
use svirt_model::{FileId, FileKind, Ground, Object};

/// As many links as the kernel itself follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// An object that is held.
#[derive(Debug)]
pub struct Pin {
    descriptor: OwnedFd,
    object: Object,
}

/// Why a name does not lead to an object that may be used.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// It cannot be reached at all.
    #[error("cannot open {}", .0.display())]
    Unreachable(PathBuf, #[source] std::io::Error),
    /// A link on the way could have been planted.
    #[error("{} is a symbolic link that user {uid} could have planted", .path.display())]
    Planted {
        /// The link.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// A link on the way is one of procfs's.
    #[error("{} leads through a link of procfs, which names an open file and not a place", .0.display())]
    MagicLink(PathBuf),
    /// More than 40 links.
    #[error("{} leads through too many symbolic links", .0.display())]
    TooManyLinks(PathBuf),
    /// Not the type of file that is needed.
    #[error("{} is {found}, and {wanted} is needed", .path.display())]
    WrongKind {
        /// The object.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What is needed.
        wanted: &'static str,
    },
    /// A file with several names, where that could be an attack.
    #[error("{} has {links} hard links, so it may be a file from elsewhere", .path.display())]
    HardLinked {
        /// The file.
        path: PathBuf,
        /// Their number.
        links: u64,
    },
    /// A path that is not text.
    #[error("the path {} is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// The object was replaced since it was pinned.
    #[error("{} was replaced while it was being opened", .0.display())]
    Replaced(PathBuf),
    /// Which others a block device shares its blocks with is not to be found out.
    #[error("what the block device {} lies on is not known", .0.display())]
    Groundless(PathBuf, #[source] std::io::Error),
    /// A file that gives its owner's rights to whoever executes it.
    #[error("{} gives its owner's rights to whoever executes it (mode {mode:o})", .path.display())]
    SetsId {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The block device is mounted or used by another.
    #[error("the block device {} is in use by the host", .0.display())]
    DeviceBusy(PathBuf),
}

impl PinError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::WrongKind { .. } => Some("name one of the kind that is needed"),
            Self::Planted { .. } => Some("name the file that the link leads to"),
            Self::MagicLink(_) => Some("name the file by its own path"),
            Self::HardLinked { .. } => Some("make a copy of it, or remove its other names"),
            Self::DeviceBusy(_) => Some("unmount it first; a mounted disk cannot be given away"),
            Self::SetsId { .. } => Some("take the right from it first: chmod ug-s"),
            Self::Groundless(..) => Some("mount sysfs at /sys"),
            Self::NotText(_) => Some("rename it, or link to it from a path in UTF-8"),
            _ => None,
        }
    }
}

/// What the caller will do with the object, which decides what is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Read a file.
    ReadFile,
    /// Read and write a file.
    WriteFile,
    /// Use a file or a block device as a disk, reading only.
    ReadDisk,
    /// Use a file or a block device as a disk.
    WriteDisk,
    /// Use a directory and what is under it.
    Directory,
    /// Use a character device.
    Device,
    /// Connect to a socket.
    Socket,
    /// Use it whatever it is: a user named it.
    Any,
}

impl Purpose {
    fn accepts(self, kind: FileKind) -> bool {
        use FileKind::{BlockDevice, CharDevice, Directory, File, Socket};
        match self {
            Self::ReadFile | Self::WriteFile => kind == File,
            Self::ReadDisk | Self::WriteDisk => matches!(kind, File | BlockDevice),
            Self::Directory => kind == Directory,
            Self::Device => matches!(kind, CharDevice | BlockDevice),
            Self::Socket => kind == Socket,
            Self::Any => true,
        }
    }

    fn needs(self) -> &'static str {
        match self {
            Self::ReadFile | Self::WriteFile => "a regular file",
            Self::ReadDisk | Self::WriteDisk => "a regular file or a block device",
            Self::Directory => "a directory",
            Self::Device => "a device",
            Self::Socket => "a socket",
            Self::Any => "a file",
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::WriteFile | Self::WriteDisk)
    }
}

impl Pin {
    /// Opens `path` and checks it.
    ///
    /// # Errors
    /// See [`PinError`].
    pub fn new(path: &Path, purpose: Purpose) -> Result<Self, PinError> {
        let (descriptor, path) = match open_without_links(path) {
            Ok(descriptor) => (descriptor, path.to_owned()),
            Err(_) => Walk::new(path)?.run()?,
        };
        let object = describe(descriptor.as_fd(), path)?;
        let pin = Self { descriptor, object };
        pin.check(purpose)?;
        Ok(pin)
    }

    /// Opens the object with this path and stops unless it is this very object.
    ///
    /// # Errors
    /// [`PinError::Replaced`] above all.
    pub fn again(object: &Object) -> Result<Self, PinError> {
        let path = &object.path;
        let unreachable = |e: Errno| PinError::Unreachable(path.clone(), e.into());
        let descriptor = open_without_links(path).map_err(unreachable)?;
        let found = describe(descriptor.as_fd(), path.clone())?;
        if found.id != object.id || found.kind != object.kind {
            return Err(PinError::Replaced(path.clone()));
        }
        Ok(Self { descriptor, object: found })
    }

    /// What was found.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The descriptor and what was found, apart.
    pub fn into_parts(self) -> (OwnedFd, Object) {
        (self.descriptor, self.object)
    }

    /// A new open file description of the object, for reading or for reading and writing. A block
    /// device is opened exclusively for writing, so one that is mounted is refused.
    ///
    /// # Errors
    /// The kernel's, for want of permission above all; [`PinError::DeviceBusy`].
    pub fn open(&self, write: bool) -> Result<OwnedFd, PinError> {
        let path = || self.object.path.clone();
        let exclusive = write && self.object.kind == FileKind::BlockDevice;
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let mut flags = access | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        flags.set(OFlags::EXCL, exclusive);
        let name = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        let opened = rustix::fs::open(name, flags, Mode::empty()).map_err(|e| match e {
            Errno::BUSY if exclusive => PinError::DeviceBusy(path()),
            other => PinError::Unreachable(path(), other.into()),
        })?;
        if describe(opened.as_fd(), path())?.id != self.object.id {
            return Err(PinError::Replaced(path()));
        }
        rustix::fs::fcntl_setfl(&opened, access)
            .map_err(|e| PinError::Unreachable(path(), e.into()))?;
        Ok(opened)
    }

    fn check(&self, purpose: Purpose) -> Result<(), PinError> {
        let object = &self.object;
        let path = || object.path.clone();
        if object.path.to_str().is_none() {
            return Err(PinError::NotText(path()));
        }
        if !purpose.accepts(object.kind) {
            let (found, wanted) = (word(object.kind), purpose.needs());
            return Err(PinError::WrongKind { path: path(), found, wanted });
        }
        if object.kind == FileKind::BlockDevice {
            self.unused_by_the_host()?;
        }
        // Who writes it through a shared mapping keeps the bits, which a write by call takes away.
        let sets_id = object.kind == FileKind::File && object.mode & 0o6000 != 0;
        if sets_id && purpose.writes() {
            return Err(PinError::SetsId { path: path(), mode: object.mode });
        }
        let linked = object.kind == FileKind::File && object.links > 1;
        if linked && (purpose.writes() || !self.only_we_name_it()) {
            return Err(PinError::HardLinked { path: path(), links: object.links });
        }
        Ok(())
    }

    /// A block device that is mounted, or part of one that is, cannot be opened exclusively. Who may
    /// not open it at all finds that out when it is opened to be used.
    fn unused_by_the_host(&self) -> Result<(), PinError> {
        let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        match rustix::fs::open(name, flags, Mode::empty()) {
            Err(Errno::BUSY) => Err(PinError::DeviceBusy(self.object.path.clone())),
            _ => Ok(()),
        }
    }

    /// Whether only root and the caller could have given the object the name that it was found by.
    fn only_we_name_it(&self) -> bool {
        let Some(parent) = self.object.path.parent() else { return true };
        rustix::fs::stat(parent).is_ok_and(|stat| only_we_write(&stat))
    }
}

impl AsFd for Pin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What the object behind a descriptor is.
///
/// # Errors
/// Those of `fstat(2)`.
pub fn describe(descriptor: BorrowedFd<'_>, path: PathBuf) -> Result<Object, PinError> {
    let stat = match rustix::fs::fstat(descriptor) {
        Ok(stat) => stat,
        Err(e) => return Err(PinError::Unreachable(path, e.into())),
    };
    let Some(kind) = kind(&stat) else {
        return Err(PinError::Unreachable(path, Errno::LOOP.into()));
    };
    Ok(Object {
        id: FileId { device: stat.st_dev, inode: stat.st_ino },
        kind,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & 0o7777,
        #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
        links: stat.st_nlink as u64,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        rdev: stat.st_rdev,
        lies_on: grounds(kind, stat.st_rdev, &path)?,
        path,
    })
}

fn grounds(kind: FileKind, number: u64, path: &Path) -> Result<Vec<Ground>, PinError> {
    match kind {
        FileKind::BlockDevice => {
            block::grounds(number).map_err(|source| PinError::Groundless(path.to_owned(), source))
        }
        _ => Ok(Vec::new()),
    }
}

/// The type of a file; none for a symbolic link and for what is no file.
pub(crate) fn kind(stat: &Stat) -> Option<FileKind> {
    Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => FileKind::Directory,
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::CharacterDevice => FileKind::CharDevice,
        FileType::Socket => FileKind::Socket,
        FileType::Fifo => FileKind::Pipe,
        FileType::RegularFile => FileKind::File,
        _ => return None,
    })
}

/// The type of a file, in words.
pub(crate) fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::BlockDevice => "a block device",
        FileKind::CharDevice => "a character device",
        FileKind::Socket => "a socket",
        FileKind::Pipe => "a named pipe",
    }
}

/// The common case in one system call: no link anywhere on the way. Without `O_NOFOLLOW`, which
/// together with `O_PATH` would make an exception for a link at the end (`openat2(2)`).
fn open_without_links(path: &Path) -> Result<OwnedFd, Errno> {
    if !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), resolve)
}

/// Whether nobody but root and the caller can make or replace names in this directory.
fn only_we_write(directory: &Stat) -> bool {
    ours(directory.st_uid) && directory.st_mode & 0o022 == 0
}

fn ours(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// The resolution of a path, one component after the other, each held while the next is opened.
struct Walk {
    asked: PathBuf,
    here: OwnedFd,
    canonical: PathBuf,
    ahead: VecDeque<OsString>,
    links: usize,
}

impl Walk {
    fn new(asked: &Path) -> Result<Self, PinError> {
        let absolute =
            std::path::absolute(asked).map_err(|e| PinError::Unreachable(asked.to_owned(), e))?;
        let here = open_root().map_err(|e| PinError::Unreachable(asked.to_owned(), e.into()))?;
        let ahead = names(&absolute).collect();
        Ok(Self { asked: asked.to_owned(), here, canonical: "/".into(), ahead, links: 0 })
    }

    fn run(mut self) -> Result<(OwnedFd, PathBuf), PinError> {
        while let Some(name) = self.ahead.pop_front() {
            self.step(&name)?;
        }
        Ok((self.here, self.canonical))
    }

    fn unreachable(&self, e: Errno) -> PinError {
        PinError::Unreachable(self.asked.clone(), e.into())
    }

    fn step(&mut self, name: &OsStr) -> Result<(), PinError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let next = rustix::fs::openat(&self.here, name, flags, Mode::empty());
        let next = next.map_err(|e| self.unreachable(e))?;
        let stat = rustix::fs::fstat(&next).map_err(|e| self.unreachable(e))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return self.follow(name, &next, &stat);
        }
        self.here = next;
        if name == ".." {
            self.canonical.pop();
        } else {
            self.canonical.push(name);
        }
        Ok(())
    }

    fn follow(&mut self, name: &OsStr, link: &OwnedFd, stat: &Stat) -> Result<(), PinError> {
        let path = self.canonical.join(name);
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(PinError::TooManyLinks(self.asked.clone()));
        }
        let system = rustix::fs::fstatfs(link).map_err(|e| self.unreachable(e))?;
        if system.f_type == rustix::fs::PROC_SUPER_MAGIC {
            return Err(PinError::MagicLink(self.asked.clone()));
        }
        if !self.trusts(stat)? {
            return Err(PinError::Planted { path, uid: stat.st_uid });
        }
        let text = rustix::fs::readlinkat(link, "", Vec::new()).map_err(|e| self.unreachable(e))?;
        let target = Path::new(OsStr::from_bytes(text.as_bytes())).to_owned();
        if target.is_absolute() {
            self.here = open_root().map_err(|e| self.unreachable(e))?;
            self.canonical = "/".into();
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            self.ahead.push_front(name);
        }
        Ok(())
    }

    /// A link that is ours, or that stands where only we can write.
    fn trusts(&self, link: &Stat) -> Result<bool, PinError> {
        let directory = rustix::fs::fstat(&self.here).map_err(|e| self.unreachable(e))?;
        Ok(ours(link.st_uid) || only_we_write(&directory))
    }
}

fn open_root() -> Result<OwnedFd, Errno> {
    rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty())
}

fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// Makes a directory of ours below one that is held, or opens it, and checks that it is ours and
/// that nobody else can write to it.
///
/// # Errors
/// The kernel's; `PermissionDenied` for a directory that is not ours.
pub fn private_directory(path: &Path) -> Result<OwnedFd, HostError> {
    let mode = Mode::from_raw_mode(0o700);
    match rustix::fs::mkdir(path, mode) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(e).on("make the directory", path),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty()).on("open", path)?;
    let stat = rustix::fs::statat(&directory, "", AtFlags::EMPTY_PATH).on("look at", path)?;
    let own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0;
    if own {
        return Ok(directory);
    }
    let why = std::io::Error::new(std::io::ErrorKind::PermissionDenied, NOT_OURS);
    Err(why).on("trust", path)
}

const NOT_OURS: &str = "it must be this user's, and nobody else may write to it (chmod go-w)";

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    fn canonical(directory: &tempfile::TempDir) -> PathBuf {
        fs::canonicalize(directory.path()).unwrap()
    }

    #[test]
    fn a_link_of_ours_is_followed_and_the_path_found_is_canonical() {
        let directory = tempfile::tempdir().unwrap();
        let place = canonical(&directory);
        fs::write(place.join("image"), "x").unwrap();
        symlink("image", place.join("link")).unwrap();
        symlink(place.join("missing/../link"), place.join("odd")).unwrap();
        let pin = Pin::new(&place.join("link"), Purpose::ReadFile).unwrap();
        assert_eq!(pin.object().path, place.join("image"));
        assert!(Pin::new(&place.join("odd"), Purpose::ReadFile).is_err());
    }

    #[test]
    fn loops_magic_links_pipes_and_hard_links_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let place = canonical(&directory);
        symlink("loop", place.join("loop")).unwrap();
        let found = Pin::new(&place.join("loop"), Purpose::Any).unwrap_err();
        assert!(matches!(found, PinError::TooManyLinks(_)), "{found:?}");
        let found = Pin::new(Path::new("/proc/self/fd/0"), Purpose::Any).unwrap_err();
        assert!(matches!(found, PinError::MagicLink(_)), "{found:?}");
        fs::write(place.join("one"), "x").unwrap();
        fs::hard_link(place.join("one"), place.join("two")).unwrap();
        let found = Pin::new(&place.join("one"), Purpose::WriteFile).unwrap_err();
        assert!(matches!(found, PinError::HardLinked { links: 2, .. }), "{found:?}");
        assert!(Pin::new(&place.join("one"), Purpose::ReadFile).is_ok());
        let found = Pin::new(&place, Purpose::ReadFile).unwrap_err();
        assert_eq!(
            found.to_string(),
            format!("{} is a directory, and a regular file is needed", place.display())
        );
    }

    #[test]
    fn a_replaced_object_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = canonical(&directory).join("image");
        fs::write(&path, "x").unwrap();
        let object = Pin::new(&path, Purpose::WriteDisk).unwrap().object().clone();
        assert!(Pin::again(&object).is_ok());
        fs::write(path.with_extension("new"), "y").unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        assert!(matches!(Pin::again(&object), Err(PinError::Replaced(_))));
    }
}
