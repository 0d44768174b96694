//! A word to the person who waits for a start that takes longer than a second.
//!
//! The engine forks while it starts a machine, so this process may not have a thread that waits
//! beside it. A process of its own does: this program again, which speaks unless its standard input
//! closes before the second is over.

use crate::output::say;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    process::{Child, Command, ExitCode, Stdio},
};

/// The word that makes this program the one that waits.
pub(crate) const WORD: &str = "say-if-it-takes-long";

/// How long nothing is said.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Speaks after a second, until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<Child>);

impl Progress {
    /// Begins to wait. Without a terminal, or where it cannot be had, nothing will be said.
    pub(crate) fn begin(doing: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let Ok(program) = std::env::current_exe() else { return Self(None) };
        let mut command = Command::new(program);
        command.args([WORD, doing]).stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().ok())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some(child) = &mut self.0 else { return };
        // It ends by itself in any case; whether it could be ended now is of no interest.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The process that waits.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let stdin = rustix::stdio::stdin();
    let mut ends = [PollFd::new(&stdin, PollFlags::IN)];
    if let (Ok(0), Some(doing)) = (poll(&mut ends, Some(&PATIENCE)), arguments.first()) {
        say(&doing.to_string_lossy());
    }
    ExitCode::SUCCESS
}
