//! Who is at the other end of a connection, as the kernel knows it.

use crate::{Doing, HostError, sys};
use rustix::net::sockopt::socket_peercred;
use std::os::fd::AsFd;

/// Who connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The process, for messages: it may have ended since.
    pub process: u32,
    /// Its user when it connected.
    pub uid: u32,
    /// Its group and supplementary groups then.
    pub groups: Vec<u32>,
    /// Its security label then, where the kernel gives labels.
    pub label: Option<String>,
}

/// Asks the kernel.
///
/// # Errors
/// It does not say.
pub fn of(socket: impl AsFd) -> Result<Peer, HostError> {
    let found = socket_peercred(&socket).doing(|| "ask who connected")?;
    let mut groups = sys::peer_groups(&socket).doing(|| "ask for the groups of who connected")?;
    groups.push(found.gid.as_raw());
    let label = sys::peer_label(&socket).ok().and_then(|label| String::from_utf8(label).ok());
    let process = found.pid.as_raw_nonzero().get().unsigned_abs();
    Ok(Peer {
        process,
        uid: found.uid.as_raw(),
        groups,
        label: label.filter(|text| !text.is_empty()),
    })
}
