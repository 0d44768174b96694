//! The machine, its accelerators, and the files it boots from: `-machine`, `-accel`, `-kernel`.

use super::{
    current::Current,
    keys::{Keys, Unknown, Use},
    keyval::{Entry, Options},
};
use crate::command_line::{Problem, Refusal, Thing, shortened};
use svirt_model::Access;

const READ: Use = Use::File(Access::Read);

const ACCELERATOR: Refusal = Refusal {
    why: "on Linux a confined machine runs with KVM or TCG",
    hint: "use `-accel kvm` or `-accel tcg`",
};

const MACHINE: Keys = Keys {
    named: &[
        ("kernel", READ),
        ("initrd", READ),
        ("shim", READ),
        ("dtb", READ),
        ("dumpdtb", Use::Output),
        ("firmware", Use::Rom),
        ("boot.splash", Use::Rom),
    ],
    plain: &[
        "type",
        "accel",
        "append",
        "dt-compatible",
        "dt_compatible",
        "memory-backend",
        "memory-encryption",
        "confidential-guest-support",
        "pflash0",
        "pflash1",
        "igvm-cfg",
        "audiodev",
        "loadparm",
        "smbios-entry-point-type",
        "x-oem-id",
        "x-oem-table-id",
        "vsock",
        "id",
        "parent-id",
    ],
};

const ACCEL: Keys = Keys { named: &[("device", Use::HostDevice)], plain: &["accel"] };

/// `-machine`.
pub(super) fn machine(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("type"))? else { return Ok(()) };
    for entry in options.entries().iter().filter(|entry| entry.key == "accel") {
        entry.text().split(':').try_for_each(|name| accelerator(at, name))?;
    }
    at.by_tables(&options, "the machine", &[&MACHINE], Unknown::JudgeByValue)
}

/// `-accel`.
pub(super) fn accel(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("accel"))? else { return Ok(()) };
    let name = options.need("accel")?.text().to_owned();
    accelerator(at, &name)?;
    at.by_tables(&options, "the accelerator", &[&ACCEL], Unknown::JudgeByValue)
}

/// `-enable-kvm`.
pub(super) fn enable_kvm(at: &mut Current<'_>) -> Result<(), Problem> {
    accelerator(at, "kvm")
}

fn accelerator(at: &mut Current<'_>, name: &str) -> Result<(), Problem> {
    match name {
        "kvm" | "tcg" | "qtest" => {}
        "xen" | "hax" | "hvf" | "nvmm" | "whpx" | "mshv" | "nitro" => {
            return Err(Problem::refused(format!("the accelerator {name}"), &ACCELERATOR));
        }
        other => return Err(Problem::kind("accelerator", other)),
    }
    at.draft.accelerators.push(name.to_owned());
    Ok(())
}

/// An option whose value is a file that is read: `-kernel`, `-initrd`, `-dtb`, `-shim`.
pub(super) fn file(at: &mut Current<'_>) -> Result<(), Problem> {
    let whole = at.whole();
    at.used(&whole, READ)
}

/// `-bios`.
pub(super) fn firmware(at: &mut Current<'_>) -> Result<(), Problem> {
    let whole = at.whole();
    at.add_path(&whole, |path| Thing::Firmware { path })
}

/// `-option-rom FILE` or `-option-rom romfile=FILE,bootindex=N`.
pub(super) fn option_rom(at: &mut Current<'_>) -> Result<(), Problem> {
    const KEYS: Keys = Keys { named: &[("romfile", Use::Rom)], plain: &["bootindex"] };
    let options = Options::parse(at.text, Some("romfile"))?;
    if options.need("romfile")?.text().is_empty() {
        return Err(Problem::EmptyPath("romfile".to_owned()));
    }
    at.by_tables(&options, "the option ROM", &[&KEYS], Unknown::Refuse)
}

/// `-boot`.
pub(super) fn boot(at: &mut Current<'_>) -> Result<(), Problem> {
    const KEYS: Keys = Keys {
        named: &[("splash", Use::Rom)],
        plain: &["order", "once", "menu", "splash-time", "reboot-timeout", "strict"],
    };
    let Some(options) = at.options(Some("order"))? else { return Ok(()) };
    at.by_tables(&options, "-boot", &[&KEYS], Unknown::Refuse)
}

/// `-L`.
pub(super) fn data_directory(at: &mut Current<'_>) -> Result<(), Problem> {
    let whole = at.whole();
    match at.text {
        "help" | "?" => Ok(()),
        _ => at.used(&whole, Use::Directory(Access::Read)),
    }
}

/// `-k`: the name of a keyboard map, which QEMU would also take for a path.
pub(super) fn keyboard(at: &mut Current<'_>) -> Result<(), Problem> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !at.text.is_empty() && at.text.bytes().all(word) {
        true => Ok(()),
        false => Err(Problem::syntax(format!("{:?} is no keyboard map", shortened(at.text)))),
    }
}

/// `-mem-path`.
pub(super) fn memory_path(at: &mut Current<'_>) -> Result<(), Problem> {
    let whole = at.whole();
    at.add_path(&whole, |path| Thing::Memory { path, access: Access::Write })
}

/// `-fw_cfg`.
pub(super) fn fw_cfg(at: &mut Current<'_>) -> Result<(), Problem> {
    const KEYS: Keys = Keys { named: &[("file", READ)], plain: &["name", "string", "gen_id"] };
    let Some(options) = at.options(Some("name"))? else { return Ok(()) };
    at.by_tables(&options, "-fw_cfg", &[&KEYS], Unknown::Refuse)
}

/// `-smbios`: the strings of its tables are free text; `file` and `path` are files.
pub(super) fn smbios(at: &mut Current<'_>) -> Result<(), Problem> {
    let options = Options::parse(at.text, None)?;
    let files = options.entries().iter().filter(|e| matches!(e.key.as_str(), "file" | "path"));
    for entry in files {
        at.used(entry, READ)?;
    }
    Ok(())
}

/// `-acpitable`: `file` and `data` are lists of files with colons between them; the rest is free
/// text.
pub(super) fn acpitable(at: &mut Current<'_>) -> Result<(), Problem> {
    let options = Options::parse(at.text, None)?;
    let lists = options.entries().iter().filter(|e| matches!(e.key.as_str(), "file" | "data"));
    for list in lists {
        for name in list.text().split(':') {
            let entry = Entry { value: Some(name.to_owned()), ..list.clone() };
            at.used(&entry, READ)?;
        }
    }
    Ok(())
}
