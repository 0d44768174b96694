//! `<address>`: where in the guest a device is. It names nothing of the host
//! (<https://libvirt.org/formatdomain.html#device-addresses>).

use super::{
    error::Problem,
    view::{Read, View},
    words::hex_or_decimal,
};
use svirt_model::{FUNCTION_MAX, PciPlace, SLOT_MAX, Seat};

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// On a PCI bus; somewhere on one without a place.
    Pci(Option<Seat>),
    /// On a bus of another PCI domain than the one that there is.
    PciDomain,
    /// At a port of a controller of disks.
    Drive {
        /// The controller's number.
        controller: u32,
        /// The bus of the controller.
        bus: u32,
        /// The target on the bus.
        target: u32,
        /// The unit of the target.
        unit: u32,
    },
    /// At a port of a virtio serial device.
    Serial {
        /// The device's number.
        controller: u32,
        /// The port's.
        port: u32,
    },
}

/// The address of a device, where the document says one.
pub(super) fn read(device: &View<'_>) -> Read<Option<Address>> {
    let of_ours = |view: &View<'_>| {
        let ours = ["pci", "drive", "virtio-serial"];
        view.name() == "address"
            && view.element.attribute("type").is_some_and(|t| ours.contains(&t))
    };
    // Of another sort nobody has looked at any.
    if !device.all().any(|(view, _)| of_ours(view)) {
        return Ok(None);
    }
    let Some(view) = device.child("address") else { return Ok(None) };
    let address = match view.attr("type") {
        Some("pci") => match number(view, "domain", u32::MAX)? {
            0 => Address::Pci(pci(view)?),
            _ => Address::PciDomain,
        },
        Some("drive") => {
            let number = |name| number(view, name, u32::MAX);
            let (controller, bus) = (number("controller")?, number("bus")?);
            Address::Drive { controller, bus, target: number("target")?, unit: number("unit")? }
        }
        Some("virtio-serial") => {
            let port = number(view, "port", u32::MAX)?;
            view.attr("bus");
            Address::Serial { controller: number(view, "controller", u32::MAX)?, port }
        }
        _ => return Ok(None),
    };
    Ok(Some(address))
}

/// Where nothing but the function is said, or nothing but zeros, libvirt chooses.
fn pci(view: &View<'_>) -> Read<Option<Seat>> {
    let small = |name, most: u8| {
        number(view, name, most.into()).map(|number| u8::try_from(number).unwrap_or(0))
    };
    let (bus, slot) = (small("bus", u8::MAX)?, small("slot", SLOT_MAX)?);
    let place = PciPlace { bus, slot, function: small("function", FUNCTION_MAX)? };
    let multifunction = view.attr("multifunction") == Some("on");
    Ok((bus != 0 || slot != 0).then_some(Seat { place, multifunction }))
}

fn number(view: &View<'_>, name: &str, most: u32) -> Read<u32> {
    let Some(given) = view.attr(name) else { return Ok(0) };
    let wrong = || view.error_of(name, Problem::form(given, "a number of such an address"));
    // libvirt's schema has hexadecimal digits without a mark as well.
    let number = hex_or_decimal(given).or_else(|| hex_or_decimal(&format!("0x{given}")));
    number.filter(|number| *number <= most).ok_or_else(wrong)
}
