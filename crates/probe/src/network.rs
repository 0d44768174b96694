//! The host's network.

use crate::{
    Attempt, Given, Group, Target,
    attempt::{Failed, Tried, made},
};
use nix::errno::Errno;
use rustix::net::{AddressFamily, SocketType, netdevice::index_to_name, socket};
use std::{
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};
use svirt_host::sys::Try;

/// `socket(2)` and `linux/netlink.h`.
const AF_INET: i64 = 2;
const AF_ALG: i64 = 38;
const AF_VSOCK: i64 = 40;
const AF_PACKET: i64 = 17;
const AF_KEY: i64 = 15;
const AF_SMC: i64 = 43;
const AF_CAN: i64 = 29;
const AF_TIPC: i64 = 30;
const AF_BLUETOOTH: i64 = 31;
const AF_QIPCRTR: i64 = 42;
const NETLINK_NETFILTER: i64 = 12;
const NETLINK_AUDIT: i64 = 9;
const NETLINK_UEVENT: i64 = 15;
const NETLINK_XFRM: i64 = 6;
const NETLINK_DIAG: i64 = 4;
/// A host has few network cards, and their numbers begin with 1.
const CARDS: u32 = 64;
/// An answer of the same host takes no longer.
const PATIENCE: Duration = Duration::from_secs(2);

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Network, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "tcp",
        ["connect by TCP", "services of the host and its network, which trust whoever is within"],
        tcp,
    )
    .on(Target::Tcp),
    a("tcp6", ["connect by TCP over IPv6", "as over IPv4; filters are often forgotten there"], tcp)
        .on(Target::Tcp6),
    a(
        "udp",
        [
            "send a datagram by UDP",
            "name servers and logs of the host's network; Landlock does not govern it",
        ],
        udp,
    )
    .on(Target::Udp),
    a("list-cards", ["look for network cards", "which networks the host is in"], |_| cards()),
    a(
        "raw-socket",
        ["make a socket for packets of its own making", "packets with another's address"],
        |_| made(Try::Raw, AF_INET, ""),
    ),
    a(
        "packet-socket",
        ["make a socket that sees all packets", "what other machines and the host send"],
        |_| made(Try::Raw, AF_PACKET, ""),
    ),
    a(
        "machine-socket",
        [
            "make a socket between machines and the host (AF_VSOCK)",
            "no network namespace divides it",
        ],
        |_| made(Try::Streams, AF_VSOCK, ""),
    ),
    a(
        "crypto-socket",
        ["make a socket of the kernel's cryptography (AF_ALG)", "a large part of the kernel"],
        |_| made(Try::Records, AF_ALG, ""),
    ),
    a(
        "key-socket",
        ["make a socket of the kernel's IPsec (AF_KEY)", "a large part of the kernel"],
        |_| made(Try::Raw, AF_KEY, ""),
    ),
    a(
        "can-socket",
        ["make a socket of vehicles' buses (AF_CAN)", "the kernel loads a module for whoever asks"],
        |_| made(Try::Datagrams, AF_CAN, ""),
    ),
    a(
        "cluster-socket",
        ["make a socket of clusters (AF_TIPC)", "the kernel loads a module for whoever asks"],
        |_| made(Try::Datagrams, AF_TIPC, ""),
    ),
    a(
        "bluetooth-socket",
        ["make a socket of Bluetooth", "the kernel loads a module for whoever asks"],
        |_| made(Try::Raw, AF_BLUETOOTH, ""),
    ),
    a(
        "shared-memory-socket",
        ["make a socket of shared memory (AF_SMC)", "the kernel loads a module for whoever asks"],
        |_| made(Try::Streams, AF_SMC, ""),
    ),
    a(
        "modem-socket",
        ["make a socket of modems (AF_QIPCRTR)", "the kernel loads a module for whoever asks"],
        |_| made(Try::Datagrams, AF_QIPCRTR, ""),
    ),
    a(
        "netfilter",
        ["talk to the kernel's packet filter", "a part of the kernel with many holes in its past"],
        |_| made(Try::Netlink, NETLINK_NETFILTER, ""),
    ),
    a(
        "traffic-control",
        ["talk to the kernel about IPsec", "a part of the kernel with many holes in its past"],
        |_| made(Try::Netlink, NETLINK_XFRM, ""),
    ),
    a(
        "socket-list",
        ["ask the kernel which sockets there are", "which machine talks to whom, and when"],
        |_| made(Try::Netlink, NETLINK_DIAG, ""),
    ),
    a(
        "audit",
        ["talk to the kernel's audit", "what it was refused, and lines that somebody believes"],
        |_| made(Try::Netlink, NETLINK_AUDIT, ""),
    ),
    a(
        "device-events",
        ["hear of the host's devices", "what is plugged in, and when somebody is there"],
        |_| made(Try::Netlink, NETLINK_UEVENT, ""),
    ),
    a(
        "routes",
        ["ask the kernel for routes and addresses", "which networks the host is in"],
        |_| made(Try::Netlink, 0, ""),
    )
    .unless(Given::OwnObjects),
];

fn address(target: &str) -> Result<SocketAddr, Failed> {
    target.parse().map_err(|_| Failed::Unclear("the target is not ADDRESS:PORT"))
}

fn tcp(target: &str) -> Tried {
    TcpStream::connect_timeout(&address(target)?, PATIENCE)?;
    Ok("connected".into())
}

fn udp(target: &str) -> Tried {
    let from = if address(target)?.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(from)?.send_to(b"drill", address(target)?)?;
    Ok("sent".into())
}

/// Any but the one that leads to itself.
fn cards() -> Tried {
    let any = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    let mut refused = Errno::ENODEV;
    for index in 1..CARDS {
        match index_to_name(&any, index) {
            Ok(name) if name != "lo" => return Ok(format!("found {name}")),
            Ok(_) | Err(rustix::io::Errno::NODEV | rustix::io::Errno::NXIO) => {}
            Err(errno) => refused = Errno::from_raw(errno.raw_os_error()),
        }
    }
    Err(refused.into())
}
