//! I/O ports as typed values. The claim that a port is safe to use is made once, where it is
//! named; reading and writing it is then ordinary code.

use core::arch::asm;
use core::marker::PhantomData;

/// An I/O port that is accessed in units of `T` (`u8`, `u16` or `u32`).
#[derive(Clone, Copy)]
pub(crate) struct Port<T> {
    address: u16,
    unit: PhantomData<T>,
}

impl<T> Port<T> {
    /// # Safety
    /// Nothing that is read from or written to this port may make a device change memory that
    /// Rust code refers to, other than through memory that was handed to that device.
    pub(crate) const unsafe fn new(address: u16) -> Self {
        Self { address, unit: PhantomData }
    }
}

macro_rules! access {
    ($unit:ty, $name:literal, $register:tt) => {
        impl Port<$unit> {
            pub(crate) fn read(self) -> $unit {
                let value;
                // SAFETY: `new` made the caller vouch for the port; `in` touches no memory.
                unsafe {
                    asm!(concat!("in ", $name, ", dx"), in("dx") self.address,
                        out($register) value, options(nostack, preserves_flags));
                }
                value
            }

            pub(crate) fn write(self, value: $unit) {
                // SAFETY: `new` made the caller vouch for the port. The block is taken to touch
                // memory, so that what a device is told to read was written before.
                unsafe {
                    asm!(concat!("out dx, ", $name), in("dx") self.address,
                        in($register) value, options(nostack, preserves_flags));
                }
            }
        }
    };
}

access!(u8, "al", "al");
access!(u16, "ax", "ax");
access!(u32, "eax", "eax");
