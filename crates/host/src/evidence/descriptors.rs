//! The descriptors that a process holds: how many, open for what, and which object each leads to.

use super::procfs::Directory;
use crate::{
    Doing, HostError,
    pin::{kind, word},
};
use rustix::fs::{OFlags, Stat};
use std::{collections::BTreeMap, fmt, os::fd::OwnedFd};
use svirt_model::{Confinement, DescriptorSource, FileId, FileKind, Finding, Layer, Object};

/// What was handed over to a process for each of its descriptors: the plan knows the objects that
/// have a path; which connection and which nameless file it is, only who made them knows.
#[derive(Debug)]
pub struct Handed(Vec<Open>);

impl Handed {
    /// Looks at what [`crate::sources::open`] opened, while it is there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(confinement: &Confinement, opened: &[OwnedFd]) -> Result<Self, HostError> {
        let held = opened.iter().skip(confinement.entries.len());
        let held = held.take(confinement.descriptors.len());
        held.map(Open::of).collect::<Result<_, _>>().map(Self)
    }
}

/// What a descriptor is: how it is open, and what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    mode: OpenMode,
    kind: Option<FileKind>,
    id: FileId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenMode {
    Read,
    Write,
    ReadWrite,
    /// It names the object and can do nothing with it (`O_PATH`).
    Path,
}

impl Open {
    const NONE: Self =
        Self { mode: OpenMode::Path, kind: None, id: FileId { device: 0, inode: 0 } };

    fn of(descriptor: &OwnedFd) -> Result<Self, HostError> {
        let flags = rustix::fs::fcntl_getfl(descriptor);
        let flags = flags.doing(|| "look at a descriptor")?;
        let stat = rustix::fs::fstat(descriptor).doing(|| "look at a descriptor")?;
        Ok(Self::new(OpenMode::of(flags), &stat))
    }

    fn new(mode: OpenMode, stat: &Stat) -> Self {
        Self { mode, kind: kind(stat), id: FileId { device: stat.st_dev, inode: stat.st_ino } }
    }

    /// What the plan says of a descriptor, and where it says nothing, what was handed over.
    fn planned(source: &DescriptorSource, handed: Self) -> Self {
        let object = |object: &Object, mode| Self { mode, kind: Some(object.kind), id: object.id };
        let made = |kind| Self { mode: OpenMode::ReadWrite, kind: Some(kind), ..handed };
        match source {
            DescriptorSource::Read(read) => object(read, OpenMode::Read),
            DescriptorSource::ReadWrite(written) => object(written, OpenMode::ReadWrite),
            DescriptorSource::Scratch(_) => made(FileKind::File),
            DescriptorSource::Channel(_) => made(FileKind::Socket),
            DescriptorSource::Null => made(FileKind::CharDevice),
            // Whatever the user's command had.
            DescriptorSource::Stream(_) => handed,
        }
    }
}

impl OpenMode {
    fn of(flags: OFlags) -> Self {
        let access = flags & OFlags::RWMODE;
        match flags {
            _ if flags.contains(OFlags::PATH) => Self::Path,
            _ if access == OFlags::RDONLY => Self::Read,
            _ if access == OFlags::WRONLY => Self::Write,
            _ => Self::ReadWrite,
        }
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            OpenMode::Read => "reads",
            OpenMode::Write => "writes",
            OpenMode::ReadWrite => "reads and writes",
            OpenMode::Path => "names",
        };
        let kind = self.kind.map_or("something else", word);
        write!(f, "{mode} {kind} {}:{}", self.id.device, self.id.inode)
    }
}

/// Every descriptor that the process holds.
pub(super) fn compare(
    process: &Directory,
    confinement: &Confinement,
    handed: &Handed,
) -> Result<Finding, HostError> {
    // For one that was not even handed over, something is expected that no descriptor is.
    let handed = handed.0.iter().copied().chain(std::iter::repeat(Open::NONE));
    let planned = confinement.descriptors.iter().zip(handed);
    let expected = planned.map(|(d, h)| (d.number, Open::planned(&d.source, h))).collect();
    let mut observed = BTreeMap::new();
    for number in process.numbers("fd")? {
        let mode = OpenMode::of(flags(&process.text(&format!("fdinfo/{number}"))?));
        observed.insert(number, Open::new(mode, &process.object(&format!("fd/{number}"))?));
    }
    let (layer, what) = (Layer::Limits, "descriptors".to_owned());
    Ok(Finding { layer, what, expected: listed(&expected), observed: listed(&observed) })
}

/// The line `flags` of a file in `/proc/PID/fdinfo`, which is octal (`proc_pid_fdinfo(5)`). One that
/// says nothing is taken for what no plan has.
fn flags(text: &str) -> OFlags {
    let line = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let bits = line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
    bits.map_or(OFlags::PATH, OFlags::from_bits_retain)
}

fn listed(descriptors: &BTreeMap<i32, Open>) -> String {
    let one = |(number, open): (&i32, &Open)| format!("{number} {open}");
    descriptors.iter().map(one).collect::<Vec<_>>().join(", ")
}
