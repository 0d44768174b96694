//! One connection to a supervisor: what it has said and has not been told yet. It is never waited
//! for, and what it may have the supervisor keep is bounded.

use super::Reply;
use crate::{Happened, supervisor::request::REQUEST_MAX};
use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};
use svirt_host::passing;

/// A listener may be this far behind, in bytes, before more is said to it.
const BEHIND_MAX: usize = 1 << 20;

/// A connection.
pub(super) struct Client {
    stream: UnixStream,
    pub(super) role: Role,
    /// What it has said and nobody has looked at.
    said: Vec<u8>,
    /// What it has not taken yet.
    pending: VecDeque<u8>,
}

/// What a connection is for.
pub(super) enum Role {
    /// It has not said what it wants, and shall have by then.
    New(Instant),
    /// It was answered, and may ask for more.
    Open,
    /// It has asked the monitor: its number among those who have.
    Asked(u64),
    /// It has the machine's state, and shall say that it is kept.
    Saver,
    /// It waits for the end.
    Waiting,
    /// It is told what happens.
    Watching,
    /// It speaks to the console.
    Attached,
    /// It is done with.
    Gone,
}

/// What came of looking for a request.
pub(super) enum Line {
    /// Here it is.
    Whole(Vec<u8>),
    /// Its end is still to come.
    Part,
    /// No request is so long.
    TooLong,
}

impl Client {
    pub(super) fn new(stream: UnixStream, role: Role) -> Self {
        // One that could hold up the supervisor is let go at once.
        let role = if stream.set_nonblocking(true).is_ok() { role } else { Role::Gone };
        Self { stream, role, said: Vec::new(), pending: VecDeque::new() }
    }

    /// Until when it shall have said what it wants.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.role {
            Role::New(until) => Some(until),
            _ => None,
        }
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|until| until <= now)
    }

    /// Whether it waits for an answer, or has not taken one whole.
    pub(super) fn is_busy(&self) -> bool {
        match self.role {
            Role::Asked(_) => true,
            Role::Open | Role::Saver => self.has_pending(),
            _ => false,
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What it says now; `None` if it says nothing, or nothing any more.
    pub(super) fn read<'a>(&mut self, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        match self.stream.read(bytes) {
            Ok(0) => {
                // It has no more to say, and hears what was said before that.
                self.flush();
                self.role = Role::Gone;
            }
            Ok(count) => return bytes.get(..count),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.role = Role::Gone,
        }
        None
    }

    /// Keeps a part of a request.
    pub(super) fn keep(&mut self, said: &[u8]) {
        self.said.extend_from_slice(said);
    }

    /// Its next request, without the end of the line.
    pub(super) fn line(&mut self) -> Line {
        let end = self.said.iter().position(|b| *b == b'\n');
        match end {
            _ if end.unwrap_or(self.said.len()) > REQUEST_MAX => Line::TooLong,
            Some(end) => {
                let mut line: Vec<u8> = self.said.drain(..=end).collect();
                line.pop();
                Line::Whole(line)
            }
            None => Line::Part,
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        let mut line = serde_json::to_vec(reply).unwrap_or_default();
        line.push(b'\n');
        self.say(&line);
    }

    /// Answers with a descriptor, which goes with the first byte, to one that has taken everything
    /// before.
    pub(super) fn reply_with(&mut self, reply: &Reply, descriptor: BorrowedFd<'_>) {
        let mut line = serde_json::to_vec(reply).unwrap_or_default();
        line.push(b'\n');
        let sent = match self.has_pending() {
            true => Err(ErrorKind::WouldBlock.into()),
            false => passing::send(&self.stream, &line, &[descriptor]),
        };
        match sent {
            Ok(taken) => self.say(line.get(taken..).unwrap_or_default()),
            Err(_) => self.role = Role::Gone,
        }
    }

    /// Tells it what happened.
    pub(super) fn tell(&mut self, happened: &Happened) {
        let mut line = serde_json::to_vec(happened).unwrap_or_default();
        line.push(b'\n');
        self.say(&line);
    }

    /// Says something as soon as it is taken; who is too far behind is let go.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        if self.pending.len() > BEHIND_MAX {
            self.role = Role::Gone;
        } else {
            self.pending.extend(bytes);
        }
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        while !self.pending.is_empty() {
            match self.stream.write(self.pending.make_contiguous()) {
                Ok(0) => return self.role = Role::Gone,
                Ok(count) => drop(self.pending.drain(..count)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.role = Role::Gone,
            }
        }
    }

    pub(super) fn bid_farewell(mut self, farewell: &Reply, end: &Happened) {
        // A listener may need a moment for the last words; one that does not read is not waited for.
        let _ = self.stream.set_nonblocking(false);
        let _ = self.stream.set_write_timeout(Some(Duration::from_secs(1)));
        match self.role {
            Role::Attached => self.flush(),
            Role::Watching => self.tell(end),
            // Whatever else was asked in this moment, the machine has ended.
            _ => self.reply(farewell),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
