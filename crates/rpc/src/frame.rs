//! Messages: a length, a header, and what it is about.
//!
//! A peer that sends a length or a header that cannot be is not one of this protocol: its connection is to
//! be closed. What cannot be read behind a good header is answered with an error.

use crate::xdr::{Malformed, Reader, Unwritable, WORD, Writer, Xdr};
use thiserror::Error;

/// The longest message after its length, in bytes (`VIR_NET_MESSAGE_MAX`).
pub const MESSAGE_LIMIT: usize = 32 << 20;
/// The most descriptors that go with one (`VIR_NET_MESSAGE_NUM_FDS_MAX`).
pub const DESCRIPTORS_LIMIT: u32 = 32;
/// The most data that one message of a stream carries, in bytes.
pub const STREAM_LIMIT: usize = 262_120;
/// Six words.
const HEADER: usize = 6 * WORD;
/// The one version of every program.
const VERSION: u32 = 1;

/// Why a connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Broken {
    /// A message that is too short for a header, or longer than any may be.
    #[error("a message of {0} bytes")]
    Length(u32),
    /// A header that makes no sense.
    #[error("a header that makes no sense: {0}")]
    Header(#[from] Malformed),
    /// More descriptors than go with any message.
    #[error("{0} descriptors with one message")]
    Descriptors(u32),
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name {
            $($(#[$doc])* $variant = $number,)+
        }

        impl $name {
            fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                match u32::take(input)? {
                    $($number => Ok(Self::$variant),)+
                    number => Err(Malformed::Unknown { number, what: stringify!($name) }),
                }
            }
        }
    };
}

words! {
    /// What a message is (`virNetMessageType`).
    Kind {
        /// A client asks.
        Call = 0,
        /// The answer.
        Reply = 1,
        /// Something happened.
        Event = 2,
        /// Data of a stream.
        Stream = 3,
        /// A client asks, and passes descriptors.
        CallWithDescriptors = 4,
        /// The answer, with descriptors.
        ReplyWithDescriptors = 5,
        /// A hole in a stream of a sparse file.
        StreamHole = 6,
    }
}

words! {
    /// How it stands (`virNetMessageStatus`).
    Status {
        /// Well; of a stream: it ends.
        Ok = 0,
        /// An error follows.
        Error = 1,
        /// More of the stream will come.
        Continue = 2,
    }
}

/// What stands before each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whose procedures are meant.
    pub program: u32,
    /// Always 1; another is answered with an error.
    pub version: u32,
    /// Which one.
    pub procedure: u32,
    /// What the message is.
    pub kind: Kind,
    /// The client's number for its call, which every answer bears.
    pub serial: u32,
    /// How it stands.
    pub status: Status,
}

impl Header {
    /// A call.
    pub fn call(program: u32, procedure: u32, serial: u32) -> Self {
        let (kind, status) = (Kind::Call, Status::Ok);
        Self { program, version: VERSION, procedure, kind, serial, status }
    }

    /// The answer to this.
    #[must_use]
    pub fn reply(self, status: Status) -> Self {
        Self { kind: Kind::Reply, status, ..self }
    }

    /// A part of the stream that this began.
    #[must_use]
    pub fn stream(self, status: Status) -> Self {
        Self { kind: Kind::Stream, status, ..self }
    }

    /// Whether the version is the one that there is.
    pub fn is_current(&self) -> bool {
        self.version == VERSION
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            program: u32::take(input)?,
            version: u32::take(input)?,
            procedure: u32::take(input)?,
            kind: Kind::take(input)?,
            serial: u32::take(input)?,
            status: Status::take(input)?,
        })
    }

    fn words(&self) -> [u32; 6] {
        let Self { program, version, procedure, kind, serial, status } = *self;
        [program, version, procedure, kind as u32, serial, status as u32]
    }
}

/// One message, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub header: Header,
    /// How many descriptors came with it: those that arrived first and belong to no earlier message.
    pub descriptors: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A message without descriptors.
    pub fn new(header: Header, payload: Vec<u8>) -> Self {
        Self { header, descriptors: 0, payload }
    }

    /// An answer with descriptors.
    #[must_use]
    pub fn with(mut self, descriptors: u32) -> Self {
        self.header.kind = Kind::ReplyWithDescriptors;
        Self { descriptors, ..self }
    }

    /// Its bytes. Behind them the sender writes one more byte for each descriptor, which carries it.
    ///
    /// # Errors
    /// It is longer than any message may be.
    pub fn bytes(&self) -> Result<Vec<u8>, Unwritable> {
        let count = passes(self.header.kind).then_some(self.descriptors);
        let count = count.into_iter().flat_map(u32::to_be_bytes);
        let mut bytes = vec![0; WORD];
        bytes.extend(self.header.words().into_iter().flat_map(u32::to_be_bytes).chain(count));
        bytes.extend_from_slice(&self.payload);
        let (length, most) = (bytes.len(), MESSAGE_LIMIT + WORD);
        let word = u32::try_from(length).ok().filter(|_| length <= most);
        let word = word.ok_or(Unwritable { length, most })?;
        bytes[..WORD].copy_from_slice(&word.to_be_bytes());
        Ok(bytes)
    }
}

fn passes(kind: Kind) -> bool {
    matches!(kind, Kind::CallWithDescriptors | Kind::ReplyWithDescriptors)
}

/// What a peer has sent, until it is whole messages. It never holds more than one message's length, and
/// what came with its last bytes.
#[derive(Debug)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// Of these nothing is needed any more.
    done: usize,
    /// The longest message after its length.
    longest: usize,
}

impl Default for Incoming {
    fn default() -> Self {
        Self::no_longer_than(MESSAGE_LIMIT)
    }
}

impl Incoming {
    /// Of a peer that has no reason to send longer messages than this, in bytes after their length.
    pub fn no_longer_than(longest: usize) -> Self {
        Self { bytes: Vec::new(), done: 0, longest: longest.min(MESSAGE_LIMIT) }
    }

    /// More has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.done);
        self.done = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, when it is whole, with the bytes that carried its descriptors.
    ///
    /// # Errors
    /// What came is not this protocol; nothing that follows can be understood.
    pub fn frame(&mut self) -> Result<Option<Frame>, Broken> {
        let mut rest = Reader::new(&self.bytes[self.done..]);
        let Ok(word) = u32::take(&mut rest) else { return Ok(None) };
        let length = word as usize;
        if !(WORD + HEADER..=self.longest + WORD).contains(&length) {
            return Err(Broken::Length(word));
        }
        let Some(message) = self.bytes.get(self.done + WORD..self.done + length) else {
            return Ok(None);
        };
        let (header, descriptors, payload) = read(message)?;
        let end = self.done + length + descriptors as usize;
        if end > self.bytes.len() {
            return Ok(None);
        }
        let frame = Frame { header, descriptors, payload: payload.to_vec() };
        self.done = end;
        Ok(Some(frame))
    }
}

fn read(message: &[u8]) -> Result<(Header, u32, &[u8]), Broken> {
    let mut reader = Reader::new(message);
    let header = Header::take(&mut reader)?;
    let descriptors = if passes(header.kind) { u32::take(&mut reader)? } else { 0 };
    if descriptors > DESCRIPTORS_LIMIT {
        return Err(Broken::Descriptors(descriptors));
    }
    Ok((header, descriptors, &message[message.len() - reader.left()..]))
}

/// An answer that is well.
///
/// # Errors
/// It is longer than the protocol allows.
pub fn answer<T: Xdr>(to: &Header, value: &T) -> Result<Frame, Unwritable> {
    let mut writer = Writer::default();
    value.put(&mut writer)?;
    Ok(Frame::new(to.reply(Status::Ok), writer.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(payload: &[u8]) -> Frame {
        Frame::new(Header::call(0x2000_8086, 1, 7), payload.to_vec())
    }

    fn all(incoming: &mut Incoming) -> Vec<Frame> {
        std::iter::from_fn(|| incoming.frame().unwrap()).collect()
    }

    #[test]
    fn a_message_begins_with_its_length_and_six_words() {
        let words = [32, 0x2000_8086, 1, 1, 0, 7, 0, 9_u32];
        let expected: Vec<_> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        assert_eq!(call(&[0, 0, 0, 9]).bytes().unwrap(), expected);
    }

    #[test]
    fn lengths_that_cannot_be_break_the_connection() {
        for length in [0, 3, 27, (32 << 20) + 5, u32::MAX >> 1, u32::MAX] {
            let mut incoming = Incoming::default();
            incoming.push(&length.to_be_bytes());
            assert_eq!(incoming.frame(), Err(Broken::Length(length)));
        }
    }

    #[test]
    fn who_has_no_reason_for_long_messages_sends_none() {
        let mut incoming = Incoming::no_longer_than(64);
        incoming.push(&69_u32.to_be_bytes());
        assert_eq!(incoming.frame(), Err(Broken::Length(69)));
    }

    #[test]
    fn a_kind_that_there_is_not_breaks_the_connection() {
        let mut bytes = call(&[]).bytes().unwrap();
        bytes[19] = 7;
        let mut incoming = Incoming::default();
        incoming.push(&bytes);
        assert!(matches!(incoming.frame(), Err(Broken::Header(_))));
    }

    #[test]
    fn the_bytes_that_carry_descriptors_belong_to_the_message() {
        let frame = Frame { descriptors: 2, ..call(b"abcd") };
        let frame =
            Frame { header: Header { kind: Kind::CallWithDescriptors, ..frame.header }, ..frame };
        let mut incoming = Incoming::default();
        incoming.push(&frame.bytes().unwrap());
        assert_eq!(incoming.frame(), Ok(None));
        incoming.push(b"\0\0");
        incoming.push(&call(b"").bytes().unwrap());
        assert_eq!(all(&mut incoming), [frame, call(b"")]);
    }

    #[test]
    fn too_many_descriptors_break_the_connection() {
        let mut frame = call(b"").with(33);
        frame.header.kind = Kind::CallWithDescriptors;
        let mut incoming = Incoming::default();
        incoming.push(&frame.bytes().unwrap());
        assert_eq!(incoming.frame(), Err(Broken::Descriptors(33)));
    }

    proptest! {
        /// However it is cut, what was sent arrives.
        #[test]
        fn what_was_sent_arrives(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6),
            cut in 1usize..50,
        ) {
            let frames: Vec<_> = payloads.iter().map(|payload| call(payload)).collect();
            let bytes: Vec<_> = frames.iter().flat_map(|frame| frame.bytes().unwrap()).collect();
            let mut incoming = Incoming::default();
            let mut arrived = Vec::new();
            for part in bytes.chunks(cut) {
                incoming.push(part);
                arrived.extend(all(&mut incoming));
            }
            prop_assert_eq!(arrived, frames);
            prop_assert_eq!(incoming.bytes.len(), incoming.done);
        }

        /// Whatever comes, there is an answer to it.
        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut incoming = Incoming::default();
            incoming.push(&bytes);
            while let Ok(Some(_)) = incoming.frame() {}
        }
    }
}
