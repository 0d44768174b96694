//! The ways a guest ends, apart from ACPI's: reset, QEMU's debug exit, and panic.

use core::arch::asm;

use super::port::Port;
use super::text::say;
use super::{acpi, interrupts};

// SAFETY: the reset control of the PC chipsets. A reset ends this program.
const RESET: Port<u8> = unsafe { Port::new(0xcf9) };
// SAFETY: the keyboard controller, whose only command here is a reset.
const KEYBOARD: Port<u8> = unsafe { Port::new(0x64) };
const KEYBOARD_RESET: u8 = 0xfe;
// SAFETY: QEMU's isa-debug-exit, which ends the process of the hypervisor.
const DEBUG_EXIT: Port<u8> = unsafe { Port::new(0xf4) };
// SAFETY: QEMU's pvpanic (`docs/specs/pvpanic`), which only reports.
const PANIC: Port<u8> = unsafe { Port::new(0x505) };
const PANICKED: u8 = 1;
const ABSENT: u8 = 0xff;

/// Resets the machine: by the chipset, else by the keyboard controller, else by a fault that
/// cannot be handled.
pub(crate) fn reboot() -> ! {
    RESET.write(0x02);
    RESET.write(0x06);
    KEYBOARD.write(KEYBOARD_RESET);
    let nothing = [0u16; 5];
    // SAFETY: without an interrupt table the next exception resets the processor.
    unsafe { asm!("cli", "lidt [{}]", "ud2", in(reg) &nothing, options(noreturn)) };
}

/// Ends QEMU with the status `code * 2 + 1`. Comes back where the device is absent.
pub(crate) fn debug_exit(code: u8) {
    DEBUG_EXIT.write(code);
}

/// Reports a panic to the hypervisor, if it wants to know, and stops for good.
pub(crate) fn panic() -> ! {
    let wanted = PANIC.read();
    if wanted != ABSENT && wanted & PANICKED != 0 {
        PANIC.write(PANICKED);
    }
    stop("svirt guest: halted")
}

/// Says a last line and stops for good. Whoever hears it can be sure that the power button is not
/// felt any more.
pub(crate) fn stop(line: &str) -> ! {
    acpi::ignore_button();
    say!(line);
    interrupts::halt()
}
