//! The descriptors of a process, opened anew for it: one open file description each, which this
//! process closes after the start, so that the locks the process takes are its own.

use crate::{
    Doing, HostError,
    mac::attribute::mark,
    pin::{Pin, PinError},
};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};
use svirt_model::{
    Channel, Confinement, DescriptorSource, EntrySource, FileId, Object, Scratch, Stream,
};

/// What only the caller has: ends of connections, streams, a place for
/// nameless files.
#[derive(Debug)]
pub struct Supplies {
    /// For each channel, the end that this process holds.
    pub channels: BTreeMap<Channel, OwnedFd>,
    /// The standard streams that the user's command had.
    pub streams: Vec<(Stream, OwnedFd)>,
    /// The directory on whose file system nameless files are made.
    pub scratch: PathBuf,
    /// The bytes that a throw-away overlay of a virtual size starts with.
    pub overlay: fn(u64) -> std::io::Result<Vec<u8>>,
}

/// An object could not be opened for a process.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A named object.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// Anything else.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Opens everything that a job hands over, in the order of [`crate::launch::wire::descriptors`].
///
/// # Errors
/// The first object that cannot be opened or was replaced.
pub fn open(confinement: &Confinement, supplies: &Supplies) -> Result<Vec<OwnedFd>, SourceError> {
    let mut all = Vec::new();
    for entry in &confinement.entries {
        all.push(entry_source(&entry.source)?);
    }
    for descriptor in &confinement.descriptors {
        let opened = descriptor_source(&descriptor.source, supplies)?;
        if let DescriptorSource::Scratch(_) = descriptor.source {
            mark(&confinement.labels, &opened)?;
        }
        all.push(opened);
    }
    for group in &confinement.cgroups {
        all.push(open_plain(&entrance(group), OFlags::WRONLY)?);
    }
    Ok(all)
}

/// The file through which a process joins a control group. In a hierarchy of version 1 the launcher,
/// which has one thread, moves just that: for a whole process the kernel stops every fork of the
/// host and waits until all have noticed, which took 5 to 20 ms where the thread took 0.04.
fn entrance(group: &Path) -> PathBuf {
    let thread = group.join("tasks");
    if thread.exists() { thread } else { group.join("cgroup.procs") }
}

fn entry_source(source: &EntrySource) -> Result<OwnedFd, SourceError> {
    match source {
        EntrySource::Bind(object) | EntrySource::Node(object) => {
            Ok(Pin::again(object)?.into_parts().0)
        }
        EntrySource::Made(path) => Ok(made(path)?),
        // The launcher makes it, and there is no descriptor but one for each entry.
        EntrySource::Fresh => Ok(open_plain(Path::new("/"), OFlags::PATH)?),
    }
}

/// Something that this plan's ops made. Its directory may be somebody else's, so a file must be the
/// one that was made there: of no other name and no other owner.
fn made(path: &Path) -> Result<OwnedFd, HostError> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), resolve);
    let found = found.on("open", path)?;
    let stat = rustix::fs::fstat(&found).on("look at", path)?;
    let file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_nlink == 1;
    if file && !ours { Err(Errno::STALE).on("find again", path) } else { Ok(found) }
}

/// A copy of a standard stream whose flags are its own. Whoever sets `O_NONBLOCK` on a terminal or a
/// pipe sets it for everybody who has the same open file description, and leaves it set when it is
/// killed, so these are opened anew where that can be. A file does not block, and its position is to
/// be shared; a socket cannot be opened.
///
/// # Errors
/// A limit on descriptors.
pub fn own_stream(stream: BorrowedFd<'_>) -> Result<OwnedFd, HostError> {
    let stat = rustix::fs::fstat(stream).doing(|| "look at a standard stream")?;
    let blocks =
        matches!(FileType::from_raw_mode(stat.st_mode), FileType::CharacterDevice | FileType::Fifo);
    match blocks.then(|| open_anew(stream)) {
        Some(Ok(own)) => Ok(own),
        // A terminal that another user has, a pipe that nobody reads any more.
        _ => rustix::io::fcntl_dupfd_cloexec(stream, 3).doing(|| "copy a standard stream"),
    }
}

/// A file that a standard stream leads to.
#[derive(Debug, Clone)]
pub struct StreamFile {
    /// Its path, as it was opened.
    pub path: PathBuf,
    /// Which file it is.
    pub id: FileId,
}

/// The file that a standard stream leads to; none where that is a terminal, a pipe or a socket.
///
/// # Errors
/// The kernel's.
pub fn stream_file(stream: BorrowedFd<'_>) -> Result<Option<StreamFile>, HostError> {
    let stat = rustix::fs::fstat(stream).doing(|| "look at a standard stream")?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let link = format!("/proc/self/fd/{}", stream.as_raw_fd());
    let path = std::fs::read_link(link).doing(|| "find the file of a standard stream")?;
    Ok(Some(StreamFile { path, id: FileId { device: stat.st_dev, inode: stat.st_ino } }))
}

fn open_anew(stream: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = rustix::fs::fcntl_getfl(stream)?;
    // Opening must not wait for the other end of a pipe.
    let how = (flags & OFlags::RWMODE) | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
    let own = rustix::fs::open(path, how, Mode::empty())?;
    rustix::fs::fcntl_setfl(&own, flags & !OFlags::NONBLOCK)?;
    if own.as_raw_fd() > 2 { Ok(own) } else { rustix::io::fcntl_dupfd_cloexec(own, 3) }
}

fn descriptor_source(
    source: &DescriptorSource,
    supplies: &Supplies,
) -> Result<OwnedFd, SourceError> {
    match source {
        DescriptorSource::Read(object) => reopen(object, false),
        DescriptorSource::ReadWrite(object) => reopen(object, true),
        DescriptorSource::Scratch(scratch) => Ok(scratch_file(scratch, supplies)?),
        DescriptorSource::Channel(channel) => Ok(channel_end(*channel, supplies)?),
        DescriptorSource::Stream(stream) => Ok(stream_copy(*stream, supplies)?),
        DescriptorSource::Null => Ok(open_plain(Path::new("/dev/null"), OFlags::RDWR)?),
    }
}

fn reopen(object: &Object, write: bool) -> Result<OwnedFd, SourceError> {
    Ok(Pin::again(object)?.open(write)?)
}

fn open_plain(path: &Path, flags: OFlags) -> Result<OwnedFd, HostError> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).on("open", path)
}

fn channel_end(channel: Channel, supplies: &Supplies) -> Result<OwnedFd, HostError> {
    let missing = || std::io::Error::other("nobody has its other end");
    let end = supplies.channels.get(&channel).ok_or_else(missing);
    end.and_then(duplicate).doing(|| format!("connect the {channel:?} channel"))
}

fn duplicate(descriptor: &OwnedFd) -> std::io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor, 3)?)
}

fn stream_copy(stream: Stream, supplies: &Supplies) -> Result<OwnedFd, HostError> {
    let found = supplies.streams.iter().find(|(s, _)| *s == stream);
    let found = found.ok_or_else(|| std::io::Error::other("the command had none"));
    found
        .and_then(|(_, descriptor)| duplicate(descriptor))
        .doing(|| format!("hand over the standard {stream:?} stream"))
}

/// A file without a name: the kernel removes it with its last descriptor, whatever crashes.
fn scratch_file(scratch: &Scratch, supplies: &Supplies) -> Result<OwnedFd, HostError> {
    let place = &supplies.scratch;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(place, flags, Mode::from_raw_mode(0o600))
        .on("make a throw-away file in", place)?;
    let mut file = File::from(file);
    let header = (supplies.overlay)(scratch.virtual_size).on("make an overlay in", place)?;
    file.write_all(&header).on("fill a throw-away file in", place)?;
    Ok(file.into())
}

/// A connection, both ends closed by an exec.
///
/// # Errors
/// A limit on descriptors.
pub fn connection() -> Result<(OwnedFd, OwnedFd), HostError> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .doing(|| "make a connection")
}

/// Borrows them all.
pub fn borrow(all: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    all.iter().map(AsFd::as_fd).collect()
}
