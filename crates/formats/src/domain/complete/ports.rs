//! Serial ports and consoles. A machine has a console whether it is said or not, and libvirt writes the
//! first serial port a second time, as the first console.

use super::{Done, append_absent, devices::each, unsaid};
use crate::xml::{
    Element,
    build::{Built, around, element},
};

/// Whether a device is a port of the virtio serial device.
pub(super) fn is_virtio(device: &Element) -> bool {
    let target = device.element("target").and_then(|target| target.attribute("type"));
    matches!(device.name(), "channel" | "console") && target == Some("virtio")
}

fn is_serial(device: &Element) -> bool {
    device.namespace().is_none() && device.name() == "serial"
}

fn is_console(device: &Element) -> bool {
    device.namespace().is_none() && device.name() == "console" && !is_virtio(device)
}

pub(super) fn complete(devices: &mut Element) -> Done {
    each(devices, "console", |console| unsaid(console, "type", "pty"))?;
    first_port(devices)?;
    let terminal = |port: &Element| {
        (is_serial(port) || is_console(port)) && port.attribute("type") == Some("pty")
    };
    if !devices.elements().any(terminal) {
        devices.append(element("serial", &[("type", "pty")])?);
    }
    number(devices)?;
    first_console(devices)
}

/// Without a serial port, the first console is one, if it is not one of the virtio serial device.
fn first_port(devices: &mut Element) -> Done {
    let console = devices.elements().find(|e| e.name() == "console").filter(|e| is_console(e));
    let (Some(console), false) = (console, devices.elements().any(is_serial)) else {
        return Ok(());
    };
    let port = same_end("serial", console)?;
    devices.insert_before("console", port);
    Ok(())
}

/// Each serial port with its number and the device that it is.
fn number(devices: &mut Element) -> Done {
    let mut next = 0;
    each(devices, "serial", |port| {
        append_absent(port, "target", || element("target", &[]))?;
        let Some(target) = port.element_mut("target") else { return Ok(()) };
        unsaid(target, "type", "isa-serial")?;
        unsaid(target, "port", &next.to_string())?;
        next += 1;
        match target.attribute("type") {
            Some("isa-serial") => {
                append_absent(target, "model", || element("model", &[("name", "isa-serial")]))
            }
            _ => Ok(()),
        }
    })
}

fn first_console(devices: &mut Element) -> Done {
    let ours = |element: &Element| is_console(element) && element.element("target").is_none();
    for console in devices.elements_mut().filter(|device| ours(device)) {
        console.append(element("target", &[("type", "serial"), ("port", "0")])?);
    }
    let first = devices.elements().find(|device| is_serial(device));
    let any = devices.elements().any(|device| device.name() == "console");
    let (Some(first), false) = (first, any) else { return Ok(()) };
    let target = element("target", &[("type", "serial"), ("port", "0")])?;
    let console = around(same_end("console", first)?, target);
    devices.insert_after("serial", console);
    Ok(())
}

/// A port that is connected to the same as another.
fn same_end(name: &str, port: &Element) -> Built {
    let mut new = element(name, &[])?;
    if let Some(kind) = port.attribute("type") {
        new.set_attribute("type", kind)?;
    }
    port.elements().filter(|e| e.name() == "source").for_each(|e| new.append(e.clone()));
    Ok(new)
}
