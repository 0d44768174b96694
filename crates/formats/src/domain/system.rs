//! What a domain says beside its devices: `<memoryBacking>`, `<sysinfo>`, `<qemu:commandline>`,
//! tuning of block devices.

use super::{
    error::Problem,
    harmless,
    os::Named,
    view::{Read, View},
    words::{self, MemoryAccess, MemorySource, scaled},
};
use crate::{
    command_line::{Found, ReadError, shortened},
    qemu::{self, Reading},
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
        let number: Option<u64> = given.trim().parse().ok();
        let number =
            number.ok_or_else(|| page.error_of("size", Problem::form(given, "a whole number")))?;
        let word = page.attr("unit").unwrap_or("KiB");
        let bytes = words::unit(word).and_then(|unit| number.checked_mul(unit)).map(Bytes);
        bytes.ok_or_else(|| page.error_of("unit", Problem::form(word, "a unit such as KiB")))
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
    /// What they say: nothing where there are none.
    pub reading: Option<Reading>,
    /// Variables of the environment: name, value, line.
    pub environment: Vec<(String, String, u32)>,
    /// The line.
    pub line: u32,
}

impl CommandLine {
    /// The line of the argument with this number, of which the first is 1.
    pub fn line_of(&self, number: usize) -> u32 {
        let argument = number.checked_sub(1).and_then(|index| self.arguments.get(index));
        argument.map_or(self.line, |(_, line)| *line)
    }

    /// Where something was named that was found in the arguments of a document of this name.
    pub(super) fn origin(&self, document: &str, found: &Found) -> Origin {
        let line = self.line_of(found.argument);
        format!("{} line {line}, {}", shortened(document), found.origin).into()
    }
}

const VARIABLE: Problem = Problem::Unsupported {
    what: "a variable that may make the VMM open something of the host",
    way: "leave it out: a machine's environment is empty",
};

const OVERRIDE: Problem = Problem::Unsupported {
    what: "properties of QEMU's devices past libvirt",
    way: "leave it out, or run QEMU with arguments of your own: `svirt exec -- qemu-system-x86_64 ...`",
};

pub(super) fn command_line(root: &View<'_>) -> Read<CommandLine> {
    if let Some(view) = root.child_in(Some(QEMU), "override") {
        return Err(view.error(OVERRIDE));
    }
    let Some(view) = root.child_in(Some(QEMU), "commandline") else {
        return Ok(CommandLine::default());
    };
    let mut read = CommandLine { line: view.element.line(), ..CommandLine::default() };
    let arguments: Vec<&View<'_>> = view.each_in(Some(QEMU), "arg").collect();
    for argument in &arguments {
        read.arguments.push((argument.need("value")?.to_owned(), argument.element.line()));
    }
    let words: Vec<String> = read.arguments.iter().map(|(word, _)| word.clone()).collect();
    let refused = |error: ReadError| {
        let at = arguments.get(error.number.saturating_sub(1)).copied().unwrap_or(view);
        at.error(Problem::Argument { text: error.text, problem: Box::new(error.problem) })
    };
    read.reading = (!words.is_empty()).then(|| qemu::read(&words)).transpose().map_err(refused)?;
    for variable in view.each_in(Some(QEMU), "env") {
        let (name, value) = (variable.need("name")?, variable.attr("value").unwrap_or_default());
        if !harmless::is_harmless_variable(name) {
            return Err(variable.error_of("name", VARIABLE));
        }
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
