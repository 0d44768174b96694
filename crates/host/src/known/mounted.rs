//! Where the file systems that objects are known by are mounted, and an object by its handle wherever
//! it is there now.
//!
//! A mount is opened to be asked which file system it is, so those that can keep whoever opens them
//! waiting for another host or process are passed over: of none of them anything is known by more than
//! its device in this boot.

use super::{boot, is, system};
use crate::{
    Doing, HostError,
    mac::files::{KernelFiles, unescape},
    sys::hold_by_handle,
};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};
use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};
use svirt_model::{FileSystem, Known, Mark};

/// What became of an object that is not where it was.
#[derive(Debug)]
pub enum Again {
    /// It is on the file system that is mounted at this place.
    Found(OwnedFd, PathBuf),
    /// It is no more.
    Gone,
    /// Its file system is not mounted.
    NotMounted,
    /// Its file system is mounted, and nobody tells this process where on it the object is.
    Untold,
    /// Its file system is one that is known only in its boot, and that has ended.
    OfAnotherBoot,
}

/// The mounts of this moment, each looked at when it is first needed.
#[derive(Debug, Default)]
pub struct Mounted {
    mounts: OnceCell<Vec<Mount>>,
    found: RefCell<BTreeMap<FileSystem, Option<usize>>>,
}

/// One line of `mountinfo` (`proc_pid_mountinfo(5)`).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    /// Whether nothing forbids to write through it.
    writable: bool,
    /// Whether it shows its file system from the root on, so that a path on it is a path.
    whole: bool,
}

impl Mounted {
    /// Whether it is a file system that was known only in its boot, and that has ended.
    ///
    /// # Errors
    /// procfs is not there.
    pub fn is_of_another_boot(&self, on: &FileSystem) -> Result<bool, HostError> {
        match on {
            FileSystem::Uuid(_) | FileSystem::Number { .. } => Ok(false),
            FileSystem::Boot { boot: then, .. } | FileSystem::Memory { boot: then, .. } => {
                Ok(boot().doing(|| "know this boot")? != *then)
            }
        }
    }

    /// Looks for an object by its handle.
    ///
    /// # Errors
    /// The kernel's. Then nobody knows.
    pub fn find(&self, known: &Known) -> Result<Again, HostError> {
        if self.is_of_another_boot(&known.on)? {
            let memory = matches!(known.on, FileSystem::Memory { .. });
            return Ok(if memory { Again::Gone } else { Again::OfAnotherBoot });
        }
        let Some((root, point)) = self.open(&known.on)? else { return Ok(Again::NotMounted) };
        let Mark::Handle { kind, bytes } = &known.mark else { return Ok(Again::Untold) };
        match hold_by_handle(&root, *kind, bytes) {
            Ok(object) if is(object.as_fd(), known).on("look at an object of", &point)? => {
                Ok(Again::Found(object, point))
            }
            Ok(_) => Ok(Again::Gone),
            Err(e) => match e.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::STALE | Errno::NOENT) => Ok(Again::Gone),
                Some(Errno::PERM | Errno::OPNOTSUPP) => Ok(Again::Untold),
                _ => Err(e).on("look for an object of", &point),
            },
        }
    }

    /// The root of the file system, or of a part of it, where it is mounted best.
    fn open(&self, on: &FileSystem) -> Result<Option<(OwnedFd, PathBuf)>, HostError> {
        let mounts = self.all()?;
        let known = self.found.borrow().get(on).copied();
        let at = known.unwrap_or_else(|| {
            let at = mounts.iter().position(|mount| mount.holds(on));
            self.found.borrow_mut().insert(on.clone(), at);
            at
        });
        let Some(mount) = at.and_then(|at| mounts.get(at)) else { return Ok(None) };
        let root = mount.open().on("open", &mount.point)?;
        Ok(Some((root, mount.point.clone())))
    }

    fn all(&self) -> Result<&[Mount], HostError> {
        if let Some(mounts) = self.mounts.get() {
            return Ok(mounts);
        }
        let text = KernelFiles::proc()?.read("self/mountinfo")?;
        let lines = text.split(|byte| *byte == b'\n');
        let mut mounts: Vec<Mount> = lines.filter_map(Mount::read).collect();
        mounts.sort_by_key(|mount| (!mount.writable, !mount.whole));
        Ok(self.mounts.get_or_init(|| mounts))
    }
}

impl Mount {
    fn read(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let dash = fields.iter().position(|field| *field == b"-")?;
        let may_wait = waits(std::str::from_utf8(fields.get(dash + 1)?).ok()?);
        let says = |at: usize, word: &[u8]| {
            fields.get(at).is_some_and(|field| field.split(|byte| *byte == b',').any(|o| o == word))
        };
        let mount = Self {
            point: unescape(fields.get(4)?),
            writable: !says(5, b"ro") && !says(dash + 3, b"ro"),
            whole: *fields.get(3)? == b"/",
        };
        (!may_wait).then_some(mount)
    }

    fn open(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(CWD, &self.point, flags, Mode::empty())
    }

    fn holds(&self, on: &FileSystem) -> bool {
        self.open()
            .map_err(io::Error::from)
            .is_ok_and(|root| system::is(root.as_fd(), on).unwrap_or(false))
    }
}

/// Whether to open a mount of this type can mean to wait for somebody.
fn waits(kind: &str) -> bool {
    const SERVED: [&str; 12] = [
        "9p", "afs", "autofs", "ceph", "cifs", "coda", "fuse", "fuseblk", "nfs", "nfs4", "smb3",
        "virtiofs",
    ];
    SERVED.contains(&kind) || kind.starts_with("fuse.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &str, writable: bool, whole: bool) -> Option<Mount> {
        Some(Mount { point: point.into(), writable, whole })
    }

    #[test]
    fn a_line_says_where_it_is_and_whether_it_can_be_written() {
        let read = |line: &str| Mount::read(line.as_bytes());
        let plain = "36 35 8:1 / /a\\040b rw,noatime shared:3 - ext4 /dev/sda1 rw,errors=ro";
        assert_eq!(read(plain), mount("/a b", true, true));
        let part = "36 35 8:1 /part /p ro,noatime - ext4 /dev/sda1 rw";
        assert_eq!(read(part), mount("/p", false, false));
        assert_eq!(read("36 35 8:1 / /p rw - xfs /dev/sda1 ro"), mount("/p", false, true));
        for waiting in ["nfs4 host:/a rw", "fuse.sshfs host: rw", "autofs none rw"] {
            assert_eq!(read(&format!("36 35 0:7 / /n rw - {waiting}")), None, "{waiting}");
        }
        assert_eq!(read("36 35 8:1 /"), None);
    }
}
