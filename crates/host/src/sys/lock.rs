//! Locks of single bytes of a file, which belong to an open file description and end with it
//! (`fcntl_locking(2)`, open file description locks).

use super::checked;
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

/// Locks a byte for writing; whether nobody else has.
///
/// # Errors
/// Those of `fcntl(2)`.
pub fn lock_byte(file: impl AsFd, at: u64) -> io::Result<bool> {
    match ask(&file, libc::F_OFD_SETLK, at) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether somebody else has locked a byte.
///
/// # Errors
/// Those of `fcntl(2)`.
pub fn is_byte_locked(file: impl AsFd, at: u64) -> io::Result<bool> {
    Ok(i32::from(ask(&file, libc::F_OFD_GETLK, at)?.l_type) != libc::F_UNLCK)
}

fn ask(file: &impl AsFd, what: libc::c_int, at: u64) -> io::Result<libc::flock> {
    // SAFETY: the structure holds only numbers, of which zero is one.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // An offset has a sign, and one byte must come after it.
    lock.l_start = (at >> 2) as libc::off_t;
    lock.l_len = 1;
    // SAFETY: the structure lives until the call returns, which reads and writes no more than it.
    let asked = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), what, &raw mut lock) };
    checked(libc::c_long::from(asked)).map(|_| lock)
}
