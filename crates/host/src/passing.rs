//! Descriptors that go with bytes over a unix socket (`unix(7)`, SCM_RIGHTS).

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// At most so many descriptors go with one message; the kernel lets 253 (`SCM_MAX_FD`).
pub const DESCRIPTORS_A_MESSAGE: usize = 200;

/// What came together.
#[derive(Debug)]
pub struct Passed {
    /// So many bytes; none when the other side is gone.
    pub length: usize,
    /// Who says so, where the socket tells.
    pub pid: Option<u32>,
    /// The descriptors.
    pub descriptors: Vec<OwnedFd>,
}

/// Sends bytes, and descriptors with the first of them; says how many bytes were taken.
///
/// # Errors
/// The kernel's; more than [`DESCRIPTORS_A_MESSAGE`].
pub fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> std::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_A_MESSAGE))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if descriptors.len() > DESCRIPTORS_A_MESSAGE {
        return Err(Errno::TOOBIG.into());
    }
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let bytes = [IoSlice::new(bytes)];
    let send = || sendmsg(&socket, &bytes, &mut ancillary, SendFlags::NOSIGNAL);
    Ok(rustix::io::retry_on_intr(send)?)
}

/// Receives bytes, and what descriptors go with them.
///
/// # Errors
/// The kernel's; what came was cut off.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> std::io::Result<Passed> {
    let mut space = [MaybeUninit::uninit();
        rustix::cmsg_space!(ScmRights(DESCRIPTORS_A_MESSAGE), ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        let mut into = [IoSliceMut::new(bytes)];
        recvmsg(&socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE.into());
    }
    let mut passed = Passed { length: received.bytes, pid: None, descriptors: Vec::new() };
    for message in ancillary.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(some) => passed.descriptors.extend(some),
            RecvAncillaryMessage::ScmCredentials(who) => {
                passed.pid = u32::try_from(who.pid.as_raw_nonzero().get()).ok();
            }
            _ => {}
        }
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    #[test]
    fn what_is_passed_leads_where_it_led() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        assert_eq!(send(&ours, b"here", &[writer.as_fd()]).unwrap(), 4);
        drop(writer);
        let mut bytes = [0; 16];
        let passed = receive(&theirs, &mut bytes).unwrap();
        assert_eq!((passed.length, &bytes[..4]), (4, &b"here"[..]));
        let [theirs_now] = <[OwnedFd; 1]>::try_from(passed.descriptors).unwrap();
        std::fs::File::from(theirs_now).write_all(b"through it").unwrap();
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "through it");
        let many = vec![ours.as_fd(); DESCRIPTORS_A_MESSAGE + 1];
        assert!(send(&ours, b"x", &many).is_err());
    }
}
