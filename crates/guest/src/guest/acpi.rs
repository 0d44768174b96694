//! The fixed ACPI registers: power button, soft off, and the clock of the machine.
//!
//! Where they are is read from the chipset (register PMBASE) and not from ACPI's tables, which
//! would need an interpreter for the one value that matters: the sleep type of "off" is zero on
//! both of QEMU's PC chipsets (`acpi_pm1_cnt_write` in its `hw/acpi/core.c`). The layout is that
//! of the ICH9 and PIIX4 data sheets.

use core::sync::atomic::{AtomicU16, Ordering};

use super::pci::Function;
use super::port::Port;
use super::text::say;
use super::{hot_plug, interrupts};

/// A chipset's power management function.
struct Chipset {
    function: Function,
    /// Device and vendor.
    identity: u32,
    /// What turns ACPI mode on when written to the software interrupt's port; from QEMU's FADT.
    enable: u8,
    /// Where devices that come and go are told of, given the base of the ports below.
    hot_plug: fn(u16) -> hot_plug::Ports,
}

const CHIPSETS: [Chipset; 2] = [
    // The machine type q35: the ICH9's LPC bridge.
    Chipset {
        function: Function::new(0, 31, 0),
        identity: 0x2918_8086,
        enable: 0x02,
        hot_plug: |base| hot_plug::Ports {
            slots: 0x0cc0,
            status: base + 0x20,
            enable: base + 0x28,
        },
    },
    // The machine type pc: the PIIX4's power management.
    Chipset {
        function: Function::new(0, 1, 3),
        identity: 0x7113_8086,
        enable: 0xf1,
        hot_plug: |_| hot_plug::Ports { slots: 0xae00, status: 0xafe0, enable: 0xafe2 },
    },
];

/// The chipset register that holds the base of the ports below.
const PMBASE: u8 = 0x40;
const STATUS: u16 = 0x00;
const ENABLE: u16 = 0x02;
const CONTROL: u16 = 0x04;
const TIMER: u16 = 0x08;
const POWER_BUTTON: u16 = 1 << 8;
const SLEEP_TYPE: u16 = 7 << 10;
const SLEEP: u16 = 1 << 13;

/// Ticks of the ACPI timer in a second, and the bits that every such timer has.
const TIMER_HERTZ: u64 = 3_579_545;
const TIMER_MASK: u32 = 0xff_ffff;

/// Base of the ACPI ports; zero when there are none.
static BASE: AtomicU16 = AtomicU16::new(0);

/// Finds the registers and lets the power button interrupt. Does nothing on a machine without
/// them.
pub(crate) fn start() {
    let Some(chipset) = CHIPSETS.iter().find(|c| c.function.identity() == c.identity) else {
        return;
    };
    let base = chipset.function.read16(PMBASE) & !0x7f;
    if base == 0 {
        return;
    }
    BASE.store(base, Ordering::Relaxed);
    // SAFETY: the port of the chipset's software interrupt, which only changes its mode.
    let command: Port<u8> = unsafe { Port::new(0xb2) };
    command.write(chipset.enable);
    register(base, STATUS).write(u16::MAX);
    register(base, ENABLE).write(POWER_BUTTON);
    hot_plug::start(&(chipset.hot_plug)(base));
}

fn register(base: u16, offset: u16) -> Port<u16> {
    // SAFETY: the fixed ACPI registers move no memory.
    unsafe { Port::new(base + offset) }
}

fn base() -> Option<u16> {
    Some(BASE.load(Ordering::Relaxed)).filter(|base| *base != 0)
}

/// Called by the interrupt, which hot-plug shares. All that happened is acknowledged, as the
/// interrupt goes on otherwise.
pub(crate) fn interrupt() {
    hot_plug::interrupt();
    let Some(base) = base() else { return };
    let happened = register(base, STATUS).read();
    register(base, STATUS).write(happened);
    if happened & register(base, ENABLE).read() & POWER_BUTTON != 0 {
        say!("\r\nsvirt guest: power button, powering off");
        power_off();
    }
}

/// From now on the power button does nothing.
pub(crate) fn ignore_button() {
    if let Some(base) = base() {
        register(base, ENABLE).write(0);
    }
}

/// Switches the machine off. Comes back only where that is not possible.
pub(crate) fn power_off() {
    let Some(base) = base() else { return };
    let control = register(base, CONTROL);
    control.write(control.read() & !SLEEP_TYPE | SLEEP);
    interrupts::halt();
}

/// A clock that only measures durations.
pub(crate) struct Clock {
    timer: Port<u32>,
    last: u32,
    ticks: u64,
}

impl Clock {
    /// None on a machine without ACPI.
    pub(crate) fn start() -> Option<Self> {
        // SAFETY: the ACPI timer moves no memory.
        let timer: Port<u32> = unsafe { Port::new(base()? + TIMER) };
        Some(Self { timer, last: timer.read(), ticks: 0 })
    }

    /// Whole seconds since the start. To be asked at least every 4 seconds, before the timer
    /// has gone round.
    pub(crate) fn seconds(&mut self) -> u64 {
        let now = self.timer.read();
        self.ticks += u64::from(now.wrapping_sub(self.last) & TIMER_MASK);
        self.last = now;
        self.ticks / TIMER_HERTZ
    }
}
