//! The descriptors that a process holds while it runs. Most it had at its first instruction; what it
//! opens later is of its own making. One that it can only have been passed is a stranger.

use super::{
    descriptors::{self, words},
    procfs::Directory,
    sockets::Sockets,
};
use crate::{HostError, processes};
use std::{collections::BTreeSet, io::ErrorKind};
use svirt_model::{Confinement, Evidence, FileId, FileKind, Finding, Layer, Namespace, OpenFile};

/// What a VMM makes for itself, by the name that the kernel gives it. Anything else without a place in
/// a file system is a way to the kernel that no system call filter lets a machine make.
const NAMELESS: &[&str] = &[
    "anon_inode:[eventfd]",
    "anon_inode:[eventpoll]",
    "anon_inode:[signalfd]",
    "anon_inode:[timerfd]",
    "anon_inode:kvm-",
    "anon_inode:inotify",
];
const MEMORY: &str = "/memfd:";

/// What a process may have come by without anybody's help.
struct Own<'a> {
    process: &'a Directory,
    then: &'a Evidence,
    /// Its processes, by number.
    machine: &'a BTreeSet<u32>,
    /// The mounts that it sees, by number; none where it sees the host's.
    mounts: Option<BTreeSet<u32>>,
    objects: BTreeSet<FileId>,
    /// The sockets of its network namespace; none where that is the host's.
    sockets: Option<&'a Sockets>,
}

/// Every descriptor that the process holds now.
pub(super) fn compare(
    process: &Directory,
    confinement: &Confinement,
    then: &Evidence,
    machine: &BTreeSet<u32>,
    sockets: &Sockets,
) -> Result<Finding, HostError> {
    let own_network = confinement.namespaces.contains(&Namespace::Net);
    let own = Own {
        process,
        then,
        machine,
        mounts: confinement.own_root.then(|| mounts(process)).transpose()?,
        objects: confinement.entries.iter().filter_map(|entry| entry.source.id()).collect(),
        sockets: own_network.then_some(sockets),
    };
    let mut strangers = Vec::new();
    for number in process.numbers("fd")? {
        match own.explains(number) {
            Ok(None) => {}
            Ok(Some(open)) => strangers.push(format!("{number} {}", words(&open))),
            // It was closed since it was listed.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    let expected = "nothing that was passed to it".to_owned();
    let observed = if strangers.is_empty() { expected.clone() } else { strangers.join(", ") };
    Ok(Finding { layer: Layer::Limits, what: "descriptors".into(), expected, observed })
}

fn mounts(process: &Directory) -> Result<BTreeSet<u32>, HostError> {
    let table = process.text(super::mounts::TABLE)?;
    Ok(table.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect())
}

impl Own<'_> {
    /// The descriptor, if nothing explains it.
    fn explains(&self, number: i32) -> Result<Option<OpenFile>, HostError> {
        let (open, mount) = descriptors::one(self.process, number)?;
        let explained = self.had(&open)
            || match open.kind {
                Some(FileKind::Socket) => {
                    self.sockets.is_none_or(|sockets| sockets.all.contains(&open.id.inode))
                        || self.opened(&open, mount)
                }
                Some(FileKind::Pipe) => self.opened(&open, mount) || self.alone(open.id)?,
                None => self.nameless(number)?,
                Some(_) => {
                    self.opened(&open, mount) || (self.memory(number)? && self.alone(open.id)?)
                }
            };
        Ok((!explained).then_some(open))
    }

    /// It is one that it started with, or a copy that can do no more.
    fn had(&self, open: &OpenFile) -> bool {
        let mut then = self.then.descriptors.values();
        then.any(|had| had.id == open.id && had.kind == open.kind && open.mode.within(had.mode))
    }

    /// It was opened by a name that the process has.
    fn opened(&self, open: &OpenFile, mount: u32) -> bool {
        match &self.mounts {
            Some(mounts) => mounts.contains(&mount),
            None => self.objects.contains(&open.id),
        }
    }

    fn nameless(&self, number: i32) -> Result<bool, HostError> {
        let name = self.process.link(&format!("fd/{number}"))?;
        Ok(NAMELESS.iter().any(|known| name.starts_with(known)))
    }

    fn memory(&self, number: i32) -> Result<bool, HostError> {
        Ok(self.process.link(&format!("fd/{number}"))?.starts_with(MEMORY))
    }

    /// Nobody else holds it, of those whose descriptors may be looked at.
    fn alone(&self, id: FileId) -> Result<bool, HostError> {
        let others = processes::all()?.into_iter().filter(|pid| !self.machine.contains(pid));
        Ok(!others.filter_map(|pid| Directory::of(pid).ok()).any(|other| holds(&other, id)))
    }
}

fn holds(other: &Directory, id: FileId) -> bool {
    let is = |number| {
        let stat = other.object(&format!("fd/{number}")).ok()?;
        Some(FileId { device: stat.st_dev, inode: stat.st_ino } == id)
    };
    other.numbers("fd").unwrap_or_default().into_iter().any(|number| is(number) == Some(true))
}

/// The sockets at which the machine waits for somebody: only where the plan has a place for them.
pub(super) fn listening(
    process: &Directory,
    confinement: &Confinement,
    sockets: &Sockets,
) -> Result<Finding, HostError> {
    let own_network = confinement.namespaces.contains(&Namespace::Net);
    let held = if own_network { None } else { Some(inodes(process)?) };
    let places = || confinement.entries.iter().filter(|e| e.grant == svirt_model::Grant::Endpoint);
    let planned = |place: &str| {
        let above = std::path::Path::new(place).parent();
        places().any(|entry| Some(entry.at.as_path()) == above)
    };
    let its = |inode: &u64| held.as_ref().is_none_or(|held| held.contains(inode));
    let listening = sockets.listening.iter().filter(|(_, inode)| its(inode));
    let odd: Vec<&str> =
        listening.map(|(place, _)| place.as_str()).filter(|place| !planned(place)).collect();
    let expected = "none but the planned".to_owned();
    let observed = if odd.is_empty() { expected.clone() } else { odd.join(", ") };
    let layer = Layer::Namespaces;
    Ok(Finding { layer, what: "listening sockets".into(), expected, observed })
}

fn inodes(process: &Directory) -> Result<BTreeSet<u64>, HostError> {
    let stat = |number| process.object(&format!("fd/{number}")).ok();
    Ok(process.numbers("fd")?.into_iter().filter_map(stat).map(|stat| stat.st_ino).collect())
}
