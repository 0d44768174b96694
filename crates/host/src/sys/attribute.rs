//! `getxattrat(2)`, `setxattrat(2)` and `removexattrat(2)`, which the kernel has from Linux 6.13 on.

use super::checked;
use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

// The same on every architecture but Alpha (`asm-generic/unistd.h`).
const SET: libc::c_long = 463;
const GET: libc::c_long = 464;
const REMOVE: libc::c_long = 466;

/// Where an object is, and what a symbolic link there is taken for.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The directory.
    pub directory: BorrowedFd<'a>,
    /// The name in it.
    pub name: &'a CStr,
    /// Whether a link leads on.
    pub follow: bool,
}

impl At<'_> {
    fn flags(self) -> libc::c_long {
        if self.follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW.into() }
    }
}

#[repr(C)]
struct Arguments {
    value: u64,
    size: u32,
    flags: u32,
}

impl Arguments {
    fn new(value: *const u8, length: usize) -> io::Result<Self> {
        let size = u32::try_from(length).map_err(io::Error::other)?;
        Ok(Self { value: value as u64, size, flags: 0 })
    }
}

/// One of the two calls that pass a value.
///
/// # Safety
/// `arguments` names memory that is borrowed until this returns, for writing where the call is [`GET`].
unsafe fn pass(
    call: libc::c_long,
    at: At<'_>,
    attribute: &CStr,
    arguments: &Arguments,
) -> io::Result<libc::c_long> {
    // SAFETY: both names are C strings, the caller answers for the value's memory, and the structure's
    // own size is given.
    checked(unsafe {
        libc::syscall(
            call,
            at.directory.as_raw_fd(),
            at.name.as_ptr(),
            at.flags(),
            attribute.as_ptr(),
            std::ptr::from_ref(arguments),
            size_of::<Arguments>(),
        )
    })
}

/// Reads an attribute, and says how many bytes of `value` are its.
///
/// # Errors
/// `ENOSYS` before Linux 6.13; those of `getxattr(2)`.
pub fn get_attribute_at(at: At<'_>, attribute: &CStr, value: &mut [u8]) -> io::Result<usize> {
    let arguments = Arguments::new(value.as_mut_ptr(), value.len())?;
    // SAFETY: `value` is borrowed, for writing, with its length.
    let length = unsafe { pass(GET, at, attribute, &arguments) }?;
    usize::try_from(length).map_err(io::Error::other)
}

/// Writes an attribute, whether there is one or not.
///
/// # Errors
/// `ENOSYS` before Linux 6.13; those of `setxattr(2)`.
pub fn set_attribute_at(at: At<'_>, attribute: &CStr, value: &[u8]) -> io::Result<()> {
    let arguments = Arguments::new(value.as_ptr(), value.len())?;
    // SAFETY: `value` is borrowed, with its length; the kernel only reads it.
    unsafe { pass(SET, at, attribute, &arguments) }.map(drop)
}

/// Takes an attribute away.
///
/// # Errors
/// `ENOSYS` before Linux 6.13; those of `removexattr(2)`.
pub fn remove_attribute_at(at: At<'_>, attribute: &CStr) -> io::Result<()> {
    // SAFETY: both names are C strings.
    let removed = checked(unsafe {
        libc::syscall(
            REMOVE,
            at.directory.as_raw_fd(),
            at.name.as_ptr(),
            at.flags(),
            attribute.as_ptr(),
        )
    });
    removed.map(drop)
}
