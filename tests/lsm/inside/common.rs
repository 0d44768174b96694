//! What every model's claims use.

use rustix::fs::{Mode, OFlags};
use std::{
    collections::BTreeSet,
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use svirt_host::mac::{
    self, Lsm,
    attribute::{Attributes, Xattr},
    files::MountTable,
    process::{self, Shown},
};
use svirt_model::label::LabelFacts;

/// What this kernel's models offer.
pub(crate) fn facts() -> LabelFacts {
    let mounts = MountTable::default();
    mac::facts(&mac::active(&mounts).expect("the kernel answers"), &mounts)
}

/// Holds an object as a pin does.
pub(crate) fn held(path: impl AsRef<Path>) -> OwnedFd {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path.as_ref(), flags, Mode::empty()).expect("it is there")
}

/// A file of this content, labelled so.
pub(crate) fn labelled(path: &str, attribute: Xattr, label: &str) -> PathBuf {
    fs::write(path, "image").unwrap_or_else(|e| panic!("{path}: {e}"));
    let attributes = Attributes::open().expect("procfs");
    attributes.write(held(path), attribute, label.as_bytes()).expect(label);
    path.into()
}

/// Every thread of the process, of which there are four, has this label.
pub(crate) fn every_thread_has(pid: u32, lsm: Lsm, label: &str) {
    let threads = process::threads(pid, lsm).expect("it runs");
    assert_eq!(threads.len(), 4, "{threads:?}");
    let labels: BTreeSet<_> = threads.iter().map(|t| t.label.as_str()).collect();
    assert_eq!(labels, BTreeSet::from([label]));
    let all = process::all(lsm).expect("procfs");
    assert!(all.contains(&Shown { id: pid, label: label.to_owned() }), "{all:?}");
}

/// The modules that are active are the kernel's usual one and this.
pub(crate) fn is_active(lsm: Lsm) {
    assert_eq!(
        mac::active(&MountTable::default()).expect("securityfs"),
        ["capability", lsm.word()]
    );
}
