//! Calls of a process about itself: signals, descriptors, filters, and the end as itself.

use super::checked;
use std::{
    ffi::{CString, c_char},
    io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixListener,
    },
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// The first descriptor that systemd hands over (`SD_LISTEN_FDS_START`).
const FIRST_PASSED: RawFd = 3;
/// More than any unit of sVirt's has.
const PASSED_MAX: u32 = 16;

/// Closes every descriptor but `kept`.
///
/// The caller must not use any other descriptor that it opened before; in Rust's terms this drops
/// descriptors that others own, so it is called only by a process that is about to become another
/// program, or that forgets all it had.
///
/// # Errors
/// Those of `close_range(2)`.
pub fn close_all_except(kept: &[RawFd]) -> io::Result<()> {
    let kept = kept.iter().copied().chain(svirt_fault::descriptor());
    let mut sorted: Vec<u32> = kept.filter_map(|fd| u32::try_from(fd).ok()).collect();
    sorted.sort_unstable();
    let mut first = 0;
    for fd in sorted {
        if fd > first {
            close_range(first, fd - 1)?;
        }
        first = first.max(fd + 1);
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: closing descriptors touches no memory of ours.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Gives a descriptor a number that an exec keeps open (`dup2(2)`).
///
/// The caller must own no descriptor with that number in Rust's sense, as for
/// [`close_all_except`].
///
/// # Errors
/// Those of `dup2(2)`.
pub fn place_descriptor(descriptor: impl AsFd, number: RawFd) -> rustix::io::Result<()> {
    // SAFETY: only numbers are passed.
    let result = unsafe { libc::dup2(descriptor.as_fd().as_raw_fd(), number) };
    checked(libc::c_long::from(result))
        .map(drop)
        .map_err(|e| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO))
}

/// Gives every signal its default action and blocks none, so that a program does not inherit what
/// its starter ignored or blocked.
pub fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL installs no handler. Signals that cannot be changed answer with an error
        // that means nothing here.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an all-zero set is the empty set, and the call only reads it.
    unsafe {
        let empty: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, ptr::null_mut());
    }
}

/// Ignores a signal; this survives an exec.
pub fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN installs no handler.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Blocks these signals and returns a descriptor from which they are read (`signalfd(2)`).
///
/// # Errors
/// Those of `signalfd(2)`.
pub fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is used; sigprocmask and signalfd
    // only read it.
    let fd = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    checked(libc::c_long::from(fd))?;
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reaps one child that has ended, if there is one: its number and its status as `wait(2)` says it.
pub fn wait_any() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` lives until the call returns.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
    (pid > 0).then_some((pid, status))
}

/// Waits until a child has ended, and reaps it: its number and its status as `wait(2)` says it;
/// `None` when there is no child.
pub fn wait_next() -> Option<(i32, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: `status` lives until the call returns.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
        if pid > 0 {
            return Some((pid, status));
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// Kills a child of ours, which we have not reaped, and waits until it is gone.
pub fn kill_and_reap(child: u32) {
    let Ok(pid) = libc::pid_t::try_from(child) else { return };
    // SAFETY: a signal touches no memory of ours. A child that was not reaped keeps its number, so
    // nobody else is hit.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
    }
    reap(child);
}

/// Waits until a child of ours, which we have not reaped, is gone.
pub fn reap(child: u32) {
    let Ok(pid) = libc::pid_t::try_from(child) else { return };
    let mut status = 0;
    // SAFETY: `status` lives until the call returns.
    unsafe {
        while libc::waitpid(pid, &raw mut status, libc::__WALL) < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
}

/// The highest Landlock ABI that the kernel has; 0 where it has none or it is switched off
/// (`landlock_create_ruleset(2)`).
pub fn landlock_abi() -> u32 {
    const VERSION: libc::c_uint = 1;
    let nothing: *const u8 = ptr::null();
    // SAFETY: with a null pointer and size 0 the call only answers its version.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, VERSION) };
    u32::try_from(abi).unwrap_or(0)
}

/// More than there are kinds.
const MODULES_MAX: usize = 64;

/// The numbers of the security modules that are active, in the kernel's order (`lsm_list_modules`, Linux 6.8;
/// `LSM_ID_*` in `linux/lsm.h`).
///
/// # Errors
/// `ENOSYS` of an older kernel; `E2BIG` where there are more than 64.
pub fn security_modules() -> io::Result<Vec<u64>> {
    // The same for every architecture; the crate `libc` has it for few.
    const LSM_LIST_MODULES: libc::c_long = 461;
    let (mut ids, no_flags) = ([0u64; MODULES_MAX], 0u32);
    let mut size = u32::try_from(size_of_val(&ids)).unwrap_or(0);
    // SAFETY: `ids` has `size` bytes and is of the call's type, as is `size`; both live until it returns.
    let count =
        unsafe { libc::syscall(LSM_LIST_MODULES, ids.as_mut_ptr(), &raw mut size, no_flags) };
    let count = usize::try_from(checked(count)?).unwrap_or(0);
    Ok(ids.into_iter().take(count).collect())
}

/// Whether the kernel knows `PR_SET_MDWE` (Linux 6.3).
pub fn knows_executable_gain() -> bool {
    let zero: libc::c_ulong = 0;
    // SAFETY: numbers only; the unused arguments are zero as prctl(2) wants.
    let result = unsafe { libc::prctl(libc::PR_GET_MDWE, zero, zero, zero, zero) };
    result >= 0
}

/// Joins a new, empty session keyring (`keyctl(2)`, `KEYCTL_JOIN_SESSION_KEYRING`).
///
/// # Errors
/// `ENOSYS` where the kernel has no keyrings, `EDQUOT` at the user's limit.
pub fn join_new_session_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    let anonymous: *const c_char = ptr::null();
    // SAFETY: a null name asks for a keyring without a name; no memory is passed.
    checked(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, anonymous) }).map(drop)
}

/// Denies this process for ever that memory which was writable becomes executable
/// (`PR_SET_MDWE`, Linux 6.3).
///
/// # Errors
/// `EINVAL` where the kernel does not know it.
pub fn deny_executable_gain() -> io::Result<()> {
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    let zero: libc::c_ulong = 0;
    // SAFETY: numbers only; the unused arguments are zero as prctl(2) wants.
    let result = unsafe { libc::prctl(libc::PR_SET_MDWE, REFUSE_EXEC_GAIN, zero, zero, zero) };
    checked(libc::c_long::from(result)).map(drop)
}

/// Installs one seccomp filter: `program` is an array of `struct sock_filter` as bytes, eight each.
///
/// # Errors
/// Those of `seccomp(2)`; `EINVAL` also for a length that is no whole number of instructions.
pub fn install_filter(program: &[u8]) -> io::Result<()> {
    let (instructions, rest) = program.as_chunks::<8>();
    let length = u16::try_from(instructions.len()).ok().filter(|n| *n > 0 && rest.is_empty());
    let length = length.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    let mut filter: Vec<libc::sock_filter> = instructions.iter().map(instruction).collect();
    let header = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: header and instructions live until the call returns, the length is that of the
    // array, and the kernel copies them.
    checked(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const header)
    })
    .map(drop)
}

fn instruction(bytes: &[u8; 8]) -> libc::sock_filter {
    let [a, b, jt, jf, k @ ..] = *bytes;
    libc::sock_filter { code: u16::from_ne_bytes([a, b]), jt, jf, k: u32::from_ne_bytes(k) }
}

/// Becomes another program: `execveat(2)` on a descriptor. Returns only with an error.
pub fn execute(program: impl AsFd, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and, like the strings, live until the call
    // returns; it returns only when it failed.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_fd().as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

/// Whether there is a descriptor of that number (`fcntl(2)`, `F_GETFD`).
pub fn is_open(descriptor: RawFd) -> bool {
    // SAFETY: asking about a number changes nothing.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) >= 0 }
}

/// The sockets that systemd handed over, with their names (`sd_listen_fds_with_names(3)`). They are taken at
/// most once: the variables that say so are for this process only.
///
/// # Errors
/// One of them is not open.
pub fn passed_sockets() -> io::Result<Vec<(UnixListener, String)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0).min(PASSED_MAX);
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned);
    let mut sockets = Vec::new();
    for descriptor in (FIRST_PASSED..).take(count as usize) {
        if !is_open(descriptor) {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        // SAFETY: it is open, the one who started this process says that it is this process's, and nobody has
        // taken it before.
        let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
        rustix::io::fcntl_setfd(&owned, rustix::io::FdFlags::CLOEXEC)?;
        sockets.push((UnixListener::from(owned), names.next().unwrap_or_default()));
    }
    Ok(sockets)
}
