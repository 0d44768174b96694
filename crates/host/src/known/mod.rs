//! Which object of the host it is, whatever its name: found out of a descriptor, and found again by it.
//!
//! The file system is known by what is written in it, the object by its inode and its handle. What
//! is of a file system whose numbers mean nothing later is not known at all, and whoever asks is
//! told so. What is done with an object that was found again, this refuses to know.

mod mounted;
mod system;

pub use mounted::{Again, Mounted};

use crate::{Doing, HostError, sys::handle_of};
use rustix::{
    fs::{AtFlags, StatxFlags, fstat, fstatfs, statx},
    io::Errno,
};
use std::{io, os::fd::BorrowedFd};
use svirt_model::{Known, Mark, Uuid};

/// FUSE and virtiofs (`linux/magic.h`): whoever serves one numbers its files as he likes, anew each
/// time that one is looked at.
const FUSE: u64 = 0x6573_5546;

/// Which object it is; none of one that cannot be known later.
///
/// # Errors
/// The kernel's.
pub fn known(object: BorrowedFd<'_>) -> Result<Option<Known>, HostError> {
    let look = || -> io::Result<Option<Known>> {
        if kind_of(object)? == FUSE {
            return Ok(None);
        }
        let Some(mark) = mark(object)? else { return Ok(None) };
        Ok(Some(Known { on: system::of(object)?, inode: fstat(object)?.st_ino, mark }))
    };
    look().doing(|| "find out which object it is")
}

/// Whether it is this object.
///
/// # Errors
/// The kernel's. Then nobody knows.
pub fn is(object: BorrowedFd<'_>, known: &Known) -> io::Result<bool> {
    Ok(fstat(object)?.st_ino == known.inode
        && has(object, &known.mark)?
        && system::is(object, &known.on)?)
}

/// Whether it has this inode's number and mark, on whichever file system.
///
/// # Errors
/// The kernel's.
pub(crate) fn resembles(object: BorrowedFd<'_>, known: &Known) -> io::Result<bool> {
    Ok(fstat(object)?.st_ino == known.inode && has(object, &known.mark)?)
}

/// This boot (`random(4)`).
///
/// # Errors
/// procfs is not there.
pub fn boot() -> io::Result<Uuid> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    text.trim().parse().map_err(io::Error::other)
}

/// The type of its file system, as `statfs(2)` says it; as large as it is on any architecture.
fn kind_of(object: BorrowedFd<'_>) -> Result<u64, Errno> {
    #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
    fstatfs(object).map(|system| system.f_type as u64 & 0xffff_ffff)
}

/// By what it is told from a later one with its number: what the kernel finds it by where there is
/// such a thing, and what only tells it otherwise.
fn mark(object: BorrowedFd<'_>) -> io::Result<Option<Mark>> {
    if let Some((kind, bytes)) = handle(object, false)? {
        return Ok(Some(Mark::Handle { kind, bytes }));
    }
    if let Some((kind, bytes)) = handle(object, true)? {
        return Ok(Some(Mark::Tag { kind, bytes }));
    }
    let found = statx(object, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?;
    let born = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    let (seconds, nanoseconds) = (found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    Ok(born.then_some(Mark::Born { seconds, nanoseconds }))
}

fn has(object: BorrowedFd<'_>, mark: &Mark) -> io::Result<bool> {
    let same = |found: Option<(i32, Vec<u8>)>, kind: &i32, bytes: &Vec<u8>| {
        found.is_some_and(|(its_kind, its_bytes)| (its_kind, &its_bytes) == (*kind, bytes))
    };
    match mark {
        Mark::Handle { kind, bytes } => Ok(same(handle(object, false)?, kind, bytes)),
        Mark::Tag { kind, bytes } => Ok(same(handle(object, true)?, kind, bytes)),
        Mark::Born { seconds, nanoseconds } => {
            let found = statx(object, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?.stx_btime;
            Ok((found.tv_sec, found.tv_nsec) == (*seconds, *nanoseconds))
        }
    }
}

/// Its handle; none where its file system, or the kernel, has no such thing.
fn handle(object: BorrowedFd<'_>, tag: bool) -> io::Result<Option<(i32, Vec<u8>)>> {
    match handle_of(object, tag) {
        Ok(handle) => Ok(Some(handle)),
        // `EINVAL`: a kernel without tags; `EOVERFLOW`: longer than any handle may be.
        Err(e) => match e.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::OPNOTSUPP | Errno::INVAL | Errno::OVERFLOW | Errno::NOSYS) => Ok(None),
            _ => Err(e),
        },
    }
}
