//! A line from the console: echo, erasing, and a limit. What a line means is not known here.

use super::serial;
use super::text::put;

/// In bytes. A longer line is refused as a whole.
pub(crate) const MAX_LINE: usize = 255;

const BACKSPACE: u8 = 0x08;
const LINE_FEED: u8 = b'\n';
const RETURN: u8 = b'\r';
const ERASE_LINE: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// The line that was longer than `MAX_LINE`.
pub(crate) struct TooLong;

/// The editor, with the line that is being typed.
pub(crate) struct Console {
    line: [u8; MAX_LINE],
    /// Can be more than the line holds; what is over is counted only.
    length: usize,
    after_return: bool,
}

impl Console {
    pub(crate) const fn new() -> Self {
        Self { line: [0; MAX_LINE], length: 0, after_return: false }
    }

    /// Waits for the end of a line, which is CR, LF or both, and gives the line without it.
    /// `wait` is called for each byte, to return when there is one.
    pub(crate) fn read_line(&mut self, mut wait: impl FnMut()) -> Result<&[u8], TooLong> {
        self.length = 0;
        loop {
            wait();
            if self.accept(serial::read()) {
                break;
            }
        }
        put!("\r\n");
        self.line.get(..self.length).ok_or(TooLong)
    }

    /// Whether the byte ended the line.
    fn accept(&mut self, byte: u8) -> bool {
        let second_half = byte == LINE_FEED && self.after_return;
        self.after_return = byte == RETURN;
        match byte {
            LINE_FEED | RETURN => return !second_half,
            BACKSPACE | DELETE => self.erase(),
            ERASE_LINE => (0..self.length).for_each(|_| self.erase()),
            b' '..=b'~' => self.append(byte),
            _ => {} // control characters and bytes that are not ASCII
        }
        false
    }

    fn append(&mut self, byte: u8) {
        if let Some(place) = self.line.get_mut(self.length) {
            *place = byte;
            serial::write(byte);
        }
        self.length = self.length.saturating_add(1);
    }

    fn erase(&mut self) {
        if self.length == 0 {
            return;
        }
        if self.length <= MAX_LINE {
            put!("\x08 \x08");
        }
        self.length -= 1;
    }
}
