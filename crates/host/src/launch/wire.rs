//! What the supervisor and the launcher say to each other, over one socket that keeps messages
//! apart (`SOCK_SEQPACKET`).
//!
//! ```text
//! supervisor -> launcher   the namespaces that it will most likely need: they may be made
//! supervisor -> launcher   the confinement: what needs nothing of the host may be done
//! supervisor -> launcher   its descriptors, in a fixed order: everything else may be done
//! init       -> supervisor Init       from the machine's init, with its credentials
//! process    -> supervisor Ready      from the one that will be the VMM, with its credentials
//! supervisor -> init       GoOn       "the process is being held: let it go on"
//! launcher   -> supervisor Failed     a step failed; nothing runs
//! supervisor -> init       End        "ask the process to end"
//! init       -> supervisor Ended      how the process ended
//! ```

use crate::{
    Doing, HostError, Reason,
    passing::{self, DESCRIPTORS_A_MESSAGE, Passed},
};
use rustix::{io::Errno, net::RecvFlags};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};
use svirt_model::Confinement;

/// The largest message, in bytes: a confinement of a thousand entries fits.
pub const MESSAGE_MAX: usize = 180 * 1024;
/// No job has more descriptors than this.
const DESCRIPTORS_MAX: usize = 4096;

/// How many descriptors follow a confinement, in this order: one for each entry, one for each
/// descriptor that the process will hold, one for each control group's `cgroup.procs`.
pub fn descriptors(confinement: &Confinement) -> usize {
    let Confinement { entries, descriptors, cgroups, .. } = confinement;
    entries.len() + descriptors.len() + cgroups.len()
}

/// What the launcher, the process before its exec, and its init report.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// The machine's init is there.
    Init,
    /// The process that will execute the program waits to be traced.
    Ready,
    /// A step failed.
    Failed {
        /// Which step, completing "cannot …".
        step: String,
        /// Why.
        reason: Reason,
    },
    /// The VMM ended with this status, as `wait(2)` says it.
    Ended(i32),
}

impl From<&HostError> for Report {
    fn from(error: &HostError) -> Self {
        Report::Failed { step: error.what().to_owned(), reason: error.reason() }
    }
}

/// What the supervisor orders the init to do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The process is being held: it may go on to its exec.
    GoOn,
    /// The process is to be asked to end.
    End,
}

/// A message and who sent it.
#[derive(Debug)]
pub struct Received<T> {
    /// The message.
    pub message: T,
    /// The sender, in this process's pid namespace, where the socket asks for it.
    pub pid: Option<u32>,
}

/// Sends one message.
///
/// # Errors
/// The kernel's; a message that is larger than [`MESSAGE_MAX`].
pub fn send(socket: impl AsFd, message: &impl Serialize) -> Result<(), HostError> {
    let bytes =
        serde_json::to_vec(message).map_err(io::Error::other).doing(|| "write a message")?;
    send_bytes(socket.as_fd(), &bytes, &[])
}

/// Sends descriptors, in as many messages as they need.
///
/// # Errors
/// The kernel's.
pub fn send_descriptors(socket: impl AsFd, all: &[BorrowedFd<'_>]) -> Result<(), HostError> {
    all.chunks(DESCRIPTORS_A_MESSAGE).try_for_each(|some| send_bytes(socket.as_fd(), b"+", some))
}

fn send_bytes(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<(), HostError> {
    if bytes.len() > MESSAGE_MAX {
        return Err(Errno::MSGSIZE).doing(|| "send a message to the launcher");
    }
    passing::send(socket, bytes, fds).doing(|| "send a message to the launcher")?;
    Ok(())
}

/// Receives one message; `None` when the other side is gone.
///
/// # Errors
/// The kernel's; a message that is cut off or is not what was expected.
pub fn receive<T: DeserializeOwned>(socket: impl AsFd) -> Result<Option<Received<T>>, HostError> {
    let mut bytes = vec![0; next_length(socket.as_fd())?];
    let Passed { length, pid, .. } = receive_bytes(socket.as_fd(), &mut bytes)?;
    if length == 0 {
        return Ok(None);
    }
    let message = understand(bytes.get(..length).unwrap_or_default())?;
    Ok(Some(Received { message, pid }))
}

/// Waits for the next message: how long it is, in bytes. Nearly all are short, and room for the longest
/// is zeroed page by page.
fn next_length(socket: BorrowedFd<'_>) -> Result<usize, HostError> {
    let look = RecvFlags::PEEK | RecvFlags::TRUNC;
    let (_, length) =
        rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut [0; 0][..], look))
            .doing(|| "receive a message")?;
    if length > MESSAGE_MAX {
        return Err(Errno::MSGSIZE).doing(|| "receive a message");
    }
    Ok(length)
}

/// The message that these bytes are.
///
/// # Errors
/// They are not what was expected.
pub fn understand<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HostError> {
    serde_json::from_slice(bytes).map_err(io::Error::other).doing(|| "understand a message")
}

/// Receives this many descriptors.
///
/// # Errors
/// The kernel's; the other side being gone before all have come.
pub fn receive_descriptors(socket: impl AsFd, count: usize) -> Result<Vec<OwnedFd>, HostError> {
    if count > DESCRIPTORS_MAX {
        return Err(Errno::INVAL).doing(|| "accept so many descriptors");
    }
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let Passed { length, descriptors: some, .. } = receive_bytes(socket.as_fd(), &mut [0; 1])?;
        if length == 0 || some.is_empty() {
            return Err(Errno::PIPE).doing(|| "receive descriptors");
        }
        all.extend(some);
    }
    Ok(all)
}

fn receive_bytes(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<Passed, HostError> {
    passing::receive(socket, bytes).doing(|| "receive a message whole")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn messages_come_whole_one_by_one_and_then_nothing() {
        let (ours, theirs) = pair();
        let long = "x".repeat(MESSAGE_MAX - 2);
        send(&theirs, &long).unwrap();
        send(&theirs, &Report::Ready).unwrap();
        drop(theirs);
        assert_eq!(receive::<String>(&ours).unwrap().unwrap().message, long);
        assert_eq!(receive::<Report>(&ours).unwrap().unwrap().message, Report::Ready);
        assert!(receive::<Report>(&ours).unwrap().is_none());
    }

    #[test]
    fn what_is_too_long_is_neither_sent_nor_received() {
        let (ours, theirs) = pair();
        assert!(send(&theirs, &"x".repeat(MESSAGE_MAX - 1)).is_err());
        rustix::net::send(&theirs, &vec![b' '; MESSAGE_MAX + 1], SendFlags::NOSIGNAL).unwrap();
        assert!(receive::<Report>(&ours).is_err());
    }
}
