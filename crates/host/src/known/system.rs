//! Which file system an object is on, by what is written in it.
//!
//! | file system | asked |
//! |---|---|
//! | any, from Linux 6.9 on | `FS_IOC_GETFSUUID` |
//! | ext4 from 6.0 on, and where the other says zeros | `EXT4_IOC_GETFSUUID` |
//! | xfs | `XFS_IOC_FSGEOMETRY_V1` |
//! | btrfs | `BTRFS_IOC_FS_INFO`: its parts have numbers of their own, and one UUID |
//! | ext2, ext3, ext4, btrfs, ZFS, bcachefs, UBIFS, JFS otherwise | `f_fsid`, which they make of it |
//!
//! xfs, f2fs and others make `f_fsid` of the device's number, so that it says nothing later. Of what is
//! left nothing better is known than the device, in this boot.

use super::{boot, kind_of};
use crate::sys::ask_file_system;
use rustix::{
    fs::{FileType, Mode, OFlags, fstat, fstatvfs, open},
    io::Errno,
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};
use svirt_model::{FileSystem, Uuid};

// `linux/magic.h`, and each file system's own source.
const EXT: u64 = 0xef53;
const XFS: u64 = 0x5846_5342;
const BTRFS: u64 = 0x9123_683e;
const ZFS: u64 = 0x2fc1_2fc1;
const BCACHEFS: u64 = 0xca45_1a4e;
const UBIFS: u64 = 0x2405_1905;
const JFS: u64 = 0x3153_464a;
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
const HUGETLBFS: u64 = 0x9584_58f6;

/// `_IOR(0x15, 0, struct fsuuid2)`: a length and sixteen bytes (`linux/fs.h`, Linux 6.9).
const GETFSUUID: u32 = 0x8011_1500;
/// `_IOR('f', 44, struct fsuuid)`: a length, flags, and behind that as many bytes (ext4, Linux 6.0).
const EXT4_GETFSUUID: u32 = 0x8008_662c;
/// `_IOR('X', 100, struct xfs_fsop_geom_v1)`: 112 bytes, with the UUID at 64.
const XFS_GEOMETRY: u32 = 0x8070_5864;
/// `_IOR(0x94, 31, struct btrfs_ioctl_fs_info_args)`: 1024 bytes, with the UUID at 16.
const BTRFS_INFO: u32 = 0x8400_941f;

/// The file system of an object.
pub(super) fn of(object: BorrowedFd<'_>) -> io::Result<FileSystem> {
    let kind = kind_of(object)?;
    if matches!(kind, TMPFS | RAMFS | HUGETLBFS) {
        return Ok(FileSystem::Memory { boot: boot()?, device: fstat(object)?.st_dev });
    }
    // Whoever may not open the object has not lost it by that.
    if let Ok(Some(file)) = opened(object)
        && let Some(uuid) = uuid(&file, kind)
    {
        return Ok(FileSystem::Uuid(uuid));
    }
    match number(object)? {
        Some(number) => Ok(FileSystem::Number { kind, number }),
        None => Ok(FileSystem::Boot { boot: boot()?, device: fstat(object)?.st_dev }),
    }
}

/// Whether an object is on this file system.
pub(super) fn is(object: BorrowedFd<'_>, system: &FileSystem) -> io::Result<bool> {
    let kind = kind_of(object)?;
    match system {
        FileSystem::Uuid(wanted) => {
            Ok(opened(object)?.and_then(|file| uuid(&file, kind)) == Some(*wanted))
        }
        FileSystem::Number { kind: wanted, number: same } => {
            Ok(kind == *wanted && number(object)? == Some(*same))
        }
        FileSystem::Boot { boot: then, device } | FileSystem::Memory { boot: then, device } => {
            Ok(fstat(object)?.st_dev == *device && boot()? == *then)
        }
    }
}

/// The number that the file system makes of its UUID; none of one that makes it of something else.
fn number(object: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    if !matches!(kind_of(object)?, EXT | BTRFS | ZFS | BCACHEFS | UBIFS | JFS) {
        return Ok(None);
    }
    Ok(Some(fstatvfs(object)?.f_fsid).filter(|number| *number != 0))
}

/// An open file for an object that is held, which only a regular file or a directory can be without
/// consequences.
fn opened(object: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let stat = fstat(object)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(format!("/proc/self/fd/{}", object.as_raw_fd()), flags, Mode::empty())?;
    let found = fstat(&file)?;
    if (found.st_dev, found.st_ino) != (stat.st_dev, stat.st_ino) {
        return Err(Errno::STALE.into());
    }
    Ok(Some(file))
}

/// The UUID that is written in the file system; none where the kernel does not say it, or where it
/// has none.
fn uuid(file: impl AsFd, kind: u64) -> Option<Uuid> {
    let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).ok().filter(|uuid| !uuid.is_nil());
    let general = || {
        let answer = ask_file_system(&file, GETFSUUID, [0; 17], 0).ok()?;
        answer.split_first().filter(|(length, _)| **length == 16).and_then(|(_, id)| uuid(id))
    };
    let own = || match kind {
        EXT => {
            let mut question = [0; 24];
            question[0..4].copy_from_slice(&16u32.to_ne_bytes());
            let answer = ask_file_system(&file, EXT4_GETFSUUID, question, 16).ok()?;
            uuid(answer.get(8..24)?)
        }
        XFS => uuid(ask_file_system(&file, XFS_GEOMETRY, [0; 112], 0).ok()?.get(64..80)?),
        BTRFS => uuid(ask_file_system(&file, BTRFS_INFO, [0; 1024], 0).ok()?.get(16..32)?),
        _ => None,
    };
    general().or_else(own)
}
