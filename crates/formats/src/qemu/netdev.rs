//! The guest's networks: `-netdev`, `-nic` and `-net`.
//!
//! The machine's VMM is in a network namespace of its own. What can reach beyond it is what the
//! host hands in: a descriptor, a unix socket, or the helper behind `user`.

use super::{
    Forward, Network, Protocol,
    address::{self, Side},
    chardev,
    current::Current,
    keys::{Keys, NETWORK, Unknown, Use},
    keyval::{Entry, Options, Place},
};
use crate::command_line::{Problem, Refusal, Thing, shortened};
use std::path::PathBuf;
use svirt_model::Access;

const INTERFACE: Refusal = Refusal {
    why: "the machine never has the host's network interfaces",
    hint: "open the tap device outside and pass its descriptor (`fd=N`), use `-netdev user`, or \
           connect a unix socket: `-netdev stream,addr.type=unix,addr.path=PATH`",
};
const STARTS: Refusal = Refusal {
    why: "it starts another program, which would run outside of the machine's confinement",
    hint: "start that program yourself and connect it with a unix socket",
};
const OTHER_SYSTEM: Refusal =
    Refusal { why: "it does not exist on Linux", hint: "use `-netdev user`" };
const VDE: Refusal = Refusal {
    why: "a VDE switch wants a socket of each machine in its own directory",
    hint: "connect a unix socket: `-netdev stream,addr.type=unix,addr.path=PATH`",
};

/// A kind of network.
struct Kind {
    name: &'static str,
    keys: Keys,
    how: How,
}

enum How {
    /// What the keys say.
    Keys,
    /// The guest's network as an ordinary process of the user has it.
    User,
    /// A tap device.
    Tap,
    /// A socket from before `stream` and `dgram`.
    Socket,
    /// A stream socket.
    Stream,
    /// A datagram socket.
    Datagram,
    /// A vDPA device.
    Vdpa,
    /// Nothing that a machine can have.
    Refused(&'static Refusal),
}

const fn kind(name: &'static str, keys: Keys, how: How) -> Kind {
    Kind { name, keys, how }
}

const fn refused(name: &'static str, refusal: &'static Refusal) -> Kind {
    Kind { name, keys: Keys { named: &[], plain: &[] }, how: How::Refused(refusal) }
}

const USER: Keys = Keys {
    named: &[("tftp", Use::Directory(Access::Read)), ("smb", Use::Refused(&STARTS))],
    plain: &[
        "hostname",
        "restrict",
        "ipv4",
        "ipv6",
        "ip",
        "net",
        "host",
        "bootfile",
        "dhcpstart",
        "dns",
        "dnssearch",
        "dnssearch.*",
        "domainname",
        "ipv6-prefix",
        "ipv6-prefixlen",
        "ipv6-host",
        "ipv6-net",
        "ipv6-dns",
        "smbserver",
        "tftp-server-name",
        "hostfwd",
        "hostfwd.*",
        "guestfwd",
        "guestfwd.*",
    ],
};
const TAP: Keys = Keys {
    named: &[
        ("fd", Use::Descriptor),
        ("fds", Use::Descriptors),
        ("vhostfd", Use::Descriptor),
        ("vhostfds", Use::Descriptors),
        ("helper", Use::Refused(&STARTS)),
    ],
    plain: &[
        "sndbuf",
        "vnet_hdr",
        "vhost",
        "vhostforce",
        "queues",
        "poll-us",
        "ifname",
        "br",
        "script",
        "downscript",
    ],
};

const KINDS: &[Kind] = &[
    kind("none", Keys { named: &[], plain: &[] }, How::Keys),
    kind("nic", Keys { named: &[], plain: &[] }, How::Keys),
    kind("hubport", Keys { named: &[], plain: &["hubid", "netdev"] }, How::Keys),
    kind("user", USER, How::User),
    kind("tap", TAP, How::Tap),
    kind(
        "socket",
        Keys {
            named: &[("fd", Use::Descriptor)],
            plain: &["listen", "connect", "mcast", "localaddr", "udp"],
        },
        How::Socket,
    ),
    kind(
        "stream",
        Keys { named: &[], plain: &["server", "addr.*", "reconnect", "reconnect-ms"] },
        How::Stream,
    ),
    kind("dgram", Keys { named: &[], plain: &["local.*", "remote.*"] }, How::Datagram),
    kind("vhost-user", Keys { named: &[], plain: &["chardev", "vhostforce", "queues"] }, How::Keys),
    kind(
        "vhost-vdpa",
        Keys {
            named: &[("vhostdev", Use::HostDevice), ("vhostfd", Use::Descriptor)],
            plain: &["queues", "x-svq"],
        },
        How::Vdpa,
    ),
    refused("bridge", &INTERFACE),
    refused("af-xdp", &INTERFACE),
    refused("netmap", &INTERFACE),
    refused("l2tpv3", &NETWORK),
    refused("vde", &VDE),
    refused("passt", &STARTS),
    refused("vmnet-host", &OTHER_SYSTEM),
    refused("vmnet-shared", &OTHER_SYSTEM),
    refused("vmnet-bridged", &OTHER_SYSTEM),
];

/// Keys of the guest's card, which `-nic` and `-net nic` take besides.
const CARD: Keys = Keys {
    named: &[],
    plain: &["type", "id", "name", "mac", "macaddr", "model", "addr", "vectors", "netdev", "br"],
};

/// `-netdev`, `-nic` or `-net`.
pub(super) fn netdev(at: &mut Current<'_>) -> Result<(), Problem> {
    at.draft.facts.networked = true;
    let Some(options) = at.options(Some("type"))? else { return Ok(()) };
    let name = options.get("type")?.map_or("user", Entry::text).to_owned();
    let kind = KINDS.iter().find(|kind| kind.name == name);
    let kind = kind.ok_or_else(|| Problem::kind("network", &name))?;
    if let How::Refused(refusal) = kind.how {
        return Err(Problem::refused(name, refusal));
    }
    at.by_tables(
        &options,
        &format!("the network {name:?}"),
        &[&kind.keys, &CARD],
        Unknown::Refuse,
    )?;
    match kind.how {
        How::Keys | How::Refused(_) => Ok(()),
        How::User => user(at, &options),
        How::Tap => tap(at, &options),
        How::Socket => socket(&options),
        How::Stream => stream(at, &options),
        How::Datagram => datagram(at, &options),
        How::Vdpa => vdpa(&options),
    }
}

fn user(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    at.draft.network = Network::Asked;
    for entry in options.entries() {
        match entry.key.split('.').next() {
            Some("hostfwd") => host_forward(at, entry)?,
            Some("guestfwd") => guest_forward(at, entry)?,
            _ => {}
        }
    }
    Ok(())
}

/// `PROTOCOL:[ADDRESS]:PORT-[ADDRESS]:PORT`: a port of the host that leads to one of the guest.
fn host_forward(at: &mut Current<'_>, entry: &Entry) -> Result<(), Problem> {
    let wrong = || {
        let text =
            format!("{:?} is no [tcp|udp]:[ADDRESS]:PORT-[ADDRESS]:PORT", shortened(entry.text()));
        Problem::Syntax(text)
    };
    let (host, _) = entry.text().split_once('-').ok_or_else(wrong)?;
    let (protocol, rest) = host.split_once(':').ok_or_else(wrong)?;
    let (address, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let protocol = match protocol {
        "tcp" | "" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(wrong()),
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    let address = (!address.is_empty()).then(|| address.to_owned());
    let origin = at.origin(entry);
    at.draft.forwards.push(Forward { protocol, address, port, origin });
    Ok(())
}

/// `tcp:ADDRESS:PORT-DEVICE`: a port in the guest's network that leads to a character device.
fn guest_forward(at: &mut Current<'_>, entry: &Entry) -> Result<(), Problem> {
    let wrong = || Problem::syntax("a forward is tcp:ADDRESS:PORT-DEVICE");
    let (_, device) = entry.text().split_once('-').ok_or_else(wrong)?;
    if device.starts_with("cmd:") {
        return Err(Problem::refused(entry.text(), &STARTS));
    }
    let inner = Entry { value: Some(device.to_owned()), place: Place::Inside, ..entry.clone() };
    chardev::legacy_text(at, &inner)
}

/// A tap device: one that was opened outside.
fn tap(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    if options.one_of(&["fd", "fds"])?.is_none() {
        return Err(Problem::refused("a tap device without `fd=`", &INTERFACE));
    }
    let vhost = options.flag(&["vhost"])? == Some(true);
    if let (true, Some(entry), None) =
        (vhost, options.get("vhost")?, options.one_of(&["vhostfd", "vhostfds"])?)
    {
        let (path, access) = (PathBuf::from("/dev/vhost-net"), Access::Write);
        at.add(entry, Thing::HostDevice { path, access });
    }
    Ok(())
}

fn socket(options: &Options) -> Result<(), Problem> {
    match options.get("fd")? {
        Some(_) => Ok(()),
        None => Err(Problem::refused("a network socket without `fd=`", &NETWORK)),
    }
}

fn stream(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    let side = match options.flag(&["server"])? {
        Some(true) => Side::Listen,
        _ => Side::Connect,
    };
    address::read(at, &options.under("addr"), side)
}

fn datagram(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    for (name, side) in [("local", Side::Listen), ("remote", Side::Connect)] {
        let address = options.under(name);
        if !address.is_empty() {
            address::read(at, &address, side)?;
        }
    }
    Ok(())
}

fn vdpa(options: &Options) -> Result<(), Problem> {
    match options.one_of(&["vhostdev", "vhostfd"])? {
        Some(_) => Ok(()),
        None => Err(Problem::MissingKey("vhostdev".to_owned())),
    }
}
