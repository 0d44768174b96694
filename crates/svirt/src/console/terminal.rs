//! The terminal's modes, put back whatever happens: at the end, at an error, at a panic.

use rustix::{
    stdio::stdin,
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr},
};
use std::{io, panic};

/// The terminal on standard input, with the modes that it had.
#[derive(Debug)]
pub(crate) struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Remembers the modes, to be put back when this is dropped. None if standard input is no
    /// terminal.
    pub(crate) fn of_input() -> Option<Self> {
        let before = isatty(stdin()).then(|| tcgetattr(stdin()).ok())??;
        restore_after_panic(before.clone());
        Some(Self { before })
    }

    /// Passes every key on as it is, and does nothing of its own.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn make_raw(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        Ok(tcsetattr(stdin(), OptionalActions::Flush, &raw)?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

/// A terminal that is gone has no modes to put back.
fn restore(before: &Termios) {
    let _ = tcsetattr(stdin(), OptionalActions::Drain, before);
}

/// A release build ends at a panic without dropping anything.
fn restore_after_panic(before: Termios) {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        restore(&before);
        usual(panic);
    }));
}
