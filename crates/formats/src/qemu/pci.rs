//! Addresses of PCI devices.

use super::keyval::Options;
use crate::command_line::{Problem, shortened};
use std::path::PathBuf;
use svirt_model::PciPlace;

/// The place on a guest's bus that the value of a `-device` says, where it says one on a bus that sVirt
/// makes. A slot and a function are hexadecimal.
pub(crate) fn place(value: &str) -> Option<PciPlace> {
    let options = Options::parse(value, Some("driver")).ok()?;
    let text = |key| options.text(key).ok().flatten();
    let bus = match text("bus") {
        None | Some("pcie.0") => 0,
        Some(name) => name.strip_prefix("pci.")?.parse().ok()?,
    };
    let address = text("addr")?;
    let (slot, function) = address.split_once('.').unwrap_or((address, "0"));
    let digits = |text: &str| {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        number(digits, 0xff).and_then(|number| u8::try_from(number).ok())
    };
    Some(PciPlace { bus, slot: digits(slot)?, function: digits(function)? })
}

/// The directory in sysfs of the device at `[DOMAIN:]BUS:SLOT[.FUNCTION]`, in hexadecimal.
pub(super) fn directory(address: &str) -> Result<PathBuf, Problem> {
    let parsed = parse(address).ok_or_else(|| {
        let text = format!("{:?} is no address of a PCI device", shortened(address));
        Problem::Syntax(text)
    });
    parsed.map(|name| PathBuf::from("/sys/bus/pci/devices").join(name))
}

fn parse(address: &str) -> Option<String> {
    let (device, function) = address.split_once('.').unwrap_or((address, "0"));
    let parts: Vec<&str> = device.split(':').collect();
    let (domain, bus, slot) = match parts.as_slice() {
        [domain, bus, slot] => (*domain, *bus, *slot),
        [bus, slot] => ("0", *bus, *slot),
        _ => return None,
    };
    let (domain, bus) = (number(domain, 0xffff)?, number(bus, 0xff)?);
    let (slot, function) = (number(slot, 0x1f)?, number(function, 7)?);
    Some(format!("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"))
}

fn number(digits: &str, most: u32) -> Option<u32> {
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|number| hexadecimal && *number <= most)
}
