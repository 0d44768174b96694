//! What is known of a guest whose VMM has a command line of its user's own.

use super::CommandSpec;
use crate::qemu;
use std::path::Path;
use svirt_model::Bytes;

impl CommandSpec {
    /// The guest's memory, where it is a QEMU that is told.
    pub fn memory(&self) -> Option<Bytes> {
        let (program, words) = self.command.split_first()?;
        let name = Path::new(program).file_name()?.to_str()?;
        let is_qemu = name.starts_with("qemu-system-") || name == "qemu-kvm";
        is_qemu.then(|| qemu::memory(words)).flatten()
    }
}
