//! How a machine is: what `ps`, `inspect` and `events` show.

use crate::{Evidence, MachineName, Plan};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is defined and not running.
    Stopped,
    /// Its confinement is being made.
    Starting,
    /// Its VMM runs.
    Running,
    /// Its VMM runs, and its guest stands still.
    Paused,
    /// Its supervisor died; what it left is to be cleaned up.
    Dead,
}

impl State {
    /// Whether its VMM runs.
    pub fn has_vmm(self) -> bool {
        matches!(self, State::Running | State::Paused)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Stopped => "stopped",
            State::Starting => "starting",
            State::Running => "running",
            State::Paused => "paused",
            State::Dead => "dead",
        })
    }
}

/// How a VMM ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It exited with this code: the guest's own, where sVirt wrote the VMM's command line.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// The guest panicked.
    Panicked,
    /// Its state was saved, to be restored.
    Saved,
    /// The VMM gave up with this code of its own, which no guest can have chosen.
    Failed(i32),
}

impl Ending {
    /// The exit code of a command that waited for it: the code itself, or 128 and the signal, as
    /// shells say it; 101 for a guest's panic, 74 (`EX_IOERR`) for a failure of the VMM.
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Failed(_) => 74,
            Ending::Exited(code) => u8::try_from(code & 0xff).unwrap_or(1),
            Ending::Killed(signal) => u8::try_from((128 + signal) & 0xff).unwrap_or(1),
            Ending::Panicked => 101,
            Ending::Saved => 0,
        }
    }

    /// What is told of an end, in the words in which it is displayed, and perhaps with more behind them
    /// and a semicolon.
    pub fn from_words(words: &str) -> Option<Self> {
        let words = words.split(';').next()?;
        let number = |before: &str| words.strip_prefix(before)?.parse().ok();
        let named = [Ending::Killed(31), Ending::Panicked, Ending::Saved];
        let exited = || number("exited with code ").map(Ending::Exited);
        let killed = || number("killed by signal ").map(Ending::Killed);
        let failed = || number("the VMM failed with code ").map(Ending::Failed);
        let same = |ending: &Ending| ending.to_string() == words;
        named.into_iter().find(same).or_else(exited).or_else(killed).or_else(failed)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exited(code) => write!(f, "exited with code {code}"),
            Ending::Killed(31) => f.write_str("killed for a forbidden system call (SIGSYS)"),
            Ending::Killed(signal) => write!(f, "killed by signal {signal}"),
            Ending::Panicked => f.write_str("the guest panicked"),
            Ending::Saved => f.write_str("was saved"),
            Ending::Failed(code) => write!(f, "the VMM failed with code {code}"),
        }
    }
}

/// How a machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: MachineName,
    /// What it is doing.
    pub state: State,
    /// Its supervisor's process, while it runs.
    pub supervisor: Option<u32>,
    /// The plan by which it was started, while it runs.
    pub plan: Option<Plan>,
    /// What was read back from the kernel when it started, for each process.
    pub evidence: Vec<Evidence>,
}

/// Something that happened to a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the store's order, from 1 on, without gaps.
    pub sequence: u64,
    /// When, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
    /// The machine.
    pub machine: MachineName,
    /// What happened.
    pub kind: EventKind,
    /// More about it, for people.
    pub detail: String,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// It was defined.
    Created,
    /// Its definition was changed.
    Edited,
    /// Its VMM runs, confined.
    Started,
    /// A start failed; nothing was left behind.
    Refused,
    /// Its guest stands still.
    Paused,
    /// Its guest goes on.
    Resumed,
    /// The guest asked for a reset.
    Rebooted,
    /// The guest panicked.
    Panicked,
    /// Its VMM ended.
    Stopped,
    /// Its definition was removed.
    Removed,
    /// What a dead supervisor left was cleaned up.
    Recovered,
    /// The kernel does not say any more what the plan says.
    Doubted,
    /// A drill is over, and all that was made for it is gone.
    Drilled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_known_by_its_words() {
        use Ending::{Exited, Failed, Killed, Panicked, Saved};
        for ending in [Exited(0), Exited(-1), Killed(9), Killed(31), Panicked, Saved, Failed(1)] {
            let said = format!("{ending}; /a was left: it is another");
            assert_eq!(Ending::from_words(&said), Some(ending), "{said}");
        }
        assert_eq!(Ending::from_words("its supervisor had died"), None);
    }
}
