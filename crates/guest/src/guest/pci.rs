//! PCI configuration space through the ports 0xcf8 and 0xcfc, and the walk over all functions.
//!
//! The firmware has numbered the buses. Nothing here looks at a device's memory or ports.

use super::port::Port;

// SAFETY: selects a register of configuration space, which moves no memory.
const ADDRESS: Port<u32> = unsafe { Port::new(0xcf8) };
const DATA: u16 = 0xcfc;

const COMMAND: u8 = 0x04;
const COMMAND_BUS_MASTER: u16 = 1 << 2;
const COMMAND_NO_INTERRUPT: u16 = 1 << 10;
const STATUS: u8 = 0x06;
const STATUS_CAPABILITIES: u16 = 1 << 4;
const HEADER: u8 = 0x0e;
const HEADER_MANY_FUNCTIONS: u8 = 0x80;
const HEADER_BRIDGE: u8 = 1;
const SECONDARY_BUS: u8 = 0x19;
const CAPABILITIES: u8 = 0x34;
/// More capabilities than fit into 256 bytes are a loop.
const MAX_CAPABILITIES: usize = 48;

/// Where a function is: bus, device and function number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function {
    bus: u8,
    device: u8,
    function: u8,
}

macro_rules! registers {
    ($read:ident, $write:ident, $unit:ty) => {
        pub(crate) fn $read(self, register: u8) -> $unit {
            let address = self.select(register);
            // SAFETY: reading configuration space moves no memory.
            let data: Port<$unit> = unsafe { Port::new(address) };
            data.read()
        }

        pub(crate) fn $write(self, register: u8, value: $unit) {
            let address = self.select(register);
            // SAFETY: a device moves memory only after `enable`, and then what its driver says.
            let data: Port<$unit> = unsafe { Port::new(address) };
            data.write(value);
        }
    };
}

impl Function {
    pub(crate) const fn new(bus: u8, device: u8, function: u8) -> Self {
        Self { bus, device, function }
    }

    registers!(read8, write8, u8);
    registers!(read16, write16, u16);
    registers!(read32, write32, u32);

    /// Points the data port at the register's word; gives the port of the register in it.
    fn select(self, register: u8) -> u16 {
        let function = u32::from(self.device) << 11 | u32::from(self.function) << 8;
        ADDRESS.write(1 << 31 | u32::from(self.bus) << 16 | function | u32::from(register & !3));
        DATA + u16::from(register & 3)
    }

    /// Vendor in the low half, device in the high half.
    pub(crate) fn identity(self) -> u32 {
        self.read32(0)
    }

    pub(crate) fn present(self) -> bool {
        self.identity() & 0xffff != 0xffff
    }

    /// Lets the device reach memory, and keeps it from interrupting.
    pub(crate) fn enable(self) {
        let command = self.read16(COMMAND);
        self.write16(COMMAND, command | COMMAND_BUS_MASTER | COMMAND_NO_INTERRUPT);
    }

    /// Where its capabilities with this number are in its configuration space.
    pub(crate) fn capabilities(self, kind: u8) -> impl Iterator<Item = u8> {
        let listed = self.read16(STATUS) & STATUS_CAPABILITIES != 0;
        let first = listed.then(|| self.read8(CAPABILITIES) & !3);
        let all = core::iter::successors(first, move |at| Some(self.read8(at + 1) & !3));
        all.take_while(|at| *at != 0)
            .take(MAX_CAPABILITIES)
            .filter(move |at| self.read8(*at) == kind)
    }

    fn secondary_bus(self) -> Option<u8> {
        let bridge = self.read8(HEADER) & !HEADER_MANY_FUNCTIONS == HEADER_BRIDGE;
        bridge.then(|| self.read8(SECONDARY_BUS)).filter(|bus| *bus > self.bus)
    }
}

/// Calls `visit` with each function that is present, behind bridges too.
pub(crate) fn walk(visit: &mut impl FnMut(Function)) {
    walk_bus(0, visit);
}

fn walk_bus(bus: u8, visit: &mut impl FnMut(Function)) {
    for device in 0..32 {
        let first = Function::new(bus, device, 0);
        if !first.present() {
            continue;
        }
        let many = first.read8(HEADER) & HEADER_MANY_FUNCTIONS != 0;
        for number in 0..if many { 8 } else { 1 } {
            walk_function(Function::new(bus, device, number), visit);
        }
    }
}

/// The depth is limited by bus numbers, which only grow.
fn walk_function(function: Function, visit: &mut impl FnMut(Function)) {
    if !function.present() {
        return;
    }
    visit(function);
    if let Some(bus) = function.secondary_bus() {
        walk_bus(bus, visit);
    }
}
