//! Arguments of a user's own beside a command line that sVirt writes: which options may stand there.
//!
//! What sVirt decides itself (the board, the accelerator, memory, the monitor, what happens to the
//! process) cannot be said twice: QEMU would take the one or the other, and the confinement was made
//! for one of them. So this is a list of what may be said, each with why it decides nothing of that.

use super::{Reading, read_if};
use crate::command_line::{Problem, ReadError, Refusal};

/// Options that may stand beside those that sVirt writes, each with why.
pub const BESIDE: &[(&str, &str)] = &[
    ("device", "one device more"),
    ("drive", "one disk more"),
    ("blockdev", "one node of the block graph more"),
    ("chardev", "one connection of a port more"),
    ("netdev", "one end of a network more, within the machine's own"),
    ("object", "one object more"),
    ("global", "the default of a device's property"),
    ("set", "a property of a device that has an id"),
    ("fw_cfg", "words or a file for the firmware"),
    ("smbios", "a table that the guest reads"),
    ("acpitable", "a table that the guest reads"),
    ("option-rom", "a ROM that the guest executes"),
    ("prom-env", "a variable of the firmware"),
    ("cpu", "which processor the guest sees; the last one said counts"),
    ("rtc", "what the guest's clock shows"),
    ("boot", "the order of booting"),
    ("icount", "how the guest's time runs"),
    ("audiodev", "where sound goes"),
    ("tpmdev", "one TPM more"),
    ("compat", "what QEMU says of what is deprecated"),
    ("msg", "how QEMU's messages look"),
    ("d", "what QEMU logs"),
    ("dfilter", "what QEMU logs"),
    ("D", "the file that QEMU logs to"),
    ("trace", "what QEMU traces"),
];

const DECIDED: Refusal = Refusal {
    why: "sVirt says this itself, or it changes what the machine's confinement was made for",
    hint: "leave it out, or run QEMU with arguments that are all your own: `svirt exec -- \
           qemu-system-x86_64 ...`",
};

/// Reads arguments that stand beside those that sVirt writes.
///
/// # Errors
/// As for [`super::read`]; or an option is none that may stand there.
pub fn read_beside(arguments: &[String]) -> Result<Reading, ReadError> {
    read_if(arguments, |option| {
        let name = option.trim_start_matches('-');
        match option.starts_with('-') && BESIDE.iter().any(|(known, _)| *known == name) {
            true => Ok(()),
            false => Err(Problem::refused(option, &DECIDED)),
        }
    })
}
