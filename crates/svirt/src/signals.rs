//! Signals that end a foreground command, as descriptors that can be polled beside all others. No
//! thread waits for them: a machine is started by forking.

use crate::error;
use rustix::{
    fd::{AsFd, BorrowedFd},
    process::Signal,
};
use std::{
    fs,
    io::{ErrorKind, Read},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use svirt_engine::Failure;

/// The signals that ask a command to end.
const ENDING: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// The signals that came since this was made.
#[derive(Debug)]
pub(crate) struct Signals {
    ending: UnixStream,
    /// The number of the last of those; 0 before there is one.
    last: Arc<AtomicUsize>,
    continued: UnixStream,
}

impl Signals {
    /// Catches SIGINT, SIGTERM, SIGHUP and SIGCONT from now on. One that the caller chose to
    /// ignore, as `nohup` does, stays ignored.
    ///
    /// # Errors
    /// The host refuses a socket or a handler.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let wanted: Vec<_> = ENDING.into_iter().filter(|s| !is_in(ignored, *s)).collect();
        let last = Arc::default();
        // Known before it can be seen that one came.
        wanted.iter().try_for_each(|s| noted(*s, &last))?;
        Ok(Self { ending: caught(&wanted)?, last, continued: caught(&[Signal::CONT])? })
    }

    /// Ends this process by the signal that asked it to end, as if it had not been caught; comes
    /// back where there was none.
    pub(crate) fn obey(&self) {
        let last = i32::try_from(self.last.load(Ordering::Relaxed)).unwrap_or(0);
        if last != 0 {
            // What cannot be obeyed leaves the caller's own way to end.
            let _ = signal_hook::low_level::emulate_default_handler(last);
        }
    }

    /// Readable when a signal came that asks the command to end.
    pub(crate) fn ending(&self) -> BorrowedFd<'_> {
        self.ending.as_fd()
    }

    /// How many of those came since this was last asked.
    pub(crate) fn endings(&self) -> usize {
        drained(&self.ending)
    }

    /// Readable when the command was continued after it had been stopped.
    pub(crate) fn continued(&self) -> BorrowedFd<'_> {
        self.continued.as_fd()
    }

    /// Whether it was continued since this was last asked.
    pub(crate) fn was_continued(&self) -> bool {
        drained(&self.continued) > 0
    }
}

/// Writes the signal's number down when it comes.
fn noted(signal: Signal, last: &Arc<AtomicUsize>) -> Result<(), Failure> {
    let number = signal.as_raw();
    let value = usize::try_from(number).unwrap_or(0);
    signal_hook::flag::register_usize(number, Arc::clone(last), value)
        .map(drop)
        .map_err(|e| error::host("cannot receive signals", &e))
}

/// A socket on which a byte arrives for each of these signals.
fn caught(signals: &[Signal]) -> Result<UnixStream, Failure> {
    let pair = || -> std::io::Result<UnixStream> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        for signal in signals {
            signal_hook::low_level::pipe::register(signal.as_raw(), writer.try_clone()?)?;
        }
        Ok(reader)
    };
    pair().map_err(|e| error::host("cannot receive signals", &e))
}

fn drained(mut reader: &UnixStream) -> usize {
    let mut bytes = [0; 64];
    let mut count = 0;
    loop {
        match reader.read(&mut bytes) {
            Ok(0) => return count,
            Ok(more) => count += more,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return count,
        }
    }
}

/// The mask of ignored signals in `/proc/PID/status`; bit 0 is signal 1.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: Signal) -> bool {
    mask >> (signal.as_raw() - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let mask = ignored("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n");
        assert!(is_in(mask, Signal::HUP));
        assert!(is_in(mask, Signal::PIPE));
        assert!(!is_in(mask, Signal::INT));
        assert_eq!(ignored(""), 0);
    }

    #[test]
    fn each_signal_is_counted_once() {
        let usr1 = caught(&[Signal::USR1]).unwrap();
        assert_eq!(drained(&usr1), 0);
        for _ in 0..2 {
            signal_hook::low_level::raise(Signal::USR1.as_raw()).unwrap();
        }
        assert_eq!(drained(&usr1), 2);
        assert_eq!(drained(&usr1), 0);
    }
}
