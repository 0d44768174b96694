//! Where a guest's devices are, from what its author said of it: pure, so that the same description has
//! the same places always. What is said counts; what is left open gets the first place that is free in
//! an order of its device's own. Doing it again with some of what was chosen as said chooses the rest again.
//!
//! ```text
//! slot of the board's own bus   what is put there where nothing is said
//! 00, 1f                        the board itself: its host bridge; ISA, SATA and SMBus
//! 01 to 07                      graphics, USB, network card, virtio serial, randomness, balloon, watchdog
//! 08 to 1b                      disks, in their order, then in the second functions of these slots
//! 1c to 1e                      buses that are said without a place, in the functions of one slot
//! ```

use super::{GuestSpec, NetSpec};
use crate::qemu;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{Board, BusModel, FUNCTION_MAX, PciBus, PciDevice, PciPlace, SLOT_MAX, Seat};

/// The most buses beside the board's own: so many slots and functions it has for them.
pub const BUSES_MAX: usize = 64;
/// The most places that are said.
const PLACES_MAX: usize = 512;
/// The ports of the board's SATA controller.
pub const SATA_PORTS: u8 = 6;
/// The ports of QEMU's virtio serial device.
const SERIAL_PORTS: u8 = 31;
/// The slots of the board's own bus that devices can have.
const SLOTS: std::ops::RangeInclusive<u8> = 1..=0x1e;

/// What an author says of the places of a guest's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PciSpec {
    /// Buses beside the board's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buses: Vec<BusSpec>,
    /// Where devices are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<PciDevice, Seat>,
}

impl PciSpec {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A bus beside the board's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BusSpec {
    /// Its number, from 1.
    pub index: u8,
    /// What it begins at.
    pub model: BusModel,
    /// The number of its slot; its own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chassis: Option<u8>,
    /// The number of its port; that of its place without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u8>,
    /// Whether nothing can be plugged in while the guest runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
}

/// Devices cannot be where they are said to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    /// Two are at one place.
    #[error("{} and {} are both at PCI address {place}", .first.about(), .second.about())]
    Taken {
        /// The place.
        place: PciPlace,
        /// One.
        first: PciDevice,
        /// The other.
        second: PciDevice,
    },
    /// There is no such bus.
    #[error("{} is on PCI bus {bus}, which there is not", .device.about())]
    NoBus {
        /// The device.
        device: PciDevice,
        /// The number of the bus.
        bus: u8,
    },
    /// The bus has no such slot, or it is the board's own.
    #[error("{} is at PCI address {place}, and on that bus devices have slots {first:#04x} to {last:#04x}", .device.about())]
    Slot {
        /// The device.
        device: PciDevice,
        /// The place.
        place: PciPlace,
        /// The first slot of the bus.
        first: u8,
        /// The last one.
        last: u8,
    },
    /// A slot has one function, or a guest would not find the others.
    #[error("{} is at PCI address {place}, and function 0 of that slot does not say that there are others", .device.about())]
    Function {
        /// The device.
        device: PciDevice,
        /// The place.
        place: PciPlace,
    },
    /// Not every device can be on every bus.
    #[error("{} cannot be on PCI bus {bus}: {why}", .device.about())]
    Kind {
        /// The device.
        device: PciDevice,
        /// The number of the bus.
        bus: u8,
        /// Why.
        why: &'static str,
    },
    /// Two buses have one number, or it is the board's.
    #[error("there are two PCI buses with the number {0}")]
    Twice(u8),
    /// Two ports have one number.
    #[error("there are two PCI buses with the chassis {0}")]
    Chassis(u8),
    /// There is no place left.
    #[error("there is no free PCI address for {}", .0.about())]
    Full(PciDevice),
    /// A place is said of what the machine does not have.
    #[error("{0} has a PCI address, and the machine has no such device")]
    Nobody(PciDevice),
    /// Two discs are at one port of the SATA controller, or there is no such port or no free one.
    #[error(
        "disk number {number} has no port of the SATA controller, which has {SATA_PORTS}: {why}"
    )]
    Disc {
        /// Its number, from 1.
        number: usize,
        /// Why.
        why: &'static str,
    },
    /// The same of the ports of the virtio serial device.
    #[error("channel number {number} has no port of the virtio serial device: {why}")]
    Port {
        /// Its number, from 1.
        number: usize,
        /// Why.
        why: &'static str,
    },
    /// Too much is said.
    #[error("a machine has at most {BUSES_MAX} PCI buses, and so much is said of their devices")]
    TooMany,
}

impl BoardError {
    /// The device that it is about, where it is about one.
    pub fn device(&self) -> Option<PciDevice> {
        match self {
            Self::Taken { second: device, .. }
            | Self::NoBus { device, .. }
            | Self::Slot { device, .. }
            | Self::Function { device, .. }
            | Self::Kind { device, .. }
            | Self::Full(device)
            | Self::Nobody(device) => Some(*device),
            Self::Twice(index) | Self::Chassis(index) => Some(PciDevice::Bus(*index)),
            Self::Disc { number, .. } => {
                u16::try_from(number.saturating_sub(1)).ok().map(PciDevice::Disk)
            }
            Self::Port { .. } => Some(PciDevice::Ports),
            Self::TooMany => None,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoBus { .. } => {
                "add <controller type='pci' index='N' model='pcie-root-port'/>, or leave the address out"
            }
            Self::Function { .. } => {
                "write multifunction='on' in the address with function 0, or leave the address out"
            }
            Self::Twice(_) => "give each its own index; the board's own bus has 0",
            Self::Chassis(_) => "give each its own, or leave <target chassis='N'/> out",
            Self::Full(_) => {
                "add buses: <controller type='pci' model='pcie-root-port'/>, each with an address of a \
                 device on it"
            }
            Self::TooMany => "leave some of them out",
            _ => "leave the address out: one that is free is chosen",
        }
    }
}

impl GuestSpec {
    /// Where its devices are.
    ///
    /// # Errors
    /// What is said of them cannot be, or there is no room.
    pub fn board(&self) -> Result<Board, BoardError> {
        let mut choice = Choice::new(&self.pci)?;
        choice.said(&self.pci, &self.pci_devices(), &self.elsewhere())?;
        for spec in &self.pci.buses {
            choice.open(PciDevice::Bus(spec.index))?;
        }
        self.pci_devices().into_iter().try_for_each(|device| choice.open(device))?;
        let (discs, ports) = (self.discs()?, self.port_numbers()?);
        Ok(Board { buses: choice.buses()?, seats: choice.seats(), discs, ports })
    }

    /// The devices that it has on PCI buses, beside what the buses begin at.
    fn pci_devices(&self) -> BTreeSet<PciDevice> {
        let screen = self.display == super::DisplaySpec::Vnc;
        let disks = (0..).zip(&self.disks).filter(|(_, disk)| !disk.cdrom);
        let single = [
            (PciDevice::Video, screen),
            (PciDevice::Usb, screen),
            (PciDevice::Card, self.network() == NetSpec::User),
            (PciDevice::Ports, !self.channels.is_empty()),
            (PciDevice::Random, true),
            (PciDevice::Balloon, self.balloon),
            (PciDevice::Watchdog, self.watchdog.is_some()),
        ];
        let single = single.into_iter().filter_map(|(device, there)| there.then_some(device));
        single.chain(disks.map(|(number, _)| PciDevice::Disk(number))).collect()
    }

    /// Places that arguments of the user's own name, which QEMU has made of its own mind otherwise.
    fn elsewhere(&self) -> BTreeSet<PciPlace> {
        let values = self.extra.iter().zip(self.extra.iter().skip(1));
        let devices = values.filter(|(option, _)| matches!(&***option, "-device" | "--device"));
        devices.filter_map(|(_, value)| qemu::pci_place(value)).collect()
    }

    /// The port of the SATA controller of each disc.
    fn discs(&self) -> Result<BTreeMap<u16, u8>, BoardError> {
        let said = (0_u16..).zip(&self.disks).filter(|(_, disk)| disk.cdrom);
        let more = self.cdrom.iter().map(|_| (u16::try_from(self.disks.len()).unwrap_or(0), None));
        let wanted: Vec<(u16, Option<u8>)> =
            said.map(|(number, disk)| (number, disk.unit)).chain(more).collect();
        let wants: Vec<_> = wanted.iter().map(|(_, unit)| (*unit, 0)).collect();
        let units = numbered(&wants, SATA_PORTS).map_err(|(at, why)| BoardError::Disc {
            number: wanted.get(at).map_or(0, |(number, _)| usize::from(*number)) + 1,
            why,
        })?;
        Ok(wanted.iter().map(|(number, _)| *number).zip(units).collect())
    }

    /// Port 0 is a console's (QEMU's `hw/char/virtio-console.c`).
    fn port_numbers(&self) -> Result<Vec<u8>, BoardError> {
        let first = |named: bool| u8::from(named);
        let wants = self.channels.iter().map(|port| (port.port, first(port.name.is_some())));
        let wants: Vec<_> = wants.collect();
        numbered(&wants, SERIAL_PORTS).map_err(|(at, why)| BoardError::Port { number: at + 1, why })
    }
}

/// A number for each below a limit: the one that is said, or the first free one from its least on.
/// Fails with the place in the list of one that has none.
fn numbered(wants: &[(Option<u8>, u8)], limit: u8) -> Result<Vec<u8>, (usize, &'static str)> {
    let mut taken = BTreeSet::new();
    for (at, (said, least)) in wants.iter().enumerate() {
        let Some(said) = *said else { continue };
        if !(*least..limit).contains(&said) {
            return Err((at, "there is none of that number"));
        }
        if !taken.insert(said) {
            return Err((at, "another has it"));
        }
    }
    let mut numbers = Vec::new();
    for (at, (said, least)) in wants.iter().enumerate() {
        let free = || (*least..limit).find(|number| !taken.contains(number));
        let number = said.or_else(free).ok_or((at, "all are taken"))?;
        taken.insert(number);
        numbers.push(number);
    }
    Ok(numbers)
}

/// Who is where, while it is being decided.
struct Choice<'a> {
    specs: BTreeMap<u8, &'a BusSpec>,
    at: BTreeMap<PciPlace, Holder>,
    seats: BTreeMap<PciDevice, PciPlace>,
}

/// Who has a place.
struct Holder {
    device: PciDevice,
    /// Whether other functions of its slot can be others: it is said, or can still be.
    shares: bool,
    said: bool,
}

impl<'a> Choice<'a> {
    fn new(said: &'a PciSpec) -> Result<Self, BoardError> {
        if said.buses.len() > BUSES_MAX || said.places.len() > PLACES_MAX {
            return Err(BoardError::TooMany);
        }
        let mut specs = BTreeMap::new();
        for spec in &said.buses {
            if spec.index == 0 || specs.insert(spec.index, spec).is_some() {
                return Err(BoardError::Twice(spec.index));
            }
        }
        Ok(Self { specs, at: BTreeMap::new(), seats: BTreeMap::new() })
    }

    /// What is said, all of it before anything is chosen.
    fn said(
        &mut self,
        said: &PciSpec,
        devices: &BTreeSet<PciDevice>,
        elsewhere: &BTreeSet<PciPlace>,
    ) -> Result<(), BoardError> {
        for (&device, &Seat { place, multifunction }) in &said.places {
            let there = match device {
                PciDevice::Bus(index) => self.specs.contains_key(&index),
                PciDevice::Absent(_) => true,
                device => devices.contains(&device),
            };
            if !there {
                return Err(BoardError::Nobody(device));
            }
            self.fits(device, place)?;
            if let Some(Holder { device: first, .. }) = self.at.get(&place) {
                return Err(BoardError::Taken { place, first: *first, second: device });
            }
            let shares = multifunction && !matches!(device, PciDevice::Absent(_));
            self.sit(device, place, Holder { device, shares, said: true });
        }
        for (number, place) in (u16::MAX / 2..).zip(elsewhere) {
            if let Some(Holder { device: first, .. }) = self.at.get(place) {
                let (first, second) = (PciDevice::Absent(number), *first);
                return Err(BoardError::Taken { place: *place, first, second });
            }
            let device = PciDevice::Absent(number);
            self.at.insert(*place, Holder { device, shares: false, said: true });
        }
        let alone = |place: &PciPlace| !self.at.get(&place.first()).is_some_and(|h| h.shares);
        let absent = |device: &PciDevice| matches!(device, PciDevice::Absent(_));
        let mut further = self.seats.iter().filter(|(d, p)| p.function > 0 && !absent(d));
        match further.find(|(_, place)| alone(place)) {
            Some((device, place)) => Err(BoardError::Function { device: *device, place: *place }),
            None => Ok(()),
        }
    }

    fn sit(&mut self, device: PciDevice, place: PciPlace, holder: Holder) {
        self.at.insert(place, holder);
        self.seats.insert(device, place);
    }

    /// Whether a device can be at a place, were it free.
    fn fits(&self, device: PciDevice, place: PciPlace) -> Result<(), BoardError> {
        let PciPlace { bus, slot, .. } = place;
        let no_bus = BoardError::NoBus { device, bus };
        let spec = self.specs.get(&bus).ok_or(no_bus);
        let on = match bus {
            0 => None,
            _ => Some(spec?.model),
        };
        let kind = |why| Err(BoardError::Kind { device, bus, why });
        let own = match device {
            PciDevice::Bus(index) if index <= bus => {
                return kind("a bus begins on one with a smaller number");
            }
            PciDevice::Bus(index) => self.specs.get(&index).map(|spec| spec.model),
            _ => None,
        };
        if let (Some(why), false) = (misfit(own, on), matches!(device, PciDevice::Absent(_))) {
            return kind(why);
        }
        let (first, last) = slots(on);
        match (first..=last).contains(&slot) {
            true => Ok(()),
            false => Err(BoardError::Slot { device, place, first, last }),
        }
    }

    /// A place for one of which nothing is said.
    fn open(&mut self, device: PciDevice) -> Result<(), BoardError> {
        if self.seats.contains_key(&device) {
            return Ok(());
        }
        let free =
            order(device).find(|place| self.fits(device, *place).is_ok() && self.is_free(*place));
        // What cannot be on the board's own bus is on the first that has room for it.
        let anywhere = || {
            let buses = self.specs.keys().copied();
            buses
                .flat_map(|bus| (0..=SLOT_MAX).map(move |slot| PciPlace { bus, slot, function: 0 }))
                .find(|place| self.fits(device, *place).is_ok() && self.is_free(*place))
        };
        let place = free.or_else(anywhere).ok_or(BoardError::Full(device))?;
        self.sit(device, place, Holder { device, shares: place.function == 0, said: false });
        Ok(())
    }

    fn is_free(&self, place: PciPlace) -> bool {
        let with = |function| PciPlace { function, ..place };
        let first = self.at.get(&place.first());
        match place.function {
            0 => (0..=FUNCTION_MAX).all(|function| !self.at.contains_key(&with(function))),
            _ => !self.at.contains_key(&place) && first.is_some_and(|holder| holder.shares),
        }
    }

    /// Whether the first function of a slot has to say that there are others.
    fn seats(&self) -> BTreeMap<PciDevice, Seat> {
        let others = |place: PciPlace| {
            let further = |function| PciPlace { function, ..place };
            place.function == 0 && (1..=FUNCTION_MAX).any(|f| self.at.contains_key(&further(f)))
        };
        let there = self.seats.iter().filter(|(device, _)| !matches!(device, PciDevice::Absent(_)));
        let seat = |place: PciPlace| {
            let holder = self.at.get(&place);
            let said = holder.is_some_and(|holder| holder.said && holder.shares);
            let chosen = holder.is_some_and(|holder| !holder.said && others(place));
            Seat { place, multifunction: said || chosen }
        };
        there.map(|(device, place)| (*device, seat(*place))).collect()
    }

    fn buses(&self) -> Result<Vec<PciBus>, BoardError> {
        let mut taken = BTreeSet::new();
        for spec in self.specs.values() {
            let chassis = spec.chassis.unwrap_or(spec.index);
            if !taken.insert(chassis) {
                return Err(BoardError::Chassis(chassis));
            }
        }
        let bus = |spec: &&BusSpec| {
            let BusSpec { index, model, chassis, port, fixed } = **spec;
            let place = self.seats.get(&PciDevice::Bus(index));
            let usual = place.map_or(0, |place| (place.slot << 3) | place.function);
            let (chassis, port) = (chassis.unwrap_or(index), port.unwrap_or(usual));
            PciBus { index, model, chassis, port, hotplug: !fixed }
        };
        Ok(self.specs.values().map(bus).collect())
    }
}

/// Where a device is looked for a place, on the board's own bus: from its own slot on, and in further
/// functions of slots only when all have one.
fn order(device: PciDevice) -> Box<dyn Iterator<Item = PciPlace>> {
    let at = |slot, function| PciPlace { bus: 0, slot, function };
    if let PciDevice::Bus(_) = device {
        let all = (0x1c..=0x1e).chain(*SLOTS.start()..0x1c);
        return Box::new(all.flat_map(move |s| (0..=FUNCTION_MAX).map(move |f| at(s, f))));
    }
    let start = match device {
        PciDevice::Video => 1,
        PciDevice::Usb => 2,
        PciDevice::Card => 3,
        PciDevice::Ports => 4,
        PciDevice::Random => 5,
        PciDevice::Balloon => 6,
        PciDevice::Watchdog => 7,
        _ => 8,
    };
    let slots = move || (start..=0x1b).chain(1..start);
    let usual = (0..=FUNCTION_MAX).flat_map(move |f| slots().map(move |s| at(s, f)));
    // Those of buses come last.
    Box::new(
        usual.chain((0..=FUNCTION_MAX).flat_map(move |f| (0x1c..=0x1e).map(move |s| at(s, f)))),
    )
}

/// The slots of a bus that devices can have (libvirt's `virDomainPCIAddressBusSetModel`).
fn slots(on: Option<BusModel>) -> (u8, u8) {
    match on {
        None => (*SLOTS.start(), *SLOTS.end()),
        Some(BusModel::PcieRootPort | BusModel::PcieSwitchDownstreamPort) => (0, 0),
        Some(BusModel::PcieSwitchUpstreamPort) => (0, SLOT_MAX),
        Some(BusModel::PcieToPciBridge | BusModel::DmiToPciBridge | BusModel::PciBridge) => {
            (1, SLOT_MAX)
        }
    }
}

/// Why what begins a bus, or an ordinary device, cannot be on another bus (QEMU's `docs/pcie.txt`).
fn misfit(own: Option<BusModel>, on: Option<BusModel>) -> Option<&'static str> {
    use BusModel::{
        DmiToPciBridge, PciBridge, PcieRootPort, PcieSwitchDownstreamPort, PcieSwitchUpstreamPort,
        PcieToPciBridge,
    };
    let is_port = matches!(on, Some(PcieRootPort | PcieSwitchDownstreamPort));
    let is_plain = matches!(on, Some(PcieToPciBridge | DmiToPciBridge | PciBridge));
    match own {
        Some(PcieSwitchDownstreamPort) if on != Some(PcieSwitchUpstreamPort) => {
            Some("a downstream port is on an upstream port")
        }
        Some(PcieSwitchDownstreamPort) => None,
        _ if on == Some(PcieSwitchUpstreamPort) => Some("only downstream ports are on it"),
        Some(PcieRootPort | DmiToPciBridge) if on.is_some() => {
            Some("a root port and this bridge are on the board's own bus")
        }
        Some(PcieSwitchUpstreamPort) if !is_port => Some("an upstream port is on another port"),
        Some(PcieToPciBridge) if is_plain => {
            Some("this bridge is on the board's own bus or a port")
        }
        Some(PciBridge) if !is_plain => Some("this bridge is on a conventional PCI bus"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
