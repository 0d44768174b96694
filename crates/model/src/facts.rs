//! What the host offers, gathered once before planning.

use crate::label::LabelFacts;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whether the host offers something, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offer {
    /// It does.
    Yes,
    /// It does not, for this reason.
    No(String),
}

impl Offer {
    /// Whether the host offers it.
    pub fn is_yes(&self) -> bool {
        matches!(self, Offer::Yes)
    }
}

/// What the host offers to the user that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The kernel's release (`uname -r`).
    pub kernel: String,
    /// The user that asks.
    pub uid: u32,
    /// That user's group.
    pub gid: u32,
    /// That user's supplementary groups.
    pub groups: Vec<u32>,
    /// Landlock's ABI; 0 where the kernel has none.
    pub landlock_abi: u32,
    /// Whether seccomp filters can be installed.
    pub seccomp: Offer,
    /// Whether this user may make user namespaces.
    pub user_namespaces: Offer,
    /// The control groups in which a machine's own can be made.
    pub cgroups: Cgroups,
    /// Whether memory files can be denied execution in a pid namespace (Linux 6.3).
    pub memfd_noexec: Offer,
    /// Whether memory can be denied to become executable (`PR_SET_MDWE`, Linux 6.3).
    pub mdwe: Offer,
    /// A range of users that this user may give to machines.
    pub machine_users: MachineUsers,
    /// The security modules that the kernel lists in `/sys/kernel/security/lsm`; empty if unknown.
    pub security_modules: Vec<String>,
    /// What those of them offer that put labels on things.
    pub labels: LabelFacts,
}

impl HostFacts {
    /// Whether it is root who asks.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }
}

/// Where control groups can be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroups {
    /// The unified hierarchy, below this directory, with these controllers.
    V2(PathBuf, Vec<String>),
    /// One directory for each controller that is mounted by itself.
    V1(Vec<(String, PathBuf)>),
    /// None, for this reason.
    None(String),
}

/// The users that can be given to machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineUsers {
    /// `count` users from `first` on, each with the group that is as far from `first_group`. Root's
    /// own choice, or what root has delegated to an ordinary user.
    Range {
        /// The first user's number.
        first: u32,
        /// The first group's number.
        first_group: u32,
        /// How many there are.
        count: u32,
    },
    /// None, for this reason.
    None(String),
}
