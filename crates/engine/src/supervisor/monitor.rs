//! The supervisor's end of QEMU's monitor.

use crate::qmp::{Message, Session};
use serde_json::json;
use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

/// One conversation with QEMU.
pub(crate) struct Monitor {
    stream: UnixStream,
    session: Session,
    ready: bool,
}

impl Monitor {
    /// A VMM that does not listen must not hold up its supervisor, so nothing here waits.
    ///
    /// # Errors
    /// The socket cannot be told not to block.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, session: Session::default(), ready: false })
    }

    /// Whether QEMU takes commands.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Takes what came, does what the conversation itself needs, and returns the events' names.
    ///
    /// # Errors
    /// QEMU hung up, or said what is no message.
    pub(crate) fn read(&mut self) -> io::Result<Vec<String>> {
        let mut bytes = [0; 16 * 1024];
        let count = match self.stream.read(&mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            other => other?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let messages = self.session.feed(bytes.get(..count).unwrap_or_default());
        let mut events = Vec::new();
        for message in messages.map_err(io::Error::other)? {
            match message {
                Message::Greeting => self.send("qmp_capabilities")?,
                // The only command before anything else is the one that answers the greeting.
                Message::Return { .. } => self.ready = true,
                Message::Event { name, .. } => events.push(name),
                Message::Error { .. } => {}
            }
        }
        Ok(events)
    }

    /// Sends a command whose result is of no interest.
    ///
    /// # Errors
    /// QEMU hung up, or has long not listened.
    pub(crate) fn send(&mut self, command: &str) -> io::Result<()> {
        let (_, bytes) = self.session.command(command, &json!({}));
        self.stream.write_all(&bytes)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
