//! What is asked of a supervisor, and what it answers: one line of JSON each way. After a `Console`
//! request is granted, the connection carries the console's bytes.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use svirt_model::Ending;

/// No request is longer than this, in bytes.
pub(crate) const REQUEST_MAX: usize = 4096;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Let me speak to the console.
    Console,
    /// Tell me when it ends.
    Wait,
    /// End it: by the power button, then by SIGTERM after the first limit, then by SIGKILL after the
    /// second. Tell me when it has ended.
    Stop {
        /// How long the guest may take.
        acpi: Duration,
        /// How long the VMM may take after that.
        terminate: Duration,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// What was asked is granted.
    Granted,
    /// It cannot be done, for this reason; or the machine ended, and not everything is put back.
    Refused(String),
    /// The machine ended, and everything is put back.
    Ended(Ending),
}
