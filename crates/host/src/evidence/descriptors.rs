//! The descriptors that a process holds at its first instruction: how many, open for what, and which
//! object each leads to. What it opens later is judged by [`super::strangers`].

use super::{mounts::TABLE, procfs::Directory};
use crate::{
    Doing, HostError,
    pin::{kind, word},
};
use rustix::fs::{OFlags, Stat};
use std::{collections::BTreeMap, os::fd::OwnedFd};
use svirt_model::{
    Confinement, DescriptorSource, FileId, FileKind, Finding, Layer, Object, OpenFile, OpenMode,
};

/// What was handed over to a process for each of its descriptors: the plan knows the objects that
/// have a path; which connection and which nameless file it is, only who made them knows. And the
/// host's mounts, of which its own were made.
#[derive(Debug)]
pub struct Handed {
    opened: Vec<OpenFile>,
    /// As `mountinfo` has them; none for a process that sees just those.
    pub(super) mounts: Option<String>,
}

impl Handed {
    /// Looks at what [`crate::sources::open`] opened, while it is there, and at the host's mounts: so
    /// much can be known before the process is there, which then need not wait for it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(confinement: &Confinement, opened: &[OwnedFd]) -> Result<Self, HostError> {
        let held = opened.iter().skip(confinement.entries.len());
        let held = held.take(confinement.descriptors.len());
        let opened = held.map(look).collect::<Result<_, _>>()?;
        let mounts = || Directory::own()?.text(TABLE);
        Ok(Self { opened, mounts: confinement.own_root.then(mounts).transpose()? })
    }
}

const NONE: OpenFile =
    OpenFile { mode: OpenMode::Path, kind: None, id: FileId { device: 0, inode: 0 } };

fn look(descriptor: &OwnedFd) -> Result<OpenFile, HostError> {
    let flags = rustix::fs::fcntl_getfl(descriptor);
    let flags = flags.doing(|| "look at a descriptor")?;
    let stat = rustix::fs::fstat(descriptor).doing(|| "look at a descriptor")?;
    Ok(open_file(mode(flags), &stat))
}

fn open_file(mode: OpenMode, stat: &Stat) -> OpenFile {
    OpenFile { mode, kind: kind(stat), id: FileId { device: stat.st_dev, inode: stat.st_ino } }
}

fn mode(flags: OFlags) -> OpenMode {
    let access = flags & OFlags::RWMODE;
    match flags {
        _ if flags.contains(OFlags::PATH) => OpenMode::Path,
        _ if access == OFlags::RDONLY => OpenMode::Read,
        _ if access == OFlags::WRONLY => OpenMode::Write,
        _ => OpenMode::ReadWrite,
    }
}

/// What the plan says of a descriptor, and where it says nothing, what was handed over.
fn planned(source: &DescriptorSource, handed: OpenFile) -> OpenFile {
    let object = |object: &Object, mode| OpenFile { mode, kind: Some(object.kind), id: object.id };
    let made = |kind| OpenFile { mode: OpenMode::ReadWrite, kind: Some(kind), ..handed };
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

pub(super) fn words(open: &OpenFile) -> String {
    let kind = open.kind.map_or("something else", word);
    format!("{} {kind} {}:{}", open.mode, open.id.device, open.id.inode)
}

/// What one descriptor of a process is, and the mount through which it was opened.
pub(super) fn one(process: &Directory, number: i32) -> Result<(OpenFile, u32), HostError> {
    let info = process.text(&format!("fdinfo/{number}"))?;
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // In octal (`proc_pid_fdinfo(5)`). One that says nothing is taken for what no plan has.
    let bits = field("flags:").and_then(|octal| u32::from_str_radix(octal, 8).ok());
    let flags = bits.map_or(OFlags::PATH, OFlags::from_bits_retain);
    let mount = field("mnt_id:").and_then(|id| id.parse().ok()).unwrap_or(0);
    Ok((open_file(mode(flags), &process.object(&format!("fd/{number}"))?), mount))
}

/// Every descriptor that the process holds, beside what was planned.
pub(super) fn compare(
    process: &Directory,
    confinement: &Confinement,
    handed: &Handed,
) -> Result<(Finding, BTreeMap<i32, OpenFile>), HostError> {
    // For one that was not even handed over, something is expected that no descriptor is.
    let handed = handed.opened.iter().copied().chain(std::iter::repeat(NONE));
    let pairs = confinement.descriptors.iter().zip(handed);
    let expected = pairs.map(|(d, h)| (d.number, planned(&d.source, h))).collect();
    let mut observed = BTreeMap::new();
    for number in process.numbers("fd")? {
        observed.insert(number, one(process, number)?.0);
    }
    let (layer, what) = (Layer::Limits, "descriptors".to_owned());
    let finding = Finding { layer, what, expected: listed(&expected), observed: listed(&observed) };
    Ok((finding, observed))
}

fn listed(descriptors: &BTreeMap<i32, OpenFile>) -> String {
    let one = |(number, open): (&i32, &OpenFile)| format!("{number} {}", words(open));
    descriptors.iter().map(one).collect::<Vec<_>>().join(", ")
}
