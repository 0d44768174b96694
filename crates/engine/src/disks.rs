//! The disks that sVirt makes for machines that are kept: each is there exactly as long as its machine
//! is defined, whoever dies meanwhile.
//!
//! ```text
//!   create:  made, halfway ---> defined ---> in its place        rm:  halfway ---> not defined ---> gone
//! ```
//! A disk that is halfway has a name of its own. Whoever finds one puts it into its place where its
//! machine is defined, and removes it where it is not: then it is new and empty, or was to be removed. A
//! disk that is in its place is never removed for want of a definition: the state may have been lost.

use crate::{Failure, Paths};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};
use svirt_host::{Doing, pin::private_directory};
use svirt_model::Uuid;

/// What the name of a disk that is halfway ends with.
const HALFWAY: &str = "halfway";

/// The disks of one machine, halfway. Nobody else moves any of this user's meanwhile. Dropped, they are
/// left for whoever comes next.
#[must_use]
pub(crate) struct Halfway {
    /// The directory, which is locked as long as this process has it open.
    directory: OwnedFd,
    disks: Vec<PathBuf>,
}

/// Makes disks of these contents for a machine that is not defined yet.
pub(crate) fn make(
    paths: &Paths,
    machine: Uuid,
    contents: &[(usize, Vec<u8>)],
) -> Result<Option<Halfway>, Failure> {
    if contents.is_empty() {
        return Ok(None);
    }
    let mut halfway = Halfway { directory: locked(paths)?, disks: Vec::new() };
    for (index, bytes) in contents {
        let disk = paths.made_disk(machine, *index);
        let path = halfway_to(&disk);
        halfway.disks.push(disk);
        if let Err(error) = new_file(&path, bytes) {
            halfway.gone();
            return Err(error).on("make the disk", &path)?;
        }
    }
    halfway.sync()?;
    Ok(Some(halfway))
}

/// Takes the disks of a machine that is not to be defined any more out of their places.
pub(crate) fn take(paths: &Paths, machine: Uuid, count: usize) -> Result<Option<Halfway>, Failure> {
    let disks = (0..count).map(|index| paths.made_disk(machine, index)).filter(|d| d.exists());
    let disks: Vec<PathBuf> = disks.collect();
    if disks.is_empty() {
        return Ok(None);
    }
    let halfway = Halfway { directory: locked(paths)?, disks };
    for disk in &halfway.disks {
        moved(disk, &halfway_to(disk)).on("take away", disk)?;
    }
    Ok(Some(halfway))
}

impl Halfway {
    /// Puts them into their places: their machine is defined.
    pub(crate) fn in_place(self) -> Result<(), Failure> {
        for disk in &self.disks {
            moved(&halfway_to(disk), disk).on("put the disk to", disk)?;
        }
        self.sync()
    }

    /// Removes them: their machine is not defined.
    pub(crate) fn gone(self) {
        // What is not there need not be removed, and what stays is found again.
        self.disks.iter().for_each(|disk| drop(fs::remove_file(halfway_to(disk))));
    }

    /// A name must outlive a loss of power if the definition does.
    fn sync(&self) -> Result<(), Failure> {
        Ok(rustix::fs::fsync(&self.directory).doing(|| "make the disks' names durable")?)
    }
}

/// Ends what somebody began who died meanwhile. Nothing is done while somebody is at it.
pub(crate) fn settle(
    paths: &Paths,
    is_defined: impl Fn(Uuid) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let place = paths.images();
    let found = match fs::read_dir(&place) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.on("read", &place)?.flatten().map(|entry| entry.path()),
    };
    let found: Vec<(PathBuf, Uuid)> =
        found.filter_map(|path| Some((disk_of(&path)?, machine_of(&path)?))).collect();
    if found.is_empty() {
        return Ok(());
    }
    let directory = private_directory(&place)?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(()),
        locked => locked.on("lock", &place)?,
    }
    for (disk, machine) in found {
        let halfway =
            Halfway { directory: directory.try_clone().on("lock", &place)?, disks: vec![disk] };
        match is_defined(machine)? {
            true => halfway.in_place()?,
            false => halfway.gone(),
        }
    }
    Ok(())
}

fn locked(paths: &Paths) -> Result<OwnedFd, Failure> {
    let place = paths.images();
    let directory = private_directory(&place)?;
    let lock = || flock(&directory, FlockOperation::LockExclusive);
    rustix::io::retry_on_intr(lock).on("lock", &place)?;
    Ok(directory)
}

fn halfway_to(disk: &Path) -> PathBuf {
    disk.with_extension(format!("qcow2.{HALFWAY}"))
}

/// The place of a disk that is halfway; none of another file.
fn disk_of(path: &Path) -> Option<PathBuf> {
    (path.extension()? == HALFWAY).then(|| path.with_extension(""))
}

/// The machine that a disk was made for.
fn machine_of(path: &Path) -> Option<Uuid> {
    path.file_name()?.to_str()?.get(..36)?.parse().ok()
}

/// Moves a file, unless somebody was faster.
fn moved(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
        moved => moved,
    }
}

fn new_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    // A definition is durable, and so is what belongs to it.
    file.sync_all()
}
