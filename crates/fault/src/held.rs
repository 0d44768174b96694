//! The telling: one message a point, with one end of a connection of its own, on whose other end the
//! process waits until it is closed. So any number of processes may share what they tell by, and each
//! is let go by itself. What is left out needs no telling.

use rustix::{
    io::{IoSlice, fcntl_dupfd_cloexec, retry_on_intr},
    net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
        SocketFlags, SocketType, connect, sendmsg, socket_with, socketpair,
    },
};
use std::{
    env,
    fmt::Display,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Names the socket.
const VARIABLE: &str = "SVIRT_FAULT";
/// A point's name is cut there, in bytes.
const NAME_MAX: usize = 1000;
/// Higher than any number that a program is to find free.
const OUT_OF_THE_WAY: RawFd = 900;

static TOLD_BY: OnceLock<Option<OwnedFd>> = OnceLock::new();
static HELD_NO_MORE: AtomicBool = AtomicBool::new(false);

/// Comes to a point of this name, which is only made where it is told.
pub fn point<D: Display>(name: impl FnOnce() -> D) {
    let Some(told_by) = told_by() else { return };
    if !HELD_NO_MORE.load(Ordering::Relaxed) {
        // Whoever asked to be told may be gone, which holds nobody.
        let _ = tell(told_by, &name().to_string());
    }
}

/// Whether a test leaves this out, which is only named where one leaves anything out.
pub fn leaves_out<D: Display>(name: impl FnOnce() -> D) -> bool {
    static LIST: OnceLock<Option<String>> = OnceLock::new();
    let Some(list) = LIST.get_or_init(|| env::var(crate::LEFT_OUT).ok()) else { return false };
    let name = name().to_string();
    list.split(',').any(|one| one == name)
}

/// What tells of points, for whoever closes all other descriptors.
pub fn descriptor() -> Option<RawFd> {
    told_by().map(|fd| fd.as_raw_fd())
}

/// Lets a program tell of its points too, and leave out the same.
pub fn pass_on(command: &mut Command) {
    let all = [VARIABLE, crate::LEFT_OUT].map(|name| (name, env::var_os(name)));
    command.envs(all.into_iter().filter_map(|(name, value)| Some((name, value?))));
}

/// Tells of no further point: what it takes is about to be forbidden.
pub fn hold_no_more() {
    HELD_NO_MORE.store(true, Ordering::Relaxed);
}

fn told_by() -> Option<BorrowedFd<'static>> {
    let connected = || {
        let socket = SocketAddrUnix::new(env::var_os(VARIABLE)?).ok()?;
        let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let made = socket_with(kind.0, kind.1, kind.2, None).ok()?;
        connect(&made, &socket).ok()?;
        fcntl_dupfd_cloexec(made, OUT_OF_THE_WAY).ok()
    };
    TOLD_BY.get_or_init(connected).as_ref().map(AsFd::as_fd)
}

fn tell(told_by: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    let (wait, theirs) = socketpair(kind.0, kind.1, kind.2, None)?;
    let handed = [theirs.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&handed));
    let bytes = name.as_bytes();
    let said = [IoSlice::new(bytes.get(..NAME_MAX).unwrap_or(bytes))];
    retry_on_intr(|| sendmsg(told_by, &said, &mut ancillary, SendFlags::NOSIGNAL))?;
    drop(theirs);
    retry_on_intr(|| rustix::io::read(&wait, &mut [0_u8; 1])).map(drop)
}
