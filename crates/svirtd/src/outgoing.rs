//! What is still to be sent on a connection: a queue with a limit, and the one task that empties it.
//!
//! Who does not read is not waited for: an answer waits until there is room, and the connection reads
//! nothing more meanwhile; an event for which there is no room closes the connection. So does an answer
//! when too much is held already for all connections of this user.

use crate::share::{Held, Share, take};
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
/// What a connection may have waiting that does not count among all of its user's, in bytes.
const OWN: usize = 256 << 10;
/// What a descriptor counts as, in bytes: of those there are few.
const DESCRIPTOR: usize = 256 << 10;

/// The near end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    own: Arc<Semaphore>,
    share: Share,
    overrun: Arc<Notify>,
}

/// Bytes, and the descriptors that follow them.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    _room: OwnedSemaphorePermit,
    /// Of what the connection may have, or all of its user's.
    _held: Held,
}

/// The far end.
#[derive(Debug)]
pub(crate) struct Waiting(mpsc::Receiver<Message>);

/// A queue of a connection, whose user has this share of the daemon.
pub(crate) fn queue(share: Share) -> (Outgoing, Waiting) {
    let (queue, waiting) = mpsc::channel(MESSAGES_MAX);
    let [room, own] = [WAITING_MAX, OWN].map(|most| Arc::new(Semaphore::new(most)));
    (Outgoing { queue, room, own, share, overrun: Arc::default() }, Waiting(waiting))
}

impl Outgoing {
    /// Sends when there is room, or gives the connection up. It may be gone, which changes nothing for
    /// the sender.
    pub(crate) async fn send(&self, frame: &Frame, descriptors: Vec<OwnedFd>) {
        let Ok(bytes) = frame.bytes() else { return };
        let weight = bytes.len() + descriptors.len() * DESCRIPTOR;
        let Some(_held) = self.hold(weight) else { return self.overrun.notify_one() };
        let Ok(_room) = self.room.clone().acquire_many_owned(capped(weight)).await else { return };
        let _ = self.queue.send(Message { bytes, descriptors, _room, _held }).await;
    }

    /// Sends now, or gives the connection up.
    pub(crate) fn send_now(&self, frame: &Frame) {
        let Ok(bytes) = frame.bytes() else { return };
        let sent = self.message(bytes).is_some_and(|message| self.queue.try_send(message).is_ok());
        if !sent {
            self.overrun.notify_one();
        }
    }

    /// One for which there is room.
    fn message(&self, bytes: Vec<u8>) -> Option<Message> {
        let _held = self.hold(bytes.len())?;
        let _room = self.room.clone().try_acquire_many_owned(capped(bytes.len())).ok()?;
        Some(Message { bytes, descriptors: Vec::new(), _room, _held })
    }

    fn hold(&self, weight: usize) -> Option<Held> {
        take(&self.own, weight).or_else(|| self.share.hold(weight))
    }

    /// Waits until the connection is given up.
    pub(crate) async fn overrun(&self) {
        self.overrun.notified().await;
    }
}

/// How much of the room something takes.
fn capped(weight: usize) -> u32 {
    u32::try_from(weight.min(WAITING_MAX)).unwrap_or(u32::MAX)
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
