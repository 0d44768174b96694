//! What was read back from the kernel about a process, beside what the plan says.

use crate::{FileId, FileKind, Layer, MachineName, Role};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// The evidence about one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What the process does.
    pub role: Role,
    /// The process, as the host numbers it.
    pub pid: u32,
    /// One row for each thing that was compared.
    pub findings: Vec<Finding>,
    /// The descriptors that it held, by number, when it stood at its first instruction.
    #[serde(default)]
    pub descriptors: BTreeMap<i32, OpenFile>,
    /// A digest of the mount table that it saw then: whoever finds another looks closer. 0 where none
    /// was taken.
    #[serde(default)]
    pub mounts: u64,
    /// What was not read, because the kernel shows it to root alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
}

/// What a descriptor is: how it is open, and what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFile {
    /// What may be done with it.
    pub mode: OpenMode,
    /// The type of what it leads to; none of what `stat(2)` gives no type.
    pub kind: Option<FileKind>,
    /// Which file it is.
    pub id: FileId,
}

/// What may be done with a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpenMode {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
    /// It names the object and can do nothing with it (`O_PATH`).
    Path,
}

impl OpenMode {
    /// Whether it lets its holder do no more than the other does.
    pub fn within(self, other: Self) -> bool {
        self == other || self == OpenMode::Path || other == OpenMode::ReadWrite
    }
}

impl fmt::Display for OpenMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            OpenMode::Read => "reads",
            OpenMode::Write => "writes",
            OpenMode::ReadWrite => "reads and writes",
            OpenMode::Path => "names",
        })
    }
}

impl Evidence {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(Finding::holds)
    }

    /// The rows that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| !f.holds())
    }
}

/// What the kernel says of a machine that runs, beside its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The machine's identity.
    pub id: Uuid,
    /// Its name.
    pub name: MachineName,
    /// When it was looked at, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
    /// What belongs to no process of its own: its objects, its groups, the modules that hold it, which
    /// processes there are.
    pub findings: Vec<Finding>,
    /// Its processes, helpers first, the VMM last.
    pub processes: Vec<Evidence>,
    /// Since when what does not hold does not.
    pub doubts: Vec<Doubt>,
}

impl Verification {
    /// Every row, with the process that it is about.
    pub fn rows(&self) -> impl Iterator<Item = (Option<Role>, &Finding)> {
        let own = self.findings.iter().map(|finding| (None, finding));
        let of = |read: &'_ Evidence| read.role;
        let theirs = self.processes.iter();
        own.chain(theirs.flat_map(move |read| {
            let role = of(read);
            read.findings.iter().map(move |finding| (Some(role), finding))
        }))
    }

    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.rows().all(|(_, finding)| finding.holds())
    }
}

/// Since when something does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The process; none of what belongs to no process.
    pub role: Option<Role>,
    /// The row.
    pub what: String,
    /// When it was last seen to hold, in milliseconds since 1970 (UTC).
    pub held_ms: u64,
    /// When it was first seen not to.
    pub seen_ms: u64,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The layer that it speaks for.
    pub layer: Layer,
    /// What was read, as in `Seccomp of every thread`.
    pub what: String,
    /// What the plan says.
    pub expected: String,
    /// What the kernel says.
    pub observed: String,
}

impl Finding {
    /// Whether the kernel says what the plan says.
    pub fn holds(&self) -> bool {
        self.expected == self.observed
    }
}
