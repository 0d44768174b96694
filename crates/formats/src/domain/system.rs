//! What a domain says beside its devices: `<memoryBacking>`, `<sysinfo>`, `<qemu:commandline>`,
//! tuning of block devices.

use super::{
    error::Problem,
    os::Named,
    view::{Read, View},
    words::{MemoryAccess, MemorySource, scaled},
};
use std::path::PathBuf;
use svirt_model::{Bytes, Origin};

/// The namespace of `<qemu:commandline>`
/// (<https://libvirt.org/drvqemu.html#pass-through-of-arbitrary-qemu-commands>).
pub const QEMU: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// Where guest memory comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryBacking {
    /// Huge pages: of these sizes, or of the host's usual size if the list is empty.
    pub huge: Option<Vec<Bytes>>,
    /// Where it comes from.
    pub source: Option<MemorySource>,
    /// Whether other processes can share it.
    pub access: Option<MemoryAccess>,
    /// Whether it is never swapped out.
    pub locked: bool,
    /// Whether equal pages of several guests are never made one.
    pub no_merging: bool,
    /// Where the document says so.
    pub origin: Option<Origin>,
    /// The line; 0 if nothing is said.
    pub line: u32,
}

pub(super) fn memory_backing(root: &View<'_>) -> Read<MemoryBacking> {
    let Some(view) = root.child("memoryBacking") else { return Ok(MemoryBacking::default()) };
    let word = |name, attribute| view.child(name).map(|child| (child, attribute));
    let source = word("source", "type").map_or(Ok(None), |(view, name)| view.word(name))?;
    let access = word("access", "mode").map_or(Ok(None), |(view, name)| view.word(name))?;
    Ok(MemoryBacking {
        huge: view.child("hugepages").map(huge_pages).transpose()?,
        source,
        access,
        locked: view.child("locked").is_some(),
        no_merging: view.child("nosharepages").is_some(),
        origin: Some(view.origin("")),
        line: view.element.line(),
    })
}

fn huge_pages(view: &View<'_>) -> Read<Vec<Bytes>> {
    let size = |page: &View<'_>| {
        page.attr("nodeset");
        let given = page.need("size")?;
        let unit = page.attr("unit").unwrap_or("KiB");
        // The same grammar as elsewhere, but in an attribute.
        let text: u64 = given
            .trim()
            .parse()
            .map_err(|_| page.error_of("size", Problem::form(given, "a whole number")))?;
        let word = match unit {
            "b" | "bytes" => Some(1),
            "K" | "KiB" => Some(1 << 10),
            "M" | "MiB" => Some(1 << 20),
            "G" | "GiB" => Some(1 << 30),
            _ => None,
        };
        let bytes = word.and_then(|word| text.checked_mul(word)).map(Bytes);
        bytes.ok_or_else(|| page.error_of("unit", Problem::form(unit, "a unit such as KiB")))
    };
    view.each("page").map(size).collect()
}

/// The files that QEMU shows to the guest's firmware.
pub(super) fn firmware_files(root: &View<'_>) -> Read<Vec<Named>> {
    let mut files = Vec::new();
    for view in root.each("sysinfo").filter(|view| view.attr("type") == Some("fwcfg")) {
        for entry in view.each("entry") {
            entry.attr("name");
            if let Some(path) = entry.path_in("file")? {
                let (origin, line) = (entry.origin("file"), entry.element.line());
                files.push(Named { path, origin, line });
            }
        }
    }
    Ok(files)
}

/// Arguments and environment of the VMM that the document gives as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Arguments, each with its line, to be read as a command line of QEMU is.
    pub arguments: Vec<(String, u32)>,
    /// Variables of the environment: name, value, line.
    pub environment: Vec<(String, String, u32)>,
    /// The line.
    pub line: u32,
}

pub(super) fn command_line(root: &View<'_>) -> Read<CommandLine> {
    let Some(view) = root.child_in(Some(QEMU), "commandline") else {
        return Ok(CommandLine::default());
    };
    let mut read = CommandLine { line: view.element.line(), ..CommandLine::default() };
    for argument in view.each_in(Some(QEMU), "arg") {
        read.arguments.push((argument.need("value")?.to_owned(), argument.element.line()));
    }
    for variable in view.each_in(Some(QEMU), "env") {
        let (name, value) = (variable.need("name")?, variable.attr("value").unwrap_or_default());
        read.environment.push((name.to_owned(), value.to_owned(), variable.element.line()));
    }
    Ok(read)
}

/// The block devices whose bandwidth is limited; the control group knows them, not the VMM.
pub(super) fn tuned_devices(root: &View<'_>) -> Read<Vec<PathBuf>> {
    let Some(view) = root.child("blkiotune") else { return Ok(Vec::new()) };
    let path = |device: &View<'_>| {
        let path = device.child("path");
        path.ok_or_else(|| device.error(Problem::Missing("<path>")))?.text_path()
    };
    view.each("device").map(path).collect()
}

/// An amount of memory in an element of the domain: KiB where no unit is said.
pub(super) fn memory(view: &View<'_>) -> Read<Bytes> {
    view.attr("dumpCore");
    view.attr("slots");
    scaled(view, 1024)
}
