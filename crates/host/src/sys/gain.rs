//! Memory that becomes executable, and processes that do nothing: what an attack on one's own walls
//! tries of both. Nothing that is mapped here is ever executed, and it is unmapped at once.

use super::checked;
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

/// A page on every architecture, or several.
const LENGTH: usize = 65536;

/// How memory is to become executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// Mapped so, and writable.
    Mapped,
    /// Written first.
    Written,
    /// Of the heap.
    Heap,
    /// Of the stack.
    Stack,
    /// At address 0.
    Null,
    /// As System V's shared memory (`SHM_EXEC`).
    Segment,
}

const READ: libc::c_int = libc::PROT_READ;
const WRITE: libc::c_int = libc::PROT_WRITE;
const EXECUTE: libc::c_int = libc::PROT_EXEC;

/// Tries to have memory that is both written and executed, and gives it back.
///
/// # Errors
/// What the kernel says of it.
pub fn gain_executable(how: Gain) -> io::Result<()> {
    match how {
        Gain::Mapped => map(READ | WRITE | EXECUTE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
        Gain::Written => with_mapping(READ | WRITE, |at| protect(at, READ | EXECUTE)),
        Gain::Heap => {
            let mut block = vec![0u8; 2 * LENGTH];
            let skip = block.as_ptr().align_offset(LENGTH);
            change_and_back(block.as_mut_ptr().wrapping_add(skip))
        }
        Gain::Stack => {
            let mut block = [0u8; 2 * LENGTH];
            let skip = block.as_ptr().align_offset(LENGTH);
            change_and_back(std::hint::black_box(block.as_mut_ptr()).wrapping_add(skip))
        }
        Gain::Null => {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            map(READ | WRITE, flags, -1)
        }
        Gain::Segment => segment(),
    }
}

/// Maps a file so that it can be executed, and unmaps it.
///
/// # Errors
/// What the kernel says of it.
pub fn map_executable(file: impl AsFd) -> io::Result<()> {
    map(READ | EXECUTE, libc::MAP_PRIVATE, file.as_fd().as_raw_fd())
}

/// Keeps this much memory from being swapped out, for a moment.
///
/// # Errors
/// What the kernel says of it.
pub fn lock_memory(length: usize) -> io::Result<()> {
    let block = vec![0u8; length];
    // SAFETY: locking memory of ours changes nothing of what is in it, and it is undone before it is
    // freed.
    unsafe {
        checked(libc::c_long::from(libc::mlock(block.as_ptr().cast(), length)))?;
        checked(libc::c_long::from(libc::munlock(block.as_ptr().cast(), length))).map(drop)
    }
}

/// Asks for memory that is merged with that of others who have the same in it (`MADV_MERGEABLE`).
///
/// # Errors
/// What the kernel says of it.
pub fn merge_memory() -> io::Result<()> {
    with_mapping(READ | WRITE, |at| {
        // SAFETY: a private mapping of ours of this length, which merging does not change.
        let result = unsafe { libc::madvise(at.cast(), LENGTH, libc::MADV_MERGEABLE) };
        checked(libc::c_long::from(result)).map(drop)
    })
}

fn map(protection: libc::c_int, flags: libc::c_int, file: libc::c_int) -> io::Result<()> {
    // SAFETY: without MAP_FIXED no mapping of ours is replaced; the new one is unmapped at once.
    unsafe {
        let at = libc::mmap(ptr::null_mut(), LENGTH, protection, flags, file, 0);
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        checked(libc::c_long::from(libc::munmap(at, LENGTH))).map(drop)
    }
}

fn with_mapping(
    protection: libc::c_int,
    then: impl FnOnce(*mut u8) -> io::Result<()>,
) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: as in `map`; between the two calls only what is given `at` uses the mapping.
    unsafe {
        let at = libc::mmap(ptr::null_mut(), LENGTH, protection, flags, -1, 0);
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        at.cast::<u8>().write(0xc3);
        let done = then(at.cast());
        checked(libc::c_long::from(libc::munmap(at, LENGTH)))?;
        done
    }
}

fn protect(at: *mut u8, protection: libc::c_int) -> io::Result<()> {
    // SAFETY: the callers give the beginning of whole pages of theirs, LENGTH bytes of them, in which
    // nothing is while it cannot be written.
    let result = unsafe { libc::mprotect(at.cast(), LENGTH, protection) };
    checked(libc::c_long::from(result)).map(drop)
}

/// It stays readable and writable all the time, whoever uses what else is in these pages.
fn change_and_back(at: *mut u8) -> io::Result<()> {
    protect(at, READ | WRITE | EXECUTE)?;
    protect(at, READ | WRITE)
}

fn segment() -> io::Result<()> {
    let all = 0o700 | libc::IPC_CREAT;
    // SAFETY: the kernel chooses where it attaches the segment, and nothing uses it.
    unsafe {
        let id = libc::shmget(libc::IPC_PRIVATE, LENGTH, all);
        checked(libc::c_long::from(id))?;
        let at = libc::shmat(id, ptr::null(), libc::SHM_EXEC);
        let failed = (at.addr() == usize::MAX).then(io::Error::last_os_error);
        libc::shmctl(id, libc::IPC_RMID, ptr::null_mut());
        match failed {
            Some(error) => Err(error),
            None => checked(libc::c_long::from(libc::shmdt(at))).map(drop),
        }
    }
}

/// Attaches a segment of System V's shared memory for reading, reads its first byte, and lets it go.
///
/// # Errors
/// What the kernel says of it.
pub fn read_segment(id: i32) -> io::Result<u8> {
    // SAFETY: the kernel chooses where it attaches the segment, which has at least one page; it is
    // only read, by a volatile read, because others may write it.
    unsafe {
        let at = libc::shmat(id, ptr::null(), libc::SHM_RDONLY);
        if at.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        let byte = at.cast::<u8>().read_volatile();
        checked(libc::c_long::from(libc::shmdt(at)))?;
        Ok(byte)
    }
}

/// Makes a process that ends at once, in new namespaces (the bits of `clone(2)`) or none, and reaps it.
///
/// # Errors
/// What the kernel says of it.
pub fn make_process(namespaces: i64) -> io::Result<()> {
    let flags = namespaces | i64::from(libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has a copy of this memory, and it does nothing there but to
    // end by a system call, so it does not matter which locks it has copies of.
    let pid = unsafe {
        let pid = libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0);
        if pid == 0 {
            libc::_exit(0);
        }
        checked(pid)?
    };
    super::reap(u32::try_from(pid).map_err(io::Error::other)?);
    Ok(())
}

/// Sends no signal by the kernel's entrance for 32-bit programs: `getpid(2)`, number 20 there. A
/// kernel without that entrance ends the process (SIGSEGV).
///
/// # Errors
/// What the kernel says of it; `ENOSYS` on other architectures.
pub fn foreign_entrance() -> io::Result<i64> {
    #[cfg(target_arch = "x86_64")]
    {
        let result: i64;
        // SAFETY: the call takes no argument and touches no memory; the entrance clobbers r8 to r11
        // on old kernels, which is said.
        unsafe {
            core::arch::asm!(
                "int 0x80",
                inlateout("rax") 20i64 => result,
                lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
                options(nostack)
            );
        }
        if result < 0 {
            return Err(io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EIO)));
        }
        Ok(result)
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gained_is_given_back() {
        // Whatever the kernel that runs this refuses, it says so, and nothing is left behind.
        for how in [Gain::Mapped, Gain::Written, Gain::Heap, Gain::Stack] {
            gain_executable(how).unwrap();
        }
        make_process(0).unwrap();
        let block = vec![7u8; 3 * LENGTH];
        assert!(block.iter().all(|byte| *byte == 7));
    }
}
