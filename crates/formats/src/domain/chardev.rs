//! Character devices: `<serial>`, `<parallel>`, `<console>`, `<channel>`, and the same sources
//! under `<redirdev>`, `<smartcard>` and `<rng>`
//! (<https://libvirt.org/formatdomain.html#consoles-serial-parallel-channel-devices>).

use super::{
    error::Problem,
    label::{self, SourceLabel},
    storage::reconnect,
    view::{Read, View},
    words::{Protocol, SocketMode, socket_mode},
};
use std::path::PathBuf;
use svirt_model::Origin;

/// What a guest's port is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharSource {
    /// What it is.
    pub backend: Backend,
    /// A file that gets a copy of what the guest says, and whether it is appended to.
    pub log: Option<(PathBuf, bool)>,
    /// What is said about its label.
    pub labels: Vec<SourceLabel>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

/// What a guest's port is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// A new pseudo-terminal. In what libvirt writes, with its path.
    Pty(Option<PathBuf>),
    /// A device of the host.
    Device(PathBuf),
    /// A file that gets what the guest says, and whether it is appended to.
    File(PathBuf, bool),
    /// Named pipes.
    Pipe(PathBuf),
    /// A unix socket; one of libvirt's choice without a path.
    Unix(Option<PathBuf>, SocketMode),
    /// TCP.
    Tcp(Address, SocketMode, Option<Protocol>),
    /// UDP: where packets go, and where they come to.
    Udp(Address, Option<Address>),
    /// Nothing.
    Null,
    /// The VMM's standard streams.
    Stdio,
    /// A virtual console on the VMM's screen.
    Vc,
    /// A channel of Spice's, for its guest agent or USB.
    SpiceVmc,
    /// A named channel of Spice's.
    SpicePort(String),
    /// A pair of terminals of FreeBSD's `nmdm`.
    Nmdm(PathBuf, PathBuf),
    /// The VMM speaks the Spice guest agent's language itself.
    VdAgent,
    /// A named channel over D-Bus.
    Dbus(String),
}

/// A port on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The name or address of the host.
    pub host: String,
    /// The number or name of the port.
    pub service: String,
}

/// What sort of port the guest sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortKind {
    /// A serial port.
    Serial,
    /// A parallel port.
    Parallel,
    /// A console, which is the first serial port or a port of its own.
    Console,
    /// A channel between a program in the guest and one outside.
    Channel,
}

/// A port of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// What sort of port the guest sees.
    pub kind: PortKind,
    /// What it is connected to.
    pub source: CharSource,
    /// Its type, such as `isa-serial` or `virtio`.
    pub target: Option<String>,
    /// Its number among its kind.
    pub number: Option<u32>,
    /// The name under which a program in the guest finds a channel.
    pub name: Option<String>,
    /// The line.
    pub line: u32,
}

pub(super) fn port(view: &View<'_>, kind: PortKind) -> Read<Port> {
    // What libvirt writes about the pseudo-terminal that it made.
    view.attr("tty");
    let source = source(view, Some("pty").filter(|_| kind == PortKind::Console))?;
    let target = view.child("target");
    let text = |name| target.and_then(|target| target.attr(name)).map(str::to_owned);
    let number = match target {
        // Of a channel through QEMU's own network, a port of the guest's network.
        Some(target) if kind != PortKind::Channel => target.number("port")?,
        _ => None,
    };
    let (target, name) = (text("type"), text("name"));
    Ok(Port { kind, source, target, number, name, line: view.element.line() })
}

/// The source of a character device, of the type that `view` says.
pub(super) fn source(view: &View<'_>, usual: Option<&'static str>) -> Read<CharSource> {
    let kind = match (view.attr("type"), usual) {
        (Some(kind), _) => kind,
        (None, Some(usual)) => usual,
        (None, None) => view.need("type")?,
    };
    let sources: Vec<&View<'_>> = view.each("source").collect();
    let first = sources.first().copied();
    let protocol = view.child("protocol").map_or(Ok(None), |child| child.word("type"))?;
    let backend = backend(view, kind, &sources, protocol)?;
    let mut labels = Vec::new();
    for source in &sources {
        labels.extend(label::source(source)?);
        source.child("reconnect").map(reconnect);
    }
    let log = view.child("log").map(log).transpose()?;
    let shown = first.unwrap_or(view);
    let origin = shown.origin(if first.is_some() { "path" } else { "type" });
    Ok(CharSource { backend, log, labels, origin, line: shown.element.line() })
}

fn log(view: &View<'_>) -> Read<(PathBuf, bool)> {
    Ok((view.need_path("file")?, view.flag("append")?.unwrap_or(false)))
}

fn backend(
    view: &View<'_>,
    kind: &str,
    sources: &[&View<'_>],
    protocol: Option<Protocol>,
) -> Read<Backend> {
    let several = kind == "udp";
    if let Some(extra) = sources.get(1).filter(|_| !several) {
        return Err(extra.error(Problem::Twice));
    }
    let source = sources.first().copied();
    let need = || source.ok_or_else(|| view.error(Problem::Missing("<source>")));
    let channel = || Ok(need()?.need("channel")?.to_owned());
    match kind {
        "pty" => Ok(Backend::Pty(source.map_or(Ok(None), |s| s.path_in("path"))?)),
        "dev" => need()?.need_path("path").map(Backend::Device),
        "pipe" => need()?.need_path("path").map(Backend::Pipe),
        "file" => {
            let source = need()?;
            Ok(Backend::File(source.need_path("path")?, source.flag("append")?.unwrap_or(false)))
        }
        "unix" => {
            let path = source.map_or(Ok(None), |s| s.path_in("path"))?;
            let mode = source.map_or(Ok(None), |s| socket_mode(s))?;
            Ok(Backend::Unix(path, mode.unwrap_or(SocketMode::Connect)))
        }
        "tcp" => {
            let source = need()?;
            source.flag("tls")?;
            let mode = socket_mode(source)?.unwrap_or(SocketMode::Connect);
            Ok(Backend::Tcp(address(source)?, mode, protocol))
        }
        "udp" => udp(view, sources),
        "null" => Ok(Backend::Null),
        "stdio" => Ok(Backend::Stdio),
        "vc" => Ok(Backend::Vc),
        "spicevmc" => Ok(Backend::SpiceVmc),
        "spiceport" => channel().map(Backend::SpicePort),
        "dbus" => channel().map(Backend::Dbus),
        "qemu-vdagent" => Ok(Backend::VdAgent),
        "nmdm" => {
            let source = need()?;
            Ok(Backend::Nmdm(source.need_path("master")?, source.need_path("slave")?))
        }
        other => Err(view.error_of("type", Problem::form(other, "a type of character devices"))),
    }
}

fn address(view: &View<'_>) -> Read<Address> {
    let host = view.attr("host").unwrap_or_default().to_owned();
    Ok(Address { host, service: view.need("service")?.to_owned() })
}

fn udp(view: &View<'_>, sources: &[&View<'_>]) -> Read<Backend> {
    let (mut to, mut from) = (None, None);
    for source in sources {
        let slot = match socket_mode(source)?.unwrap_or(SocketMode::Connect) {
            SocketMode::Connect => &mut to,
            SocketMode::Bind => &mut from,
        };
        if slot.replace(address(source)?).is_some() {
            return Err(source.error(Problem::Twice));
        }
    }
    let to = to.ok_or_else(|| view.error(Problem::Missing("<source mode='connect'>")))?;
    Ok(Backend::Udp(to, from))
}
