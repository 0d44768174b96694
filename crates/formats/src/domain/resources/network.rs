//! What a guest's packets go through, and devices of the host that it drives itself.

use super::{Thing, Walk, socket};
use crate::domain::{
    hostdev::{HostAddress, Hostdev},
    interface::{Interface, Link, Rom},
    words::InterfaceType,
};
use svirt_model::{Access, Origin};

impl Walk {
    pub(super) fn interface(&mut self, interface: &Interface) {
        let origin = &interface.origin;
        match &interface.link {
            Link::User(_) => self.write(Thing::HostNetwork, origin),
            Link::Named(name) => {
                let (kind, name) = (interface.kind, Some(name.clone()));
                self.write(Thing::Network { kind, name }, origin);
            }
            Link::Nothing if interface.kind == InterfaceType::Ethernet => {
                let (kind, name) = (interface.kind, interface.target.clone());
                self.write(Thing::Network { kind, name }, origin);
            }
            Link::Nothing => {}
            Link::Device(path) => self.write(Thing::Device(path.clone()), origin),
            Link::Socket(path, mode) => self.write(socket(Some(path), *mode), origin),
            Link::Remote { address, listen, local } => {
                let (protocol, address) = (interface.kind.word(), address.clone());
                self.write(Thing::Port { protocol, address, listen: *listen }, origin);
                for address in local.iter().cloned() {
                    self.write(Thing::Port { protocol, address, listen: true }, origin);
                }
            }
            Link::Passthrough(address) => {
                self.write(Thing::Passthrough(address.clone()), origin);
            }
        }
        self.packets(interface);
        for path in &interface.scripts {
            self.read(Thing::Program(path.clone()), origin);
        }
        for forward in &interface.forwards {
            let protocol = if forward.protocol == "udp" { "udp" } else { "tcp" };
            let host = forward.address.as_deref().or(forward.device.as_deref()).unwrap_or("*");
            let ranges = forward.ranges.iter().filter(|range| !range.exclude);
            let ranges: Vec<String> =
                ranges.map(|range| format!("{}-{}", range.start, range.end)).collect();
            let ports = if ranges.is_empty() { "*".into() } else { ranges.join(",") };
            let address = format!("{host}:{ports}");
            self.write(Thing::Port { protocol, address, listen: true }, origin);
        }
        interface.log.iter().for_each(|path| self.write(Thing::Output(path.clone()), origin));
        self.rom(&interface.rom, origin);
    }

    /// The device nodes through which packets of the host's networks go.
    fn packets(&mut self, interface: &Interface) {
        use InterfaceType::{Bridge, Direct, Ethernet, Network};
        for path in &interface.devices {
            self.write(Thing::Device(path.clone()), &interface.origin);
        }
        if !matches!(interface.kind, Bridge | Direct | Ethernet | Network) {
            return;
        }
        let named = |name: &str| interface.devices.iter().any(|path| path.ends_with(name));
        if interface.kind != Direct && !named("tun") {
            self.write(Thing::Device("/dev/net/tun".into()), &interface.origin);
        }
        // The kernel moves the packets of such cards unless the document says otherwise.
        let virtio = interface.model.as_deref().is_some_and(|model| model.starts_with("virtio"));
        if virtio && interface.driver.as_deref() != Some("qemu") && !named("vhost-net") {
            self.write(Thing::Device("/dev/vhost-net".into()), &interface.origin);
        }
    }

    pub(super) fn rom(&mut self, rom: &Rom, origin: &Origin) {
        if let Rom::File(path) = rom {
            self.read(Thing::File(path.clone()), origin);
        }
    }

    pub(super) fn hostdev(&mut self, hostdev: &Hostdev) {
        let since = self.0.len();
        let access = if hostdev.read_only { Access::Read } else { Access::Write };
        let what = match &hostdev.address {
            HostAddress::Node(path) => Thing::Device(path.clone()),
            address => Thing::Passthrough(address.clone()),
        };
        self.add(what, access, &hostdev.origin);
        self.shareable(since, hostdev.shareable);
        self.rom(&hostdev.rom, &hostdev.origin);
    }
}
