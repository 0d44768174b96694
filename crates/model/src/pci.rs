//! Where a guest's devices are: on its PCI buses, on the ports of its SATA controller and of its virtio
//! serial device.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// A place on a PCI bus of a guest's, written `BUS:SLOT.FUNCTION` in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciPlace {
    /// The number of the bus in the machine's description. The guest's firmware numbers them itself.
    pub bus: u8,
    /// The slot, below 32.
    pub slot: u8,
    /// The function, below 8.
    pub function: u8,
}

/// The most that a slot's number can be.
pub const SLOT_MAX: u8 = 31;
/// The most that a function's number can be.
pub const FUNCTION_MAX: u8 = 7;

impl PciPlace {
    /// The place in the same slot with the first function.
    #[must_use]
    pub fn first(self) -> Self {
        Self { function: 0, ..self }
    }
}

impl fmt::Display for PciPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{:x}", self.bus, self.slot, self.function)
    }
}

/// A device that has a place on a PCI bus, written as one word, such as `card` or `disk0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PciDevice {
    /// The graphics adapter.
    Video,
    /// The USB controller.
    Usb,
    /// The network card.
    Card,
    /// The virtio serial device.
    Ports,
    /// The source of randomness.
    Random,
    /// The balloon.
    Balloon,
    /// The watchdog.
    Watchdog,
    /// The disk of this number, discs counted with it.
    Disk(u16),
    /// What the bus of this number begins at.
    Bus(u8),
    /// A device that the description has and the machine has not: its place stays free.
    Absent(u16),
}

/// Those of which a machine has one at most.
const SINGLE: [(&str, PciDevice, &str); 7] = [
    ("video", PciDevice::Video, "the graphics adapter"),
    ("usb", PciDevice::Usb, "the USB controller"),
    ("card", PciDevice::Card, "the network card"),
    ("ports", PciDevice::Ports, "the virtio serial device"),
    ("random", PciDevice::Random, "the source of randomness"),
    ("balloon", PciDevice::Balloon, "the balloon"),
    ("watchdog", PciDevice::Watchdog, "the watchdog"),
];

impl PciDevice {
    /// How people call it.
    pub fn about(self) -> String {
        match self {
            Self::Disk(number) => format!("disk number {}", u32::from(number) + 1),
            Self::Bus(index) => format!("the controller of PCI bus {index}"),
            Self::Absent(_) => "a device that the machine does not have".into(),
            single => {
                SINGLE.iter().find(|(_, d, _)| *d == single).map_or("", |(.., about)| about).into()
            }
        }
    }
}

impl fmt::Display for PciDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(number) => write!(f, "disk{number}"),
            Self::Bus(index) => write!(f, "bus{index}"),
            Self::Absent(number) => write!(f, "absent{number}"),
            single => {
                let word = SINGLE.iter().find(|(_, device, _)| device == single);
                f.write_str(word.map_or("", |(word, ..)| word))
            }
        }
    }
}

impl From<PciDevice> for String {
    fn from(device: PciDevice) -> Self {
        device.to_string()
    }
}

/// A text is no place on a bus, or no device that can have one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {wanted}")]
pub struct NoPlace {
    given: String,
    wanted: &'static str,
}

fn no_place(given: &str, wanted: &'static str) -> NoPlace {
    NoPlace { given: given.chars().take(80).collect(), wanted }
}

impl FromStr for PciDevice {
    type Err = NoPlace;
    fn from_str(given: &str) -> Result<Self, NoPlace> {
        if let Some((_, device, _)) = SINGLE.iter().find(|(word, ..)| *word == given) {
            return Ok(*device);
        }
        let digits = given.trim_start_matches(|c: char| c.is_ascii_lowercase());
        let kind = given.strip_suffix(digits).unwrap_or_default();
        let plain = digits == "0" || digits.starts_with(|c: char| ('1'..='9').contains(&c));
        let number: Option<u16> = digits.parse().ok().filter(|_| plain);
        let device = number.and_then(|number| match kind {
            "disk" => Some(Self::Disk(number)),
            "bus" => u8::try_from(number).ok().map(Self::Bus),
            "absent" => Some(Self::Absent(number)),
            _ => None,
        });
        device.ok_or_else(|| no_place(given, "a device with a place on a PCI bus"))
    }
}

impl TryFrom<String> for PciDevice {
    type Error = NoPlace;
    fn try_from(given: String) -> Result<Self, NoPlace> {
        given.parse()
    }
}

/// A device's place, with whether other functions of its slot are other devices, which the first one of
/// them says. Written as the place, with `+` behind it for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seat {
    /// The place.
    pub place: PciPlace,
    /// Whether it is said that the slot has several functions.
    pub multifunction: bool,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, if self.multifunction { "+" } else { "" })
    }
}

impl From<Seat> for String {
    fn from(seat: Seat) -> Self {
        seat.to_string()
    }
}

impl FromStr for Seat {
    type Err = NoPlace;
    fn from_str(given: &str) -> Result<Self, NoPlace> {
        let text = given.strip_suffix('+').unwrap_or(given);
        let number = |digits: &str, width, most| {
            let plain = digits.len() == width && digits.bytes().all(|b| b.is_ascii_hexdigit());
            u8::from_str_radix(digits, 16).ok().filter(|number| plain && *number <= most)
        };
        let place = text.split_once(':').and_then(|(bus, rest)| {
            let (slot, function) = rest.split_once('.')?;
            let (bus, slot) = (number(bus, 2, u8::MAX)?, number(slot, 2, SLOT_MAX)?);
            Some(PciPlace { bus, slot, function: number(function, 1, FUNCTION_MAX)? })
        });
        let place = place.ok_or_else(|| no_place(given, "a place on a PCI bus, like 00:03.0"))?;
        Ok(Self { place, multifunction: text != given })
    }
}

impl TryFrom<String> for Seat {
    type Error = NoPlace;
    fn try_from(given: String) -> Result<Self, NoPlace> {
        given.parse()
    }
}

/// What begins a PCI bus beside the board's own, under libvirt's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusModel {
    /// A port of the board's, for one device.
    PcieRootPort,
    /// A bridge to a conventional bus.
    PcieToPciBridge,
    /// A bridge to a conventional bus, of an Intel chipset.
    DmiToPciBridge,
    /// A bridge from one conventional bus to another.
    PciBridge,
    /// The upper side of a switch.
    PcieSwitchUpstreamPort,
    /// A port of a switch, for one device.
    PcieSwitchDownstreamPort,
}

impl BusModel {
    /// Every model.
    pub const ALL: &[BusModel] = &[
        Self::PcieRootPort,
        Self::PcieToPciBridge,
        Self::DmiToPciBridge,
        Self::PciBridge,
        Self::PcieSwitchUpstreamPort,
        Self::PcieSwitchDownstreamPort,
    ];

    /// libvirt's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::PcieRootPort => "pcie-root-port",
            Self::PcieToPciBridge => "pcie-to-pci-bridge",
            Self::DmiToPciBridge => "dmi-to-pci-bridge",
            Self::PciBridge => "pci-bridge",
            Self::PcieSwitchUpstreamPort => "pcie-switch-upstream-port",
            Self::PcieSwitchDownstreamPort => "pcie-switch-downstream-port",
        }
    }

    /// QEMU's device that it is.
    pub fn device(self) -> &'static str {
        match self {
            Self::PcieRootPort => "pcie-root-port",
            Self::PcieToPciBridge => "pcie-pci-bridge",
            Self::DmiToPciBridge => "i82801b11-bridge",
            Self::PciBridge => "pci-bridge",
            Self::PcieSwitchUpstreamPort => "x3130-upstream",
            Self::PcieSwitchDownstreamPort => "xio3130-downstream",
        }
    }
}

/// A PCI bus beside the board's own, which has the number 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciBus {
    /// Its number.
    pub index: u8,
    /// What it begins at.
    pub model: BusModel,
    /// The number of its slot among all that devices are plugged into.
    pub chassis: u8,
    /// The number of its port.
    pub port: u8,
    /// Whether a device can be plugged in while the guest runs.
    pub hotplug: bool,
}

/// Where all of a guest's devices are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    /// Its buses beside the board's own, in the order of their numbers.
    pub buses: Vec<PciBus>,
    /// The devices on them.
    pub seats: BTreeMap<PciDevice, Seat>,
    /// The ports of the SATA controller at which discs are, by the numbers of the disks.
    pub discs: BTreeMap<u16, u8>,
    /// The numbers of the ports of the virtio serial device, in their order.
    pub ports: Vec<u8>,
}

impl Board {
    /// The same of a machine of which only some of the disks are looked at, in this order.
    #[must_use]
    pub fn of_disks(&self, disks: &[u16]) -> Self {
        let renumbered = |old: u16| {
            disks.iter().position(|disk| *disk == old).and_then(|new| u16::try_from(new).ok())
        };
        let seats = self.seats.iter().filter_map(|(device, seat)| match device {
            PciDevice::Disk(old) => Some((PciDevice::Disk(renumbered(*old)?), *seat)),
            other => Some((*other, *seat)),
        });
        let discs = self.discs.iter().filter_map(|(old, port)| Some((renumbered(*old)?, *port)));
        Self { seats: seats.collect(), discs: discs.collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["00:03.0", "01:00.0+", "ff:1f.7"] {
            assert_eq!(text.parse::<Seat>().map(|seat| seat.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "0:3.0", "00:20.0", "00:00.8", "00:00", "0x:00.0", "00:00.0++", "+0:00.0"]
        {
            assert!(text.parse::<Seat>().is_err(), "{text}");
        }
        for text in ["video", "card", "disk0", "disk63", "bus1", "absent10"] {
            assert_eq!(text.parse::<PciDevice>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "disk", "disk00", "disk+1", "bus256", "0", "card1"] {
            assert!(text.parse::<PciDevice>().is_err(), "{text}");
        }
    }
}
