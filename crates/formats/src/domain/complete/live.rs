//! A document of a machine that runs: what QEMU really has, in the place of what its author asked for and
//! sVirt arranges itself.

use super::{Done, devices::each, ports::is_virtio, processor};
use crate::{
    domain::words::DomainType,
    xml::{Document, Element, build::element},
};
use std::path::{Path, PathBuf};

/// Devices that sVirt chooses, whatever is asked for.
const ARRANGED: [&str; 7] = ["controller", "input", "video", "sound", "hub", "panic", "emulator"];

/// Takes away what is otherwise in the machine than its document says: [`super::complete`] then adds
/// what there is.
///
/// # Errors
/// None: what is put in are words of this module's own.
pub fn running(document: &mut Document, kind: DomainType) -> Done {
    let root = document.root_mut();
    // A guest begins with all of its memory.
    root.remove_elements(|e| matches!(e.name(), "cpu" | "clock" | "currentMemory"));
    root.insert_after("os", processor(kind)?);
    if let Some(board) = root.element_mut("os").and_then(|os| os.element_mut("type"))
        && !board.attribute("machine").is_some_and(|name| name.starts_with("pc-q35-"))
    {
        board.remove_attribute("machine");
    }
    let Some(devices) = root.element_mut("devices") else { return Ok(()) };
    devices.remove_elements(|e| e.namespace().is_none() && ARRANGED.contains(&e.name()));
    // A drive without a disc is left out.
    devices.remove_elements(|e| e.name() == "disk" && e.element("source").is_none());
    for device in devices.elements_mut() {
        device.remove_elements(|e| e.name() == "address");
    }
    each(devices, "disk", |disk| {
        let bus = if disk.attribute("device") == Some("cdrom") { "sata" } else { "virtio" };
        disk.element_mut("target").map_or(Ok(()), |target| target.set_attribute("bus", bus))
    })?;
    each(devices, "interface", |card| {
        card.element_mut("model").map_or(Ok(()), |model| model.set_attribute("type", "virtio"))
    })
}

/// The sockets of a machine that runs: of its screen, and of its channels in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Of its screen.
    pub screen: Option<PathBuf>,
    /// Of the ports of its virtio serial device.
    pub channels: Vec<PathBuf>,
}

/// Says where the sockets are and what libvirt calls each device, in a document that is complete.
///
/// # Errors
/// A document cannot hold a path.
pub(in crate::domain) fn name_devices(document: &mut Document, sockets: &Sockets) -> Done {
    let Some(devices) = document.root_mut().element_mut("devices") else { return Ok(()) };
    if let Some(path) = &sockets.screen {
        each(devices, "graphics", |screen| at_socket(screen, path))?;
    }
    let mut paths = sockets.channels.iter();
    for port in devices.elements_mut().filter(|device| is_virtio(device)) {
        paths.next().map_or(Ok(()), |path| channel(port, path))?;
    }
    aliases(devices)
}

fn at_socket(screen: &mut Element, path: &Path) -> Done {
    let path = path.to_string_lossy();
    let Some(listen) = screen.element_mut("listen") else { return Ok(()) };
    if listen.attribute("socket").is_none() {
        listen.set_attribute("socket", &path)?;
    }
    let at = listen.attribute("socket").map(str::to_owned);
    at.map_or(Ok(()), |at| screen.set_attribute("socket", &at))
}

/// The machine's end listens, and a path of the user's leads to the same socket.
fn channel(port: &mut Element, path: &Path) -> Done {
    if port.element("source").is_some_and(|source| source.attribute("path").is_some()) {
        return Ok(());
    }
    port.set_attribute("type", "unix")?;
    port.remove_elements(|e| e.name() == "source");
    let words = [("mode", "bind"), ("path", &*path.to_string_lossy())];
    port.append(element("source", &words)?);
    Ok(())
}

/// libvirt's name for a device, with its number where there can be several.
fn alias(device: &Element, number: usize) -> Option<String> {
    let kind = |name| device.attribute(name).unwrap_or_default();
    Some(match device.name() {
        "disk" if kind("device") == "cdrom" => {
            let place =
                device.element("address").filter(|at| at.attribute("type") == Some("drive"));
            let unit = place.and_then(|place| place.attribute("unit"));
            format!("sata0-0-{}", unit.unwrap_or(&number.to_string()))
        }
        "disk" => format!("virtio-disk{number}"),
        "controller" => match kind("type") {
            "pci" => match kind("index") {
                "" | "0" => "pcie.0".into(),
                index => format!("pci.{index}"),
            },
            "sata" => "ide".into(),
            "usb" => "usb".into(),
            other => format!("{other}0"),
        },
        "interface" => format!("net{number}"),
        "memballoon" if kind("model") == "none" => return None,
        "memballoon" => "balloon0".into(),
        name @ ("serial" | "channel" | "input" | "video" | "rng" | "watchdog" | "panic") => {
            format!("{name}{number}")
        }
        _ => return None,
    })
}

/// A console that is a serial port has that one's name.
fn aliases(devices: &mut Element) -> Done {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    let (mut first, mut further) = (None, 0);
    for device in devices.elements_mut().filter(|device| device.namespace().is_none()) {
        let disc = device.attribute("device") == Some("cdrom");
        let group = format!("{}{}", device.name(), if disc { " cdrom" } else { "" });
        let count = counts.entry(group).or_default();
        let name = match device.name() {
            "console" if is_virtio(device) => {
                further += 1;
                Some(format!("console{further}"))
            }
            "console" => first.clone(),
            _ => alias(device, *count),
        };
        *count += 1;
        if device.name() == "serial" && first.is_none() {
            first.clone_from(&name);
        }
        if let Some(name) = name.filter(|_| device.element("alias").is_none()) {
            device.append(element("alias", &[("name", &name)])?);
        }
    }
    Ok(())
}

/// Takes passwords away.
pub fn without_secrets(document: &mut Document) {
    let Some(devices) = document.root_mut().element_mut("devices") else { return };
    for screen in devices.elements_mut().filter(|device| device.name() == "graphics") {
        for name in ["passwd", "passwdValidTo", "connected"] {
            screen.remove_attribute(name);
        }
    }
}
