//! The domain that stands for a machine that runs a command line of its user's own, for programs that
//! know machines by their domains only. It says who the machine is and which program runs it, and nothing
//! of what is inside: that is the command line's, which is no document.

use super::describe::Undescribed;
use crate::xml::{
    Document,
    build::{Built, around, element, holding, said, text},
};
use std::path::Path;
use svirt_model::{Bytes, MachineName, Uuid};

/// The domain of a machine that this program runs, with the memory that its command line says.
///
/// # Errors
/// The program's path is one that XML cannot hold.
pub fn stand_in(
    name: &MachineName,
    uuid: Uuid,
    program: &Path,
    memory: Option<Bytes>,
) -> Result<Document, Undescribed> {
    let root = domain(name, uuid, program, memory.map_or(0, |bytes| bytes.0.div_ceil(1024)));
    let root = root.map_err(|problem| Undescribed::Text { name: name.clone(), problem })?;
    Ok(Document::new(
        root,
        &["a command line of the user's own, of which nothing is known here".into()],
    ))
}

fn domain(name: &MachineName, uuid: Uuid, program: &Path, kib: u64) -> Built {
    let file = program.file_name().unwrap_or_default().to_string_lossy();
    let arch = file.strip_prefix("qemu-system-").unwrap_or("x86_64");
    let kind = said("type", &[("arch", arch)], "hvm")?;
    let memory = |name| said(name, &[("unit", "KiB")], &kib.to_string());
    let emulator = text("emulator", &program.to_string_lossy())?;
    let inner = [
        text("name", name.as_str()),
        text("uuid", &uuid.to_string()),
        memory("memory"),
        memory("currentMemory"),
        said("vcpu", &[("placement", "static")], "1"),
        Ok(around(element("os", &[])?, kind)),
        Ok(around(element("devices", &[])?, emulator)),
    ];
    holding(element("domain", &[("type", "qemu")])?, inner)
}
