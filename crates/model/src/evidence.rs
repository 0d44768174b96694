//! What was read back from the kernel about a process, beside what the plan says.

use crate::{Layer, Role};
use serde::{Deserialize, Serialize};

/// The evidence about one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What the process does.
    pub role: Role,
    /// The process, as the host numbers it.
    pub pid: u32,
    /// One row for each thing that was compared.
    pub findings: Vec<Finding>,
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
