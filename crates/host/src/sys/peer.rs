//! What the kernel says of who is at the other end of a socket (`socket(7)`, `unix(7)`).

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

/// More groups than a process can be in (`NGROUPS_MAX`), and longer than any label.
const MOST: usize = 65_536 * size_of::<u32>();

/// The supplementary groups that the peer had when it connected (`SO_PEERGROUPS`).
///
/// # Errors
/// Those of `getsockopt(2)`.
pub fn peer_groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let bytes = option(&socket, libc::SO_PEERGROUPS)?;
    let words = bytes.chunks_exact(size_of::<u32>());
    Ok(words.filter_map(|word| word.try_into().ok()).map(u32::from_ne_bytes).collect())
}

/// The security label that the peer had when it connected, without the NUL that may end it
/// (`SO_PEERSEC`).
///
/// # Errors
/// Those of `getsockopt(2)`: `ENOPROTOOPT` where no security module gives labels.
pub fn peer_label(socket: impl AsFd) -> io::Result<Vec<u8>> {
    let mut label = option(&socket, libc::SO_PEERSEC)?;
    label.truncate(label.iter().position(|byte| *byte == 0).unwrap_or(label.len()));
    Ok(label)
}

fn option(socket: &impl AsFd, name: libc::c_int) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; MOST];
    let mut length = libc::socklen_t::try_from(bytes.len()).unwrap_or(libc::socklen_t::MAX);
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the buffer has `length` bytes and both live until the call returns, which writes no more than
    // that and says how many.
    let asked = unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, name, bytes.as_mut_ptr().cast(), &raw mut length)
    };
    super::checked(libc::c_long::from(asked))?;
    bytes.truncate(length as usize);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_peer_has_the_groups_of_its_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let own: Vec<u32> =
            rustix::process::getgroups().unwrap().iter().map(|g| g.as_raw()).collect();
        assert_eq!(peer_groups(&one).unwrap(), own);
    }

    #[test]
    fn a_peer_has_a_label_or_nobody_gives_any() {
        let (one, _other) = UnixStream::pair().unwrap();
        match peer_label(&one) {
            Ok(label) => assert!(!label.is_empty() && !label.contains(&0)),
            Err(e) => assert_eq!(e.raw_os_error(), Some(libc::ENOPROTOOPT)),
        }
    }
}
