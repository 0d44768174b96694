//! `name_to_handle_at(2)`, `open_by_handle_at(2)`, and what an `ioctl(2)` says of a file system.

use super::checked;
use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
};
use svirt_model::HANDLE_MAX;

/// `struct file_handle` with room for the longest handle.
#[repr(C)]
struct FileHandle {
    length: u32,
    kind: i32,
    bytes: [u8; HANDLE_MAX],
}

/// `linux/fcntl.h`; Linux 6.5.
const AT_HANDLE_FID: i32 = 0x200;

/// The handle of an object: its type and its bytes. With `tag`, one by which the kernel need not find
/// it again.
///
/// # Errors
/// `EOPNOTSUPP` where the file system has none, `EINVAL` where the kernel knows no tags; else those of
/// `name_to_handle_at(2)`.
pub fn handle_of(object: impl AsFd, tag: bool) -> io::Result<(i32, Vec<u8>)> {
    let mut handle = FileHandle { length: HANDLE_MAX as u32, kind: 0, bytes: [0; HANDLE_MAX] };
    let mut mount: libc::c_int = 0;
    let flags = libc::AT_EMPTY_PATH | if tag { AT_HANDLE_FID } else { 0 };
    // SAFETY: the path is an empty C string; both structures live until the call returns, and the
    // kernel writes no more of the handle than the length that stands in it.
    checked(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            object.as_fd().as_raw_fd(),
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    })?;
    let bytes = handle.bytes.get(..handle.length as usize);
    let bytes =
        bytes.ok_or_else(|| io::Error::other("the kernel gave a handle that is too long"))?;
    Ok((handle.kind, bytes.to_vec()))
}

/// Holds (`O_PATH`) the object that has this handle, on the file system of a file that is open.
///
/// # Errors
/// `ESTALE` where there is none any more, `EPERM` without `CAP_DAC_READ_SEARCH`; else those of
/// `open_by_handle_at(2)`.
pub fn hold_by_handle(mount: impl AsFd, kind: i32, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut handle = FileHandle { length: 0, kind, bytes: [0; HANDLE_MAX] };
    let too_long = || io::Error::from_raw_os_error(libc::EINVAL);
    handle.length = u32::try_from(bytes.len()).map_err(|_| too_long())?;
    handle.bytes.get_mut(..bytes.len()).ok_or_else(too_long)?.copy_from_slice(bytes);
    // SAFETY: the structure lives until the call returns, and the kernel only reads as much of it as
    // the length in it says, which was seen to fit.
    let opened = checked(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_fd().as_raw_fd(),
            &raw mut handle,
            libc::O_PATH | libc::O_CLOEXEC,
        )
    })?;
    let number = RawFd::try_from(opened).map_err(io::Error::other)?;
    // SAFETY: the call has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What an open file's file system answers to a question of this size: the request's number is
/// `_IOC(direction, type, number, SIZE)` with this very `SIZE`.
///
/// # Errors
/// `ENOTTY` where it knows no such question; `EINVAL` for a request of another size.
pub fn ask_file_system<const SIZE: usize>(
    file: impl AsFd,
    request: u32,
    mut answer: [u8; SIZE],
    room: usize,
) -> io::Result<[u8; SIZE]> {
    // The size is in bits 16 to 29 (`asm-generic/ioctl.h`); behind what that counts may come as much
    // as the structure itself says.
    if (request >> 16 & 0x3fff) as usize + room != SIZE {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: the kernel writes as much as the request's size says, and the room that a length in the
    // structure announces, which together are the array's size.
    let answered =
        unsafe { libc::ioctl(file.as_fd().as_raw_fd(), request.into(), answer.as_mut_ptr()) };
    checked(libc::c_long::from(answered))?;
    Ok(answer)
}
