//! The one shape of an error from the host: what was being done, to what, and what the kernel said.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::{fmt, io, path::Path};

/// Something on the host could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct HostError {
    doing: String,
    source: io::Error,
}

impl HostError {
    /// An error while doing this, in the form "open /dev/null".
    pub fn new(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }

    /// What was being done, completing "cannot …".
    pub fn what(&self) -> &str {
        &self.doing
    }

    /// Why, for somebody in another process: the kernel's error number, or else a text.
    pub fn reason(&self) -> Reason {
        match self.source.raw_os_error() {
            Some(number) => Reason::Kernel(number),
            None => Reason::Other(self.source.to_string()),
        }
    }

    /// The whole of it in one line.
    pub fn in_full(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |e| e.source());
        let causes: String = causes.map(|cause| format!(": {cause}")).collect();
        format!("{self}{causes}")
    }

    /// Whether it says that the host cannot do it now, and not that it will not.
    pub fn passes(&self) -> bool {
        let number = self.source.raw_os_error().map(Errno::from_raw_os_error);
        matches!(
            number,
            Some(
                Errno::IO
                    | Errno::ROFS
                    | Errno::NOSPC
                    | Errno::DQUOT
                    | Errno::NOMEM
                    | Errno::MFILE
                    | Errno::NFILE
                    | Errno::NODEV
                    | Errno::NXIO
                    | Errno::STALE
                    | Errno::NOTCONN
                    | Errno::TIMEDOUT
                    | Errno::HOSTDOWN
                    | Errno::HOSTUNREACH
            )
        )
    }

    /// What the kernel said.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Why something failed, in a form that can be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The kernel's error number.
    Kernel(i32),
    /// Anything else.
    Other(String),
}

impl From<Reason> for io::Error {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Kernel(number) => io::Error::from_raw_os_error(number),
            Reason::Other(text) => io::Error::other(text),
        }
    }
}

/// Adds to an I/O error what was being done.
pub trait Doing<T> {
    /// `doing` completes the sentence "cannot …".
    ///
    /// # Errors
    /// The error that was there, with its context.
    fn doing<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T, HostError>;

    /// The same for one verb and one path.
    ///
    /// # Errors
    /// The error that was there, with its context.
    fn on(self, verb: &str, path: &Path) -> Result<T, HostError>
    where
        Self: Sized,
    {
        self.doing(|| format!("{verb} {}", path.display()))
    }
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T, HostError> {
        match self {
            // Whatever could have failed is a step after which a test can hold this process.
            Ok(done) => {
                svirt_fault::point(doing);
                Ok(done)
            }
            Err(source) => Err(HostError::new(doing().to_string(), source)),
        }
    }
}
