//! What at most one process of this host has at a time, without a file that all could write.
//!
//! A reservation is an abstract unix socket that is bound to a name (`unix(7)`). The kernel binds a
//! name once in a network namespace, and frees it with the last descriptor, whatever dies. Anybody
//! may bind a name, so a squatter can use things up; nobody can be given what somebody else has.
//! Processes in different network namespaces do not see each other's.

use crate::{Doing, HostError};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with},
};
use std::os::fd::OwnedFd;

/// A thing that this process has until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    #[allow(dead_code, reason = "it is held: closing it frees the name")]
    socket: OwnedFd,
}

/// Takes a thing by its kind and value, as in `svirt/uid/70001`; `None` where somebody has it.
///
/// # Errors
/// The kernel's; `EINVAL` for a name that is longer than a socket's can be (107 bytes).
pub fn reserve(kind: &str, value: &str) -> Result<Option<Reservation>, HostError> {
    let name = format!("svirt/{kind}/{value}");
    let taken = take(&name).map(Some).or_else(|e| match e {
        Errno::ADDRINUSE => Ok(None),
        other => Err(other),
    });
    taken.doing(|| format!("reserve {name} on this host"))
}

fn take(name: &str) -> Result<Reservation, Errno> {
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &address)?;
    // Nothing is ever read, so nothing that somebody sends is to take memory for long.
    rustix::net::shutdown(&socket, rustix::net::Shutdown::Read)?;
    Ok(Reservation { socket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_had_by_one_at_a_time_and_is_free_again_afterwards() {
        let value = std::process::id().to_string();
        let first = reserve("test", &value).unwrap();
        assert!(first.is_some());
        assert!(reserve("test", &value).unwrap().is_none());
        assert!(reserve("test-too", &value).unwrap().is_some(), "another kind is another thing");
        drop(first);
        assert!(reserve("test", &value).unwrap().is_some());
    }

    #[test]
    fn a_name_that_no_socket_can_have_is_an_error() {
        assert!(reserve("test", &"x".repeat(200)).is_err());
    }
}
