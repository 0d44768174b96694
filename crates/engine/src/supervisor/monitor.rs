//! The supervisor's end of QEMU's monitor.

use crate::qmp::{Message, Session};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

/// So much that QEMU has not taken yet may wait for it, in bytes.
const UNSENT_MAX: usize = 1 << 20;

/// One conversation with QEMU.
pub(crate) struct Monitor {
    stream: UnixStream,
    session: Session,
    ready: bool,
    /// What QEMU has not taken yet.
    unsent: VecDeque<u8>,
}

impl Monitor {
    /// A VMM that does not listen must not hold up its supervisor, so nothing here waits.
    ///
    /// # Errors
    /// The socket cannot be told not to block.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, session: Session::default(), ready: false, unsent: VecDeque::new() })
    }

    /// Whether QEMU takes commands.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Takes what came, does what the conversation itself needs, and returns everything else.
    ///
    /// # Errors
    /// QEMU hung up, or said what is no message.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Message>> {
        let mut bytes = [0; 16 * 1024];
        let count = match self.stream.read(&mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            other => other?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let messages = self.session.feed(bytes.get(..count).unwrap_or_default());
        let mut others = Vec::new();
        for message in messages.map_err(io::Error::other)? {
            match message {
                Message::Greeting => drop(self.send("qmp_capabilities", &json!({}))?),
                // The only command before anything else is the one that answers the greeting.
                Message::Return { .. } if !self.ready => self.ready = true,
                message => others.push(message),
            }
        }
        Ok(others)
    }

    /// Sends a command, now or when QEMU takes it, and says its number.
    ///
    /// # Errors
    /// QEMU hung up, or has long not listened; nothing of the command is sent then.
    pub(crate) fn send(&mut self, command: &str, arguments: &Value) -> io::Result<u64> {
        let (number, bytes) = self.session.command(command, arguments);
        if self.unsent.len() + bytes.len() > UNSENT_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.unsent.extend(bytes);
        self.flush().map(|()| number)
    }

    /// Whether QEMU has not taken all that was sent to it.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Offers QEMU again what it has not taken.
    ///
    /// # Errors
    /// It hung up.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(self.unsent.make_contiguous()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
