//! What at most one process of this host has at a time, without a file that all could write.
//!
//! A reservation is an abstract unix socket that is bound to a name (`unix(7)`). The kernel binds a
//! name once in a network namespace, and frees it with the last descriptor, whatever dies. Anybody
//! may bind a name, so a squatter can use things up; nobody can be given what somebody else has.
//! Processes in different network namespaces do not see each other's.

use crate::{Doing, HostError};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with},
};
use std::{fmt::Display, os::fd::OwnedFd};

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
    let name = name(kind, value);
    let taken = take(&name).map(Some).or_else(|e| match e {
        Errno::ADDRINUSE => Ok(None),
        other => Err(other),
    });
    taken.doing(|| format!("reserve {name} on this host"))
}

/// Whether somebody has one of these things.
///
/// Each is asked for by its name. A list of all names would not do (`/proc/net/unix`, or
/// `sock_diag(7)`): the kernel gives it in pieces and finds the next one by counting, so that whoever
/// closes sockets meanwhile hides others.
///
/// # Errors
/// The kernel's.
pub fn any_held(
    kind: &str,
    values: impl IntoIterator<Item = impl Display>,
) -> Result<bool, HostError> {
    let mut probe = socket().doing(|| "make a socket")?;
    for value in values {
        let name = name(kind, value);
        if is_bound(&mut probe, &name).doing(|| format!("ask for {name} on this host"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Names are looked up before anything else is, so that every other refusal is one of somebody
/// (`unix_dgram_connect()` of the kernel).
fn is_bound(probe: &mut OwnedFd, name: &str) -> Result<bool, Errno> {
    match connect(probe, &SocketAddrUnix::new_abstract_name(name.as_bytes())?) {
        Err(Errno::CONNREFUSED) => Ok(false),
        Ok(()) | Err(Errno::PERM | Errno::ACCESS) => Ok(true),
        Err(other) => Err(other),
    }
}

fn name(kind: &str, value: impl Display) -> String {
    format!("svirt/{kind}/{value}")
}

fn socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

fn take(name: &str) -> Result<Reservation, Errno> {
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
    let socket = socket()?;
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
    fn what_somebody_has_is_seen_and_what_nobody_has_is_not() {
        let value = |n: u32| format!("seen-{}/{n}", std::process::id());
        let all = || (0..50).map(value);
        assert!(!any_held("test", all()).unwrap());
        for n in [0, 31, 49] {
            let one = reserve("test", &value(n)).unwrap();
            assert!(any_held("test", all()).unwrap(), "{n}");
            assert!(!any_held("test", all().filter(|other| *other != value(n))).unwrap(), "{n}");
            drop(one);
            assert!(!any_held("test", all()).unwrap(), "{n}");
        }
    }

    /// Somebody else's socket may be connected to a third, and then refuses.
    #[test]
    fn one_that_refuses_is_one_that_is_there() {
        let value = format!("refuses-{}", std::process::id());
        let Reservation { socket: squatter } = reserve("test", &value).unwrap().unwrap();
        let _third = reserve("test-third", &value).unwrap().unwrap();
        let third = name("test-third", &value);
        connect(&squatter, &SocketAddrUnix::new_abstract_name(third.as_bytes()).unwrap()).unwrap();
        assert!(any_held("test", [&value]).unwrap());
    }

    #[test]
    fn a_name_that_no_socket_can_have_is_an_error() {
        assert!(reserve("test", &"x".repeat(200)).is_err());
    }
}
