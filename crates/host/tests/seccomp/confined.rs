//! Processes under a profile. The only file of these tests with `unsafe` in it.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, Stdio},
};
use svirt_host::{seccomp, sys};
use svirt_model::ExecutableMemory;
use svirt_policy::seccomp::Profile;

/// What became of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned this.
    Returned(i64),
    /// It failed with this error number.
    Failed(i32),
    /// The process died of this signal.
    Killed(i32),
    /// The process ended with this code.
    Ended(i32),
}

/// A process reports through the error that `Command::spawn` passes on; a success is this far
/// above any error number.
const SUCCESS: i64 = 1 << 16;

/// Makes one system call under a profile.
pub(crate) fn call(
    profile: &Profile,
    memory: ExecutableMemory,
    number: i64,
    arguments: [u64; 6],
) -> Outcome {
    attempt(profile, memory, move || raw(number, arguments))
}

/// Runs something under a profile, in a process of its own: what it returns is what becomes of it.
/// It must not leave anything behind that has to be dropped.
pub(crate) fn attempt(
    profile: &Profile,
    memory: ExecutableMemory,
    mut attempt: impl FnMut() -> io::Result<i64> + Send + Sync + 'static,
) -> Outcome {
    let confine = confinement(profile, memory);
    let mut command = Command::new("/nonexistent");
    let child = move || {
        confine()?;
        let result = attempt()?;
        Err(io::Error::from_raw_os_error(((result & 0x7fff) + SUCCESS) as i32))
    };
    // SAFETY: the child is a copy with one thread. It installs the filter, makes the attempt and
    // ends; the allocator, which installing a filter uses, is kept usable across fork by the C
    // library.
    unsafe { command.pre_exec(child) };
    match command.spawn() {
        Ok(mut child) => {
            let status = child.wait().expect("the child can be waited for");
            match status.signal() {
                Some(signal) => Outcome::Killed(signal),
                None => Outcome::Ended(status.code().expect("it ended")),
            }
        }
        Err(error) => {
            let number = error.raw_os_error().expect("the child reports a number");
            let above = i64::from(number) - SUCCESS;
            if above >= 0 { Outcome::Returned(above) } else { Outcome::Failed(number) }
        }
    }
}

/// Makes a system call with these arguments.
pub(crate) fn raw(number: i64, [a, b, c, d, e, f]: [u64; 6]) -> io::Result<i64> {
    // SAFETY: the callers pass pointers to nothing or to what lives until the process ends; the
    // process is a copy that ends after the attempt.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Makes a system call of the 32-bit architecture without arguments.
#[cfg(target_arch = "x86_64")]
pub(crate) fn raw_32(number: u32) -> io::Result<i64> {
    let result: i32;
    // SAFETY: the interrupt preserves all registers but eax; the call has no arguments.
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") number as i32 => result) };
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(i64::from(result)) }
}

/// A program that is started as the launcher does it: the filter first, then `execveat`, with an
/// empty environment and no descriptors but the standard ones and the given.
pub(crate) struct Program {
    pub(crate) path: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) descriptors: Vec<(RawFd, OwnedFd)>,
    /// As whom it runs where the tests run as root.
    pub(crate) user: u32,
}

impl Program {
    /// A program with arguments, which are separated by spaces.
    pub(crate) fn new(path: &'static str, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        Self { path, arguments, descriptors: Vec::new(), user: 0 }
    }

    /// Starts it. What it says on its standard output and error can be read from the child.
    pub(crate) fn start(self, profile: &Profile, memory: ExecutableMemory) -> Child {
        let confine = confinement(profile, memory);
        let program = std::fs::File::open(self.path).expect("the program can be opened");
        let zeroth = std::iter::once(self.path.to_owned());
        let arguments: Vec<CString> = zeroth
            .chain(self.arguments)
            .map(|a| CString::new(a).expect("no argument has a null byte"))
            .collect();
        let descriptors = self.descriptors;
        let mut command = Command::new("/nonexistent");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if rustix::process::getuid().is_root() {
            command.uid(self.user).gid(self.user);
        }
        let child = move || {
            for (number, descriptor) in &descriptors {
                place(descriptor.as_raw_fd(), *number)?;
            }
            confine()?;
            Err(sys::execute(&program, &arguments, &[]))
        };
        // SAFETY: as above; the child ends or becomes the program.
        unsafe { command.pre_exec(child) };
        command.spawn().expect("the program starts")
    }
}

/// Gives a descriptor a number that survives the exec.
fn place(descriptor: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: the child alone uses its descriptors; numbers in the hundreds are nobody's.
    let result = unsafe { libc::dup2(descriptor, number) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `PTRACE_SECCOMP_GET_FILTER` of `linux/ptrace.h`.
const GET_FILTER: libc::c_uint = 0x420c;

/// The filters of a process that runs, which root alone may read (`PTRACE_SECCOMP_GET_FILTER`).
pub(crate) fn filters_of(pid: u32) -> io::Result<Vec<Vec<u8>>> {
    let pid = libc::pid_t::try_from(pid).expect("a process");
    let mut filters = Vec::new();
    let checked = |result| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    // SAFETY: of these requests only the last writes, into a buffer with room for the longest filter.
    let ask = |what, number: usize, data: *mut u64| unsafe {
        checked(libc::ptrace(what, pid, number, data))
    };
    ask(libc::PTRACE_SEIZE, 0, std::ptr::null_mut())?;
    ask(libc::PTRACE_INTERRUPT, 0, std::ptr::null_mut())?;
    // SAFETY: the status goes nowhere.
    checked(unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) }.into())?;
    loop {
        let mut room = vec![0_u64; 4096];
        let length = match ask(GET_FILTER, filters.len(), room.as_mut_ptr()) {
            Ok(length) => length,
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => break,
            Err(e) => return Err(e),
        };
        let length = usize::try_from(length).expect("a length");
        filters.push(room[..length].iter().flat_map(|one| one.to_ne_bytes()).collect());
    }
    ask(libc::PTRACE_DETACH, 0, std::ptr::null_mut())?;
    Ok(filters)
}

fn confinement(
    profile: &Profile,
    memory: ExecutableMemory,
) -> impl Fn() -> io::Result<()> + Send + Sync + 'static {
    let filter = seccomp::compile(profile, memory).expect("it is compiled");
    move || {
        // SAFETY: numbers only.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        sys::install_filter(&filter)
    }
}
