//! Network cards, ports, screens, and the devices that are the guest's alone.

use super::{Convert, Done, refused};
use crate::{
    domain::{
        Device, Problem,
        chardev::{Backend, Port, PortKind},
        hostdev::{HostAddress, Hostdev},
        interface::{Interface, Link, Rom},
        label::SourceLabel,
        parts::Watchdog,
        screen::{Graphics, Listen},
        secrets::Rng,
        words::{GraphicsType, RngBackend, SocketMode, WatchdogAction as Asked},
    },
    spec::{ChannelSpec, DisplaySpec, NetSpec, SerialSpec},
};
use refused::Refused;
use std::path::Path;
use svirt_model::{WatchdogAction, place};

impl Convert<'_> {
    pub(super) fn interface(&mut self, interface: &Interface) -> Done {
        let line = interface.line;
        if !matches!(interface.link, Link::User(_)) {
            return self.refuse(line, &refused::NETWORK);
        }
        if self.guest.net.replace(NetSpec::User).is_some() {
            return self.refuse(line, &refused::CARDS);
        }
        if interface.unplugged {
            return self.refuse(line, &refused::UNPLUGGED);
        }
        if !interface.forwards.is_empty() {
            return self.refuse(line, &refused::FORWARDS);
        }
        let asked = matches!(interface.rom, Rom::File(_)) || interface.log.is_some();
        if asked || !interface.scripts.is_empty() || !interface.devices.is_empty() {
            return self.refuse(line, &refused::CARD_FILES);
        }
        self.guest.mac.clone_from(&interface.mac);
        if interface.model.as_deref().is_some_and(|model| model != "virtio") {
            self.note(line, "the network card is a virtio one");
        }
        if interface.boot.is_some() {
            self.note(line, "a guest is not booted over the network");
        }
        Ok(())
    }

    pub(super) fn port(&mut self, port: &Port) -> Done {
        let (source, line) = (&port.source, port.line);
        let virtio = port.target.as_deref() == Some("virtio");
        if virtio && matches!(port.kind, PortKind::Channel | PortKind::Console) {
            return self.channel(port);
        }
        if let Some(refused) = kind_of_port(port) {
            return self.refuse(line, refused);
        }
        if source.log.is_some() {
            return self.refuse(line, &refused::PORT_LOG);
        }
        let end = match end_of_port(&source.backend) {
            Ok(end) => end,
            Err(refused) => return self.refuse(source.line, refused),
        };
        if end == SerialSpec::Console && self.guest.serial.contains(&end) {
            return self.refuse(line, &refused::TWO_CONSOLES);
        }
        if let SerialSpec::File(path) | SerialSpec::Listen(path) = &end {
            self.origin(path, &source.origin);
        }
        match &end {
            SerialSpec::File(path) => {
                self.labels(path, &source.labels, "devices/serial/source/seclabel")?;
            }
            _ => self.no_label(&source.labels)?,
        }
        self.guest.serial.push(end);
        Ok(())
    }

    /// A channel, or a console that is no serial port. A path that libvirt or
    /// sVirt chose is none of the user's: the machine's directory of sockets takes its place.
    fn channel(&mut self, port: &Port) -> Done {
        let (source, line) = (&port.source, port.line);
        if source.log.is_some() {
            return self.refuse(line, &refused::PORT_LOG);
        }
        self.no_label(&source.labels)?;
        let listen = match (port.kind, &source.backend) {
            (PortKind::Console, Backend::Pty(_)) => {
                self.note(line, "a further console is a socket of the machine's own");
                None
            }
            (_, Backend::Unix(Some(_), SocketMode::Connect)) => {
                return self.refuse(source.line, &refused::CHANNEL_CONNECTS);
            }
            (_, Backend::Unix(Some(path), _)) if is_chosen_path(path) => {
                self.note(source.line, "the channel's socket is in the machine's own directory");
                None
            }
            (_, Backend::Unix(path, _)) => path.clone(),
            (_, Backend::SpiceVmc | Backend::SpicePort(_)) => {
                return self.refuse(line, &refused::CHANNEL_SPICE);
            }
            _ => return self.refuse(line, &refused::CHANNEL_END),
        };
        if let Some(path) = &listen {
            self.origin(path, &source.origin);
        }
        let name = port.name.clone().filter(|_| port.kind == PortKind::Channel);
        if name.is_none() && port.kind == PortKind::Channel {
            return self.refuse(line, &refused::CHANNEL_NAME);
        }
        self.guest.channels.push(ChannelSpec { name, listen, port: None });
        Ok(())
    }

    /// Sockets and terminals are made for the machine. What is said of an owner says nothing.
    fn no_label(&mut self, labels: &[SourceLabel]) -> Done {
        let mut own = labels.iter().filter(|label| label.model.as_deref() != Some("dac"));
        own.next().map_or(Ok(()), |label| self.refuse(label.line, &refused::SOCKET_LABEL))
    }

    /// The first console, which is the first serial port said again.
    pub(super) fn copy(&mut self, console: &Port) -> Done {
        let ports = self.domain.devices.iter().filter_map(|device| match device {
            Device::Port(port) if port.kind == PortKind::Serial => Some(&port.source.backend),
            _ => None,
        });
        let same = |serial: &Backend| match (serial, &console.source.backend) {
            (Backend::Pty(_), Backend::Pty(_)) => true,
            (serial, console) => serial == console,
        };
        if ports.take(1).all(same) {
            return self.noted(console.line, "the first console is the first serial port");
        }
        let why = "the first console is the first serial port, and that is connected elsewhere";
        let problem = Problem::Contradiction(why);
        Err(self.domain.error(console.line, "devices/console", problem))
    }

    pub(super) fn graphics(&mut self, graphics: &Graphics) -> Done {
        let line = graphics.line;
        if graphics.kind != GraphicsType::Vnc {
            return self.refuse(line, &refused::SCREEN);
        }
        if graphics.password {
            return self.refuse(line, &refused::PASSWORD);
        }
        if graphics.render_node.is_some() || graphics.accelerated || graphics.authority.is_some() {
            return self.refuse(line, &refused::SCREEN_FILES);
        }
        let path = match &graphics.listens[..] {
            [Listen::Socket(Some(path))] if is_chosen_path(path) => None,
            [Listen::Socket(path)] => path.clone(),
            // A port that is chosen, for viewers on this host: nobody knows it before the start.
            listens if is_chosen(graphics) && listens.iter().all(is_local) => {
                self.note(line, "the screen is on a socket of the machine's own, and on no port");
                None
            }
            _ => return self.refuse(line, &refused::VNC_PORT),
        };
        if self.guest.display == DisplaySpec::Vnc {
            return self.refuse(line, &refused::SCREENS);
        }
        self.guest.display = DisplaySpec::Vnc;
        if let Some(path) = &path {
            self.origin(path, &graphics.origin);
        }
        self.guest.vnc_socket = path;
        Ok(())
    }

    pub(super) fn rng(&mut self, rng: &Rng) -> Done {
        match rng.kind {
            RngBackend::Builtin => Ok(()),
            RngBackend::Egd => self.refuse(rng.line, &refused::EGD),
            RngBackend::Random if self.guest.random.is_some() => {
                self.refuse(rng.line, &refused::RNGS)
            }
            RngBackend::Random => {
                let path = rng.device.clone().unwrap_or_else(|| "/dev/urandom".into());
                self.origin(&path, &rng.origin);
                self.guest.random = Some(path);
                Ok(())
            }
        }
    }

    pub(super) fn watchdog(&mut self, watchdog: &Watchdog) -> Done {
        let line = watchdog.line;
        match watchdog.model.as_str() {
            "i6300esb" => {}
            "itco" => {
                return self.noted(line, "the chipset's own watchdog is there, without an action");
            }
            _ => return self.refuse(line, &refused::WATCHDOG),
        }
        let action = match watchdog.action {
            Asked::Reset => WatchdogAction::Reset,
            Asked::Shutdown => WatchdogAction::Shutdown,
            Asked::Poweroff => WatchdogAction::Poweroff,
            Asked::Pause => WatchdogAction::Pause,
            Asked::None => WatchdogAction::None,
            Asked::Dump | Asked::InjectNmi => {
                return self.refuse(line, &refused::WATCHDOG_ACTION);
            }
        };
        match self.guest.watchdog.replace(action) {
            Some(_) => self.refuse(line, &refused::WATCHDOGS),
            None => Ok(()),
        }
    }
}

/// Whether a socket's path is one that libvirt or sVirt chose, and no user: a document of a machine that
/// ran has them.
fn is_chosen_path(path: &Path) -> bool {
    let libvirts = ["/var/lib/libvirt/qemu/channel", "/run/libvirt/qemu/channel"];
    libvirts.iter().any(|directory| path.starts_with(directory)) || place::is_endpoint(path)
}

/// Whether a screen's port is one that libvirt chooses.
fn is_chosen(graphics: &Graphics) -> bool {
    let [plain, encrypted, web] = graphics.ports;
    matches!(plain, None | Some(-1)) && encrypted.is_none() && web.is_none()
}

/// Whether a screen is served to this host alone, as it is where nothing is said.
fn is_local(listen: &Listen) -> bool {
    match listen {
        Listen::Address(None) => true,
        Listen::Address(Some(address)) => {
            matches!(address.as_str(), "127.0.0.1" | "localhost" | "::1")
        }
        _ => false,
    }
}

/// Why a port is none of the sort that a guest of sVirt's has.
fn kind_of_port(port: &Port) -> Option<&'static Refused> {
    match (port.kind, port.target.as_deref()) {
        (PortKind::Channel, _) => Some(&refused::CHANNEL),
        (PortKind::Parallel, _) => Some(&refused::PARALLEL),
        (PortKind::Console, target) if !matches!(target, None | Some("serial")) => {
            Some(&refused::OTHER_CONSOLE)
        }
        (PortKind::Console | PortKind::Serial, _) => None,
    }
}

/// What a serial port is connected to, or why it cannot be.
fn end_of_port(backend: &Backend) -> Result<SerialSpec, &'static Refused> {
    match backend {
        Backend::Pty(_) => Ok(SerialSpec::Console),
        Backend::Null => Ok(SerialSpec::Null),
        Backend::File(path, false) => Ok(SerialSpec::File(path.clone())),
        Backend::Unix(Some(path), SocketMode::Bind) => Ok(SerialSpec::Listen(path.clone())),
        Backend::File(_, true) => Err(&refused::PORT_APPENDS),
        Backend::Unix(Some(_), SocketMode::Connect) => Err(&refused::PORT_CONNECTS),
        Backend::Unix(None, _) => Err(&refused::PORT_UNSAID),
        Backend::Device(_) | Backend::Nmdm(..) => Err(&refused::PORT_DEVICE),
        Backend::Pipe(_) => Err(&refused::PORT_PIPE),
        Backend::Tcp(..) | Backend::Udp(..) => Err(&refused::PORT_NETWORK),
        Backend::Stdio
        | Backend::Vc
        | Backend::SpiceVmc
        | Backend::SpicePort(_)
        | Backend::VdAgent
        | Backend::Dbus(_) => Err(&refused::PORT_OTHER),
    }
}

/// Why a device of the host cannot be had; for some there is another way.
pub(super) fn hostdev(hostdev: &Hostdev) -> &'static Refused {
    match &hostdev.address {
        HostAddress::Scsi { .. } | HostAddress::Iscsi { .. } | HostAddress::Vhost(_) => {
            &refused::HOST_DISK
        }
        HostAddress::Net(_) => &refused::HOST_NETWORK_CARD,
        HostAddress::Pci(_)
        | HostAddress::Usb { .. }
        | HostAddress::Mdev(_)
        | HostAddress::Node(_) => &refused::HOSTDEV,
    }
}
