//! `mount_setattr(2)`.

use super::checked;
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// What a mount forbids, whatever the file system below allows.
#[derive(Debug, Clone, Copy)]
pub struct MountFlags {
    /// Nothing can be written through it.
    pub read_only: bool,
    /// Nothing on it can be executed or mapped executable.
    pub no_exec: bool,
    /// Device nodes on it cannot be opened.
    pub no_devices: bool,
}

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

const RECURSIVE: libc::c_int = 0x8000; // AT_RECURSIVE

/// Forbids set-user-ID, and what `flags` says, on the mount that `mount` was opened from with
/// `open_tree(2)` or `fsmount(2)`, and on every mount below it. Nothing is allowed anew.
///
/// # Errors
/// Those of `mount_setattr(2)`.
pub fn set_mount_flags(mount: impl AsFd, flags: MountFlags) -> io::Result<()> {
    let chosen = [
        (flags.read_only, libc::MOUNT_ATTR_RDONLY),
        (flags.no_exec, libc::MOUNT_ATTR_NOEXEC),
        (flags.no_devices, libc::MOUNT_ATTR_NODEV),
    ];
    let wanted = chosen.iter().filter(|(on, _)| *on).fold(0, |bits, (_, bit)| bits | bit);
    let attributes = MountAttr {
        attr_set: libc::MOUNT_ATTR_NOSUID | wanted,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    change(mount.as_fd(), &attributes)
}

/// Shows the files of a detached mount, and of those below it, with the owners that a user
/// namespace maps theirs to.
///
/// # Errors
/// `EINVAL` where the file system does not support it; else those of `mount_setattr(2)`.
pub fn map_mount(mount: impl AsFd, namespace: impl AsFd) -> io::Result<()> {
    let descriptor = namespace.as_fd().as_raw_fd();
    let attributes = MountAttr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(descriptor).map_err(io::Error::other)?,
    };
    change(mount.as_fd(), &attributes)
}

fn change(mount: BorrowedFd<'_>, attributes: &MountAttr) -> io::Result<()> {
    // SAFETY: the path is an empty C string, the structure lives until the call returns, its size
    // is given, and the kernel only reads it.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | RECURSIVE,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    })
    .map(drop)
}
