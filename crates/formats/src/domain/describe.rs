//! From sVirt's own description of a machine to libvirt's: the way back of `convert`. What libvirt's
//! form has no words for is named in a comment, and nothing of it changes what the machine reaches.

use super::complete::{describe_bus, drive, pci, serial_port};
use crate::{
    image::format_from_extension,
    spec::{
        ChannelSpec, DiskSpec, DisplaySpec, FirmwareSpec, GuestSpec, LabelKind, NetSpec,
        RelabelSpec, SeclabelSpec, SerialSpec, Spec,
    },
    xml::{
        Document, Element, Problem,
        build::{Built, around, element, text},
    },
};
use std::path::Path;
use svirt_model::{Accelerator, Bytes, MachineName, PciDevice, Uuid};

/// Why a machine has no form of libvirt's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undescribed {
    /// It runs a command line of its user's own.
    #[error("machine {0} runs a command line of its own, for which libvirt's XML has no form")]
    Command(MachineName),
    /// It has a path or a text in it that XML cannot hold.
    #[error("machine {name} cannot be described in XML")]
    Text {
        /// The machine.
        name: MachineName,
        /// What cannot be held.
        #[source]
        problem: Problem,
    },
}

/// The domain that describes a machine. A guest whose accelerator is not stated has KVM's.
///
/// # Errors
/// See [`Undescribed`].
pub fn describe(spec: &Spec, name: &MachineName, uuid: Uuid) -> Result<Document, Undescribed> {
    if spec.command.is_some() {
        return Err(Undescribed::Command(name.clone()));
    }
    let guest = spec.guest.clone().unwrap_or_default();
    let root = domain(spec, &guest, name, uuid);
    let root = root.map_err(|problem| Undescribed::Text { name: name.clone(), problem })?;
    Ok(Document::new(root, &unsaid(spec, &guest)))
}

/// What has no form in libvirt's description.
fn unsaid(spec: &Spec, guest: &GuestSpec) -> Vec<String> {
    let mut lines = Vec::new();
    if guest.is_embedded() {
        lines.push("the guest is the one inside sVirt".to_owned());
    }
    if guest.gdb {
        lines.push("a debugger can drive the guest through a socket".to_owned());
    }
    if !guest.extra.is_empty() {
        let words = guest.extra.join(" ");
        lines.push(format!("QEMU gets arguments of the user's own as well: {words}"));
    }
    lines.extend(guest.scratch.map(|most| format!("what is thrown away is at most {most} a disk")));
    for disk in &guest.disks {
        lines.extend(disk.new.map(|size| format!("a new disk of {size}, gone with the machine")));
        lines.extend(disk.share.as_ref().map(|group| format!("a disk is shared in group {group}")));
        if let Some(path) = disk.path.as_ref().filter(|_| format(disk).is_none()) {
            let path = path.display();
            lines.push(format!("the format of {path} is what it was at its first use"));
        }
    }
    lines.extend(spec.require.iter().map(|layer| format!("the layer {layer} is required")));
    lines.extend(spec.weaken.iter().map(|layer| format!("the layer {layer} is given up")));
    lines
}

fn domain(spec: &Spec, guest: &GuestSpec, name: &MachineName, uuid: Uuid) -> Built {
    let kind = match guest.accelerator {
        Some(Accelerator::Tcg) => "qemu",
        Some(Accelerator::Kvm) | None => "kvm",
    };
    let mut root = element("domain", &[("type", kind)])?;
    root.append(text("name", name.as_str())?);
    root.append(text("uuid", &uuid.to_string())?);
    root.append(memory("memory", guest.memory)?);
    if let Some(now) = guest.current_memory {
        root.append(memory("currentMemory", now)?);
    }
    root.append(text("vcpu", &guest.cpus.to_string())?);
    root.append(os(guest)?);
    if guest.no_reboot {
        root.append(text("on_reboot", "destroy")?);
    }
    root.append(devices(guest)?);
    spec.seclabels.iter().try_for_each(|label| seclabel(label).map(|label| root.append(label)))?;
    Ok(root)
}

/// Paths come from JSON, which is UTF-8.
fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn memory(name: &str, bytes: Bytes) -> Built {
    let (number, unit) = match bytes.0 {
        whole if whole % 1024 == 0 => (whole / 1024, "KiB"),
        odd => (odd, "b"),
    };
    let mut memory = text(name, &number.to_string())?;
    memory.set_attribute("unit", unit)?;
    Ok(memory)
}

fn os(guest: &GuestSpec) -> Built {
    let mut os = element("os", &[])?;
    let mut kind = text("type", "hvm")?;
    kind.set_attribute("arch", "x86_64")?;
    guest.machine.iter().try_for_each(|board| kind.set_attribute("machine", board))?;
    os.append(kind);
    if let Some(FirmwareSpec { code, rom, vars }) = &guest.firmware {
        let mut loader = text("loader", &path_text(code))?;
        loader.set_attribute("readonly", "yes")?;
        loader.set_attribute("type", if *rom { "rom" } else { "pflash" })?;
        os.append(loader);
        if let Some(vars) = vars {
            os.append(variables(guest, vars)?);
        }
    }
    let files = [("kernel", &guest.kernel), ("initrd", &guest.initrd), ("dtb", &guest.dtb)];
    for (name, path) in files {
        if let Some(path) = path {
            os.append(text(name, &path_text(path))?);
        }
    }
    if let Some(words) = &guest.append {
        os.append(text("cmdline", words)?);
    }
    Ok(os)
}

/// The short form, or where something is said of its label, the one that has a source.
fn variables(guest: &GuestSpec, path: &Path) -> Built {
    match guest.seclabels.contains_key(path) {
        true => Ok(around(element("nvram", &[("type", "file")])?, image(guest, path)?)),
        false => text("nvram", &path_text(path)),
    }
}

fn devices(guest: &GuestSpec) -> Built {
    let mut devices = element("devices", &[])?;
    let cdrom = guest.cdrom.iter().map(|path| {
        let path = Some(path.clone());
        DiskSpec { path, cdrom: true, ..DiskSpec::default() }
    });
    let (mut discs, mut disks) = (0, 0);
    let all = (0..).zip(guest.disks.iter().cloned().chain(cdrom));
    for (number, spec) in all.filter(|(_, disk)| disk.path.is_some()) {
        let count = if spec.cdrom { &mut discs } else { &mut disks };
        let disk = disk(guest, &spec, *count)?;
        let disk = match spec.unit {
            Some(unit) => around(disk, drive(unit)?),
            None => at(guest, PciDevice::Disk(number), disk)?,
        };
        devices.append(disk);
        *count += 1;
    }
    buses(guest, &mut devices)?;
    if guest.network() == NetSpec::User {
        let backend = element("backend", &[("type", "passt")])?;
        let mut card = element("interface", &[("type", "user")])?;
        if let Some(mac) = &guest.mac {
            card.append(element("mac", &[("address", mac)])?);
        }
        card.append(backend);
        card.append(element("model", &[("type", "virtio")])?);
        devices.append(at(guest, PciDevice::Card, card)?);
    }
    let said = guest.serial.contains(&SerialSpec::Console);
    let unsaid = (!said).then_some(&SerialSpec::Console);
    for port in guest.serial.iter().chain(unsaid) {
        devices.append(serial(guest, port)?);
    }
    for port in &guest.channels {
        devices.append(channel(port)?);
    }
    if guest.display == DisplaySpec::Vnc {
        devices.append(graphics(guest)?);
    }
    if let Some(action) = guest.watchdog {
        let words = [("model", "i6300esb"), ("action", action.word())];
        devices.append(at(guest, PciDevice::Watchdog, element("watchdog", &words)?)?);
    }
    let balloon = if guest.balloon { "virtio" } else { "none" };
    let balloon = element("memballoon", &[("model", balloon)])?;
    devices.append(at(guest, PciDevice::Balloon, balloon)?);
    devices.append(at(guest, PciDevice::Random, rng(guest)?)?);
    Ok(devices)
}

/// A device with its place on a PCI bus, where that is said.
fn at(guest: &GuestSpec, device: PciDevice, element: Element) -> Built {
    match guest.pci.places.get(&device) {
        Some(seat) => Ok(around(element, pci(*seat)?)),
        None => Ok(element),
    }
}

/// The buses, and what is a device of its own here and comes with others there.
fn buses(guest: &GuestSpec, devices: &mut Element) -> Result<(), Problem> {
    // What cannot be was refused where it was read.
    for bus in guest.board().unwrap_or_default().buses {
        let number = bus.index.to_string();
        let mut controller = element("controller", &[("type", "pci"), ("index", &number)])?;
        describe_bus(&mut controller, &bus)?;
        devices.append(at(guest, PciDevice::Bus(bus.index), controller)?);
    }
    let usb = element("controller", &[("type", "usb"), ("index", "0"), ("model", "qemu-xhci")])?;
    let ports = element("controller", &[("type", "virtio-serial"), ("index", "0")])?;
    let video = around(element("video", &[])?, element("model", &[("type", "vga")])?);
    let here = [(PciDevice::Usb, usb), (PciDevice::Ports, ports), (PciDevice::Video, video)];
    for (device, element) in here {
        if guest.pci.places.contains_key(&device) {
            devices.append(at(guest, device, element)?);
        }
    }
    Ok(())
}

fn format(disk: &DiskSpec) -> Option<&'static str> {
    let path = disk.path.as_deref()?;
    disk.format.or_else(|| format_from_extension(path)).map(|format| format.word())
}

/// The type of the source of an image, and the attribute that says where it is. What lies in `/dev`
/// is taken for a device; nothing is looked at here.
fn kind(path: &Path) -> (&'static str, &'static str) {
    if path.starts_with("/dev") { ("block", "dev") } else { ("file", "file") }
}

fn image(guest: &GuestSpec, path: &Path) -> Built {
    labelled(guest, path, element("source", &[(kind(path).1, &path_text(path))])?)
}

/// A source with what is said of its label.
fn labelled(guest: &GuestSpec, path: &Path, mut source: Element) -> Built {
    let mut labels = guest.seclabels.get(path).into_iter().flatten();
    labels.try_for_each(|label| relabel(label).map(|label| source.append(label)))?;
    Ok(source)
}

fn disk(guest: &GuestSpec, spec: &DiskSpec, number: u32) -> Built {
    let (device, prefix, bus) =
        if spec.cdrom { ("cdrom", "sd", "sata") } else { ("disk", "vd", "virtio") };
    let path = spec.path.as_deref().unwrap_or(Path::new("/"));
    let mut disk = element("disk", &[("type", kind(path).0), ("device", device)])?;
    let mut driver = element("driver", &[("name", "qemu")])?;
    if let Some(format) = format(spec) {
        driver.set_attribute("type", format)?;
    }
    disk.append(driver);
    let mut source = image(guest, path)?;
    if let Some(label) = &spec.seclabel {
        source.append(relabel(label)?);
    }
    disk.append(source);
    if let Some(images) = &spec.backing {
        let end = element("backingStore", &[])?;
        let chain = images.iter().rev().try_fold(end, |below, below_it| {
            let mut store = element("backingStore", &[("type", kind(&below_it.path).0)])?;
            store.append(element("format", &[("type", below_it.format.word())])?);
            store.append(image(guest, &below_it.path)?);
            store.append(below);
            Ok::<_, Problem>(store)
        })?;
        disk.append(chain);
    }
    disk.append(element("target", &[("dev", &target(prefix, number)), ("bus", bus)])?);
    let transient = (guest.ephemeral || spec.ephemeral) && !spec.ro && !spec.cdrom;
    let flags = [
        ("readonly", spec.ro || spec.cdrom),
        ("shareable", spec.share.is_some() || spec.shareable),
        ("transient", transient),
    ];
    for (name, _) in flags.into_iter().filter(|(_, said)| *said) {
        disk.append(element(name, &[])?);
    }
    Ok(disk)
}

/// `vda` to `vdz`, then `vdaa`.
fn target(prefix: &str, number: u32) -> String {
    let letter = |n: u32| char::from_u32(u32::from(b'a') + n % 26).unwrap_or('a');
    match number.checked_sub(26) {
        None => format!("{prefix}{}", letter(number)),
        Some(rest) => format!("{prefix}{}{}", letter(rest / 26), letter(rest)),
    }
}

fn serial(guest: &GuestSpec, port: &SerialSpec) -> Built {
    let of = |kind| element("serial", &[("type", kind)]);
    match port {
        SerialSpec::Console => of("pty"),
        SerialSpec::Null => of("null"),
        SerialSpec::File(path) => {
            let source = element("source", &[("path", &path_text(path))])?;
            Ok(around(of("file")?, labelled(guest, path, source)?))
        }
        SerialSpec::Listen(path) => {
            let words = [("mode", "bind"), ("path", &*path_text(path))];
            Ok(around(of("unix")?, element("source", &words)?))
        }
    }
}

fn channel(port: &ChannelSpec) -> Built {
    let name = if port.name.is_some() { "channel" } else { "console" };
    let mut source = element("source", &[("mode", "bind")])?;
    if let Some(path) = &port.listen {
        source.set_attribute("path", &path_text(path))?;
    }
    let mut target = element("target", &[("type", "virtio")])?;
    if let Some(name) = &port.name {
        target.set_attribute("name", name)?;
    }
    let mut channel = around(element(name, &[("type", "unix")])?, source);
    channel.append(target);
    if let Some(number) = port.port {
        channel.append(serial_port(number)?);
    }
    Ok(channel)
}

fn graphics(guest: &GuestSpec) -> Built {
    let mut listen = element("listen", &[("type", "socket")])?;
    if let Some(path) = &guest.vnc_socket {
        listen.set_attribute("socket", &path_text(path))?;
    }
    Ok(around(element("graphics", &[("type", "vnc")])?, listen))
}

fn rng(guest: &GuestSpec) -> Built {
    let backend = match &guest.random {
        None => element("backend", &[("model", "builtin")])?,
        Some(path) => {
            let mut backend = text("backend", &path_text(path))?;
            backend.set_attribute("model", "random")?;
            backend
        }
    };
    Ok(around(element("rng", &[("model", "virtio")])?, backend))
}

fn seclabel(spec: &SeclabelSpec) -> Built {
    let SeclabelSpec { kind, model, baselabel, label, relabel } = spec;
    let mut seclabel = element("seclabel", &[("type", kind.word())])?;
    if let Some(model) = model {
        seclabel.set_attribute("model", model.word())?;
    }
    if let Some(relabel) = relabel.filter(|_| *kind == LabelKind::Static) {
        seclabel.set_attribute("relabel", if relabel { "yes" } else { "no" })?;
    }
    for (name, value) in [("label", label), ("baselabel", baselabel)] {
        if let Some(value) = value {
            seclabel.append(text(name, value)?);
        }
    }
    Ok(seclabel)
}

fn relabel(spec: &RelabelSpec) -> Built {
    let RelabelSpec { model, label, relabel, labelskip } = spec;
    let mut seclabel = element("seclabel", &[])?;
    if let Some(model) = model {
        seclabel.set_attribute("model", model.word())?;
    }
    if *relabel == Some(false) {
        seclabel.set_attribute("relabel", "no")?;
    }
    if *labelskip {
        seclabel.set_attribute("labelskip", "yes")?;
    }
    if let Some(label) = label {
        seclabel.append(text("label", label)?);
    }
    Ok(seclabel)
}
