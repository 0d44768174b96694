//! The guest: what runs inside a machine when the user brings no system of their own.
//!
//! `entry` brings the processor from the PVH boot protocol to `guest_main`; from there on it is a
//! loop that reads a line and runs its commands. There is one processor, no heap and no memory
//! above the first GiB. Between commands the processor sleeps until the serial port or ACPI (the
//! power button, a disk that comes or is wanted back) interrupts; while a command waits for a
//! disk, it polls.
//!
//! Unsafe code is what a kernel cannot do without: instructions (`entry`, `mem`, `port`,
//! `interrupts`), the processor's tables (`tables`), what the loader left in memory
//! (`start_info`), and the memory that devices share (`virtio`, `disk`).

mod acpi;
mod commands;
mod console;
mod disk;
mod entry;
mod hot_plug;
mod interrupts;
mod mem;
mod pci;
mod port;
mod power;
mod serial;
mod shared;
mod start_info;
mod tables;
mod text;
mod virtio;
mod virtio_registers;

use core::panic::Location;

use commands::Machine;
use console::{Console, MAX_LINE, TooLong};
use disk::Disks;
use start_info::StartInfo;
use text::{Raw, put, say};

/// What on the kernel command line comes before commands; everything after it belongs to them.
const RUN: &[u8] = b"run=";

/// Called once by `entry` with the address of the start info.
#[unsafe(no_mangle)]
extern "C" fn guest_main(start_info: u64) -> ! {
    serial::start();
    acpi::start();
    interrupts::start();
    say!("svirt guest: ready");
    // SAFETY: the entry code was given this address by the loader, and calls this once.
    let (start_info, disks) = unsafe { (StartInfo::new(start_info), Disks::new()) };
    let mut machine = Machine { start_info, disks };
    machine.disks.scan();
    commands::describe(&machine);
    if let Some(line) = commands_at_boot(machine.start_info.command_line()) {
        say!("> ", Raw(line));
        commands::run_line(&mut machine, line);
    }
    converse(&mut machine)
}

/// The rest of the command line after the word that starts with `run=`.
fn commands_at_boot(command_line: &'static [u8]) -> Option<&'static [u8]> {
    let mut starts = (0..command_line.len()).filter(|at| {
        let before = at.checked_sub(1).and_then(|before| command_line.get(before));
        before.is_none_or(|byte| *byte == b' ')
    });
    starts.find_map(|at| command_line.get(at..)?.strip_prefix(RUN))
}

fn converse(machine: &mut Machine) -> ! {
    let mut console = Console::new();
    loop {
        put!("> ");
        match console.read_line(|| idle(machine)) {
            Ok(line) => commands::run_line(machine, line),
            Err(TooLong) => say!("error: a line has at most ", MAX_LINE as u64, " bytes"),
        }
    }
}

/// Sleeps until a byte has come. Disks come and go meanwhile.
fn idle(machine: &mut Machine) {
    while !serial::pending() {
        interrupts::wait_until(|| serial::pending() || hot_plug::changed());
        if hot_plug::changed() {
            machine.settle();
        }
    }
}

/// A check inside the guest failed. Called by the panic handler, which Clippy does not see.
#[cfg_attr(clippy, allow(dead_code))]
pub(crate) fn panicked(location: Option<&Location<'_>>) -> ! {
    put!("\r\nsvirt guest: bug");
    if let Some(location) = location {
        put!(" at ", location.file(), ":", u64::from(location.line()));
    }
    say!();
    power::panic()
}
