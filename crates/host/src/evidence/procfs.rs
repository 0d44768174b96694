//! Reading one process's directory in `/proc`: opened once, so that everything is said of the same
//! process, and each file read once.

use crate::{
    Doing, HostError,
    text::{self, TEXT_MAX},
};
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use svirt_model::{FileId, Namespace};

/// A directory of procfs.
pub(super) struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// The directory of the process with this number.
    pub(super) fn of(pid: u32) -> Result<Self, HostError> {
        Self::at(PathBuf::from(format!("/proc/{pid}")))
    }

    /// This process's own.
    pub(super) fn own() -> Result<Self, HostError> {
        Self::at("/proc/self".into())
    }

    fn at(path: PathBuf) -> Result<Self, HostError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(&path, flags, Mode::empty()).on("open", &path)?;
        Ok(Self { descriptor, path })
    }

    /// The names in a directory below that are numbers.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<i32>, HostError> {
        let (flags, path) =
            (OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, self.path.join(name));
        let below = rustix::fs::openat(&self.descriptor, name, flags, Mode::empty());
        let mut all = Vec::new();
        for entry in Dir::new(below.on("open", &path)?).on("read", &path)? {
            let entry = entry.on("read", &path)?;
            all.extend(entry.file_name().to_str().ok().and_then(|n| n.parse::<i32>().ok()));
        }
        all.sort_unstable();
        Ok(all)
    }

    /// What a file says.
    pub(super) fn text(&self, name: &str) -> Result<String, HostError> {
        let bytes = self.bytes(name).on("read", &self.path.join(name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        text::whole(rustix::fs::openat(&self.descriptor, name, flags, Mode::empty())?, TEXT_MAX)
    }

    /// What a link of procfs says, for people: most of them are no paths.
    pub(super) fn link(&self, name: &str) -> Result<String, HostError> {
        let text = rustix::fs::readlinkat(&self.descriptor, name, Vec::new());
        let text = text.on("read", &self.path.join(name))?;
        Ok(text.to_string_lossy().into_owned())
    }

    /// What a link of procfs leads to.
    pub(super) fn object(&self, name: &str) -> Result<Stat, HostError> {
        let found = rustix::fs::statat(&self.descriptor, name, AtFlags::empty());
        found.on("look at", &self.path.join(name))
    }

    /// Which of these namespaces the process is in: the inode that its link leads to
    /// (`namespaces(7)`).
    pub(super) fn namespace(&self, namespace: Namespace) -> Result<FileId, HostError> {
        let found = self.object(&format!("ns/{}", namespace.file()))?;
        Ok(FileId { device: found.st_dev, inode: found.st_ino })
    }

    /// What stands at an absolute path in the process's root. None of the directories on the way is
    /// a link: they are the launcher's.
    pub(super) fn in_root(&self, path: &Path) -> Result<Stat, HostError> {
        let name = Path::new("root").join(path.strip_prefix("/").unwrap_or(path));
        let found = rustix::fs::statat(&self.descriptor, &name, AtFlags::SYMLINK_NOFOLLOW);
        found.on("look at", &self.path.join(name))
    }
}
