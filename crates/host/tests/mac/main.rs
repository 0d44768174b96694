//! Labels of objects on the running kernel: an attribute of root's, whether or not a security module
//! gives it a meaning. What the models do with them is tried in the labs.
#![forbid(unsafe_code)]

mod attribute;
mod tree;

use rustix::fs::{Mode, OFlags};
use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use svirt_host::mac::attribute::{Attributes, Xattr};

const NEW: &[u8] = b"system_u:object_r:svirt_image_t:s0:c1,c2\0";

/// A directory of its own; `None`, and a word about it, where this user cannot write the attribute.
fn place() -> Option<tempfile::TempDir> {
    let place = tempfile::tempdir().unwrap();
    let tried = Attributes::open().unwrap().write(held(place.path()), Xattr::Selinux, b"try");
    match tried {
        Ok(()) => Some(place),
        Err(e) => {
            svirt_testkit::skipped(e.to_string());
            None
        }
    }
}

/// Holds an object as a pin does, a link itself where it is one.
fn held(path: &Path) -> OwnedFd {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap()
}

fn label(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    Attributes::open().unwrap().read(held(path.as_ref()), Xattr::Selinux).unwrap()
}

fn set(path: impl AsRef<Path>, value: &[u8]) {
    Attributes::open().unwrap().write(held(path.as_ref()), Xattr::Selinux, value).unwrap();
}

fn file(path: PathBuf) -> PathBuf {
    std::fs::write(&path, "x").unwrap();
    path
}
