//! Interrupts: the two 8259 controllers, what each interrupt means, and how to wait for one.
//!
//! Two are let through, the serial port's and ACPI's; there is no timer. An exception ends the
//! guest.

use core::arch::asm;

use super::port::Port;
use super::tables::{self, EXCEPTIONS, Frame};
use super::{acpi, power, serial, text::Hex, text::say};

const LINE_SERIAL: u64 = 4;
const LINE_ACPI: u64 = 9;
/// What is masked on each controller: all but lines 2 (the second controller) and 4; all but 9.
const MASKS: (u8, u8) = (!0b0001_0100, !0b0000_0010);

const FIRST_COMMAND: Port<u8> = controller(0x20);
const FIRST_DATA: Port<u8> = controller(0x21);
const SECOND_COMMAND: Port<u8> = controller(0xa0);
const SECOND_DATA: Port<u8> = controller(0xa1);
const END_OF_INTERRUPT: u8 = 0x20;

const TIMER_COUNT: Port<u8> = controller(0x40);
const TIMER_COMMAND: Port<u8> = controller(0x43);

const fn controller(address: u16) -> Port<u8> {
    // SAFETY: the interrupt controllers and the timer move no memory.
    unsafe { Port::new(address) }
}

/// Fills the tables, starts the controllers and lets interrupts in.
pub(crate) fn start() {
    tables::load();
    start_controllers();
    stop_timer();
    enable();
}

/// The controllers' four initialisation words, in the order of their data sheet.
fn start_controllers() {
    FIRST_COMMAND.write(0x11);
    SECOND_COMMAND.write(0x11);
    FIRST_DATA.write(EXCEPTIONS as u8);
    SECOND_DATA.write(EXCEPTIONS as u8 + 8);
    FIRST_DATA.write(1 << 2); // the second one is on line 2
    SECOND_DATA.write(2);
    FIRST_DATA.write(1);
    SECOND_DATA.write(1);
    FIRST_DATA.write(MASKS.0);
    SECOND_DATA.write(MASKS.1);
}

/// The firmware leaves the timer ticking 18 times a second. Nothing here listens, but the
/// hypervisor would wake up for each tick. As a one-shot it ends after the first.
fn stop_timer() {
    TIMER_COMMAND.write(0x30); // channel 0, two bytes of count, mode 0
    TIMER_COUNT.write(0);
    TIMER_COUNT.write(0);
}

/// Called by the stubs.
#[unsafe(no_mangle)]
extern "C" fn interrupt(frame: &Frame) {
    let Some(line) = frame.vector.checked_sub(EXCEPTIONS as u64) else {
        exception(frame);
    };
    match line {
        LINE_SERIAL => serial::acknowledge(),
        LINE_ACPI => acpi::interrupt(),
        _ => return, // a spurious one, which is not to be ended
    }
    if line >= 8 {
        SECOND_COMMAND.write(END_OF_INTERRUPT);
    }
    FIRST_COMMAND.write(END_OF_INTERRUPT);
}

fn exception(frame: &Frame) -> ! {
    let address: u64;
    // SAFETY: reading CR2 changes nothing.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    say!(
        "\r\nsvirt guest: exception ",
        frame.vector,
        " (code 0x",
        Hex(frame.error, 1),
        ", instruction 0x",
        Hex(frame.instruction, 1),
        ", address 0x",
        Hex(address, 1),
        ")"
    );
    power::panic()
}

/// Sleeps until `condition` holds. It is looked at with interrupts off, and must become true by
/// way of an interrupt.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    loop {
        disable();
        if condition() {
            return enable();
        }
        // SAFETY: `start` made interrupts safe to take; `sti` takes effect after `hlt` began, so
        // none is missed.
        unsafe { asm!("sti", "hlt", options(nostack)) };
    }
}

/// Stops the processor for good.
pub(crate) fn halt() -> ! {
    loop {
        // SAFETY: stopping is always sound; the loop is for a non-maskable interrupt.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Whether interrupts are let in.
pub(crate) fn enabled() -> bool {
    let flags: u64;
    // SAFETY: reads the flags by way of the stack.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(nomem, preserves_flags)) };
    flags & 1 << 9 != 0
}

fn enable() {
    // SAFETY: called after the tables are loaded, or after `disable`.
    unsafe { asm!("sti", options(nostack)) };
}

fn disable() {
    // SAFETY: interrupts are not needed for soundness.
    unsafe { asm!("cli", options(nostack)) };
}
