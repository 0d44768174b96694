//! What is asked of a supervisor, and what it answers: one line of JSON each way. After a `Console`
//! request is granted, the connection carries the console's bytes. After a `Monitor` request is
//! answered, more may be asked on the same connection. After a `Watch` request is granted, each line is
//! something that happened.

use crate::{Failure, qmp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use svirt_model::Ending;

/// No request is longer than this, in bytes.
pub(crate) const REQUEST_MAX: usize = 64 * 1024;
/// How long the first request may take to arrive.
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(5);
/// No answer is longer than this, in bytes: what a VMM's may be, with room for the words around it.
pub(crate) const ANSWER_MAX: u64 = (qmp::MESSAGE_MAX + 4096) as u64;
/// How long a VMM may take to answer its monitor.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Let me speak to the console.
    Console,
    /// Tell me when it ends.
    Wait,
    /// Tell me what happens to it, from how it is now on.
    Watch,
    /// End it: by the power button, then by SIGTERM after the first limit, then by SIGKILL after the
    /// second, if there is one. Tell me when it has ended.
    Stop {
        /// How long the guest may take.
        acpi: Duration,
        /// How long the VMM may take after that.
        terminate: Option<Duration>,
    },
    /// Press its power button once. What the guest's switching itself off leads to then is said with it:
    /// its end, or that it begins anew.
    Press {
        /// Whether it begins anew.
        anew: bool,
    },
    /// Have its guest stand still and give me a pipe that its state comes from; tell me when all of it
    /// is there.
    Save,
    /// Its state is kept: end it.
    Saved {
        /// Have its next start take it from there.
        managed: bool,
    },
    /// Tell the monitor this, and me what it answers.
    Monitor {
        /// The command's name.
        command: String,
        /// Its arguments; null is as good as none.
        arguments: Value,
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
    /// What the monitor answered.
    Returned(Value),
    /// The monitor could not do it, or there is none.
    Failed(Failure),
}
