//! Where a domain says that its devices are in the guest. Of another board's devices it says nothing:
//! the machine has a q35, and where they are on that is chosen.

use super::{Convert, Done, refused};
use crate::{
    domain::{
        Device,
        address::Address,
        chardev::PortKind,
        parts::Controller,
        words::{Bus, DiskDevice},
    },
    spec::BusSpec,
};
use std::collections::BTreeSet;
use svirt_model::{BusModel, PciDevice};

/// The devices that were looked at, of which each sort is counted.
#[derive(Default)]
struct Counted {
    seen: BTreeSet<PciDevice>,
    disks: u16,
    channels: usize,
    absent: u16,
}

impl Convert<'_> {
    pub(super) fn places(&mut self) -> Done {
        let domain = self.domain;
        if !domain.has_our_board() {
            return Ok(());
        }
        let indices = self.buses()?;
        let mut counted = Counted::default();
        for (number, device) in domain.devices.iter().enumerate() {
            let address = domain.addresses.get(number).copied().flatten();
            let bus = indices.iter().find(|(at, _)| *at == number).map(|(_, index)| *index);
            self.place(device, address, bus, &mut counted)?;
        }
        Ok(())
    }

    /// The PCI buses beside the board's own: where each stands in the document, and its number.
    fn buses(&mut self) -> Result<Vec<(usize, u8)>, super::DomainError> {
        let controllers = self.domain.devices.iter().enumerate().filter_map(|(at, d)| match d {
            Device::Controller(controller) if is_bus(controller) => Some((at, controller)),
            _ => None,
        });
        let controllers: Vec<(usize, &Controller)> = controllers.collect();
        let said: Vec<_> = controllers.iter().map(|(_, controller)| controller.index).collect();
        let mut buses = Vec::new();
        for ((at, controller), index) in controllers.into_iter().zip(bus_numbers(&said)) {
            let line = controller.line;
            let model = controller.model.as_deref().unwrap_or("pcie-root-port");
            let Some(model) = BusModel::ALL.iter().copied().find(|m| m.word() == model) else {
                return self.refuse(line, &refused::PCI_BUS);
            };
            let Ok(index) = u8::try_from(index) else {
                return self.refuse(line, &refused::PCI_NUMBER);
            };
            let Controller { chassis, port, hotplug, .. } = *controller;
            self.guest.pci.buses.push(BusSpec { index, model, chassis, port, fixed: !hotplug });
            self.placed.insert(PciDevice::Bus(index), line);
            buses.push((at, index));
        }
        Ok(buses)
    }

    fn place(
        &mut self,
        device: &Device,
        address: Option<Address>,
        bus: Option<u8>,
        counted: &mut Counted,
    ) -> Done {
        let here = bus.map(PciDevice::Bus).or_else(|| self.of(device, counted));
        let here = here.filter(|device| counted.seen.insert(*device));
        match (device, address) {
            (Device::Disk(disk), address) if disk.device == DiskDevice::Cdrom => {
                self.disc(disk, address, counted);
                return Ok(());
            }
            (Device::Port(_), address) => {
                self.channel_port(device, address, counted);
                return Ok(());
            }
            (_, Some(Address::PciDomain)) => {
                return self.refuse(device.line(), &refused::PCI_DOMAIN);
            }
            (_, Some(Address::Pci(Some(seat)))) => {
                if is_board_sata(device) {
                    return match (seat.place.bus, seat.place.slot, seat.place.function) {
                        (0, 0x1f, 2) => Ok(()),
                        _ => self.refuse(device.line(), &refused::SATA_PLACE),
                    };
                }
                let who = here.unwrap_or(PciDevice::Absent(counted.absent));
                counted.absent += u16::from(here.is_none());
                self.guest.pci.places.insert(who, seat);
                self.placed.insert(who, device.line());
            }
            _ => {}
        }
        if let Some(here) = here {
            self.placed.entry(here).or_insert(device.line());
        }
        Ok(())
    }

    /// Which of the machine's devices a device is.
    fn of(&self, device: &Device, counted: &mut Counted) -> Option<PciDevice> {
        let guest = &self.guest;
        let screen = guest.display == crate::spec::DisplaySpec::Vnc;
        match device {
            Device::Disk(disk) if disk.device == DiskDevice::Disk => {
                counted.disks += 1;
                Some(PciDevice::Disk(counted.disks - 1))
            }
            Device::Interface(_) => Some(PciDevice::Card),
            Device::Rng(_) => Some(PciDevice::Random),
            Device::Memballoon(_) if guest.balloon => Some(PciDevice::Balloon),
            Device::Watchdog(dog) if dog.model == "i6300esb" => Some(PciDevice::Watchdog),
            Device::Video(_) if screen => Some(PciDevice::Video),
            Device::Controller(Controller { kind, index, model, .. })
                if index.unwrap_or(0) == 0 =>
            {
                let xhci = matches!(model.as_deref(), None | Some("qemu-xhci" | "nec-xhci"));
                match kind.as_str() {
                    "usb" if screen && xhci => Some(PciDevice::Usb),
                    "virtio-serial" if !guest.channels.is_empty() => Some(PciDevice::Ports),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A drive without a disc is left out.
    fn disc(
        &mut self,
        disk: &crate::domain::disk::Disk,
        address: Option<Address>,
        counted: &mut Counted,
    ) {
        if disk.source.place == crate::domain::storage::Place::Empty {
            return;
        }
        let spec = self.guest.disks.get_mut(usize::from(counted.disks));
        self.placed.insert(PciDevice::Disk(counted.disks), disk.line);
        counted.disks += 1;
        let sata = matches!(disk.bus, None | Some(Bus::Sata));
        if let (Some(Address::Drive { controller: 0, bus: 0, target: 0, unit }), Some(spec), true) =
            (address, spec, sata)
        {
            // More than there are is refused with the rest.
            spec.unit = Some(u8::try_from(unit).unwrap_or(u8::MAX));
        }
    }

    fn channel_port(&mut self, device: &Device, address: Option<Address>, counted: &mut Counted) {
        let Device::Port(port) = device else { return };
        let virtio = port.target.as_deref() == Some("virtio");
        if !virtio || !matches!(port.kind, PortKind::Channel | PortKind::Console) {
            return;
        }
        let spec = self.guest.channels.get_mut(counted.channels);
        counted.channels += 1;
        if let (Some(Address::Serial { controller: 0, port }), Some(spec)) = (address, spec) {
            spec.port = Some(u8::try_from(port).unwrap_or(u8::MAX)).filter(|port| {
                // libvirt takes a channel's port 0 as none.
                *port != 0 || spec.name.is_none()
            });
        }
    }
}

/// Whether a controller begins a PCI bus beside the board's own.
fn is_bus(controller: &Controller) -> bool {
    controller.kind == "pci"
        && !matches!(controller.model.as_deref(), Some("pcie-root" | "pci-root"))
}

fn is_board_sata(device: &Device) -> bool {
    match device {
        Device::Controller(controller) => {
            controller.kind == "sata" && controller.index.unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The numbers of buses of which some are said: the others have the first that are free.
pub(in crate::domain) fn bus_numbers(said: &[Option<u32>]) -> Vec<u32> {
    let taken: BTreeSet<u32> = said.iter().flatten().copied().collect();
    let mut free = (1..).filter(|number| !taken.contains(number));
    said.iter().map(|said| said.or_else(|| free.next()).unwrap_or(u32::MAX)).collect()
}
