//! Devices that come and go while the guest runs: QEMU's ACPI hot-plug controller, as its
//! `docs/specs/acpi_pci_hotplug` describes it.
//!
//! Hearing of a change and acting on it are separate. The interrupt only remembers that there was
//! one; devices are let go of between commands, when none of them is in use. Which devices these
//! are is not known here.

use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use super::port::Port;

/// The controller's ports.
pub(crate) struct Ports {
    /// What is wanted of which slot.
    pub(crate) slots: u16,
    /// First byte of the general-purpose events that happened.
    pub(crate) status: u16,
    /// First byte of those that may interrupt.
    pub(crate) enable: u16,
}

/// The event, among the general-purpose ones, of a device that came or is wanted back.
const EVENT: u8 = 1 << 1;
const DOWN: u16 = 0x04;
const EJECT: u16 = 0x08;
const BUS: u16 = 0x10;
/// `ACPI_PCIHP_MAX_HOTPLUG_BUS` of QEMU.
const BUSES: u32 = 256;

static SLOTS: AtomicU16 = AtomicU16::new(0);
/// Zero when there is no controller.
static STATUS: AtomicU16 = AtomicU16::new(0);
static CHANGED: AtomicBool = AtomicBool::new(false);

/// Lets changes interrupt.
pub(crate) fn start(ports: &Ports) {
    SLOTS.store(ports.slots, Ordering::Relaxed);
    STATUS.store(ports.status, Ordering::Relaxed);
    event_port(ports.status).write(EVENT);
    event_port(ports.enable).write(EVENT);
}

fn event_port(address: u16) -> Port<u8> {
    // SAFETY: the event registers move no memory.
    unsafe { Port::new(address) }
}

/// Called by the interrupt.
pub(crate) fn interrupt() {
    let status = STATUS.load(Ordering::Relaxed);
    if status != 0 && event_port(status).read() & EVENT != 0 {
        event_port(status).write(EVENT);
        CHANGED.store(true, Ordering::Relaxed);
    }
}

/// Whether there was a change that nobody has acted on.
pub(crate) fn changed() -> bool {
    CHANGED.load(Ordering::Relaxed)
}

/// Acts on a change: gives all devices back that the hypervisor wants back, which are gone then.
/// Devices that have come are left to the caller.
///
/// # Safety
/// No device is in the middle of a request.
pub(crate) unsafe fn settle() {
    CHANGED.store(false, Ordering::Relaxed);
    for bus in 0..BUSES {
        slot_port(BUS).write(bus);
        let wanted = slot_port(DOWN).read();
        if wanted != 0 {
            slot_port(EJECT).write(wanted);
        }
    }
}

fn slot_port(offset: u16) -> Port<u32> {
    // SAFETY: these registers move no memory; they take devices away, for which `settle` has
    // made its caller answer.
    unsafe { Port::new(SLOTS.load(Ordering::Relaxed) + offset) }
}
