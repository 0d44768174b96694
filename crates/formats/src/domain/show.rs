//! What a domain names on the host, as people read it.

use super::{
    hostdev::HostAddress,
    resources::{HostResource, Thing},
    storage::Host,
    words::Format,
};
use std::fmt;
use svirt_model::Access;

impl fmt::Display for HostResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = if self.access == Access::Read { "read" } else { "write" };
        write!(f, "{access} {}", self.what)?;
        if self.shareable {
            f.write_str(", shareable")?;
        }
        self.labels.iter().try_for_each(|label| write!(f, ", label of {label}"))?;
        write!(f, " [{}]", self.origin)
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { path, format, header } => {
                write!(f, "image {}", path.display())?;
                write!(f, " ({}", format.map_or("format unsaid", Format::word))?;
                f.write_str(if *header { ", below: its header)" } else { ")" })
            }
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Key(path) => write!(f, "key {}", path.display()),
            Self::Output(path) => write!(f, "output {}", path.display()),
            Self::Directory(path) => write!(f, "directory {}", path.display()),
            Self::Program(path) => write!(f, "program {}", path.display()),
            Self::Device(path) => write!(f, "device {}", path.display()),
            Self::Connect(path) => write!(f, "connect {}", path.display()),
            Self::Listen(Some(path)) => write!(f, "listen {}", path.display()),
            Self::Listen(None) => f.write_str("listen (path unsaid)"),
            Self::Pipe(path) => write!(f, "pipe {}", path.display()),
            Self::Terminal => f.write_str("a new terminal"),
            Self::Streams => f.write_str("standard streams"),
            Self::MemoryFile => f.write_str("memory in a file"),
            Self::HugePages => f.write_str("huge pages"),
            Self::SharedMemory(name) => write!(f, "shared memory {name}"),
            Self::Passthrough(address) => write!(f, "passthrough {address}"),
            Self::Nvme(address) => write!(f, "nvme {address}"),
            Self::Volume { pool, volume } => write!(f, "volume {pool}/{volume}"),
            Self::Remote { protocol, name, hosts } => {
                write!(f, "remote {protocol} {name}")?;
                hosts.iter().try_for_each(|host| write!(f, " {host}"))
            }
            Self::Port { protocol, address, listen } => {
                write!(f, "port {protocol} {address}{}", if *listen { " (listens)" } else { "" })
            }
            Self::HostNetwork => f.write_str("the host's network"),
            Self::Network { kind, name } => {
                write!(f, "network {} {}", kind.word(), name.as_deref().unwrap_or("(name unsaid)"))
            }
            Self::AnyRenderNode => f.write_str("any device that draws"),
            Self::Desktop(name) => write!(f, "desktop {name}"),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::TpmState => f.write_str("state of a TPM emulator"),
            Self::CardReader => f.write_str("the host's card reader"),
            Self::Descriptor(number) => write!(f, "descriptor {number}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name, port: Some(port) } => write!(f, "{name}:{port}"),
            Self::Named { name, port: None } => f.write_str(name),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => write!(f, "pci {address}"),
            Self::Usb { id, place } => {
                f.write_str("usb")?;
                id.iter().try_for_each(|(v, p)| write!(f, " {v:04x}:{p:04x}"))?;
                place.iter().try_for_each(|(bus, device)| write!(f, " at {bus}.{device}"))
            }
            Self::Scsi { adapter, place: (bus, target, unit) } => {
                write!(f, "scsi {adapter} {bus}:{target}:{unit}")
            }
            Self::Iscsi { name, hosts } => {
                write!(f, "iscsi {name}")?;
                hosts.iter().try_for_each(|host| write!(f, " {host}"))
            }
            Self::Vhost(name) => write!(f, "vhost-scsi {name}"),
            Self::Mdev(id) => write!(f, "mdev {id}"),
            Self::Node(path) => write!(f, "node {}", path.display()),
            Self::Net(name) => write!(f, "interface {name}"),
        }
    }
}
