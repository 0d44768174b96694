//! `<interface>`: network cards (<https://libvirt.org/formatdomain.html#network-interfaces>).

use super::{
    disk::boot,
    error::Problem,
    hostdev::{self, HostAddress},
    view::{Read, View},
    words::{InterfaceType, SocketMode, UserBackend, socket_mode},
};
use std::path::PathBuf;
use svirt_model::Origin;

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// What carries its packets.
    pub kind: InterfaceType,
    /// What that is connected to.
    pub link: Link,
    /// Its model, such as `virtio`.
    pub model: Option<String>,
    /// Its address.
    pub mac: Option<String>,
    /// The name of the host's side of it.
    pub target: Option<String>,
    /// Programs that the VMM would start to connect and disconnect it.
    pub scripts: Vec<PathBuf>,
    /// Ports of the host that lead to the guest.
    pub forwards: Vec<Forward>,
    /// The devices through which packets go, where they are not the usual ones.
    pub devices: Vec<PathBuf>,
    /// A file that the helper writes its log to.
    pub log: Option<PathBuf>,
    /// Its option ROM.
    pub rom: Rom,
    /// The number of its queues.
    pub queues: Option<u32>,
    /// Whether the kernel (`vhost`) or the VMM (`qemu`) moves its packets, where it is said; of a
    /// card of the host, the kernel's driver.
    pub driver: Option<String>,
    /// Whether it is unplugged at first.
    pub unplugged: bool,
    /// Its place in the order of booting.
    pub boot: Option<u32>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

/// What carries a card's packets is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Nothing, or what needs no name.
    Nothing,
    /// The host's network as an ordinary process has it.
    User(UserBackend),
    /// A network, bridge, device or switch of the host with this name.
    Named(String),
    /// A device of the host.
    Device(PathBuf),
    /// A unix socket.
    Socket(PathBuf, SocketMode),
    /// Another host, or packets from it.
    Remote {
        /// The address and port that packets go to or come from.
        address: String,
        /// Whether it is listened on.
        listen: bool,
        /// Where answers come to, where that is another address.
        local: Option<String>,
    },
    /// A card of the host that the guest drives.
    Passthrough(HostAddress),
}

/// A port of the host that leads to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The protocol.
    pub protocol: String,
    /// The host's address.
    pub address: Option<String>,
    /// The host's interface.
    pub device: Option<String>,
    /// The ranges of ports, as first, last and the first one in the guest; without one, all.
    pub ranges: Vec<Range>,
}

/// A range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: u16,
    /// The last.
    pub end: u16,
    /// The first one in the guest.
    pub to: u16,
    /// Whether it is left out of those that are forwarded.
    pub exclude: bool,
}

/// An option ROM of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rom {
    /// The one that the VMM has for this model.
    Usual,
    /// None.
    Off,
    /// This file.
    File(PathBuf),
}

pub(super) fn read(view: &View<'_>) -> Read<Interface> {
    let kind: InterfaceType = view.need_word("type")?;
    let backend = view.child("backend");
    let backend_path = |name| backend.map_or(Ok(None), |backend: &View<'_>| backend.path_in(name));
    let devices = [backend_path("tap")?, backend_path("vhost")?].into_iter().flatten().collect();
    let child_text = |name, attribute| {
        view.child(name).and_then(|child| child.attr(attribute)).map(str::to_owned)
    };
    let source = view.child("source");
    let link = link(view, source, kind)?;
    let shown = source.unwrap_or(view);
    Ok(Interface {
        kind,
        link,
        model: child_text("model", "type"),
        mac: child_text("mac", "address"),
        target: child_text("target", "dev"),
        scripts: scripts(view)?,
        forwards: view.each("portForward").map(forward).collect::<Read<_>>()?,
        devices,
        log: backend_path("logFile")?,
        rom: rom(view)?,
        queues: view.child("driver").map_or(Ok(None), |driver| driver.number("queues"))?,
        driver: child_text("driver", "name"),
        unplugged: child_text("link", "state").is_some_and(|state| state != "up"),
        boot: boot(view)?,
        origin: shown.origin(if source.is_some() { main_attribute(kind) } else { "type" }),
        line: view.element.line(),
    })
}

fn main_attribute(kind: InterfaceType) -> &'static str {
    match kind {
        InterfaceType::Network => "network",
        InterfaceType::Bridge => "bridge",
        InterfaceType::VhostUser => "path",
        _ => "dev",
    }
}

fn link(view: &View<'_>, source: Option<&View<'_>>, kind: InterfaceType) -> Read<Link> {
    let need = || source.ok_or_else(|| view.error(Problem::Missing("<source>")));
    let named = |name| Ok(Link::Named(need()?.need(name)?.to_owned()));
    match kind {
        InterfaceType::User => {
            source.map(|source| source.attr("dev"));
            let backend = view.child("backend");
            let backend = backend.map_or(Ok(None), |backend| backend.word("type"))?;
            Ok(Link::User(backend.unwrap_or(UserBackend::Default)))
        }
        InterfaceType::Network => named("network"),
        InterfaceType::Bridge => named("bridge"),
        InterfaceType::Internal => named("name"),
        InterfaceType::Direct => named("dev"),
        InterfaceType::Vds => named("switchid"),
        InterfaceType::Vdpa => need()?.need_path("dev").map(Link::Device),
        InterfaceType::Ethernet | InterfaceType::Null => Ok(Link::Nothing),
        InterfaceType::VhostUser => {
            let source = need()?;
            source.need("type")?;
            let mode = socket_mode(source)?.unwrap_or(SocketMode::Connect);
            source.child("reconnect").map(super::storage::reconnect);
            Ok(Link::Socket(source.need_path("path")?, mode))
        }
        InterfaceType::Hostdev => {
            view.flag("managed")?;
            Ok(Link::Passthrough(hostdev::network_card(need()?)?))
        }
        InterfaceType::Mcast
        | InterfaceType::Client
        | InterfaceType::Server
        | InterfaceType::Udp => remote(need()?, kind),
    }
}

fn remote(source: &View<'_>, kind: InterfaceType) -> Read<Link> {
    let one = |view: &View<'_>| {
        let host = view.attr("address").unwrap_or_default().to_owned();
        Ok::<_, super::DomainError>(format!("{host}:{}", view.need("port")?))
    };
    let local = source.child("local").map(one).transpose()?;
    let listen = !matches!(kind, InterfaceType::Client | InterfaceType::Udp);
    Ok(Link::Remote { address: one(source)?, listen, local })
}

fn scripts(view: &View<'_>) -> Read<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in ["script", "downscript"] {
        if let Some(child) = view.child(name) {
            // The empty name is the VMM's word for no script.
            let path = child.need("path")?;
            if !path.is_empty() {
                found.push(PathBuf::from(path));
            }
        }
    }
    Ok(found)
}

fn forward(view: &View<'_>) -> Read<Forward> {
    let text = |name| view.attr(name).map(str::to_owned);
    let ranges = view.each("range").map(range).collect::<Read<_>>()?;
    let (address, device) = (text("address"), text("dev"));
    Ok(Forward { protocol: view.need("proto")?.to_owned(), address, device, ranges })
}

fn range(view: &View<'_>) -> Read<Range> {
    let start: u16 = view
        .number("start")?
        .ok_or_else(|| view.error_of("start", Problem::Missing("the attribute")))?;
    let end = view.number("end")?.unwrap_or(start);
    let to = view.number("to")?.unwrap_or(start);
    let exclude = view.flag("exclude")?.unwrap_or(false);
    if end < start {
        return Err(view.error(Problem::Contradiction("the range ends before it begins")));
    }
    Ok(Range { start, end, to, exclude })
}

/// `<rom>` of a network card or a host device.
pub(super) fn rom(view: &View<'_>) -> Read<Rom> {
    let Some(rom) = view.child("rom") else { return Ok(Rom::Usual) };
    if rom.flag("enabled")? == Some(false) {
        return Ok(Rom::Off);
    }
    // An empty name is the VMM's word for no ROM.
    match rom.attr("file") {
        Some("") => Ok(Rom::Off),
        Some(_) => rom.need_path("file").map(Rom::File),
        None => Ok(Rom::Usual),
    }
}
