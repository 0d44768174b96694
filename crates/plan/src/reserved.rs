//! What a machine needs that no other one has, and what was reserved for it.

use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{
    GroupName, Held, MachineName, Op,
    label::{Context, MachineLabel, Pair, Pool, ProfileName},
};

/// What a machine needs that no other one has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The categories of which it gets two of its own, and one for each of its groups; none where
    /// its labels have no categories.
    pub pool: Option<Pool>,
    /// The groups that get a category of the pool.
    pub groups: BTreeSet<GroupName>,
    /// The SELinux context of its process, as far as that is known before anything is reserved.
    pub domain: Option<Context>,
    /// The AppArmor profile that was chosen for it and that somebody else has to have loaded.
    pub profile: Option<ProfileName>,
}

/// What was reserved for a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reserved {
    /// A user of its own.
    pub user: Option<u32>,
    /// Two categories of its own.
    pub pair: Option<Pair>,
    /// The category of each of its groups.
    pub groups: BTreeMap<GroupName, u16>,
}

/// Another live machine, by what a security module calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its name.
    pub name: MachineName,
    /// What it is called.
    pub label: MachineLabel,
}

/// What other machines have, or have left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// What security modules call them.
    pub labels: Vec<Other>,
    /// What they want of objects of this machine.
    pub held: Vec<Held>,
    /// What those that are gone changed of objects of this machine and could not undo yet.
    pub orphaned: Vec<Op>,
}

/// Nothing was reserved.
pub(crate) static NOTHING: Reserved = Reserved { user: None, pair: None, groups: BTreeMap::new() };

/// There are no others.
pub(crate) static NOBODY: Others =
    Others { labels: Vec::new(), held: Vec::new(), orphaned: Vec::new() };
