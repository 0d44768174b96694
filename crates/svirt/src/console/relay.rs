//! The loop that stands between a person, or a pipe, and a machine.
//!
//! ```text
//! standard input --keys--> pending --> console --> standard output
//!        \--- Ctrl-] q, k: ask the supervisor    \--- until it closes, and the machine has ended
//! signals ---- the first stops, the second kills (of a visitor: leaves)
//! ```

use super::{
    Terminal,
    keys::{HELP, Keys, Wish},
};
use crate::{
    error::{self, Error},
    escape,
    signals::Signals,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
};
use svirt_engine::{Code, Engine, Failure, StopLimits, Waiter};
use svirt_model::{Ending, MachineName};

/// How long the last words of a console may take after the machine's end.
const LAST_WORDS: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// How a machine was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It ended.
    Ended(Ending),
    /// It runs on.
    Running,
}

/// What whoever is at a machine's side is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It was started here: a signal stops it.
    Owner,
    /// It was there before: a signal, and the end of standard input, leave it.
    Visitor,
}

/// Where the bytes for the guest come from.
enum Input {
    /// From a person, whose terminal is put back at the end.
    Keyboard(Terminal, Keys),
    /// From a file or a pipe.
    Stream,
    /// From nowhere (any more).
    None,
}

/// Stays at a machine's side until it ends or is left. With a console, standard input and output are
/// its; without one, they are left alone. The terminal is put back in any case.
///
/// # Errors
/// The supervisor died, or this host refuses to wait.
pub(crate) fn attend(
    name: &MachineName,
    console: Option<UnixStream>,
    waiter: Waiter,
    signals: &Signals,
    manner: Manner,
    terminal: Option<Terminal>,
) -> Result<Left, Error> {
    let (input, _terminal) = match &console {
        None => (Input::None, terminal),
        Some(_) => (Input::from(terminal, name), None),
    };
    if let Some(console) = &console {
        console.set_nonblocking(true).map_err(|e| error::host("cannot use the console", &e))?;
    }
    let pending = Vec::new();
    Relay {
        name,
        console,
        waiter,
        signals,
        manner,
        input,
        pending,
        stops: 0,
        unheard: false,
        leaving: false,
    }
    .run()
}

impl Input {
    fn from(terminal: Option<Terminal>, name: &MachineName) -> Self {
        let Some(terminal) = terminal else { return Self::Stream };
        let _ = writeln!(
            io::stderr(),
            "svirt: this is the console of {name}; Ctrl-C goes to the guest"
        );
        let _ = writeln!(io::stderr(), "svirt: {HELP}");
        match terminal.make_raw() {
            Ok(()) => Self::Keyboard(terminal, Keys::default()),
            Err(_) => Self::None,
        }
    }
}

struct Relay<'a> {
    name: &'a MachineName,
    console: Option<UnixStream>,
    waiter: Waiter,
    signals: &'a Signals,
    manner: Manner,
    input: Input,
    /// What the guest has not taken yet.
    pending: Vec<u8>,
    /// How often the machine was asked to stop.
    stops: usize,
    /// Whether nobody reads standard output any more.
    unheard: bool,
    /// Whether only what is still on its way is waited for.
    leaving: bool,
}

/// Something that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    Ended,
    Signal,
    Continued,
    Console,
    Input,
    /// Whoever read standard output is gone.
    Unheard,
}

impl Relay<'_> {
    fn run(mut self) -> Result<Left, Error> {
        loop {
            for ready in self.wait()? {
                match ready {
                    Ready::Console => {
                        self.speak();
                        if self.leaving && self.console.is_none() {
                            return Ok(Left::Running);
                        }
                    }
                    Ready::Continued => self.resume(),
                    Ready::Signal | Ready::Unheard if self.manner == Manner::Visitor => {
                        return Ok(Left::Running);
                    }
                    Ready::Signal => (0..self.signals.endings()).for_each(|_| self.stop_or_kill()),
                    Ready::Input if self.listen() => return Ok(Left::Running),
                    Ready::Input => {}
                    Ready::Unheard => self.leave_unheard(),
                    Ready::Ended => return self.end(),
                }
            }
        }
    }

    /// What is ready, the machine's words before its end.
    fn wait(&self) -> Result<Vec<Ready>, Failure> {
        let watched = self.watched();
        let mut polled: Vec<PollFd<'_>> =
            watched.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        match poll(&mut polled, None) {
            // A signal's own descriptor tells about it in the next turn.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(error::host("cannot wait for the machine", &e.into())),
        }
        let happened = polled.iter().map(|p| !p.revents().is_empty());
        Ok(watched.iter().zip(happened).filter(|(_, yes)| *yes).map(|((r, ..), _)| *r).collect())
    }

    fn watched(&self) -> Vec<(Ready, BorrowedFd<'_>, PollFlags)> {
        let mut watched = Vec::new();
        if let Some(console) = &self.console {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, !self.pending.is_empty());
            watched.push((Ready::Console, console.as_fd(), flags));
            // Nothing is asked for, and that it is broken is told all the same (`poll(2)`).
            if !self.unheard {
                watched.push((Ready::Unheard, rustix::stdio::stdout(), PollFlags::empty()));
            }
        }
        watched.push((Ready::Signal, self.signals.ending(), PollFlags::IN));
        watched.push((Ready::Continued, self.signals.continued(), PollFlags::IN));
        // What the guest does not take is not read: the pipe or the person waits.
        if !matches!(self.input, Input::None) && self.pending.is_empty() {
            watched.push((Ready::Input, rustix::stdio::stdin(), PollFlags::IN));
        }
        watched.push((Ready::Ended, self.waiter.as_fd(), PollFlags::IN));
        watched
    }

    /// Passes on what the guest said, and gives it what it did not take before.
    fn speak(&mut self) {
        self.flush();
        let Some(console) = &mut self.console else { return };
        let mut bytes = [0; 16 * 1024];
        match console.read(&mut bytes) {
            Ok(0) => self.console = None,
            Ok(count) => self.show(bytes.get(..count).unwrap_or_default()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.console = None,
        }
        if self.console.is_none() {
            self.input = Input::None;
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        let mut out = io::stdout().lock();
        let shown = out.write_all(bytes).and_then(|()| out.flush());
        drop(out);
        if shown.is_err() {
            self.leave_unheard();
        }
    }

    /// Nobody listens any more: the machine is not left behind unseen by its owner.
    fn leave_unheard(&mut self) {
        if self.manner == Manner::Owner && !std::mem::replace(&mut self.unheard, true) {
            self.ask(false);
        }
    }

    fn flush(&mut self) {
        let Some(console) = &mut self.console else { return };
        while !self.pending.is_empty() {
            match console.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // The rest waits until the guest takes it, or is of no use when it is gone.
                Err(_) => return,
            }
        }
    }

    /// Reads what was typed or piped; true if the machine is to be left.
    fn listen(&mut self) -> bool {
        let mut bytes = [0; 4096];
        // Not through std's buffer, which poll does not see.
        let count = match rustix::io::read(rustix::stdio::stdin(), &mut bytes) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return false,
            read => read.unwrap_or(0),
        };
        let bytes = bytes.get(..count).unwrap_or_default();
        match &mut self.input {
            _ if count == 0 => return self.no_more_input(),
            Input::Keyboard(_, keys) => {
                let wishes = keys.typed(bytes);
                return wishes.into_iter().any(|wish| self.fulfil(wish));
            }
            Input::Stream => self.pending.extend(bytes),
            Input::None => {}
        }
        self.flush();
        false
    }

    /// A visitor who has no more to say hears what was said before it came, and leaves: the
    /// supervisor ends the connection after that. True where there is no connection.
    fn no_more_input(&mut self) -> bool {
        self.input = Input::None;
        let console = self.console.as_ref().filter(|_| self.manner == Manner::Visitor);
        self.leaving = console.is_some_and(|c| c.shutdown(Shutdown::Write).is_ok());
        self.manner == Manner::Visitor && !self.leaving
    }

    /// Does what the person wants; true if that is to leave.
    fn fulfil(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Send(bytes) => {
                self.pending.extend(bytes);
                self.flush();
            }
            Wish::Help => self.note(HELP),
            Wish::Stop if self.stops > 0 => self.note("it was asked to stop; Ctrl-] k kills it"),
            Wish::Stop => self.stop_or_kill(),
            Wish::Kill => self.ask(true),
            Wish::Detach => {
                self.note(&format!(
                    "left {}; svirt console {} comes back to it",
                    self.name, self.name
                ));
                return true;
            }
        }
        false
    }

    /// The first time the guest is asked to power off; after that it is killed.
    fn stop_or_kill(&mut self) {
        self.stops += 1;
        self.ask(self.stops > 1);
    }

    /// Asks beside the loop, so that the machine's last words are still heard.
    fn ask(&mut self, kill: bool) {
        self.note(if kill { "killing it" } else { "stopping it; once more kills it" });
        let name = self.name.clone();
        let is_raw = matches!(self.input, Input::Keyboard(..));
        thread::spawn(move || {
            let asked = Engine::new().and_then(|engine| match kill {
                true => engine.kill(&name),
                false => engine.stop(&name, StopLimits::default()),
            });
            match asked {
                // It may have ended in the meantime.
                Ok(_) | Err(Failure { code: Code::InUse | Code::NotFound, .. }) => {}
                Err(failure) => note(&failure.to_string(), is_raw),
            }
        });
    }

    /// A shell that stopped this command changed the terminal's modes.
    fn resume(&mut self) {
        if let (true, Input::Keyboard(terminal, _)) = (self.signals.was_continued(), &self.input) {
            // A terminal that is gone says so at the next read.
            let _ = terminal.make_raw();
        }
    }

    fn note(&self, text: &str) {
        note(text, matches!(self.input, Input::Keyboard(..)));
    }

    fn end(mut self) -> Result<Left, Error> {
        while let Some(console) = &self.console {
            let mut polled = [PollFd::new(console, PollFlags::IN)];
            match poll(&mut polled, Some(&LAST_WORDS)) {
                Ok(0) | Err(_) => break,
                Ok(_) => self.speak(),
            }
        }
        // The terminal is itself again before anything is said about the end.
        self.input = Input::None;
        Ok(Left::Ended(self.waiter.ended()?))
    }
}

/// Says something on a line of its own, also to a terminal that does not return the carriage.
fn note(text: &str, is_raw: bool) {
    let end = if is_raw { "\r\n" } else { "\n" };
    let start = if is_raw { "\r\n" } else { "" };
    let _ = write!(io::stderr(), "{start}svirt: {}{end}", escape::line(text));
}
