//! What can go wrong in a chore.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a chore did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program could not be started, or its output not be read.
    #[error("cannot run `{line}`")]
    Run {
        /// The command as it would be typed.
        line: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with a failure, and has said why.
    #[error("`{line}` failed ({status})")]
    Failed {
        /// The command as it would be typed.
        line: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file or directory of the tree, or of a trial's root, could not be read or written.
    #[error("{}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `cargo metadata` printed what is not JSON.
    #[error("cargo metadata does not print JSON")]
    Metadata(#[source] serde_json::Error),
    /// Rules are broken; each has been printed.
    #[error("{0} rules are broken")]
    Broken(usize),
    /// A phase of the tests failed.
    #[error("phase `{phase}` failed")]
    Phase {
        /// The phase's name.
        phase: &'static str,
        /// Why.
        source: Box<Error>,
    },
    /// A program did not print or do what was expected of it.
    #[error("{0}")]
    Answer(String),
    /// The machine lacks what the chore needs.
    #[error("{0}")]
    Needs(&'static str),
}

impl Error {
    /// Names the file that an I/O error is about.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// What a chore returns.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;
