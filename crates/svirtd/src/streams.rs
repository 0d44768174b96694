//! Streams: bytes that go both ways under a call's number, beside all other calls of a connection.
//!
//! The answer to the call comes first. Then each side sends data; who has no more says so with an empty
//! one, and the client ends the stream, which is confirmed.

use crate::{
    outgoing::Outgoing,
    share::{Held, Share, take},
};
use std::{
    collections::BTreeMap,
    io,
    os::unix::net::UnixStream as StdStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use svirt_rpc::{
    Code, Error, Origin,
    frame::{Frame, Header, STREAM_LIMIT, Status},
    to_bytes,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixStream, unix::OwnedReadHalf, unix::OwnedWriteHalf},
    sync::{Notify, Semaphore, mpsc},
};

/// The most streams of one connection.
const STREAMS_MAX: usize = 64;
/// Messages of a client that wait until they are taken; who sends more is cut off.
const UNHEARD_MAX: usize = 256;
/// How much they may have in them, in bytes.
const UNHEARD_BYTES: usize = 1 << 20;

/// The streams of one connection.
#[derive(Debug)]
pub(crate) struct Streams {
    /// By their calls' numbers; none any more when the connection has ended.
    open: Mutex<Option<BTreeMap<u32, Stream>>>,
    share: Share,
}

/// One stream's ends.
#[derive(Debug)]
struct Stream {
    data: mpsc::Sender<Unheard>,
    room: Arc<Semaphore>,
    ended: Arc<Notify>,
}

/// What a client has said, as long as nobody has taken it.
#[derive(Debug)]
struct Unheard {
    bytes: Vec<u8>,
    _held: [Held; 2],
}

/// A stream that was opened and not begun.
#[derive(Debug)]
pub(crate) struct Opened {
    header: Header,
    end: UnixStream,
    data: mpsc::Receiver<Unheard>,
    ended: Arc<Notify>,
}

impl Streams {
    /// None yet, of a connection whose user has this share of the daemon.
    pub(crate) fn new(share: Share) -> Self {
        Self { open: Mutex::new(Some(BTreeMap::new())), share }
    }

    fn all(&self) -> MutexGuard<'_, Option<BTreeMap<u32, Stream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for what a stream is to say, if this connection's user has any left.
    pub(crate) fn hold(&self, bytes: usize) -> Option<Held> {
        self.share.hold(bytes)
    }

    /// Opens one under a call's number.
    ///
    /// # Errors
    /// There are too many, or one of this number; the connection has ended.
    pub(crate) fn open(&self, header: Header, end: StdStream) -> Result<Opened, Error> {
        let failed = |e: io::Error| Error::new(Code::System, format!("cannot open a stream: {e}"));
        end.set_nonblocking(true).map_err(failed)?;
        let end = UnixStream::from_std(end).map_err(failed)?;
        let refused = |why| Error::new(Code::OperationInvalid, why).by(Origin::Streams);
        let mut all = self.all();
        // Nobody would end it.
        let all = all.as_mut().ok_or_else(|| refused("the connection has ended"))?;
        if all.len() >= STREAMS_MAX || all.contains_key(&header.serial) {
            return Err(refused("too many streams"));
        }
        let (sender, data) = mpsc::channel(UNHEARD_MAX);
        let (ended, room) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(UNHEARD_BYTES)));
        all.insert(header.serial, Stream { data: sender, room, ended: ended.clone() });
        Ok(Opened { header, end, data, ended })
    }

    /// What a client says on one; the answer, where there is one. What belongs to none that is open is
    /// the rest of one that has ended.
    pub(crate) fn hear(&self, header: &Header, payload: Vec<u8>) -> Option<Frame> {
        let mut all = self.all();
        let all = all.as_mut()?;
        let stream = all.get(&header.serial)?;
        if header.status == Status::Continue {
            return match stream.take(payload, &self.share) {
                Some(()) => None,
                None => {
                    cut(all, header.serial);
                    let error = Error::new(Code::OperationFailed, "the stream's end does not read");
                    failure(header, &error.by(Origin::Streams))
                }
            };
        }
        cut(all, header.serial);
        Some(Frame::new(header.stream(Status::Ok), Vec::new()))
    }

    /// Ends all, for good.
    pub(crate) fn end_all(&self) {
        let all = self.all().take().unwrap_or_default();
        all.values().for_each(|stream| stream.ended.notify_one());
    }
}

impl Stream {
    /// Takes what a client says, if there is room.
    fn take(&self, bytes: Vec<u8>, share: &Share) -> Option<()> {
        let _held = [take(&self.room, bytes.len())?, share.hold(bytes.len())?];
        self.data.try_send(Unheard { bytes, _held }).ok()
    }
}

fn cut(all: &mut BTreeMap<u32, Stream>, serial: u32) {
    if let Some(stream) = all.remove(&serial) {
        stream.ended.notify_one();
    }
}

fn failure(header: &Header, error: &Error) -> Option<Frame> {
    Some(Frame::new(header.stream(Status::Error), to_bytes(error).ok()?))
}

impl Opened {
    /// Carries bytes until either side ends.
    pub(crate) async fn carry(self, out: &Outgoing) {
        let Self { header, end, data, ended } = self;
        let (from, to) = end.into_split();
        tokio::select! {
            () = down(header, from, out) => {
                // The client still ends the stream, and is answered.
                ended.notified().await;
            }
            () = up(data, to) => ended.notified().await,
            () = ended.notified() => {}
        }
    }
}

async fn down(header: Header, mut from: OwnedReadHalf, out: &Outgoing) {
    let mut bytes = vec![0; 64 << 10];
    debug_assert!(bytes.len() <= STREAM_LIMIT);
    loop {
        let count = from.read(&mut bytes).await.unwrap_or(0);
        let said = bytes.get(..count).unwrap_or_default().to_vec();
        out.send(&Frame::new(header.stream(Status::Continue), said), Vec::new()).await;
        if count == 0 {
            return;
        }
    }
}

async fn up(mut data: mpsc::Receiver<Unheard>, mut to: OwnedWriteHalf) {
    while let Some(Unheard { bytes, .. }) = data.recv().await {
        let gone = if bytes.is_empty() { to.shutdown().await } else { to.write_all(&bytes).await };
        if gone.is_err() {
            // What comes back says why.
            std::future::pending::<()>().await;
        }
    }
    // Its end is heard elsewhere.
    std::future::pending::<()>().await;
}
