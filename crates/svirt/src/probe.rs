//! One try of one thing, made from wherever this process is confined. The command line of the probe
//! is no public interface: `svirt drill` is.
//!
//! It runs before anything else of this program, and does nothing but start, try and answer, so
//! that what a filter kills it for can only be the try. What succeeds is undone at once: a file
//! opened for writing is not written, a traced process goes on when the probe ends.

use crate::{attempt::Attempt, escape};
use nix::{
    errno::Errno,
    sys::{
        ptrace, signal,
        uio::{RemoteIoVec, process_vm_readv},
    },
    unistd::Pid,
};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, IoSliceMut, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    process::ExitCode,
    time::Duration,
};

/// The word that makes this program the probe.
pub(crate) const WORD: &str = "probe";
/// The attempt that shows that the probe itself can run.
pub(crate) const NOTHING: &str = "nothing";
/// The exit code of an attempt that was refused.
pub(crate) const REFUSED: u8 = 0;
/// The exit code of one that was not.
pub(crate) const OPEN: u8 = 1;
/// The exit code of one that could not be made.
pub(crate) const UNCLEAR: u8 = 2;

/// Tries what the arguments say, prints what came of it, and exits with what it means.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    let (line, code) = match words.first().map(|w| w.as_ref()) {
        Some(NOTHING) => return ExitCode::from(REFUSED),
        word => match word.and_then(Attempt::of) {
            Some(attempt) => answer(attempt, words.get(1).map_or("", |w| w.as_ref())),
            None => ("unclear: there is no such attempt".to_owned(), UNCLEAR),
        },
    };
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::from(UNCLEAR),
    }
}

/// Why a try did not succeed.
enum Failed {
    /// The kernel answered this.
    Refused(Errno),
    /// The try was not made.
    Unclear(&'static str),
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::Refused(Errno::from_raw(number)),
            None if error.kind() == io::ErrorKind::TimedOut => Self::Refused(Errno::ETIMEDOUT),
            None => Self::Unclear("the target cannot be named to the kernel"),
        }
    }
}

fn answer(attempt: Attempt, target: &str) -> (String, u8) {
    match attempted(attempt, target) {
        Ok(what) => (format!("OPEN: {}", escape::line(&what)), OPEN),
        Err(Failed::Refused(errno)) => (format!("refused: {errno:?} ({})", errno.desc()), REFUSED),
        Err(Failed::Unclear(why)) => (format!("unclear: {why}"), UNCLEAR),
    }
}

/// Makes the attempt, and says what it got.
fn attempted(attempt: Attempt, target: &str) -> Result<String, Failed> {
    match attempt {
        Attempt::ReadFile => read_file(target),
        Attempt::WriteFile => write_file(target),
        Attempt::Connect => Ok(UnixStream::connect(target).map(|_| "connected".to_owned())?),
        Attempt::Signal => {
            signal::kill(process(target)?, None)?;
            Ok("the process can be sent signals".into())
        }
        Attempt::Ptrace => {
            ptrace::seize(process(target)?, ptrace::Options::empty())?;
            Ok("the process was traced".into())
        }
        Attempt::ReadMemory => read_memory(target),
        Attempt::ListProcesses => list_processes(),
        Attempt::OpenDevice => open_device(target),
        Attempt::Tcp => tcp(target),
    }
}

fn read_file(path: &str) -> Result<String, Failed> {
    let mut bytes = [0; 48];
    let count = File::open(path)?.read(&mut bytes)?;
    Ok(format!("read {count} bytes: {}", String::from_utf8_lossy(&bytes[..count])))
}

fn write_file(path: &str) -> Result<String, Failed> {
    OpenOptions::new().write(true).open(path)?;
    Ok("opened for writing".into())
}

fn open_device(path: &str) -> Result<String, Failed> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
    OpenOptions::new().read(true).custom_flags(nonblocking.cast_signed()).open(path)?;
    Ok("opened".into())
}

fn process(target: &str) -> Result<Pid, Failed> {
    match target.parse() {
        // 0 and negative numbers name groups of processes.
        Ok(number @ 1..) => Ok(Pid::from_raw(number)),
        _ => Err(Failed::Unclear("the target is not a process")),
    }
}

fn read_memory(target: &str) -> Result<String, Failed> {
    let wrong = Failed::Unclear("the target is not PROCESS:ADDRESS");
    let Some((pid, address)) = target.split_once(':') else { return Err(wrong) };
    let Ok(base) = usize::from_str_radix(address.trim_start_matches("0x"), 16) else {
        return Err(wrong);
    };
    let mut bytes = [0; 16];
    let len = bytes.len();
    let remote = [RemoteIoVec { base, len }];
    let count = process_vm_readv(process(pid)?, &mut [IoSliceMut::new(&mut bytes)], &remote)?;
    Ok(format!("read {count} bytes of its memory"))
}

/// Every process but this one and the first of its pid namespace, if that is not the host's.
fn list_processes() -> Result<String, Failed> {
    let own = [std::process::id(), 1];
    let numbers = fs::read_dir("/proc")?.flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    match numbers.filter(|number| !own.contains(number)).count() {
        0 => Err(Failed::Refused(Errno::ESRCH)),
        count => Ok(format!("{count} processes of others can be seen")),
    }
}

fn tcp(target: &str) -> Result<String, Failed> {
    let address: SocketAddr =
        target.parse().map_err(|_| Failed::Unclear("the target is not ADDRESS:PORT"))?;
    TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    Ok("connected".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(attempt: Attempt, target: &str) -> String {
        answer(attempt, target).0
    }

    #[test]
    fn what_succeeds_is_open() {
        let own = std::process::id().to_string();
        assert_eq!(answer(Attempt::OpenDevice, "/dev/null"), ("OPEN: opened".into(), OPEN));
        assert!(line(Attempt::ReadFile, "/proc/self/status").starts_with("OPEN: read 48 bytes"));
        assert!(line(Attempt::Signal, &own).starts_with("OPEN: "));
        assert!(line(Attempt::ListProcesses, "").starts_with("OPEN: "));
        let byte = 7u64;
        let address = format!("{own}:{:x}", std::ptr::from_ref(&byte).addr());
        assert!(line(Attempt::ReadMemory, &address).starts_with("OPEN: read "));
    }

    #[test]
    fn what_the_kernel_refuses_is_refused_by_name() {
        let missing = "refused: ENOENT (No such file or directory)";
        assert_eq!(answer(Attempt::ReadFile, "/no/file"), (missing.into(), REFUSED));
        assert_eq!(answer(Attempt::WriteFile, "/no/file").1, REFUSED);
        assert_eq!(answer(Attempt::Connect, "/no/socket").1, REFUSED);
        assert!(line(Attempt::Signal, "2147483647").starts_with("refused: ESRCH"));
        assert!(line(Attempt::Ptrace, "2147483647").starts_with("refused: ESRCH"));
    }

    #[test]
    fn a_try_that_was_not_made_is_not_called_refused() {
        for target in ["0", "-1", "x", ""] {
            assert_eq!(answer(Attempt::Signal, target).1, UNCLEAR, "{target:?}");
        }
        assert_eq!(answer(Attempt::ReadMemory, "12").1, UNCLEAR);
        assert_eq!(answer(Attempt::Tcp, "localhost").1, UNCLEAR);
        assert_eq!(answer(Attempt::ReadFile, "a\0b").1, UNCLEAR);
    }
}
