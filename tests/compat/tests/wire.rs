//! A client that says whatever it likes: the protocol's messages byte by byte, and what is none.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use std::{
    io::{self, IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{fd::BorrowedFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};
use svirt_rpc::{
    Error, Program, Xdr,
    frame::{Frame, Header, Incoming, Kind, Status},
    from_bytes, to_bytes,
};

/// Longer than any answer takes, on a busy host too.
const PATIENCE: Duration = Duration::from_secs(30);

/// `connect_open`, `connect_close`, and others that are used below.
pub(crate) const OPEN: u32 = 1;
pub(crate) const CLOSE: u32 = 2;
pub(crate) const GET_TYPE: u32 = 3;
pub(crate) const CREATE: u32 = 9;
pub(crate) const DEFINE_XML: u32 = 11;
pub(crate) const DESTROY: u32 = 12;
pub(crate) const LOOKUP_BY_NAME: u32 = 23;
pub(crate) const RESUME: u32 = 28;
pub(crate) const SUSPEND: u32 = 34;
pub(crate) const GET_LIB_VERSION: u32 = 157;
pub(crate) const REGISTER_EVENTS: u32 = 316;

/// What happens to a machine's life.
const LIFECYCLE: u32 = 318;

/// A connection.
pub(crate) struct Wire {
    stream: UnixStream,
    incoming: Incoming,
    serial: u32,
}

impl Wire {
    /// Connects, and says nothing.
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the daemon listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.set_write_timeout(Some(PATIENCE)).expect("a limit");
        Self { stream, incoming: Incoming::default(), serial: 0 }
    }

    /// Connects and opens, as every client does.
    pub(crate) fn open(socket: &Path) -> Self {
        let mut wire = Self::connect(socket);
        wire.ask::<()>(OPEN, &(None::<String>, 0_u32)).expect("it may open");
        wire
    }

    /// How long it may take until something that is said is taken.
    pub(crate) fn wait_no_longer_than(&self, patience: Duration) {
        self.stream.set_write_timeout(Some(patience)).expect("a limit");
    }

    /// Whether the daemon hangs up on one of these.
    pub(crate) fn one_is_given_up(all: &[Self]) -> bool {
        let mut watched: Vec<_> =
            all.iter().map(|wire| PollFd::new(&wire.stream, PollFlags::empty())).collect();
        let patience = Timespec::try_from(PATIENCE).expect("a time");
        poll(&mut watched, Some(&patience)).expect("they can be waited for") > 0
    }

    /// Says any bytes; whether they were taken.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Makes a call, and does not wait for its answer.
    pub(crate) fn call(&mut self, procedure: u32, arguments: &impl Xdr) -> io::Result<u32> {
        self.serial += 1;
        let header = Header::call(Program::Remote as u32, procedure, self.serial);
        let payload = to_bytes(arguments).expect("arguments of a test");
        self.say(&Frame::new(header, payload).bytes().expect("a message of a test"))?;
        Ok(self.serial)
    }

    /// Makes a call with any bytes for arguments, and gives its answer.
    pub(crate) fn ask_bytes(&mut self, procedure: u32, payload: &[u8]) -> Frame {
        self.serial += 1;
        let header = Header::call(Program::Remote as u32, procedure, self.serial);
        self.ask_frame(&Frame::new(header, payload.to_vec()))
    }

    /// Says a message that is answered, and gives its answer.
    pub(crate) fn ask_frame(&mut self, frame: &Frame) -> Frame {
        let mut bytes = frame.bytes().expect("a message of a test");
        bytes.resize(bytes.len() + frame.descriptors as usize, 0);
        self.say(&bytes).expect("the daemon takes calls");
        let Frame { header: asked, .. } = frame;
        loop {
            let answer = self.hear().expect("the connection is open");
            if (answer.header.serial, answer.header.kind) == (asked.serial, Kind::Reply) {
                return answer;
            }
        }
    }

    /// Says a message with descriptors, each carried by a byte of its own.
    pub(crate) fn pass(&mut self, frame: &Frame, descriptor: BorrowedFd<'_>) {
        self.say(&frame.bytes().expect("a message of a test")).expect("the daemon takes calls");
        for _ in 0..frame.descriptors {
            let all = [descriptor];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&all)));
            let sent =
                sendmsg(&self.stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL);
            assert_eq!(sent, Ok(1));
        }
    }

    /// Says something on the stream that a call opened.
    pub(crate) fn stream(&mut self, procedure: u32, serial: u32, status: Status, data: &[u8]) {
        let header = Header::call(Program::Remote as u32, procedure, serial).stream(status);
        let frame = Frame::new(header, data.to_vec());
        self.say(&frame.bytes().expect("a message of a test")).expect("the daemon takes streams");
    }

    /// Makes a call, and gives its answer.
    pub(crate) fn ask<T: Xdr>(&mut self, procedure: u32, arguments: &impl Xdr) -> Result<T, Error> {
        let serial = self.call(procedure, arguments).expect("the daemon takes calls");
        self.answer_to(serial)
    }

    /// The answer to a call; other messages are passed over.
    pub(crate) fn answer_to<T: Xdr>(&mut self, serial: u32) -> Result<T, Error> {
        loop {
            let Frame { header, payload, .. } = self.hear().expect("the connection is open");
            let is_reply = matches!(header.kind, Kind::Reply | Kind::ReplyWithDescriptors);
            if header.serial != serial || !is_reply {
                continue;
            }
            match header.status {
                Status::Error => return Err(from_bytes(&payload).expect("an error")),
                _ => return Ok(from_bytes(&payload).expect("an answer")),
            }
        }
    }

    /// What happened next to a machine's life: the event and its detail, with which the message ends.
    pub(crate) fn lifecycle(&mut self) -> [i32; 2] {
        loop {
            let Frame { header, payload, .. } = self.hear().expect("the connection is open");
            if (header.kind, header.procedure) == (Kind::Event, LIFECYCLE) {
                let (_, end) = payload.split_at(payload.len() - 8);
                return from_bytes::<(i32, i32)>(end).expect("two numbers").into();
            }
        }
    }

    /// The next message; none when the daemon has hung up.
    pub(crate) fn hear(&mut self) -> Option<Frame> {
        let mut bytes = [0; 64 << 10];
        loop {
            if let Some(frame) = self.incoming.frame().expect("the daemon keeps to its protocol") {
                return Some(frame);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.incoming.push(&bytes[..count]),
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("no message and no end: {e}"),
            }
        }
    }
}
