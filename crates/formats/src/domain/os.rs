//! `<os>`: what the guest boots (<https://libvirt.org/formatdomain.html#operating-system-booting>).

use super::{
    error::Problem,
    storage::{self, Place, Source},
    view::{Read, View},
    words::{BootDevice, Format, LoaderType},
};
use std::path::PathBuf;
use svirt_model::Origin;

/// A path that the document names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The path.
    pub path: PathBuf,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

/// What the guest boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// The architecture, such as `x86_64`.
    pub arch: Option<String>,
    /// The machine type, such as `q35` or `pc-q35-7.2`.
    pub machine: Option<String>,
    /// The firmware.
    pub loader: Option<Loader>,
    /// The firmware's variables.
    pub nvram: Option<Nvram>,
    /// The kernel.
    pub kernel: Option<Named>,
    /// Its initial file system.
    pub initrd: Option<Named>,
    /// Its command line.
    pub cmdline: Option<String>,
    /// Its description of the hardware.
    pub dtb: Option<Named>,
    /// Code that QEMU's own loader shows to the firmware.
    pub shim: Option<Named>,
    /// ACPI tables of the user's own.
    pub tables: Vec<Named>,
    /// From where it boots, in this order.
    pub boot: Vec<BootDevice>,
    /// Whether SMBIOS says what the host's does.
    pub host_smbios: bool,
    /// The line.
    pub line: u32,
}

/// Firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// The image; none where QEMU's own is meant.
    pub image: Option<Named>,
    /// What the image is.
    pub kind: LoaderType,
    /// Whether the guest can only read it.
    pub read_only: bool,
    /// Whether it needs system management mode to be secure.
    pub secure: bool,
    /// Whether it keeps no variables.
    pub stateless: bool,
    /// The image's format: raw where nothing is said.
    pub format: Format,
}

/// The variables of firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvram {
    /// Where they are; of libvirt's choice without it.
    pub source: Option<Source>,
    /// From what they are made if they are not there.
    pub template: Option<PathBuf>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn read(root: &View<'_>) -> Read<Os> {
    if let Some(bootloader) = root.child("bootloader") {
        let (what, way) = ("a program that picks a kernel", "name the kernel itself with <kernel>");
        return Err(bootloader.error(Problem::Unsupported { what, way }));
    }
    let view = root.need_child("os")?;
    if view.attr("firmware").is_some() || view.child("firmware").is_some() {
        let what = "firmware that is chosen automatically";
        let way = "name the image with <loader>, as `virsh dumpxml` does of a domain that ran";
        return Err(view.error_of("firmware", Problem::Unsupported { what, way }));
    }
    let kind = view.need_child("type")?;
    let given = kind.text();
    if given.trim() != "hvm" {
        return Err(kind.error(Problem::form(&given, "hvm")));
    }
    let file = |name| view.child(name).map(named).transpose();
    let boot = view.each("boot").map(|boot| boot.need_word("dev")).collect::<Read<_>>()?;
    let smbios = view.child("smbios").and_then(|smbios| smbios.attr("mode"));
    Ok(Os {
        arch: kind.attr("arch").map(str::to_owned),
        machine: kind.attr("machine").map(str::to_owned),
        loader: view.child("loader").map(loader).transpose()?,
        nvram: nvram(view)?,
        kernel: file("kernel")?,
        initrd: file("initrd")?,
        cmdline: view.child("cmdline").map(View::text),
        dtb: file("dtb")?,
        shim: file("shim")?,
        tables: tables(view)?,
        boot,
        host_smbios: smbios == Some("host"),
        line: view.element.line(),
    })
}

/// The path that is an element's text.
pub(super) fn named(view: &View<'_>) -> Read<Named> {
    Ok(Named { path: view.text_path()?, origin: view.origin(""), line: view.element.line() })
}

fn loader(view: &View<'_>) -> Read<Loader> {
    let text = view.text();
    let image = (!text.trim().is_empty()).then(|| named(view)).transpose()?;
    let kind = view.word("type")?.unwrap_or(LoaderType::Rom);
    Ok(Loader {
        image,
        kind,
        // Without a word, libvirt takes a ROM as one, and flash as one that is written.
        read_only: view.flag("readonly")?.unwrap_or(kind == LoaderType::Rom),
        secure: view.flag("secure")?.unwrap_or(false),
        stateless: view.flag("stateless")?.unwrap_or(false),
        format: view.word("format")?.unwrap_or(Format::Raw),
    })
}

/// `<nvram>`, or `<varstore>` for firmware that keeps variables in a file of QEMU's form.
fn nvram(view: &View<'_>) -> Read<Option<Nvram>> {
    if let Some(varstore) = view.child("varstore") {
        let what = "variables in a JSON file";
        let way = "keep them in a raw file, named with <nvram>";
        return Err(varstore.error(Problem::Unsupported { what, way }));
    }
    let Some(nvram) = view.child("nvram") else { return Ok(None) };
    let format = nvram.word("format")?.unwrap_or(Format::Raw);
    nvram.attr("templateFormat");
    let text = nvram.text();
    let source = match (nvram.attr("type").is_some(), text.trim().is_empty()) {
        (true, _) => Some(storage::read(nvram, Some(format))?),
        (false, false) => {
            let mut source = storage::read(nvram, Some(format))?;
            source.place = Place::File { path: nvram.text_path()?, group: None };
            Some(source)
        }
        (false, true) => None,
    };
    let (origin, line) = (nvram.origin("template"), nvram.element.line());
    Ok(Some(Nvram { source, template: nvram.path_in("template")?, origin, line }))
}

fn tables(view: &View<'_>) -> Read<Vec<Named>> {
    let Some(acpi) = view.child("acpi") else { return Ok(Vec::new()) };
    let table = |table: &View<'_>| {
        table.need("type")?;
        named(table)
    };
    acpi.each("table").map(table).collect()
}
