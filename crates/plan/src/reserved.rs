//! What a machine needs that no other one has, and what was reserved for it.

use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{
    GroupName,
    label::{Pair, Pool},
};

/// What a machine needs that no other one has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The categories of which it gets two of its own, and one for each of its groups; none where
    /// its labels have no categories.
    pub pool: Option<Pool>,
    /// The groups with which it shares something.
    pub groups: BTreeSet<GroupName>,
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
