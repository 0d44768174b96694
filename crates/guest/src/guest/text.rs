//! Text out: the little formatting that the guest needs, as `core::fmt` is larger than the rest
//! of the image.

use super::serial;

/// Something that can be written to the console.
pub(crate) trait Print {
    fn print(&self);
}

/// A number in hexadecimal, with this many digits at least.
pub(crate) struct Hex(pub(crate) u64, pub(crate) u32);

/// Bytes from outside: whatever is not printable ASCII becomes a dot.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl Print for str {
    fn print(&self) {
        for byte in self.bytes() {
            serial::write(byte);
        }
    }
}

impl Print for u64 {
    fn print(&self) {
        if *self >= 10 {
            (*self / 10).print();
        }
        serial::write(b'0' + (*self % 10) as u8);
    }
}

impl Print for Hex {
    fn print(&self) {
        if self.0 >= 16 || self.1 > 1 {
            Hex(self.0 >> 4, self.1.saturating_sub(1)).print();
        }
        serial::write(match (self.0 & 15) as u8 {
            digit @ 0..=9 => b'0' + digit,
            digit => b'a' + digit - 10,
        });
    }
}

impl Print for Raw<'_> {
    fn print(&self) {
        for byte in self.0 {
            serial::write(if matches!(byte, b' '..=b'~') { *byte } else { b'.' });
        }
    }
}

impl<T: Print + ?Sized> Print for &T {
    fn print(&self) {
        (**self).print();
    }
}

/// Writes each argument to the console.
macro_rules! put {
    ($($item:expr),*) => {{ $($crate::guest::text::Print::print(&$item);)* }};
}

/// Writes each argument to the console, and the end of a line.
macro_rules! say {
    ($($item:expr),*) => { $crate::guest::text::put!($($item,)* "\r\n") };
}

pub(crate) use {put, say};
