//! The commands: one table, from which `help` comes too. The protocol is described in the
//! library's documentation, for those who talk to the guest.

use super::disk::{DiskError, Disks, OpenDisk};
use super::start_info::StartInfo;
use super::text::{Hex, Raw, put, say};
use super::{acpi, hot_plug, power, serial};

/// What commands act on.
pub(crate) struct Machine {
    pub(crate) start_info: StartInfo,
    pub(crate) disks: Disks,
}

/// Why a command failed.
enum Failure {
    Usage,
    NoSuchDisk,
    Disk(DiskError),
    NoAcpi,
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl Machine {
    /// Gives back the disks that the hypervisor wants back and finds those that it has added.
    pub(crate) fn settle(&mut self) {
        // SAFETY: only a command makes requests, and waits for them; none runs now.
        unsafe { hot_plug::settle() };
        self.disks.scan();
    }
}

type Outcome = Result<(), Failure>;

struct Command {
    name: &'static str,
    arguments: &'static str,
    purpose: &'static str,
    run: fn(&mut Machine, &mut Words<'_>) -> Outcome,
}

const fn command(
    name: &'static str,
    arguments: &'static str,
    purpose: &'static str,
    run: fn(&mut Machine, &mut Words<'_>) -> Outcome,
) -> Command {
    Command { name, arguments, purpose, run }
}

static COMMANDS: [Command; 16] = [
    command("help", "", "this list", help),
    command("info", "", "memory, disks and command line", info),
    command("cmdline", "", "the command line alone", command_line),
    command("echo", "TEXT", "print the text", echo),
    command("sum", "DISK [FIRST [COUNT]]", "FNV-1a checksum of sectors", sum),
    command("read", "DISK SECTOR", "first bytes of a sector", read),
    command("write", "DISK SECTOR TEXT", "write a sector: the text, then zeros", write),
    command("fill", "DISK SECTOR COUNT BYTE", "write sectors of one byte", fill),
    command("flush", "DISK", "make written sectors durable", flush),
    command("spin", "[SECONDS]", "use the processor; without SECONDS until a key", spin),
    command("poweroff", "", "switch off by ACPI", power_off),
    command("reboot", "", "reset the machine", reboot),
    command("exit", "CODE", "end QEMU by isa-debug-exit, or switch off; at most 127", exit),
    command("panic", "", "report a panic by pvpanic and stop", panic),
    command("fault", "", "cause a page fault", fault),
    command("hang", "", "stop, deaf to the power button", hang),
];

/// Runs the commands of a line, which are separated by semicolons.
pub(crate) fn run_line(machine: &mut Machine, line: &[u8]) {
    for text in line.split(|byte| *byte == b';') {
        if hot_plug::changed() {
            machine.settle();
        }
        run(machine, text);
    }
}

fn run(machine: &mut Machine, text: &[u8]) {
    let mut words = Words(text);
    let name = words.next();
    if name.is_empty() {
        return;
    }
    match COMMANDS.iter().find(|command| command.name.as_bytes() == name) {
        None => say!("error: no command ", Raw(name), ", try help"),
        Some(command) => {
            if let Err(failure) = (command.run)(machine, &mut words) {
                explain(command, &failure);
            }
        }
    }
}

fn explain(command: &Command, failure: &Failure) {
    put!("error: ");
    match failure {
        Failure::Usage => say!("usage: ", command.name, " ", command.arguments),
        Failure::NoSuchDisk => say!("no such disk"),
        Failure::Disk(DiskError::ReadOnly) => say!("the disk is read-only"),
        Failure::Disk(DiskError::OutOfRange) => say!("the disk ends before that sector"),
        Failure::Disk(DiskError::Status(1)) => say!("I/O error"),
        Failure::Disk(DiskError::Status(2)) => say!("the disk does not support the request"),
        Failure::Disk(DiskError::Status(status)) => say!("disk status ", u64::from(*status)),
        Failure::NoAcpi => say!("the machine has no ACPI that this guest knows"),
    }
}

/// The rest of a command, taken word by word.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    /// The next word; empty at the end.
    fn next(&mut self) -> &'a [u8] {
        let text = self.0.trim_ascii_start();
        let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        word
    }

    /// All the rest, without the space before it.
    fn rest(&mut self) -> &'a [u8] {
        let text = core::mem::take(&mut self.0);
        text.strip_prefix(b" ").unwrap_or(text)
    }

    /// The next word as a number, decimal or after `0x` hexadecimal.
    fn number(&mut self) -> Result<u64, Failure> {
        parse(self.next()).ok_or(Failure::Usage)
    }

    /// The same, where the word may be left out.
    fn optional(&mut self) -> Result<Option<u64>, Failure> {
        match self.next() {
            [] => Ok(None),
            word => parse(word).map(Some).ok_or(Failure::Usage),
        }
    }

    fn disk<'m>(&mut self, machine: &'m mut Machine) -> Result<OpenDisk<'m>, Failure> {
        let number = self.number()?;
        machine.disks.open(number).ok_or(Failure::NoSuchDisk)
    }

    fn end(&mut self) -> Outcome {
        if self.next().is_empty() { Ok(()) } else { Err(Failure::Usage) }
    }
}

fn parse(word: &[u8]) -> Option<u64> {
    let (digits, radix) = match word.strip_prefix(b"0x") {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = (*byte as char).to_digit(radix)?;
        number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

fn help(_: &mut Machine, _: &mut Words<'_>) -> Outcome {
    for command in &COMMANDS {
        put!(command.name, " ", command.arguments);
        let width = command.name.len() + command.arguments.len();
        (width..30).for_each(|_| put!(" "));
        say!(command.purpose);
    }
    Ok(())
}

fn info(machine: &mut Machine, _: &mut Words<'_>) -> Outcome {
    describe(machine);
    Ok(())
}

/// What the guest says of itself when it starts.
pub(crate) fn describe(machine: &Machine) {
    say!("memory: ", machine.start_info.memory_kib(), " KiB");
    describe_disks(machine);
    say!("command line: ", Raw(machine.start_info.command_line()));
}

fn describe_disks(machine: &Machine) {
    for (number, disk) in machine.disks.iter() {
        let access = if disk.read_only() { "read-only" } else { "read-write" };
        say!("disk ", number, ": ", disk.capacity, " sectors, ", access);
    }
}

fn command_line(machine: &mut Machine, _: &mut Words<'_>) -> Outcome {
    say!(Raw(machine.start_info.command_line()));
    Ok(())
}

fn echo(_: &mut Machine, words: &mut Words<'_>) -> Outcome {
    say!(Raw(words.rest()));
    Ok(())
}

/// FNV-1a, 64 bits, with the parameters of draft-eastlake-fnv.
fn sum(machine: &mut Machine, words: &mut Words<'_>) -> Outcome {
    let mut disk = words.disk(machine)?;
    let first = words.optional()?.unwrap_or(0);
    let rest = disk.capacity().saturating_sub(first);
    let count = words.optional()?.unwrap_or(rest);
    words.end()?;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    disk.read(first, count, |bytes| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    })?;
    say!("fnv1a64 ", Hex(hash, 16), ", ", count, " sectors from ", first);
    Ok(())
}

fn read(machine: &mut Machine, words: &mut Words<'_>) -> Outcome {
    let mut disk = words.disk(machine)?;
    let sector = words.number()?;
    words.end()?;
    disk.read(sector, 1, |bytes| {
        for (line, sixteen) in (0..4).zip(bytes.chunks(16)) {
            put!(Hex(line * 16, 4), ":");
            sixteen.iter().for_each(|byte| put!(" ", Hex(u64::from(*byte), 2)));
            say!("  ", Raw(sixteen));
        }
    })?;
    Ok(())
}

fn write(machine: &mut Machine, words: &mut Words<'_>) -> Outcome {
    let mut disk = words.disk(machine)?;
    let sector = words.number()?;
    disk.write(sector, words.rest())?;
    done()
}

fn fill(machine: &mut Machine, words: &mut Words<'_>) -> Outcome {
    let mut disk = words.disk(machine)?;
    let sector = words.number()?;
    let count = words.number()?;
    let byte = u8::try_from(words.number()?).map_err(|_| Failure::Usage)?;
    words.end()?;
    disk.fill(sector, count, byte)?;
    done()
}

fn flush(machine: &mut Machine, words: &mut Words<'_>) -> Outcome {
    words.disk(machine)?.flush()?;
    done()
}

fn done() -> Outcome {
    say!("ok");
    Ok(())
}

fn spin(_: &mut Machine, words: &mut Words<'_>) -> Outcome {
    let seconds = words.optional()?;
    words.end()?;
    match seconds {
        None => while !serial::pending() {},
        Some(seconds) => {
            let mut clock = acpi::Clock::start().ok_or(Failure::NoAcpi)?;
            while clock.seconds() < seconds {
                (0..10_000u32).for_each(|n| _ = core::hint::black_box(n));
            }
        }
    }
    done()
}

fn power_off(_: &mut Machine, _: &mut Words<'_>) -> Outcome {
    say!("svirt guest: powering off");
    acpi::power_off();
    Err(Failure::NoAcpi)
}

fn reboot(_: &mut Machine, _: &mut Words<'_>) -> Outcome {
    say!("svirt guest: rebooting");
    power::reboot()
}

/// QEMU's status is eight bits wide, of which one is taken.
fn exit(machine: &mut Machine, words: &mut Words<'_>) -> Outcome {
    let code = u8::try_from(words.number()?).ok().filter(|code| *code < 128);
    power::debug_exit(code.ok_or(Failure::Usage)?);
    say!("svirt guest: no isa-debug-exit device");
    power_off(machine, words)
}

fn panic(_: &mut Machine, _: &mut Words<'_>) -> Outcome {
    say!("svirt guest: panic");
    power::panic()
}

/// Reads where nothing is mapped: above the first GiB.
fn fault(_: &mut Machine, _: &mut Words<'_>) -> Outcome {
    // SAFETY: the access cannot succeed, and the exception does not return here.
    let byte = unsafe { ((1u64 << 40) as *const u8).read_volatile() };
    say!(u64::from(byte));
    Ok(())
}

fn hang(_: &mut Machine, _: &mut Words<'_>) -> Outcome {
    power::stop("svirt guest: hanging")
}
