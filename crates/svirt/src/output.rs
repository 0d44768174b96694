//! What is printed, and where: data on standard output, talk on standard error.

use crate::escape;
use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// Says something to the person at the terminal. There is nobody to tell if that fails.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "svirt: {}", escape::line(text));
}

/// Prints data, all at once.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// How text is emphasised. Nothing is ever said by emphasis alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// For standard output: plain unless it is a terminal and `NO_COLOR` is not set
    /// (<https://no-color.org>).
    pub(crate) fn of_output() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { colour: io::stdout().is_terminal() && !refused && !dumb }
    }

    /// Without any emphasis.
    pub(crate) const PLAIN: Self = Self { colour: false };

    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A heading.
    pub(crate) fn heading(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Something that holds.
    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Something that holds in part.
    pub(crate) fn fair(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Something that does not hold.
    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }
}
