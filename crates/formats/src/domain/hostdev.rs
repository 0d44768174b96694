//! `<hostdev>`: devices of the host that the guest drives
//! (<https://libvirt.org/formatdomain.html#host-device-assignment>).

use super::{
    disk::boot,
    error::Problem,
    interface::{Rom, rom},
    storage::{self, Host},
    view::{Read, View},
    words::{HostdevType, PciAddress, hex_or_decimal, pci_address},
};
use std::path::PathBuf;
use svirt_model::{Origin, Uuid};

/// A device of the host that the guest drives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostdev {
    /// Which.
    pub address: HostAddress,
    /// Whether the host's driver is detached before the start and attached after the end.
    pub managed: bool,
    /// Whether the guest can only read it.
    pub read_only: bool,
    /// Whether other domains may use it at the same time.
    pub shareable: bool,
    /// Whether the VMM gets the privilege for all SCSI commands.
    pub raw_io: bool,
    /// Its option ROM.
    pub rom: Rom,
    /// Its place in the order of booting.
    pub boot: Option<u32>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

/// Which device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostAddress {
    /// A PCI device.
    Pci(PciAddress),
    /// A USB device.
    Usb {
        /// Vendor and product, by which it is looked for.
        id: Option<(u32, u32)>,
        /// Bus and device, where it is.
        place: Option<(u32, u32)>,
    },
    /// A logical unit of a SCSI adapter of the host.
    Scsi {
        /// The adapter, such as `scsi_host0`.
        adapter: String,
        /// Bus, target and unit.
        place: (u32, u32, u64),
    },
    /// A logical unit of another host, over iSCSI.
    Iscsi {
        /// Its name.
        name: String,
        /// Where.
        hosts: Vec<Host>,
    },
    /// A SCSI target of the kernel's, through vhost; its name.
    Vhost(String),
    /// A mediated device.
    Mdev(Uuid),
    /// A device node: a disk or a character device.
    Node(PathBuf),
    /// A network interface.
    Net(String),
}

pub(super) fn read(view: &View<'_>) -> Read<Hostdev> {
    let kind: HostdevType = view.need_word("type")?;
    match view.attr("mode") {
        None | Some("subsystem" | "capabilities") => {}
        Some(other) => return Err(view.error_of("mode", Problem::form(other, "subsystem"))),
    }
    let source = view.need_child("source")?;
    let has = |name| view.child(name).is_some();
    Ok(Hostdev {
        address: address(source, kind)?,
        managed: view.flag("managed")?.unwrap_or(false),
        read_only: has("readonly"),
        shareable: has("shareable"),
        raw_io: storage::raw_io(view)?,
        rom: rom(view)?,
        boot: boot(view)?,
        origin: view.origin("type"),
        line: view.element.line(),
    })
}

fn address(source: &View<'_>, kind: HostdevType) -> Read<HostAddress> {
    let text = |name| {
        source.child(name).ok_or_else(|| source.error(Problem::Missing("the device's name")))
    };
    match kind {
        HostdevType::Pci => pci_address(source.need_child("address")?).map(HostAddress::Pci),
        HostdevType::Usb => usb(source),
        HostdevType::Scsi if source.attr("protocol") == Some("iscsi") => iscsi(source),
        HostdevType::Scsi => scsi(source),
        HostdevType::ScsiHost => {
            source.need("protocol")?;
            Ok(HostAddress::Vhost(source.need("wwpn")?.to_owned()))
        }
        HostdevType::Mdev => {
            let address = source.need_child("address")?;
            let given = address.need("uuid")?;
            let wrong = |_| address.error_of("uuid", Problem::form(given, "a UUID"));
            Uuid::parse_str(given).map(HostAddress::Mdev).map_err(wrong)
        }
        HostdevType::Storage => text("block")?.text_path().map(HostAddress::Node),
        HostdevType::Misc => text("char")?.text_path().map(HostAddress::Node),
        HostdevType::Net => Ok(HostAddress::Net(text("interface")?.text())),
    }
}

/// The source of `<interface type='hostdev'>`, which may be of either bus.
pub(super) fn network_card(source: &View<'_>) -> Read<HostAddress> {
    match source.child("address").and_then(|address| address.attr("type")) {
        Some("pci") => address(source, HostdevType::Pci),
        _ => usb(source),
    }
}

fn usb(source: &View<'_>) -> Read<HostAddress> {
    let id = match source.child("vendor") {
        Some(vendor) => {
            let product = source.need_child("product")?;
            Some((hex(vendor, "id")?, hex(product, "id")?))
        }
        None => None,
    };
    let place = match source.child("address") {
        Some(address) => Some((hex(address, "bus")?, hex(address, "device")?)),
        None => None,
    };
    if id.is_none() && place.is_none() {
        return Err(source.error(Problem::Missing("<vendor> and <product>, or <address>")));
    }
    Ok(HostAddress::Usb { id, place })
}

fn hex(view: &View<'_>, name: &'static str) -> Read<u32> {
    let given = view.need(name)?;
    hex_or_decimal(given).ok_or_else(|| view.error_of(name, Problem::form(given, "a number")))
}

fn scsi(source: &View<'_>) -> Read<HostAddress> {
    let adapter = source.child("adapter");
    let adapter = adapter.ok_or_else(|| source.error(Problem::Missing("<adapter>")))?;
    let address = source.need_child("address")?;
    let missing = || address.error(Problem::Missing("bus, target and unit"));
    let place = (address.number("bus")?, address.number("target")?, address.number("unit")?);
    let (Some(bus), Some(target), Some(unit)) = place else { return Err(missing()) };
    let adapter = adapter.need("name")?.to_owned();
    Ok(HostAddress::Scsi { adapter, place: (bus, target, unit) })
}

fn iscsi(source: &View<'_>) -> Read<HostAddress> {
    let host = |view: &View<'_>| {
        let port = view.attr("port").map(str::to_owned);
        Ok(Host::Named { name: view.need("name")?.to_owned(), port })
    };
    let hosts = source.each("host").map(host).collect::<Read<_>>()?;
    source.child("auth").map(storage::auth).transpose()?;
    Ok(HostAddress::Iscsi { name: source.need("name")?.to_owned(), hosts })
}
