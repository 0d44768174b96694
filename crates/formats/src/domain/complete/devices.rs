//! The devices that every machine has, or that come with others, and what is open of those that are said.

use super::{Done, Facts, append_absent, ports, unsaid};
use crate::xml::{
    Element,
    build::{Built, around, element, holding},
};

/// The address of QEMU's card where nothing is said.
const CARD: &str = "52:54:00:12:34:56";

pub(super) fn complete(devices: &mut Element, facts: Facts<'_>) -> Done {
    let emulator = facts.emulator.map(|path| path.to_string_lossy());
    if let Some(path) = emulator {
        append_absent(devices, "emulator", || crate::xml::build::text("emulator", &path))?;
    }
    each(devices, "disk", disk)?;
    each(devices, "interface", card)?;
    ports::complete(devices)?;
    each(devices, "graphics", screen)?;
    let screen = devices.element("graphics").is_some();
    if screen {
        append_absent(devices, "video", video)?;
    }
    inputs(devices, screen)?;
    append_absent(devices, "audio", || element("audio", &[("id", "1"), ("type", "none")]))?;
    controllers(devices, screen)?;
    append_absent(devices, "memballoon", || element("memballoon", &[("model", "none")]))?;
    append_absent(devices, "rng", || {
        let builtin = element("backend", &[("model", "builtin")])?;
        Ok(around(element("rng", &[("model", "virtio")])?, builtin))
    })?;
    append_absent(devices, "panic", || {
        let place = element("address", &[("type", "isa"), ("iobase", "0x505")])?;
        Ok(around(element("panic", &[("model", "isa")])?, place))
    })
}

/// Does it to each device of a name.
pub(super) fn each(
    devices: &mut Element,
    name: &str,
    mut change: impl FnMut(&mut Element) -> Done,
) -> Done {
    let named = |e: &&mut Element| e.namespace().is_none() && e.name() == name;
    devices.elements_mut().filter(named).try_for_each(&mut change)
}

/// An image is raw unless another format is said.
fn disk(disk: &mut Element) -> Done {
    unsaid(disk, "type", "file")?;
    unsaid(disk, "device", "disk")?;
    let disc = disk.attribute("device") == Some("cdrom");
    append_absent(disk, "driver", || element("driver", &[]))?;
    if let Some(driver) = disk.element_mut("driver") {
        unsaid(driver, "name", "qemu")?;
        unsaid(driver, "type", "raw")?;
    }
    if let Some(target) = disk.element_mut("target") {
        unsaid(target, "bus", if disc { "sata" } else { "virtio" })?;
    }
    match disc {
        true => append_absent(disk, "readonly", || element("readonly", &[])),
        false => Ok(()),
    }
}

fn card(card: &mut Element) -> Done {
    append_absent(card, "mac", || element("mac", &[("address", CARD)]))?;
    if card.attribute("type") == Some("user") {
        append_absent(card, "backend", || element("backend", &[("type", "passt")]))?;
    }
    append_absent(card, "model", || element("model", &[("type", "virtio")]))
}

/// A port that is chosen is none: the screen is on a socket of the machine's own.
fn screen(screen: &mut Element) -> Done {
    if screen.element("listen").is_some_and(|listen| listen.attribute("type") == Some("socket")) {
        return Ok(());
    }
    let path = screen.attribute("socket").map(str::to_owned);
    for address in ["port", "autoport", "listen", "socket"] {
        screen.remove_attribute(address);
    }
    screen.remove_elements(|inner| inner.name() == "listen");
    let mut listen = element("listen", &[("type", "socket")])?;
    if let Some(path) = path {
        listen.set_attribute("socket", &path)?;
    }
    screen.append(listen);
    Ok(())
}

fn video() -> Built {
    let words = [("type", "vga"), ("vram", "16384"), ("heads", "1"), ("primary", "yes")];
    Ok(around(element("video", &[])?, element("model", &words)?))
}

/// The board has a keyboard and a mouse; a screen brings a tablet.
fn inputs(devices: &mut Element, screen: bool) -> Done {
    let tablet = screen.then_some(("tablet", "usb"));
    for (kind, bus) in [("mouse", "ps2"), ("keyboard", "ps2")].into_iter().chain(tablet) {
        let same = |input: &Element| {
            let bus_of = input.attribute("bus").unwrap_or(bus);
            input.name() == "input" && input.attribute("type") == Some(kind) && bus_of == bus
        };
        if !devices.elements().any(same) {
            devices.append(element("input", &[("type", kind), ("bus", bus)])?);
        }
    }
    Ok(())
}

/// The board's own buses, at the one place whose address the board decides, and those that other devices
/// bring with them. A machine without a screen has no USB.
fn controllers(devices: &mut Element, screen: bool) -> Done {
    let usb =
        [("type", "usb"), ("index", "0"), ("model", if screen { "qemu-xhci" } else { "none" })];
    let root = [("type", "pci"), ("index", "0"), ("model", "pcie-root")];
    let disks = [("type", "sata"), ("index", "0")];
    let ports = [("type", "virtio-serial"), ("index", "0")];
    let has_ports = devices.elements().any(ports::is_virtio);
    let wanted =
        [Some(&usb[..]), Some(&root[..]), Some(&disks[..]), has_ports.then_some(&ports[..])];
    for words in wanted.into_iter().flatten() {
        let kind = words.first().map_or("", |(_, kind)| *kind);
        let same = |controller: &Element| {
            controller.name() == "controller"
                && controller.attribute("type") == Some(kind)
                && !super::places::is_bus(controller)
                && matches!(controller.attribute("index"), None | Some("0"))
        };
        if devices.elements().any(same) {
            continue;
        }
        let place = (kind == "sata").then(ahci);
        devices.append(holding(element("controller", words)?, place)?);
    }
    Ok(())
}

fn ahci() -> Built {
    let words = [
        ("type", "pci"),
        ("domain", "0x0000"),
        ("bus", "0x00"),
        ("slot", "0x1f"),
        ("function", "0x2"),
    ];
    element("address", &words)
}
