//! The one shape in which a use case fails: what to print, what to do about it, how to exit. It can
//! be sent from the supervisor to the command that waits for it.

use serde::{Deserialize, Serialize};
use std::{error::Error, fmt};

/// The kind of a failure, which is also the exit code of the command (`sysexits.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The command line makes no sense.
    Usage = 64,
    /// An image, a specification or a command line of a VMM is not acceptable.
    Data = 65,
    /// A file or a machine that was named is not there.
    NotFound = 66,
    /// The host lacks a program or an ability.
    Unavailable = 69,
    /// A defect of sVirt.
    Internal = 70,
    /// The host could not do what it was asked to.
    Host = 74,
    /// A name or an object is in use, or the machine is in another state.
    InUse = 75,
    /// The user may not do that.
    Denied = 77,
    /// A layer cannot be enforced as it was required, or the evidence does not agree with the plan.
    Unconfined = 78,
}

impl Code {
    /// Every code, for the manual.
    pub const ALL: &[Code] = &[
        Self::Usage,
        Self::Data,
        Self::NotFound,
        Self::Unavailable,
        Self::Internal,
        Self::Host,
        Self::InUse,
        Self::Denied,
        Self::Unconfined,
    ];

    /// What it means, for the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Usage => "the command line makes no sense",
            Self::Data => "an image, a specification or a VMM's command line is not acceptable",
            Self::NotFound => "a file or a machine that was named is not there",
            Self::Unavailable => "the host lacks a program or an ability",
            Self::Internal => "a defect of sVirt",
            Self::Host => "the host could not do what it was asked to",
            Self::InUse => "a name or an object is in use, or the machine is in another state",
            Self::Denied => "the user may not do that",
            Self::Unconfined => "a layer cannot be enforced as required, or the evidence disagrees",
        }
    }
}

/// A use case failed. Nothing was changed, or what was changed was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub code: Code,
    /// What failed.
    pub message: String,
    /// Why, from the nearest reason to the farthest. None repeats another.
    pub causes: Vec<String>,
    /// What the user can do.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a cause behind it.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// A failure that an error explains, with all that is behind it.
    pub fn from_error(code: Code, error: &(dyn Error + 'static)) -> Self {
        let (mut causes, mut next) = (Vec::new(), error.source());
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some libraries' errors repeat what is behind them.
            if !causes.last().is_some_and(|last: &String| text.ends_with(last.as_str())) {
                causes.push(text);
            }
            next = cause.source();
        }
        Self { code, message: error.to_string(), causes, hint: None }
    }

    /// With a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a way out, if there is one.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl Error for Failure {}
