//! What libvirt's clients and the daemon say to each other, byte by byte: where `SVIRT_RECORD` names a directory,
//! every connection of root's clients to a test's daemon goes through here, and two files are left of it there,
//! `TEST-N.client` and `TEST-N.daemon`. What the bytes mean is not known here.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::{
    env,
    fs::{self, File},
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// Where recordings go.
const RECORD: &str = "SVIRT_RECORD";
/// The most descriptors that come at once.
const DESCRIPTORS: usize = 32;

/// Connections of this program, so that no two are recorded under one name.
static CONNECTIONS: AtomicU32 = AtomicU32::new(0);

/// Stands before a daemon's socket from now on, if that is asked for; the socket is then at another path of the
/// same file system.
///
/// # Panics
/// The socket cannot be replaced.
pub(crate) fn stand_before(socket: &Path, behind: PathBuf) {
    let Some(directory) = env::var_os(RECORD).map(PathBuf::from) else { return };
    if !socket.exists() {
        return;
    }
    fs::rename(socket, &behind).expect("the socket is the test's");
    let listener = UnixListener::bind(socket).expect("its place is free");
    let test = thread::current().name().unwrap_or("test").replace("::", ".");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(daemon) = UnixStream::connect(&behind) else { return };
            let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
            let file =
                |end: &str| File::create(directory.join(format!("{test}-{number:03}.{end}")));
            let kept = (file("client").expect("a place"), file("daemon").expect("a place"));
            carry(&client, &daemon, kept.0);
            carry(&daemon, &client, kept.1);
        }
    });
}

/// Carries what one end says to the other, until it has no more to say.
fn carry(from: &UnixStream, to: &UnixStream, mut kept: File) {
    let clone = |stream: &UnixStream| stream.try_clone().expect("a descriptor");
    let (from, to) = (clone(from), clone(to));
    thread::spawn(move || {
        while let Ok(true) = carry_some(&from, &to, &mut kept) {}
        // Whoever is gone hears no more either.
        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    });
}

fn carry_some(from: &UnixStream, to: &UnixStream, kept: &mut File) -> io::Result<bool> {
    let mut bytes = [0; 64 << 10];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let into = &mut [IoSliceMut::new(&mut bytes)];
    let count = recvmsg(from, into, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let passed: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    kept.write_all(&bytes[..count])?;
    // What was passed came with the last byte: nothing behind it is received at once with it (`unix(7)`).
    let before = count - usize::from(!passed.is_empty());
    let mut said = 0;
    while said < before {
        said += pass(to, &bytes[said..before], &[])?;
    }
    if !passed.is_empty() {
        pass(to, &bytes[before..count], &passed)?;
    }
    Ok(count > 0)
}

fn pass(to: &UnixStream, bytes: &[u8], passed: &[OwnedFd]) -> io::Result<usize> {
    let passed: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !passed.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&passed));
    }
    Ok(sendmsg(to, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}
