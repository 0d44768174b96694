//! What libvirt adds to a document that it is given: what its author left open, as it is of the machine
//! that sVirt starts. What he said stays as he said it, and nothing is said of the hardware that is not
//! so.
//!
//! Doing it twice is doing it once, and what comes of it is read as the same machine.

mod devices;
mod live;
mod places;
mod ports;

pub(super) use live::name_devices;
pub use live::{Sockets, running, without_secrets};
pub(super) use places::{describe_bus, drive, pci, serial_port};

use super::{Domain, words::DomainType};
use crate::xml::{
    Document, Element, Problem,
    build::{Built, element, holding, said, text},
};
use std::path::Path;
use svirt_model::{Board, Bytes, Uuid};

/// What is true of a machine and cannot be seen in its document.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its identity.
    pub uuid: Uuid,
    /// The board that QEMU's name `q35` means, where that is known.
    pub board: Option<&'a str>,
    /// QEMU, where it is installed.
    pub emulator: Option<&'a Path>,
    /// Where its devices are.
    pub places: &'a Board,
}

type Done = Result<(), Problem>;

/// Elements of a domain, in libvirt's order.
const ORDER: [&str; 20] = [
    "name",
    "uuid",
    "genid",
    "title",
    "description",
    "metadata",
    "maxMemory",
    "memory",
    "currentMemory",
    "memoryBacking",
    "vcpu",
    "os",
    "features",
    "cpu",
    "clock",
    "on_poweroff",
    "on_reboot",
    "on_crash",
    "devices",
    "seclabel",
];

/// Adds it to a document that [`super::read`] accepts, and what it was read to.
///
/// # Errors
/// A document cannot hold a path of the host's.
pub fn complete(document: &mut Document, domain: &Domain, facts: Facts<'_>) -> Done {
    let root = document.root_mut();
    absent(root, "uuid", || text("uuid", &facts.uuid.to_string()))?;
    memory(root, domain)?;
    processors(root)?;
    system(root, domain, facts)?;
    absent(root, "features", || {
        holding(element("features", &[])?, [element("acpi", &[]), element("apic", &[])])
    })?;
    absent(root, "cpu", || processor(domain.kind))?;
    absent(root, "clock", || element("clock", &[("offset", "utc")]))?;
    for (event, what) in
        [("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")]
    {
        absent(root, event, || text(event, what))?;
    }
    absent(root, "devices", || element("devices", &[]))?;
    match root.element_mut("devices") {
        Some(devices) => {
            devices::complete(devices, facts)?;
            match domain.has_our_board() {
                true => places::complete(devices, facts.places),
                false => Ok(()),
            }
        }
        None => Ok(()),
    }
}

/// Adds an element of the domain in its place, unless there is one.
pub(super) fn absent(root: &mut Element, name: &str, make: impl FnOnce() -> Built) -> Done {
    if root.element(name).is_some() {
        return Ok(());
    }
    let before = ORDER.iter().take_while(|known| **known != name);
    let behind = before.filter(|known| root.element(known).is_some()).last();
    root.insert_after(behind.unwrap_or(&"name"), make()?);
    Ok(())
}

/// Says an attribute where nothing is said.
fn unsaid(element: &mut Element, name: &str, value: &str) -> Done {
    match element.attribute(name) {
        Some(_) => Ok(()),
        None => element.set_attribute(name, value),
    }
}

/// Adds an element behind all, unless there is one of its name.
fn append_absent(around: &mut Element, name: &str, make: impl FnOnce() -> Built) -> Done {
    if around.element(name).is_none() {
        around.append(make()?);
    }
    Ok(())
}

/// In KiB, which is what clients take a number for that has no unit, and rounded up as libvirt does.
fn memory(root: &mut Element, domain: &Domain) -> Done {
    let kib = |bytes: Bytes| bytes.0.div_ceil(1024).to_string();
    let now = domain.current_memory.unwrap_or(domain.memory);
    absent(root, "currentMemory", || said("currentMemory", &[("unit", "KiB")], &kib(now)))?;
    let amounts = [
        ("memory", Some(domain.memory)),
        ("currentMemory", Some(now)),
        ("maxMemory", domain.max_memory),
    ];
    for (name, bytes) in amounts {
        let Some((element, bytes)) = root.element_mut(name).zip(bytes) else { continue };
        element.set_attribute("unit", "KiB")?;
        if element.text() != kib(bytes) {
            element.set_text(&kib(bytes))?;
        }
    }
    Ok(())
}

fn processors(root: &mut Element) -> Done {
    absent(root, "vcpu", || text("vcpu", "1"))?;
    root.element_mut("vcpu").map_or(Ok(()), |vcpu| unsaid(vcpu, "placement", "static"))
}

/// Every board is a q35.
fn system(root: &mut Element, domain: &Domain, facts: Facts<'_>) -> Done {
    let kind = root.element_mut("os").and_then(|os| os.element_mut("type"));
    let Some(kind) = kind else { return Ok(()) };
    unsaid(kind, "arch", "x86_64")?;
    let said = domain.os.machine.as_deref().filter(|name| *name != "q35");
    match (said, facts.board) {
        (None, Some(board)) => kind.set_attribute("machine", board),
        (None, None) => kind.set_attribute("machine", "q35"),
        (Some(_), _) => Ok(()),
    }
}

/// What the accelerator offers in full.
fn processor(kind: DomainType) -> Built {
    let mode = match kind {
        DomainType::Kvm => "host-passthrough",
        DomainType::Qemu => "maximum",
    };
    element("cpu", &[("mode", mode), ("check", "none"), ("migratable", "on")])
}
