//! sVirt's own guest: a kernel of a few kilobytes, embedded in the library.
//!
//! It exists so that a machine can be run, measured and attacked without any image from outside:
//! it boots in the time that the firmware takes, reads and writes disks, sleeps when idle, and
//! ends in every way that a machine can end. It is no operating system, and this crate knows
//! nothing of how it is started: [`GUEST`] is the image, and the rest of this page is what it
//! speaks.
//!
//! # Booting
//!
//! The image is an ELF file with a PVH entry (`XEN_ELFNOTE_PHYS32_ENTRY`), for QEMU's machine
//! types `q35` and `pc`: `qemu-system-x86_64 -machine q35 -nodefaults -display none -serial ...
//! -kernel IMAGE`. It needs 4 MiB of memory. With `-nographic` the firmware writes to the
//! serial port before the guest does; with `-display none` it does not.
//!
//! A guest that says anything has run long mode and SSE. On a `/dev/kvm` that can only emulate
//! instructions it stops before that, and QEMU reports an internal error of KVM.
//!
//! It uses, where the machine has it: the serial port COM1, up to 32 disks that are
//! `virtio-blk-pci` (not with `disable-modern=on`; blocks of 512 bytes), the ACPI power button,
//! `isa-debug-exit` at port 0xf4, and `pvpanic` at its usual port. A machine without a serial
//! port still runs the commands of its command line.
//!
//! # The console
//!
//! The guest's lines end with CR LF. The first one is [`READY_LINE`]; from then on it hears the
//! power button. A description follows, a line each, with one line for each disk:
//!
//! ```text
//! svirt guest: ready
//! memory: 130559 KiB
//! disk 0: 2048 sectors, read-write
//! disk 1: 8 sectors, read-only
//! command line: run=sum 1
//! > sum 1
//! fnv1a64 b93a0c83ce3b6325, 8 sectors from 0
//! >
//! ```
//!
//! The prompt is [`PROMPT`], without the end of a line. A line of input ends with CR, LF or CR LF,
//! is printable ASCII (other bytes are ignored) and has at most 255 bytes (a longer one is refused
//! as a whole). It is echoed while it is read, and backspace, delete and control-U erase. Input
//! may be sent ahead, even before the first line: the guest takes a byte only when it is ready for
//! it. (What was on its way when the machine is reset is lost, as on any machine.)
//!
//! A line is one or more commands, separated by `;`. Disks are numbered from 0 in the order of
//! the PCI bus. Between commands the guest gives back at once what the hypervisor wants back by
//! ACPI hot-plug (QEMU's `device_del`), and takes what it adds (`device_add`), silently; a disk
//! that is added gets the lowest number that is free. Numbers are decimal, or hexadecimal after `0x`; sectors have 512 bytes.
//!
//! | Command | Does | Answer |
//! |---|---|---|
//! | `help` | lists the commands | |
//! | `info` | describes the machine as at the start | |
//! | `cmdline` | shows the kernel command line | that line |
//! | `echo TEXT` | | the text |
//! | `sum DISK [FIRST [COUNT]]` | checksum (FNV-1a, 64 bits) of sectors, or of all | `fnv1a64 HEX, COUNT sectors from FIRST` |
//! | `read DISK SECTOR` | shows the first 64 bytes of a sector | four lines, `0010: 00 .. 00  text` |
//! | `write DISK SECTOR TEXT` | writes a sector: the text, then zeros | `ok` |
//! | `fill DISK SECTOR COUNT BYTE` | writes sectors that are one byte throughout | `ok` |
//! | `flush DISK` | makes durable what was written | `ok` |
//! | `spin [SECONDS]` | uses the processor; without SECONDS, until input comes | `ok` |
//! | `poweroff` | switches off by ACPI | `svirt guest: powering off` |
//! | `reboot` | resets the machine | `svirt guest: rebooting` |
//! | `exit CODE` | QEMU exits with 2 × CODE + 1 (CODE up to 127); switches off where `isa-debug-exit` is absent | |
//! | `panic` | reports a panic by `pvpanic` and stops | `svirt guest: panic`, `svirt guest: halted` |
//! | `fault` | causes a page fault, which is a panic | `svirt guest: exception 14 ...`, `svirt guest: halted` |
//! | `hang` | stops without a word to the hypervisor, deaf to the power button | `svirt guest: hanging` |
//!
//! A command that fails answers with a line that starts with [`ERROR_PREFIX`]; the commands
//! after it still run.
//!
//! At the power button the guest says [`POWER_BUTTON_LINE`] and switches off, whatever it is
//! doing, unless it has stopped.
//!
//! # Commands at boot
//!
//! On the kernel command line a word that starts with `run=` gives commands to run before the
//! first prompt: all the rest of the line belongs to it, spaces included. So `-append 'run=exit
//! 42'` makes QEMU exit with 85, and `quiet run=sum 0;poweroff` prints a checksum and ends. After
//! them the guest reads its console as ever.

#![cfg_attr(not(clippy), forbid(unsafe_code))]

/// The image, ready to be given to `-kernel`. None where the program was built for a processor
/// other than x86_64: there is no guest for those.
pub const GUEST: Option<&[u8]> = image();

#[cfg(embedded_guest)]
const fn image() -> Option<&'static [u8]> {
    Some(include_bytes!(concat!(env!("OUT_DIR"), "/guest.elf")))
}

#[cfg(not(embedded_guest))]
const fn image() -> Option<&'static [u8]> {
    None
}

/// The guest's first line, without its end.
pub const READY_LINE: &str = "svirt guest: ready";

/// What the guest writes when it waits for a line.
pub const PROMPT: &str = "> ";

/// What the answer of a command that failed starts with.
pub const ERROR_PREFIX: &str = "error: ";

/// What the guest says before it switches off at the power button.
pub const POWER_BUTTON_LINE: &str = "svirt guest: power button, powering off";

/// What on the kernel command line stands before commands.
pub const RUN_PREFIX: &str = "run=";

/// The guest's source, for Clippy and rustfmt only: the library has the image, not this.
#[cfg(all(clippy, target_arch = "x86_64"))]
mod guest;
