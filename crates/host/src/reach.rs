//! Reaching a socket that a machine has made. Whatever else lies at its path is refused, and a machine that does
//! not answer is not waited for: who connects is known to whoever answers, and is mightier than the machine.

use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
use std::{
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

/// Connects to the socket that lies at a path, whose last part is no link. One whose queue is full is waited for
/// so long.
///
/// # Errors
/// There is none, or something else; nobody takes connections there.
pub fn reach(path: &Path, patience: Duration) -> std::io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) != FileType::Socket {
        return Err(Errno::NOTSOCK.into());
    }
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    connect(&socket, &address(&found)?)?;
    set_socket_timeout(&socket, Timeout::Send, None)?;
    Ok(socket.into())
}

/// What is open is reached, whatever lies at its path by now (`proc(5)`).
fn address(found: &OwnedFd) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}", found.as_fd().as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{fs::symlink, net::UnixListener};

    const MOMENT: Duration = Duration::from_millis(100);

    #[test]
    fn nothing_but_a_socket_is_reached() {
        let place = tempfile::tempdir().unwrap();
        let [socket, link, file] = ["socket", "link", "file"].map(|name| place.path().join(name));
        let listener = UnixListener::bind(&socket).unwrap();
        reach(&socket, MOMENT).unwrap();
        listener.accept().unwrap();
        symlink(&socket, &link).unwrap();
        std::fs::write(&file, "").unwrap();
        for path in [&link, &file, &place.path().join("nothing")] {
            assert!(reach(path, MOMENT).is_err(), "{}", path.display());
        }
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "somebody came by a link");
    }

    #[test]
    fn who_takes_nobody_is_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("full");
        let _listener = UnixListener::bind(&path).unwrap();
        // The queue of a listener of the standard library has at most so many places (`somaxconn`).
        let came: Vec<_> = (0..10_000).map_while(|_| reach(&path, MOMENT).ok()).collect();
        assert!(came.len() < 10_000);
    }
}
