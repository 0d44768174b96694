//! Options about QEMU's own process: logs, traces, plugins, descriptors, and what it does to
//! itself.

use super::{
    current::Current,
    keys::{Keys, Unknown, Use},
    keyval::Options,
};
use crate::command_line::{Problem, Refusal, Thing};
use svirt_model::Access;

const READ: Use = Use::File(Access::Read);

/// QEMU would leave the confinement that sVirt has built, or fail because it cannot.
pub(super) const PROCESS: Refusal = Refusal {
    why: "sVirt itself gives the machine its root, its user and its supervisor, and QEMU has no \
          right to change them",
    hint: "leave it out",
};
/// More options in a file.
pub(super) const CONFIGURATION: Refusal = Refusal {
    why: "sVirt reads the command line and not the files it names, so it would not see what the \
          options in this one open",
    hint: "write those options on the command line",
};
/// Maps of translated code for profilers.
pub(super) const PROFILE: Refusal = Refusal {
    why: "it writes files in /tmp or the working directory under names with the process's number, \
          for profilers outside",
    hint: "leave it out",
};
/// Xen.
pub(super) const XEN: Refusal =
    Refusal { why: "it needs the host to be Xen's control domain", hint: "use KVM" };
/// The debugger's port.
pub(super) const DEBUGGER: Refusal = Refusal {
    why: "it listens on TCP port 1234, and the machine never has the host's network",
    hint: "use `-gdb unix:PATH,server=on,wait=off` and `target remote PATH` in the debugger",
};
/// iSCSI.
pub(super) const ISCSI: Refusal = Refusal {
    why: "the machine never has the host's network",
    hint: "log in to the target on the host and name its block device",
};
const NUMBERED: Refusal = Refusal {
    why: "QEMU puts its process's number in place of %d, which is not known before it runs",
    hint: "write a name without %",
};
const USB: Refusal = Refusal {
    why: "sVirt knows only the devices that QEMU itself makes: mouse, tablet, wacom-tablet, \
          keyboard, ccid",
    hint: "use `-device`",
};

/// An option whose value is a file that QEMU writes.
pub(super) fn output(at: &mut Current<'_>) -> Result<(), Problem> {
    let whole = at.whole();
    at.used(&whole, Use::Output)
}

/// `-D`.
pub(super) fn log(at: &mut Current<'_>) -> Result<(), Problem> {
    match at.text.contains('%') {
        true => Err(Problem::refused(at.text, &NUMBERED)),
        false => output(at),
    }
}

/// `-trace`.
pub(super) fn trace(at: &mut Current<'_>) -> Result<(), Problem> {
    const KEYS: Keys =
        Keys { named: &[("events", READ), ("file", Use::Output)], plain: &["enable"] };
    let Some(options) = at.options(Some("enable"))? else { return Ok(()) };
    at.by_tables(&options, "-trace", &[&KEYS], Unknown::Refuse)
}

/// `-plugin`.
pub(super) fn plugin(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("file"))? else { return Ok(()) };
    at.add_path(options.need("file")?, |path| Thing::Library { path })?;
    let mut rest = options.clone();
    rest.remove(&["file"]);
    at.by_tables(&rest, "the plugin", &[], Unknown::JudgeByValue)
}

/// `-icount`.
pub(super) fn icount(at: &mut Current<'_>) -> Result<(), Problem> {
    const KEYS: Keys =
        Keys { named: &[], plain: &["shift", "align", "sleep", "rr", "rrfile", "rrsnapshot", "q"] };
    let Some(options) = at.options(Some("shift"))? else { return Ok(()) };
    at.by_tables(&options, "-icount", &[&KEYS], Unknown::Refuse)?;
    let Some(entry) = options.get("rrfile")? else { return Ok(()) };
    match options.text("rr")? {
        Some("replay") => at.used(entry, READ),
        _ => at.used(entry, Use::Output),
    }
}

/// `-add-fd`.
pub(super) fn add_fd(at: &mut Current<'_>) -> Result<(), Problem> {
    let options = Options::parse(at.text, None)?;
    let mut rest = options.clone();
    rest.remove(&["fd", "set", "opaque"]);
    at.by_tables(&rest, "-add-fd", &[], Unknown::Refuse)?;
    at.descriptor(options.need("fd")?)
}

/// `-run-with`.
pub(super) fn run_with(at: &mut Current<'_>) -> Result<(), Problem> {
    const KEYS: Keys = Keys {
        named: &[
            ("async-teardown", Use::Refused(&PROCESS)),
            ("chroot", Use::Refused(&PROCESS)),
            ("user", Use::Refused(&PROCESS)),
        ],
        plain: &["exit-with-parent"],
    };
    let Some(options) = at.options(None)? else { return Ok(()) };
    at.by_tables(&options, "-run-with", &[&KEYS], Unknown::Refuse)
}

/// `-semihosting-config`.
pub(super) fn semihosting(at: &mut Current<'_>) -> Result<(), Problem> {
    const KEYS: Keys =
        Keys { named: &[], plain: &["enable", "target", "chardev", "userspace", "arg"] };
    let Some(options) = at.options(Some("enable"))? else { return Ok(()) };
    at.by_tables(&options, "-semihosting-config", &[&KEYS], Unknown::Refuse)
}

/// `-usbdevice`.
pub(super) fn usb_device(at: &mut Current<'_>) -> Result<(), Problem> {
    match at.text {
        "mouse" | "tablet" | "wacom-tablet" | "keyboard" | "ccid" | "help" | "?" => Ok(()),
        other => Err(Problem::refused(other, &USB)),
    }
}

/// `-nodefaults`.
pub(super) fn no_defaults(at: &mut Current<'_>) -> Result<(), Problem> {
    at.draft.facts.no_defaults = true;
    Ok(())
}
