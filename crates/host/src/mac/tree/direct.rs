//! Labels of many objects with few system calls: procfs is looked at once for all of them, and where nobody
//! can exchange names, an object is not opened.
//!
//! A descriptor that only holds its object (`O_PATH`) is reached through this process's directory of
//! descriptors, which is held from its beginning: nothing is found there by a name that anybody else
//! gives. It is this process's alone, so it must not be taken along through a fork.

use crate::{
    Doing, HostError,
    mac::{attribute::Xattr, files::KernelFiles},
    sys::{At, get_attribute_at, remove_attribute_at, set_attribute_at},
};
use rustix::{
    fs::{
        AtFlags, OFlags, Statx, StatxFlags, XattrFlags, getxattr, lgetxattr, lremovexattr,
        lsetxattr, removexattr, setxattr, statx,
    },
    io::Errno,
};
use std::{
    borrow::Cow,
    ffi::{CStr, CString, OsStr},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Most labels are no longer than this.
const USUAL: usize = 512;
/// The longest value of an attribute (`XATTR_SIZE_MAX` of the kernel).
const VALUE_MAX: usize = 65_536;

/// The way to the labels of many objects.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) attribute: Xattr,
    /// `/proc/self/fd`.
    descriptors: OwnedFd,
    /// Whether the kernel does it in one step (Linux 6.13).
    at: AtomicBool,
}

impl Direct {
    pub(super) fn open(attribute: Xattr) -> Result<Self, HostError> {
        let proc = KernelFiles::proc()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let descriptors = proc.open("self/fd", flags).doing(|| "open /proc/self/fd")?;
        Ok(Self { attribute, descriptors, at: AtomicBool::new(true) })
    }

    /// An object by its name in a directory, were it a link; it is held where the name may come to
    /// be another's before something is done with it.
    pub(super) fn object<'a>(
        &'a self,
        directory: BorrowedFd<'a>,
        name: &'a CStr,
        hold: bool,
    ) -> Result<Object<'a>, Errno> {
        if !hold {
            return Ok(Object { direct: self, directory, name: name.into(), held: None });
        }
        let held = super::open(directory, name, OFlags::PATH | OFlags::NOFOLLOW)?;
        // Digits have no NUL in them.
        let number = CString::new(held.as_raw_fd().to_string()).unwrap_or_default();
        let directory = self.descriptors.as_fd();
        Ok(Object { direct: self, directory, name: number.into(), held: Some(held) })
    }

    fn read_at(
        &self,
        at: At<'_>,
        old: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    ) -> Result<Option<Vec<u8>>, Errno> {
        for length in [USUAL, VALUE_MAX] {
            let mut value = vec![0; length];
            let place = std::cell::RefCell::new(&mut value[..]);
            let read = self.either(
                || get_attribute_at(at, self.attribute.c_name(), &mut place.borrow_mut()),
                || old(&mut place.borrow_mut()),
            );
            match read {
                Ok(length) => {
                    value.truncate(length);
                    return Ok(Some(value));
                }
                Err(Errno::RANGE) => {}
                Err(Errno::NODATA) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        Err(Errno::RANGE)
    }

    /// The call of a new kernel, or what an older one has for it.
    fn either<T>(
        &self,
        new: impl FnOnce() -> io::Result<T>,
        old: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if self.at.load(Ordering::Relaxed) {
            match new().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO)) {
                Err(Errno::NOSYS) => self.at.store(false, Ordering::Relaxed),
                other => return other,
            }
        }
        old()
    }
}

/// An object of which the label is read or written.
pub(super) struct Object<'a> {
    direct: &'a Direct,
    /// The directory that it is reached in: its own, or that of descriptors.
    directory: BorrowedFd<'a>,
    name: Cow<'a, CStr>,
    held: Option<OwnedFd>,
}

impl Object<'_> {
    /// What `statx(2)` says of it.
    pub(super) fn stat(&self, asked: StatxFlags) -> Result<Statx, Errno> {
        match &self.held {
            Some(held) => statx(held, "", AtFlags::EMPTY_PATH, asked),
            None => {
                let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
                statx(self.directory, &*self.name, flags, asked)
            }
        }
    }

    /// Its label.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, Errno> {
        let attribute = self.direct.attribute.c_name();
        self.direct.read_at(self.at(), |value| match self.held {
            Some(_) => getxattr(self.path(), attribute, value),
            None => lgetxattr(self.path(), attribute, value),
        })
    }

    /// Gives it a label; none takes it away.
    pub(super) fn write(&self, label: Option<&[u8]>) -> Result<(), Errno> {
        let (at, attribute) = (self.at(), self.direct.attribute.c_name());
        let Some(label) = label else {
            return self.direct.either(
                || remove_attribute_at(at, attribute),
                || match self.held {
                    Some(_) => removexattr(self.path(), attribute),
                    None => lremovexattr(self.path(), attribute),
                },
            );
        };
        let flags = XattrFlags::empty();
        self.direct.either(
            || set_attribute_at(at, attribute, label),
            || match self.held {
                Some(_) => setxattr(self.path(), attribute, label, flags),
                None => lsetxattr(self.path(), attribute, label, flags),
            },
        )
    }

    /// For a symbolic link that is held the kernel goes no further than the link that the descriptor
    /// holds.
    fn at(&self) -> At<'_> {
        At { directory: self.directory, name: &self.name, follow: self.held.is_some() }
    }

    /// The same for kernels that know only paths.
    fn path(&self) -> PathBuf {
        let name = OsStr::from_bytes(self.name.to_bytes());
        match &self.held {
            Some(_) => Path::new("/proc/self/fd").join(name),
            None => {
                let directory = self.directory.as_raw_fd();
                PathBuf::from(format!("/proc/self/fd/{directory}")).join(name)
            }
        }
    }
}
