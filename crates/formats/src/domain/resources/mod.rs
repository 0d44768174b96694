//! What a domain names on the host: one walk over all of it.
//!
//! This list is what a security driver works from, whether or not sVirt can start such a domain
//! itself: each thing with what is done with it, whether it is shared, what its label is to be and
//! which line of the document says so. Where a device uses something of the host that no element
//! names, the thing is here with its usual name.

mod class;
mod memory;
mod network;
mod ports;
mod screen;
mod storage;
mod thing;

pub use class::LabelClass;
pub use thing::Thing;

use super::{
    Device, Domain,
    label::SourceLabel,
    os::Named,
    words::{LaunchSecurity, SocketMode},
};
use crate::{command_line::shortened, qemu::Network};
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
        self.arguments(domain);
    }

    /// What the arguments name that the document gives to the VMM as they are.
    fn arguments(&mut self, domain: &Domain) {
        let line = &domain.command_line;
        let Some(reading) = &line.reading else { return };
        let at = |line: u32| format!("{} line {line}", shortened(&domain.document));
        for found in &reading.found {
            let (what, access) = Thing::of_argument(&found.what);
            self.add(what, access, &line.origin(&domain.document, found));
        }
        if reading.network == Network::Asked {
            self.write(Thing::HostNetwork, &at(line.line).into());
        }
        for forward in &reading.forwards {
            let address = format!("{}:{}", forward.address.as_deref().unwrap_or("*"), forward.port);
            let protocol = forward.protocol.word();
            let origin = format!("{}, {}", at(line.line), forward.origin);
            self.write(Thing::Port { protocol, address, listen: true }, &origin.into());
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
}

fn socket(path: Option<&PathBuf>, mode: SocketMode) -> Thing {
    match (mode, path) {
        (SocketMode::Connect, Some(path)) => Thing::Connect(path.clone()),
        (_, path) => Thing::Listen(path.cloned()),
    }
}
