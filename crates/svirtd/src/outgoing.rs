//! What is still to be sent on a connection: a queue with a limit, and the one task that empties it.
//!
//! Who does not read is not waited for: an answer waits until there is room, and the connection reads
//! nothing more meanwhile; an event for which there is no room closes the connection.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};
use svirt_rpc::frame::Frame;
use tokio::{
    io::Interest,
    net::UnixStream,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
};

/// How many bytes may wait for one client. One message may be larger, and then waits alone.
const WAITING_MAX: usize = 4 << 20;
/// How many messages may.
const MESSAGES_MAX: usize = 16_384;

/// The near end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    overrun: Arc<Notify>,
}

/// Bytes, and the descriptors that follow them.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    _room: OwnedSemaphorePermit,
}

/// The far end.
#[derive(Debug)]
pub(crate) struct Waiting(mpsc::Receiver<Message>);

/// A queue.
pub(crate) fn queue() -> (Outgoing, Waiting) {
    let (queue, waiting) = mpsc::channel(MESSAGES_MAX);
    let room = Arc::new(Semaphore::new(WAITING_MAX));
    (Outgoing { queue, room, overrun: Arc::default() }, Waiting(waiting))
}

impl Outgoing {
    /// Sends when there is room. The connection may be gone, which changes nothing for the sender.
    pub(crate) async fn send(&self, frame: &Frame, descriptors: Vec<OwnedFd>) {
        let Ok(bytes) = frame.bytes() else { return };
        let Ok(room) = self.room.clone().acquire_many_owned(share(&bytes)).await else { return };
        let _ = self.queue.send(Message { bytes, descriptors, _room: room }).await;
    }

    /// Sends now, or gives the connection up.
    pub(crate) fn send_now(&self, frame: &Frame) {
        let Ok(bytes) = frame.bytes() else { return };
        let room = self.room.clone().try_acquire_many_owned(share(&bytes));
        let sent = room.ok().is_some_and(|room| {
            self.queue.try_send(Message { bytes, descriptors: Vec::new(), _room: room }).is_ok()
        });
        if !sent {
            self.overrun.notify_one();
        }
    }

    /// Waits until the connection is given up.
    pub(crate) async fn overrun(&self) {
        self.overrun.notified().await;
    }
}

/// How much of the room bytes take.
fn share(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len().min(WAITING_MAX)).unwrap_or(u32::MAX)
}

impl Waiting {
    /// Sends what comes, until nobody is left who could send anything.
    ///
    /// # Errors
    /// The client is gone.
    pub(crate) async fn send_all(mut self, to: &UnixStream) -> io::Result<()> {
        while let Some(message) = self.0.recv().await {
            write_all(to, &message.bytes).await?;
            for descriptor in &message.descriptors {
                pass(to, descriptor).await?;
            }
        }
        Ok(())
    }
}

async fn write_all(to: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A byte of its own carries each descriptor.
async fn pass(to: &UnixStream, descriptor: &OwnedFd) -> io::Result<()> {
    let one = [descriptor.as_fd()];
    to.async_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&one));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(sendmsg(to, &[IoSlice::new(&[0])], &mut control, flags)?)
    })
    .await
    .map(|_| ())
}
