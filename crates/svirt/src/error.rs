//! How a command ends that could not do what it was asked to.

use crate::{escape, output::say};
use std::{
    io::{self, Write},
    path::Path,
};
use svirt_engine::{Code, Failure};

/// Why a command stops.
#[derive(Debug)]
pub(crate) enum Error {
    /// It could not do what it was asked to.
    Failure(Failure),
    /// Standard output cannot be written.
    Output(io::Error),
}

/// The exit code of a command, or why it stopped.
pub(crate) type Outcome = Result<u8, Error>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Only writing to standard output may use `?` on an I/O error: every other one names its path.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Error {
    /// Says why, and gives the exit code. Nobody who closed the pipe wants to hear about it.
    pub(crate) fn report(&self) -> u8 {
        match self {
            Self::Failure(failure) => explain(failure),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(error) => {
                say(&format!("cannot write to standard output: {error}"));
                Code::Host as u8
            }
        }
    }
}

/// Says why something failed and what can be done, and gives the exit code.
pub(crate) fn explain(failure: &Failure) -> u8 {
    say(&failure.to_string());
    if let Some(hint) = &failure.hint {
        let _ = writeln!(io::stderr(), "hint: {}", escape::line(hint));
    }
    failure.code as u8
}

/// A failure of an operation on a file.
pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => Code::NotFound,
        io::ErrorKind::PermissionDenied => Code::Denied,
        _ => Code::Host,
    };
    because(Failure::new(code, format!("cannot {doing} {}", path.display())), error)
}

/// A failure that an I/O error explains and that has no path.
pub(crate) fn host(message: &str, error: &io::Error) -> Failure {
    because(Failure::new(Code::Host, message), error)
}

fn because(failure: Failure, error: &io::Error) -> Failure {
    Failure { causes: vec![error.to_string()], ..failure }
}

/// Help and versions are data; everything else that clap returns is a mistake on the command line.
pub(crate) fn explain_usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => 0,
            Err(broken) => Error::Output(broken).report(),
        };
    }
    let text = error.render().to_string();
    // What is no error is the help, shown where a command was expected.
    let text = match text.strip_prefix("error: ") {
        Some(error) => format!("svirt: {error}"),
        None => text,
    };
    let _ = writeln!(io::stderr(), "{}", escape::lines(text.trim_end()));
    Code::Usage as u8
}
