//! The serial port COM1, a 16550 at 115200 baud, 8N1: bytes in and bytes out, no meaning.
//!
//! Waiting costs no processor time. The port's interrupt (IRQ 4) only ends a `hlt`; the registers
//! are looked at by the code that waits, with interrupts off, so that no byte is missed between
//! looking and sleeping. Nothing is read ahead: what the guest has not taken stays with the
//! hypervisor, which stops the sender, so that input of any length is neither lost nor stored.

use super::interrupts;
use super::port::Port;

const DATA: Port<u8> = register(0);
const INTERRUPT_ENABLE: Port<u8> = register(1);
/// Written, it would be the FIFO control; see [`start`].
const INTERRUPT_IDENTITY: Port<u8> = register(2);
const LINE_CONTROL: Port<u8> = register(3);
const MODEM_CONTROL: Port<u8> = register(4);
const LINE_STATUS: Port<u8> = register(5);

const ENABLE_RECEIVED: u8 = 1;
const ENABLE_SENT: u8 = 2;
const STATUS_RECEIVED: u8 = 1;
const STATUS_SENT: u8 = 1 << 5;
/// What an absent port reads as. No 16550 sets all of its status bits.
const ABSENT: u8 = 0xff;

/// How often the port is asked whether it can take a byte before the guest sleeps until it can.
const PATIENCE: u32 = 1000;

const fn register(number: u16) -> Port<u8> {
    // SAFETY: these are the ports of COM1, which moves no memory.
    unsafe { Port::new(0x3f8 + number) }
}

/// Sets the line up and lets received bytes interrupt. The FIFOs stay off: switching them on empties
/// them, and with them the register where a byte may wait that was sent before the guest began. One
/// byte at a time is enough, as the hypervisor keeps the next one until it is asked for.
pub(crate) fn start() {
    LINE_CONTROL.write(0x80); // the next two registers are the divisor
    DATA.write(1); // 115200 baud
    INTERRUPT_ENABLE.write(0);
    LINE_CONTROL.write(3); // 8N1
    MODEM_CONTROL.write(0x0b); // DTR, RTS, and OUT2, which lets interrupts out
    INTERRUPT_ENABLE.write(ENABLE_RECEIVED);
}

/// Called by the interrupt: quietens a "sent" interrupt. A "received" one ends when the byte is
/// read.
pub(crate) fn acknowledge() {
    INTERRUPT_IDENTITY.read();
}

/// Whether a received byte is waiting.
pub(crate) fn pending() -> bool {
    let status = LINE_STATUS.read();
    status != ABSENT && status & STATUS_RECEIVED != 0
}

/// Takes the byte that is waiting.
pub(crate) fn read() -> u8 {
    DATA.read()
}

/// Sends a byte as soon as the other side takes it. With interrupts off, as in an exception, a
/// side that takes nothing loses the byte instead of stopping the guest.
pub(crate) fn write(byte: u8) {
    if !(0..PATIENCE).any(|_| can_send()) {
        if !interrupts::enabled() {
            return;
        }
        wait_to_send();
    }
    DATA.write(byte);
}

fn can_send() -> bool {
    LINE_STATUS.read() & STATUS_SENT != 0
}

/// While this waits, received bytes must not interrupt: both reasons share one edge-triggered
/// line, and a waiting byte would hold it.
fn wait_to_send() {
    INTERRUPT_ENABLE.write(ENABLE_SENT);
    interrupts::wait_until(can_send);
    INTERRUPT_ENABLE.write(ENABLE_RECEIVED);
}
