//! Every option of QEMU's system emulators, from 6.2 to 10.1, and how each is read.
//!
//! An option that is not here is an error: it may name something on the host. The list is held
//! against the options of the QEMU that is installed by a test, which also asks that QEMU which of
//! them take a value.

use super::{
    audio, block, chardev,
    current::Current,
    device, display, drive, machine, migration,
    misc::{self, CONFIGURATION, DEBUGGER, ISCSI, PROCESS, PROFILE, XEN},
    netdev, object, shared,
};
use crate::command_line::{Problem, Refusal};

/// An option.
pub(super) struct Opt {
    /// Its names, without dashes.
    pub(super) names: &'static [&'static str],
    /// Whether the next argument is its value.
    pub(super) value: bool,
    /// How it is read.
    pub(super) how: How,
}

/// How an option is read.
pub(super) enum How {
    /// Not at all.
    Harmless {
        /// Why nothing in it can name something on the host.
        why: &'static str,
    },
    /// It is an error.
    Refused(&'static Refusal),
    /// By this function.
    Read(fn(&mut Current<'_>) -> Result<(), Problem>),
}

/// The option that a word stands for: QEMU takes one dash or two.
pub(super) fn find(word: &str) -> Option<&'static Opt> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    OPTIONS.iter().find(|option| option.names.contains(&name))
}

const fn flag(names: &'static [&'static str], why: &'static str) -> Opt {
    Opt { names, value: false, how: How::Harmless { why } }
}

const fn value(names: &'static [&'static str], why: &'static str) -> Opt {
    Opt { names, value: true, how: How::Harmless { why } }
}

const fn read(
    names: &'static [&'static str],
    reader: fn(&mut Current<'_>) -> Result<(), Problem>,
) -> Opt {
    Opt { names, value: true, how: How::Read(reader) }
}

const fn read_flag(
    names: &'static [&'static str],
    reader: fn(&mut Current<'_>) -> Result<(), Problem>,
) -> Opt {
    Opt { names, value: false, how: How::Read(reader) }
}

const fn refused(names: &'static [&'static str], value: bool, refusal: &'static Refusal) -> Opt {
    Opt { names, value, how: How::Refused(refusal) }
}

const PRINTS: &str = "it prints something and ends";
const NUMBERS: &str = "numbers, sizes and fixed words";
const GUEST_TEXT: &str = "text that only the guest or a person reads";
const INTERNAL: &str = "names of other parts of the machine";
const SWITCH: &str = "a switch of the emulation";

/// Every option.
pub(super) const OPTIONS: &[Opt] = &[
    // Help.
    flag(&["h", "help", "version", "audio-help"], PRINTS),
    // The machine.
    read(&["machine", "M"], machine::machine),
    read(&["accel"], machine::accel),
    read_flag(&["enable-kvm"], machine::enable_kvm),
    value(&["cpu"], "a model and its features; model names are free text for the guest"),
    value(&["smp", "m", "numa", "tb-size", "seed", "g"], NUMBERS),
    value(&["uuid", "rtc", "compat", "action", "overcommit", "watchdog-action"], NUMBERS),
    value(&["watchdog", "vga", "soundhw", "balloon"], "names of emulated devices"),
    value(&["name"], "a title, the process's name, and a switch"),
    value(&["append", "prom-env"], GUEST_TEXT),
    flag(&["mem-prealloc", "usb", "full-screen", "no-reboot", "no-shutdown", "S"], SWITCH),
    flag(&["win2k-hack", "no-fd-bootchk", "no-acpi", "no-hpet", "singlestep"], SWITCH),
    flag(&["only-migratable", "old-param", "enable-fips", "preconfig", "portrait"], SWITCH),
    flag(&["no-user-config", "enable-sync-profile"], SWITCH),
    flag(
        &["semihosting"],
        "it lets the guest use files as QEMU's process may, which is what confines it",
    ),
    value(&["rotate"], NUMBERS),
    read(&["semihosting-config"], misc::semihosting),
    read_flag(&["nodefaults"], misc::no_defaults),
    read(&["boot"], machine::boot),
    read(&["k"], machine::keyboard),
    read(&["kernel", "initrd", "dtb", "shim"], machine::file),
    read(&["bios"], machine::firmware),
    read(&["option-rom"], machine::option_rom),
    read(&["L"], machine::data_directory),
    read(&["mem-path"], machine::memory_path),
    read(&["fw_cfg"], machine::fw_cfg),
    read(&["smbios"], machine::smbios),
    read(&["acpitable"], machine::acpitable),
    // Devices, and properties of devices.
    read(&["device"], device::device),
    read(&["global"], device::global),
    read(&["set"], device::set),
    read(&["object"], object::object),
    read(&["usbdevice"], misc::usb_device),
    read(&["tpmdev"], shared::tpm),
    read(&["fsdev", "virtfs"], shared::directory),
    // Disks.
    read(&["drive"], drive::drive),
    read(&["blockdev"], block::blockdev),
    read(&["hda"], drive::hda),
    read(&["hdb"], drive::hdb),
    read(&["hdc"], drive::hdc),
    read(&["hdd"], drive::hdd),
    read(&["cdrom"], drive::cdrom),
    read(&["fda"], drive::fda),
    read(&["fdb"], drive::fdb),
    read(&["mtdblock"], drive::mtdblock),
    read(&["sd"], drive::sd),
    read(&["pflash"], drive::pflash),
    read_flag(&["snapshot"], drive::snapshot),
    refused(&["iscsi"], true, &ISCSI),
    value(&["loadvm"], "the name of a snapshot inside the images"),
    // Networks, characters, screens, sound.
    read(&["netdev", "nic", "net"], netdev::netdev),
    read(&["chardev"], chardev::chardev),
    read(
        &["serial", "parallel", "monitor", "qmp", "qmp-pretty", "debugcon", "gdb", "qtest"],
        chardev::legacy,
    ),
    value(&["mon"], INTERNAL),
    value(&["echr"], NUMBERS),
    refused(&["s"], false, &DEBUGGER),
    read(&["display"], display::display),
    read(&["vnc"], display::vnc),
    read(&["spice"], display::spice),
    read_flag(&["nographic"], display::nographic),
    read_flag(&["curses"], display::curses),
    refused(&["sdl"], false, &display::WINDOW),
    flag(&["no-quit", "alt-grab", "ctrl-grab", "no-frame"], "it is about a window"),
    read(&["audiodev", "audio"], audio::audiodev),
    // QEMU's process.
    read(&["pidfile", "dump-vmstate", "qtest-log"], misc::output),
    read(&["D"], misc::log),
    value(&["d", "dfilter"], "names of things to log, and addresses in the guest"),
    read(&["trace"], misc::trace),
    read(&["plugin"], misc::plugin),
    read(&["icount"], misc::icount),
    read(&["add-fd"], misc::add_fd),
    read(&["incoming"], migration::incoming),
    value(&["msg"], SWITCH),
    value(&["sandbox"], "QEMU's own filter of system calls, which only takes away"),
    read(&["run-with"], misc::run_with),
    refused(&["daemonize", "async-teardown"], false, &PROCESS),
    refused(&["chroot", "runas"], true, &PROCESS),
    refused(&["readconfig", "writeconfig"], true, &CONFIGURATION),
    refused(&["perfmap", "jitdump"], false, &PROFILE),
    refused(&["xen-domid"], true, &XEN),
    refused(&["xen-attach", "xen-domid-restrict"], false, &XEN),
    refused(&["enable-hax"], false, &XEN),
];
