//! The supervisor's end of QEMU's monitor.

use crate::qmp::{Message, Session};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};
use svirt_host::passing;

/// So much that QEMU has not taken yet may wait for it, in bytes.
const UNSENT_MAX: usize = 1 << 20;

/// One conversation with QEMU.
pub(crate) struct Monitor {
    stream: UnixStream,
    session: Session,
    ready: bool,
    /// What QEMU has not taken yet.
    unsent: VecDeque<Unsent>,
    /// The command that took a descriptor along and was not answered yet. QEMU keeps what came last:
    /// before it has answered, no other descriptor is sent.
    handing: Option<u64>,
}

/// A command on its way.
struct Unsent {
    number: u64,
    bytes: Vec<u8>,
    /// How much of it QEMU has taken.
    taken: usize,
    /// What goes with its first byte.
    descriptor: Option<OwnedFd>,
}

impl Monitor {
    /// A VMM that does not listen must not hold up its supervisor, so nothing here waits.
    ///
    /// # Errors
    /// The socket cannot be told not to block.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (session, unsent) = (Session::default(), VecDeque::new());
        Ok(Self { stream, session, ready: false, unsent, handing: None })
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
            if message.answers(self.handing) {
                self.handing = None;
                self.flush()?;
            }
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
        self.send_with(command, arguments, None)
    }

    /// Sends a command, and with it a descriptor for QEMU.
    ///
    /// # Errors
    /// Those of [`Monitor::send`].
    pub(crate) fn send_with(
        &mut self,
        command: &str,
        arguments: &Value,
        descriptor: Option<OwnedFd>,
    ) -> io::Result<u64> {
        let (number, bytes) = self.session.command(command, arguments);
        let waiting: usize = self.unsent.iter().map(|unsent| unsent.bytes.len()).sum();
        if waiting + bytes.len() > UNSENT_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.unsent.push_back(Unsent { number, bytes, taken: 0, descriptor });
        self.flush().map(|()| number)
    }

    /// Whether there is something to send that QEMU may be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent.front().is_some_and(|next| next.descriptor.is_none() || self.handing.is_none())
    }

    /// Offers QEMU again what it has not taken.
    ///
    /// # Errors
    /// It hung up.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.has_unsent()
            && let Some(next) = self.unsent.front_mut()
        {
            let rest = next.bytes.get(next.taken..).unwrap_or_default();
            let descriptors: Vec<_> = next.descriptor.iter().map(AsFd::as_fd).collect();
            match passing::send(&self.stream, rest, &descriptors) {
                Ok(count) => {
                    if next.descriptor.take().is_some() {
                        self.handing = Some(next.number);
                    }
                    next.taken += count;
                    if next.taken == next.bytes.len() {
                        self.unsent.pop_front();
                    }
                }
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
