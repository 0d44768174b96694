//! What a domain names on the host: one walk over all of it.
//!
//! This list is what a security driver works from, whether or not sVirt can start such a domain
//! itself: each thing with what is done with it, whether it is shared, what its label is to be and
//! which line of the document says so. Where a device uses something of the host that no element
//! names, the thing is here with its usual name.

mod screen;

use super::{
    Device, Domain,
    chardev::{Address, Backend, CharSource},
    disk::{Disk, Mirror},
    hostdev::{HostAddress, Hostdev},
    interface::{Interface, Link, Rom},
    label::SourceLabel,
    os::{Named, Nvram},
    parts::{Filesystem, FilesystemSource, MemoryDevice, Rng, Shmem, Smartcard, Tpm},
    storage::{Below, Encryption, Host, Place, Reservations, Source},
    words::{
        FilesystemDriver, Format, InterfaceType, LaunchSecurity, MemoryModel, MemorySource,
        RngBackend, ShmemModel, SmartcardMode, SocketMode, TpmBackend,
    },
};
use std::path::PathBuf;
use svirt_model::{Access, Origin};

/// One thing of the host that a domain names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostResource {
    /// What it is.
    pub what: Thing,
    /// What is done with it.
    pub access: Access,
    /// Whether other domains may use it at the same time (`<shareable/>`).
    pub shareable: bool,
    /// What is said about its label.
    pub labels: Vec<SourceLabel>,
    /// Where the document says so.
    pub origin: Origin,
}

/// A thing of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A disk image in a file or on a block device.
    Image {
        /// Its path.
        path: PathBuf,
        /// Its format, where one is stated.
        format: Option<Format>,
        /// Whether what is below it is in its header, and not in the document.
        header: bool,
    },
    /// A file.
    File(PathBuf),
    /// A file that is made, or emptied, or appended to.
    Output(PathBuf),
    /// A directory with all in it.
    Directory(PathBuf),
    /// A program that is executed.
    Program(PathBuf),
    /// A device node.
    Device(PathBuf),
    /// A unix socket on which somebody else listens.
    Connect(PathBuf),
    /// A unix socket that is listened on; one whose path is not said.
    Listen(Option<PathBuf>),
    /// Named pipes.
    Pipe(PathBuf),
    /// A new pseudo-terminal.
    Terminal,
    /// The VMM's standard streams.
    Streams,
    /// Guest memory in files of a directory that is not said.
    MemoryFile,
    /// Guest memory of huge pages.
    HugePages,
    /// Memory under this name that other processes of the host can share.
    SharedMemory(String),
    /// A device that the guest drives itself.
    Passthrough(HostAddress),
    /// An NVMe device that the VMM drives.
    Nvme(super::words::PciAddress),
    /// A volume of a storage pool of libvirt's.
    Volume {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
    },
    /// Storage on another host.
    Remote {
        /// The protocol.
        protocol: String,
        /// What is exported.
        name: String,
        /// Where.
        hosts: Vec<Host>,
    },
    /// A port: of the host if it is listened on, else of another.
    Port {
        /// The protocol.
        protocol: &'static str,
        /// Address and port.
        address: String,
        /// Whether it is listened on.
        listen: bool,
    },
    /// The host's network as an ordinary process has it.
    HostNetwork,
    /// A network, bridge, device or switch of the host.
    Network {
        /// What it is.
        kind: InterfaceType,
        /// Its name.
        name: Option<String>,
    },
    /// Whichever of the host's devices draw.
    AnyRenderNode,
    /// A server of sound, or the desktop's screen, at an address that the environment says.
    Desktop(String),
    /// A secret that libvirt keeps.
    Secret(String),
    /// A TPM emulator, with its state in a directory of its own.
    TpmState,
    /// The host's reader of smart cards.
    CardReader,
    /// Arguments for the VMM that are read as a command line of QEMU is.
    Arguments(Vec<String>),
}

impl Domain {
    /// Everything that the domain names on the host, in the order of the document, as far as it
    /// has one.
    pub fn resources(&self) -> Vec<HostResource> {
        let mut walk = Walk::default();
        walk.system(self);
        let own = self.devices.iter().filter(|device| !self.is_copy(device));
        own.for_each(|device| walk.device(device));
        walk.0
    }
}

#[derive(Default)]
struct Walk(Vec<HostResource>);

impl Walk {
    fn add(&mut self, what: Thing, access: Access, origin: &Origin) {
        let (labels, origin) = (Vec::new(), origin.clone());
        self.0.push(HostResource { what, access, shareable: false, labels, origin });
    }

    fn read(&mut self, what: Thing, origin: &Origin) {
        self.add(what, Access::Read, origin);
    }

    fn write(&mut self, what: Thing, origin: &Origin) {
        self.add(what, Access::Write, origin);
    }

    /// What is said about the label of all that was added since then.
    fn labelled(&mut self, since: usize, labels: &[SourceLabel]) {
        for resource in self.0.iter_mut().skip(since) {
            resource.labels = labels.to_vec();
        }
    }

    fn shareable(&mut self, since: usize, shareable: bool) {
        self.0.iter_mut().skip(since).for_each(|resource| resource.shareable = shareable);
    }

    fn system(&mut self, domain: &Domain) {
        let files = |named: &Named| Thing::File(named.path.clone());
        if let Some(emulator) = &domain.emulator {
            self.read(Thing::Program(emulator.path.clone()), &emulator.origin);
        }
        let os = &domain.os;
        if let Some(loader) = &os.loader {
            let access = if loader.read_only { Access::Read } else { Access::Write };
            loader.image.iter().for_each(|image| self.add(files(image), access, &image.origin));
        }
        os.nvram.iter().for_each(|nvram| self.nvram(nvram));
        let boot = [&os.kernel, &os.initrd, &os.dtb, &os.shim].into_iter().flatten();
        for named in boot.chain(&os.tables).chain(&domain.firmware_files) {
            self.read(files(named), &named.origin);
        }
        self.memory_backing(domain);
        if let Some(protection) = &domain.protection {
            if matches!(protection.kind, LaunchSecurity::Sev | LaunchSecurity::SevSnp) {
                self.write(Thing::Device("/dev/sev".into()), &protection.origin);
            }
            let quote = protection.quote.iter();
            quote.for_each(|path| self.write(Thing::Connect(path.clone()), &protection.origin));
        }
        if !domain.command_line.arguments.is_empty() {
            let words = domain.command_line.arguments.iter().map(|(word, _)| word.clone());
            let origin = format!("{} line {}", domain.document, domain.command_line.line).into();
            self.write(Thing::Arguments(words.collect()), &origin);
        }
    }

    fn nvram(&mut self, nvram: &Nvram) {
        if let Some(template) = &nvram.template {
            self.read(Thing::File(template.clone()), &nvram.origin);
        }
        if let Some(source) = &nvram.source {
            self.source(source, Access::Write);
        }
    }

    fn memory_backing(&mut self, domain: &Domain) {
        let backing = &domain.memory_backing;
        let Some(origin) = &backing.origin else { return };
        if backing.huge.is_some() {
            self.write(Thing::HugePages, origin);
        } else if backing.source == Some(MemorySource::File) {
            self.write(Thing::MemoryFile, origin);
        }
    }

    /// The one match over the kinds of devices. It has no default arm.
    fn device(&mut self, device: &Device) {
        match device {
            Device::Disk(disk) => self.disk(disk),
            Device::Filesystem(filesystem) => self.filesystem(filesystem),
            Device::Interface(interface) => self.interface(interface),
            Device::Hostdev(hostdev) => self.hostdev(hostdev),
            Device::Redirdev(redirdev) => self.character(&redirdev.source),
            Device::Smartcard(card) => self.smartcard(card),
            Device::Port(port) => self.character(&port.source),
            Device::Input(input) => self.input(input),
            Device::Graphics(graphics) => self.graphics(graphics),
            Device::Video(video) => self.video(video),
            Device::Audio(audio) => self.audio(audio),
            Device::Rng(rng) => self.rng(rng),
            Device::Tpm(tpm) => self.tpm(tpm),
            Device::Shmem(shmem) => self.shmem(shmem),
            Device::Memory(memory) => self.memory(memory),
            Device::Vsock(vsock) => {
                self.write(Thing::Device("/dev/vhost-vsock".into()), &vsock.origin);
            }
            Device::Pstore(pstore) => self.write(Thing::File(pstore.path.clone()), &pstore.origin),
            // libvirt's lock manager holds it, not the VMM.
            Device::Lease(lease) => self.write(Thing::File(lease.path.clone()), &lease.origin),
            // Of the guest alone. What a sound card plays goes where its <audio> says.
            Device::Controller(_)
            | Device::Sound(_)
            | Device::Memballoon(_)
            | Device::Watchdog(_)
            | Device::Panic(_)
            | Device::Iommu(_)
            | Device::Crypto(_)
            | Device::Hub(_) => {}
        }
    }

    fn disk(&mut self, disk: &Disk) {
        let access = if disk.read_only { Access::Read } else { Access::Write };
        let since = self.0.len();
        self.source(&disk.source, access);
        self.shareable(since, disk.shareable);
        self.encryption(disk.encryption.as_ref(), &disk.source.origin);
        let secret = disk.secret.iter();
        secret.for_each(|name| self.read(Thing::Secret(name.clone()), &disk.source.origin));
        if let Some(Mirror { source, .. }) = &disk.mirror {
            self.source(source, Access::Write);
        }
    }

    /// A source and all that the document names below it. What is below is only read.
    fn source(&mut self, source: &Source, access: Access) {
        for (depth, part) in source.chain().enumerate() {
            self.part(part, if depth == 0 { access } else { Access::Read });
        }
    }

    fn part(&mut self, source: &Source, access: Access) {
        let since = self.0.len();
        let origin = &source.origin;
        // libvirt takes an image whose format is not said for raw, which has nothing below it.
        let format = source.format.unwrap_or(Format::Raw);
        let header = source.below == Below::Unsaid && format != Format::Raw;
        let image =
            |path: &PathBuf| Thing::Image { path: path.clone(), format: source.format, header };
        match &source.place {
            Place::Empty => {}
            Place::File { path, .. } | Place::Block(path) => self.add(image(path), access, origin),
            Place::Directory(path) => self.add(Thing::Directory(path.clone()), access, origin),
            Place::Volume { pool, volume } => {
                let (pool, volume) = (pool.clone(), volume.clone());
                self.add(Thing::Volume { pool, volume }, access, origin);
            }
            Place::Nvme { address, .. } => self.add(Thing::Nvme(*address), access, origin),
            Place::VhostUser(path) => self.write(Thing::Connect(path.clone()), origin),
            Place::VhostVdpa(path) => self.write(Thing::Device(path.clone()), origin),
            Place::Network(network) => self.network(network, access, origin),
        }
        self.labelled(since, &source.labels);
        self.encryption(source.encryption.as_ref(), origin);
        match &source.reservations {
            Some(Reservations::Socket(path)) => self.write(Thing::Connect(path.clone()), origin),
            Some(Reservations::Managed) => self.write(Thing::Listen(None), origin),
            None => {}
        }
        source.data.iter().for_each(|data| self.source(data, access));
    }

    fn network(&mut self, network: &super::storage::Network, access: Access, origin: &Origin) {
        let hosts: Vec<Host> = network.hosts.clone();
        for host in &hosts {
            if let Host::Unix(path) = host {
                self.write(Thing::Connect(path.clone()), origin);
            }
        }
        if hosts.iter().any(|host| matches!(host, Host::Named { .. })) || hosts.is_empty() {
            let (protocol, name) = (network.protocol.clone(), network.name.clone());
            self.add(Thing::Remote { protocol, name, hosts }, access, origin);
        }
        let files = [&network.config, &network.known_hosts, &network.key];
        for path in files.into_iter().flatten() {
            self.read(Thing::File(path.clone()), origin);
        }
        let agent = network.agent.iter();
        agent.for_each(|path| self.write(Thing::Connect(path.clone()), origin));
        let secret = network.secret.iter();
        secret.for_each(|name| self.read(Thing::Secret(name.clone()), origin));
    }

    fn encryption(&mut self, encryption: Option<&Encryption>, origin: &Origin) {
        let secrets = encryption.iter().flat_map(|encryption| &encryption.secrets);
        secrets.for_each(|name| self.read(Thing::Secret(name.clone()), origin));
    }

    fn filesystem(&mut self, filesystem: &Filesystem) {
        let origin = &filesystem.origin;
        let access = if filesystem.read_only { Access::Read } else { Access::Write };
        match &filesystem.source {
            FilesystemSource::Path(path) => match filesystem.kind.word() {
                "block" => self.add(Thing::Device(path.clone()), access, origin),
                "file" => self.add(Thing::File(path.clone()), access, origin),
                _ => self.add(Thing::Directory(path.clone()), access, origin),
            },
            FilesystemSource::Socket(path) => self.write(Thing::Connect(path.clone()), origin),
            FilesystemSource::Nothing => {}
        }
        if filesystem.driver == Some(FilesystemDriver::Virtiofs) {
            let program = filesystem.program.iter();
            program.for_each(|path| self.read(Thing::Program(path.clone()), origin));
        }
    }

    fn interface(&mut self, interface: &Interface) {
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
            Link::Remote { address, listen } => {
                let (protocol, address) = (interface.kind.word(), address.clone());
                self.write(Thing::Port { protocol, address, listen: *listen }, origin);
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

    fn rom(&mut self, rom: &Rom, origin: &Origin) {
        if let Rom::File(path) = rom {
            self.read(Thing::File(path.clone()), origin);
        }
    }

    fn hostdev(&mut self, hostdev: &Hostdev) {
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

    fn character(&mut self, source: &CharSource) {
        let (since, origin) = (self.0.len(), &source.origin);
        match &source.backend {
            Backend::Pty(_) => self.write(Thing::Terminal, origin),
            Backend::Device(path) => self.write(Thing::Device(path.clone()), origin),
            Backend::File(path, _) => self.write(Thing::Output(path.clone()), origin),
            Backend::Pipe(path) => self.write(Thing::Pipe(path.clone()), origin),
            Backend::Unix(path, mode) => self.write(socket(path.as_ref(), *mode), origin),
            Backend::Tcp(address, mode, _) => {
                self.write(port("tcp", address, *mode == SocketMode::Bind), origin);
            }
            Backend::Udp(to, from) => {
                self.write(port("udp", to, false), origin);
                from.iter().for_each(|from| self.write(port("udp", from, true), origin));
            }
            Backend::Stdio => self.write(Thing::Streams, origin),
            Backend::Nmdm(master, slave) => {
                self.write(Thing::Device(master.clone()), origin);
                self.write(Thing::Device(slave.clone()), origin);
            }
            // Within the VMM, or through a screen's connection.
            Backend::Null
            | Backend::Vc
            | Backend::SpiceVmc
            | Backend::SpicePort(_)
            | Backend::VdAgent
            | Backend::Dbus(_) => {}
        }
        self.labelled(since, &source.labels);
        if let Some((path, _)) = &source.log {
            self.write(Thing::Output(path.clone()), origin);
        }
    }

    fn smartcard(&mut self, card: &Smartcard) {
        match card.mode {
            SmartcardMode::Host => self.write(Thing::CardReader, &card.origin),
            SmartcardMode::HostCertificates => {
                let usual = || PathBuf::from("/etc/pki/nssdb");
                let path = card.database.clone().unwrap_or_else(usual);
                self.read(Thing::Directory(path), &card.origin);
            }
            SmartcardMode::Passthrough => {}
        }
        card.source.iter().for_each(|source| self.character(source));
    }

    fn rng(&mut self, rng: &Rng) {
        match rng.kind {
            RngBackend::Random => {
                let path = rng.device.clone().unwrap_or_else(|| "/dev/urandom".into());
                self.read(Thing::Device(path), &rng.origin);
            }
            RngBackend::Egd | RngBackend::Builtin => {}
        }
        rng.source.iter().for_each(|source| self.character(source));
    }

    fn tpm(&mut self, tpm: &Tpm) {
        let origin = &tpm.origin;
        match (tpm.kind, &tpm.state) {
            (TpmBackend::Passthrough, _) => {
                let path = tpm.device.clone().unwrap_or_else(|| "/dev/tpm0".into());
                self.write(Thing::Device(path), origin);
            }
            (TpmBackend::Emulator, Some((path, true))) => {
                self.write(Thing::Directory(path.clone()), origin);
            }
            (TpmBackend::Emulator, Some((path, false))) => {
                self.write(Thing::File(path.clone()), origin);
            }
            (TpmBackend::Emulator, None) => self.write(Thing::TpmState, origin),
            (TpmBackend::External, _) => {}
        }
        if let Some((path, mode)) = &tpm.socket {
            self.write(socket(Some(path), *mode), origin);
        }
        tpm.log.iter().for_each(|path| self.write(Thing::Output(path.clone()), origin));
        tpm.secret.iter().for_each(|name| self.read(Thing::Secret(name.clone()), origin));
    }

    fn shmem(&mut self, shmem: &Shmem) {
        let what = match (&shmem.server, shmem.model) {
            (Some(Some(path)), _) => Thing::Connect(path.clone()),
            (Some(None), _) | (None, ShmemModel::Doorbell) => {
                // Where libvirt's own server listens for a domain that names no socket.
                Thing::Connect(format!("/var/lib/libvirt/shmem-{}-sock", shmem.name).into())
            }
            (None, _) => Thing::SharedMemory(shmem.name.clone()),
        };
        self.write(what, &shmem.origin);
        self.shareable(self.0.len() - 1, true);
    }

    fn memory(&mut self, memory: &MemoryDevice) {
        let (since, origin) = (self.0.len(), &memory.origin);
        let access = if memory.read_only { Access::Read } else { Access::Write };
        match (&memory.path, memory.model) {
            (Some(path), _) => self.add(Thing::File(path.clone()), access, origin),
            (None, MemoryModel::SgxEpc) => {
                self.write(Thing::Device("/dev/sgx_vepc".into()), origin);
                self.read(Thing::Device("/dev/sgx_provision".into()), origin);
            }
            (None, _) if memory.huge => self.write(Thing::HugePages, origin),
            (None, _) => {}
        }
        self.labelled(since, &memory.labels);
    }
}

fn socket(path: Option<&PathBuf>, mode: SocketMode) -> Thing {
    match (mode, path) {
        (SocketMode::Connect, Some(path)) => Thing::Connect(path.clone()),
        (_, path) => Thing::Listen(path.cloned()),
    }
}

fn port(protocol: &'static str, address: &Address, listen: bool) -> Thing {
    let address = format!("{}:{}", address.host, address.service);
    Thing::Port { protocol, address, listen }
}
