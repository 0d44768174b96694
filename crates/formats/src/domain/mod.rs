//! libvirt's description of a machine, which it calls a domain: read into typed values, of which
//! each that names something of the host says what, how, and where the document says so.
//!
//! The form is the one of libvirt's documentation (<https://libvirt.org/formatdomain.html>), for its
//! drivers of QEMU. Nothing here opens a file, fills in what libvirt would choose, or knows what sVirt
//! can do with a device: [`Domain::resources`] lists what a domain names on the host, and
//! [`Domain::to_spec`] makes sVirt's own description of it.
//!
//! Whatever stands in `<os>`, `<devices>`, `<memoryBacking>` or in a namespace of somebody else and is
//! not understood is an error: it may name something of the host, and a machine without it would be
//! denied something unexplained. So it is in `<seclabel>`, where a misspelt restriction would be none,
//! and in `<name>` and `<uuid>`, of which there is one. There is no list of what is understood; what nobody asked for is
//! left, and only what the table in `harmless/` has may be left.

pub mod address;
mod amend;
pub mod chardev;
mod complete;
mod convert;
mod describe;
pub mod disk;
mod error;
pub mod filesystem;
mod harmless;
pub mod hostdev;
pub mod interface;
pub mod label;
mod live;
pub mod memory;
pub mod os;
pub mod parts;
pub mod resources;
pub mod screen;
pub mod secrets;
mod show;
mod stand_in;
pub mod storage;
pub mod system;
mod view;
pub mod words;

pub use amend::{AmendError, Amendment, described_as, metadata, title};
pub use complete::{Facts, Sockets, complete, running, without_secrets};
pub use convert::{Converted, Note};
pub use describe::{Undescribed, describe};
pub use error::{DomainError, Problem};
pub use harmless::{HARMLESS, Harmless, Ignored, VARIABLES};
pub use live::{Live, LiveLabel};
pub use stand_in::stand_in;

use crate::xml::Document;
use address::Address;
use chardev::PortKind;
use label::DomainLabel;
use memory::Protection;
use os::{Named, Os};
use std::collections::BTreeMap;
use svirt_model::{Bytes, Uuid};
use system::{CommandLine, MemoryBacking};
use view::{Read, View};
use words::{DomainType, Event};

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// What the document is called in origins and errors.
    pub document: String,
    /// How guest code is run.
    pub kind: DomainType,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uuid: Option<Uuid>,
    /// Its memory when it starts.
    pub memory: Bytes,
    /// What of its memory the guest uses at first, less what its balloon holds.
    pub current_memory: Option<Bytes>,
    /// The most memory that it may ever have.
    pub max_memory: Option<Bytes>,
    /// The most processors that it may have.
    pub processors: u32,
    /// Those that it starts with, if not all.
    pub current_processors: Option<u32>,
    /// What it boots.
    pub os: Os,
    /// The names of the hypervisor's features that it asks for.
    pub features: Vec<String>,
    /// How its processor is chosen (`mode`), and its model.
    pub cpu: (Option<String>, Option<String>),
    /// What its clock shows (`offset`).
    pub clock: Option<String>,
    /// What happens when it powers off, reboots and crashes.
    pub events: [Option<Event>; 3],
    /// The VMM's program.
    pub emulator: Option<Named>,
    /// Its devices, in order.
    pub devices: Vec<Device>,
    /// Where each of them is in the guest, as far as it is said.
    pub addresses: Vec<Option<Address>>,
    /// Where its memory comes from.
    pub memory_backing: MemoryBacking,
    /// Its security labels.
    pub labels: Vec<DomainLabel>,
    /// How its memory is protected from the host.
    pub protection: Option<Protection>,
    /// Files that are shown to its firmware.
    pub firmware_files: Vec<Named>,
    /// Block devices whose bandwidth a control group limits.
    pub tuned_devices: Vec<std::path::PathBuf>,
    /// Arguments and environment that are given to the VMM as they are.
    pub command_line: CommandLine,
    /// Where each element of the domain begins, the first one of its name.
    pub lines: BTreeMap<String, u32>,
    /// What was understood to be harmless and not looked at.
    pub ignored: Vec<Ignored>,
}

macro_rules! devices {
    ($($variant:ident($kind:ty) = $about:literal),+ $(,)?) => {
        /// A device.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Device {
            $(#[doc = $about] $variant($kind)),+
        }

        impl Device {
            /// The line on which it is described.
            pub fn line(&self) -> u32 {
                match self { $(Self::$variant(device) => device.line),+ }
            }
        }
    };
}

devices! {
    Disk(Box<disk::Disk>) = "`<disk>`.",
    Controller(parts::Controller) = "`<controller>`.",
    Filesystem(filesystem::Filesystem) = "`<filesystem>`.",
    Interface(interface::Interface) = "`<interface>`.",
    Hostdev(hostdev::Hostdev) = "`<hostdev>`.",
    Redirdev(parts::Redirdev) = "`<redirdev>`.",
    Smartcard(secrets::Smartcard) = "`<smartcard>`.",
    Port(chardev::Port) = "`<serial>`, `<parallel>`, `<console>` or `<channel>`.",
    Input(screen::Input) = "`<input>`.",
    Graphics(screen::Graphics) = "`<graphics>`.",
    Video(screen::Video) = "`<video>`.",
    Sound(parts::Simple) = "`<sound>`.",
    Audio(screen::Audio) = "`<audio>`.",
    Rng(secrets::Rng) = "`<rng>`.",
    Tpm(secrets::Tpm) = "`<tpm>`.",
    Memballoon(parts::Simple) = "`<memballoon>`.",
    Watchdog(parts::Watchdog) = "`<watchdog>`.",
    Panic(parts::Simple) = "`<panic>`.",
    Shmem(memory::Shmem) = "`<shmem>`.",
    Memory(memory::MemoryDevice) = "`<memory>` among the devices.",
    Vsock(parts::Vsock) = "`<vsock>`.",
    Iommu(parts::Simple) = "`<iommu>`.",
    Crypto(secrets::Crypto) = "`<crypto>`.",
    Hub(parts::Simple) = "`<hub>`.",
    Pstore(memory::Pstore) = "`<pstore>`.",
    Lease(parts::Lease) = "`<lease>`.",
}

impl Domain {
    /// The line on which an element of the domain begins; the first of all where there is none.
    fn line_of(&self, name: &str) -> u32 {
        self.lines.get(name).copied().unwrap_or(1)
    }

    /// Whether its board is the one that machines have: what is said of the places of devices on another
    /// says nothing of this one.
    pub fn has_our_board(&self) -> bool {
        self.os.machine.as_deref().is_none_or(|name| name == "q35" || name.starts_with("pc-q35-"))
    }

    /// Whether a device of this domain is another one said again: the first console is the first serial port, and
    /// libvirt writes both.
    pub fn is_copy(&self, device: &Device) -> bool {
        fn port(device: &Device) -> Option<&chardev::Port> {
            match device {
                Device::Port(port) => Some(port),
                _ => None,
            }
        }
        let of_kind = |kind| self.devices.iter().filter_map(port).find(|port| port.kind == kind);
        let Some(console) = port(device).filter(|port| port.kind == PortKind::Console) else {
            return false;
        };
        let serial = matches!(console.target.as_deref(), None | Some("serial"));
        let first = of_kind(PortKind::Console).is_some_and(|first| std::ptr::eq(first, console));
        serial && first && of_kind(PortKind::Serial).is_some()
    }
}

/// Reads a domain from a document that is called `name` in origins and errors.
///
/// # Errors
/// It is no domain, names something that is not understood, or contradicts itself. The error names
/// the element and its line.
pub fn read(text: &[u8], name: &str) -> Result<Domain, DomainError> {
    let document = Document::read(text);
    let document = document.map_err(|error| DomainError::Document {
        document: crate::command_line::shortened(name),
        error,
    })?;
    from_document(&document, name)
}

/// Reads a domain from a document that was read already.
///
/// # Errors
/// As for [`read`].
pub fn from_document(document: &Document, name: &str) -> Result<Domain, DomainError> {
    let root = View::new(document.root(), name);
    let element = document.root();
    if element.name() != "domain" || element.namespace().is_some() {
        return Err(root.error(Problem::NoDomain));
    }
    let mut domain = domain(&root, name)?;
    (domain.devices, domain.addresses) = devices(&root)?.into_iter().unzip();
    domain.ignored = harmless::check(&root)?;
    Ok(domain)
}

fn domain(root: &View<'_>, document: &str) -> Read<Domain> {
    let amount = |name| root.child(name).map(system::memory).transpose();
    let vcpu = root.child("vcpu");
    let cpu = root.child("cpu");
    let features = root.child("features");
    let features = features.map(|view| view.children().map(|f| f.name().to_owned()).collect());
    let clock = root.child("clock").and_then(|clock| clock.attr("offset"));
    let event = |name| root.child(name).map(|view| event(view)).transpose();
    Ok(Domain {
        document: document.to_owned(),
        kind: root.need_word("type")?,
        name: root.need_child("name")?.text(),
        uuid: root.child("uuid").map(uuid).transpose()?,
        memory: system::memory(root.need_child("memory")?)?,
        current_memory: amount("currentMemory")?,
        max_memory: amount("maxMemory")?,
        processors: vcpu.map_or(Ok(1), View::text_number)?,
        current_processors: vcpu.map_or(Ok(None), |vcpu| vcpu.number("current"))?,
        os: os::read(root)?,
        features: features.unwrap_or_default(),
        cpu: (
            cpu.and_then(|cpu| cpu.attr("mode")).map(str::to_owned),
            cpu.and_then(|cpu| cpu.child("model")).map(View::text),
        ),
        clock: clock.map(str::to_owned),
        events: [event("on_poweroff")?, event("on_reboot")?, event("on_crash")?],
        memory_backing: system::memory_backing(root)?,
        labels: label::domain(root)?,
        protection: root.child("launchSecurity").map(memory::protection).transpose()?,
        firmware_files: system::firmware_files(root)?,
        tuned_devices: system::tuned_devices(root)?,
        command_line: system::command_line(root)?,
        emulator: emulator(root)?,
        devices: Vec::new(),
        addresses: Vec::new(),
        lines: lines(root),
        ignored: Vec::new(),
    })
}

fn lines(root: &View<'_>) -> BTreeMap<String, u32> {
    let mut lines = BTreeMap::new();
    for view in root.children() {
        lines.entry(view.name().to_owned()).or_insert(view.element.line());
    }
    lines
}

fn uuid(view: &View<'_>) -> Read<Uuid> {
    let text = view.text();
    Uuid::parse_str(text.trim()).map_err(|_| view.error(Problem::form(&text, "a UUID")))
}

fn event(view: &View<'_>) -> Read<Event> {
    words::Word::read(view.text().trim()).map_err(|problem| view.error(problem))
}

fn emulator(root: &View<'_>) -> Read<Option<Named>> {
    let devices = root.child("devices");
    devices.and_then(|devices| devices.child("emulator")).map(os::named).transpose()
}

/// The devices, each with where it is said to be.
fn devices(root: &View<'_>) -> Read<Vec<(Device, Option<Address>)>> {
    let Some(view) = root.child("devices") else { return Ok(Vec::new()) };
    let mut devices = Vec::new();
    for child in view.children() {
        if let Some(device) = device(child)? {
            child.take();
            devices.push((device, address::read(child)?));
        }
    }
    Ok(devices)
}

/// The one place that knows which element is which device. Nothing for one that is none.
fn device(view: &View<'_>) -> Read<Option<Device>> {
    let port = |kind| chardev::port(view, kind).map(Device::Port);
    let device = match view.name() {
        "disk" => Device::Disk(Box::new(disk::read(view)?)),
        "controller" => Device::Controller(parts::controller(view)?),
        "filesystem" => Device::Filesystem(filesystem::filesystem(view)?),
        "interface" => Device::Interface(interface::read(view)?),
        "hostdev" => Device::Hostdev(hostdev::read(view)?),
        "redirdev" => Device::Redirdev(parts::redirdev(view)?),
        "smartcard" => Device::Smartcard(secrets::smartcard(view)?),
        "serial" => port(PortKind::Serial)?,
        "parallel" => port(PortKind::Parallel)?,
        "console" => port(PortKind::Console)?,
        "channel" => port(PortKind::Channel)?,
        "input" => Device::Input(screen::input(view)?),
        "graphics" => Device::Graphics(screen::graphics(view)?),
        "video" => Device::Video(screen::video(view)?),
        "sound" => Device::Sound(parts::simple(view)),
        "audio" => Device::Audio(screen::audio(view)?),
        "rng" => Device::Rng(secrets::rng(view)?),
        "tpm" => Device::Tpm(secrets::tpm(view)?),
        "memballoon" => Device::Memballoon(parts::simple(view)),
        "watchdog" => Device::Watchdog(parts::watchdog(view)?),
        "panic" => Device::Panic(parts::simple(view)),
        "shmem" => Device::Shmem(memory::shmem(view)?),
        "memory" => Device::Memory(memory::memory(view)?),
        "vsock" => Device::Vsock(parts::vsock(view)?),
        "iommu" => Device::Iommu(parts::simple(view)),
        "crypto" => Device::Crypto(secrets::crypto(view)?),
        "hub" => Device::Hub(parts::simple(view)),
        "pstore" => Device::Pstore(memory::pstore(view)?),
        "lease" => Device::Lease(parts::lease(view)?),
        _ => return Ok(None),
    };
    Ok(Some(device))
}
