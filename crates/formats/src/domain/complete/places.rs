//! Where the devices of a machine are in the guest: what was said of it and what was chosen alike. What was
//! said stays, and so do addresses of devices that the machine does not have, or has otherwise.

use super::{Done, append_absent, ports, unsaid};
use crate::{
    domain::convert::bus_numbers,
    xml::{
        Element,
        build::{Built, element},
    },
};
use std::collections::BTreeSet;
use svirt_model::{Board, BusModel, PciBus, PciDevice, Seat};

pub(super) fn complete(devices: &mut Element, board: &Board) -> Done {
    number_buses(devices)?;
    buses(devices, board)?;
    let (mut seen, mut disks, mut channels) = (BTreeSet::new(), 0, board.ports.iter());
    for device in devices.elements_mut().filter(|device| device.namespace().is_none()) {
        if ports::is_virtio(device) {
            let Some(number) = channels.next() else { continue };
            absent(device, || serial_port(*number))?;
            continue;
        }
        let Some(who) = who(device, &mut disks) else { continue };
        if !seen.insert(who) {
            continue;
        }
        match (who, board.seats.get(&who)) {
            (PciDevice::Disk(number), None) => {
                board.discs.get(&number).map_or(Ok(()), |unit| absent(device, || drive(*unit)))?;
            }
            (PciDevice::Disk(_), Some(_)) if bus(device) != Some("virtio") => {}
            (_, Some(seat)) => absent(device, || pci(*seat))?,
            (_, None) => {}
        }
    }
    tablet(devices, board)
}

/// Says where a device is, unless that is said. One that is said to be on a PCI bus, and nowhere on it, has
/// its place chosen too.
fn absent(device: &mut Element, address: impl FnOnce() -> Built) -> Done {
    let unplaced = |e: &Element| {
        let zero = |name| e.attribute(name).is_none_or(|n| n.trim_matches(['0', 'x']).is_empty());
        e.name() == "address" && e.attribute("type") == Some("pci") && zero("bus") && zero("slot")
    };
    device.remove_elements(unplaced);
    append_absent(device, "address", address)
}

fn bus(disk: &Element) -> Option<&str> {
    disk.element("target").and_then(|target| target.attribute("bus"))
}

/// Which of a machine's devices an element is: as it is read from it.
fn who(device: &Element, disks: &mut u16) -> Option<PciDevice> {
    let of = |name| device.attribute(name);
    let number = || of("index").unwrap_or("0").parse::<u8>().ok();
    match device.name() {
        "disk" => {
            let source = device.element("source");
            let image = source
                .is_some_and(|s| ["file", "dev"].iter().any(|name| s.attribute(name).is_some()));
            if of("device") == Some("cdrom") && !image {
                return None;
            }
            *disks += 1;
            Some(PciDevice::Disk(*disks - 1))
        }
        "interface" => Some(PciDevice::Card),
        "rng" => Some(PciDevice::Random),
        "memballoon" if of("model") != Some("none") => Some(PciDevice::Balloon),
        "watchdog" if of("model") == Some("i6300esb") => Some(PciDevice::Watchdog),
        "video" => Some(PciDevice::Video),
        "controller" => match of("type") {
            Some("usb") if matches!(of("model"), None | Some("qemu-xhci" | "nec-xhci")) => {
                (number() == Some(0)).then_some(PciDevice::Usb)
            }
            Some("virtio-serial") => (number() == Some(0)).then_some(PciDevice::Ports),
            Some("pci") => number().map(PciDevice::Bus),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a controller begins a PCI bus beside the board's own.
pub(super) fn is_bus(controller: &Element) -> bool {
    controller.name() == "controller"
        && controller.attribute("type") == Some("pci")
        && !matches!(controller.attribute("model"), Some("pcie-root" | "pci-root"))
}

fn number_buses(devices: &mut Element) -> Done {
    let said = |e: &Element| e.attribute("index").and_then(|index| index.trim().parse().ok());
    let said: Vec<Option<u32>> = devices.elements().filter(|e| is_bus(e)).map(said).collect();
    let numbers = bus_numbers(&said);
    let buses = devices.elements_mut().filter(|e| is_bus(e));
    buses.zip(numbers).try_for_each(|(bus, number)| unsaid(bus, "index", &number.to_string()))
}

/// What QEMU's device is called, and the numbers of its port.
fn buses(devices: &mut Element, board: &Board) -> Done {
    for bus in &board.buses {
        let index = bus.index.to_string();
        let same = |e: &Element| is_bus(e) && e.attribute("index") == Some(&*index);
        if !devices.elements().any(same) {
            devices.append(element("controller", &[("type", "pci"), ("index", &index)])?);
        }
        let controller = devices.elements_mut().find(|e| same(e));
        controller.map_or(Ok(()), |controller| describe_bus(controller, bus))?;
    }
    Ok(())
}

pub(in crate::domain) fn describe_bus(controller: &mut Element, bus: &PciBus) -> Done {
    unsaid(controller, "model", bus.model.word())?;
    append_absent(controller, "model", || element("model", &[("name", bus.model.device())]))?;
    let (chassis, port) = (bus.chassis.to_string(), format!("{:#x}", bus.port));
    let words = match bus.model {
        BusModel::PcieRootPort | BusModel::PcieSwitchDownstreamPort => {
            vec![("chassis", &*chassis), ("port", &*port)]
        }
        BusModel::PciBridge => vec![("chassisNr", &*chassis)],
        _ => return Ok(()),
    };
    append_absent(controller, "target", || element("target", &[]))?;
    let Some(target) = controller.element_mut("target") else { return Ok(()) };
    if !bus.hotplug {
        unsaid(target, "hotplug", "off")?;
    }
    words.into_iter().try_for_each(|(name, value)| unsaid(target, name, value))
}

pub(in crate::domain) fn pci(seat: Seat) -> Built {
    let Seat { place, multifunction } = seat;
    let (bus, slot) = (format!("{:#04x}", place.bus), format!("{:#04x}", place.slot));
    let function = format!("{:#x}", place.function);
    let mut address = element(
        "address",
        &[
            ("type", "pci"),
            ("domain", "0x0000"),
            ("bus", &bus),
            ("slot", &slot),
            ("function", &function),
        ],
    )?;
    if multifunction {
        address.set_attribute("multifunction", "on")?;
    }
    Ok(address)
}

pub(in crate::domain) fn drive(unit: u8) -> Built {
    let unit = unit.to_string();
    let words = [("type", "drive"), ("controller", "0"), ("bus", "0"), ("target", "0")];
    let mut address = element("address", &words)?;
    address.set_attribute("unit", &unit)?;
    Ok(address)
}

pub(in crate::domain) fn serial_port(number: u8) -> Built {
    let number = number.to_string();
    let words = [("type", "virtio-serial"), ("controller", "0"), ("bus", "0"), ("port", &*number)];
    element("address", &words)
}

/// The tablet that a screen brings is at the first port of the machine's USB.
fn tablet(devices: &mut Element, board: &Board) -> Done {
    let ours = |e: &Element| {
        e.name() == "input"
            && e.attribute("type") == Some("tablet")
            && e.attribute("bus") == Some("usb")
    };
    let tablet = devices.elements_mut().find(|e| ours(e));
    match tablet.filter(|_| board.seats.contains_key(&PciDevice::Usb)) {
        Some(tablet) => append_absent(tablet, "address", || {
            element("address", &[("type", "usb"), ("bus", "0"), ("port", "1")])
        }),
        None => Ok(()),
    }
}
