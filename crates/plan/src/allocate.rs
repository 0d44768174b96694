//! Which categories a machine gets: two of its own that no other machine has, and one for each group
//! that it shares with.
//!
//! What is free is counted before anything is chosen, so that the choice is even and one step, and
//! that nothing is left is an answer and not a search. It knows neither who holds what nor how a
//! reservation is made: the caller says what is in use, and takes another where it is too late.

mod grid;
mod labels;

pub use labels::{Labels, label};

use grid::Grid;
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{
    GroupName,
    label::{CategorySet, LabelError, Pair, Pool},
};

/// A process's clearance with more categories than this is no machine's: it stands above all of
/// them (`s0-s0:c0.c1023`), whichever are chosen.
const MACHINE_MAX: usize = 8;

/// What cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    /// Every pair has an owner.
    #[error("all {pairs} pairs of the categories {own} are in use")]
    NoPair {
        /// The categories from which pairs are made.
        own: CategorySet,
        /// How many pairs there are.
        pairs: usize,
    },
    /// Every category of the groups has an owner.
    #[error("there is no category for the group {group}: {in_use} of {all} are in use")]
    NoGroup {
        /// The group that gets none.
        group: GroupName,
        /// How many are in use.
        in_use: usize,
        /// How many there are.
        all: usize,
    },
    /// The base label has a sensitivity that the launcher has not.
    #[error("the base label is at s{sensitivity}, and the range of sVirt itself is {range}")]
    Sensitivity {
        /// That of the base label.
        sensitivity: u16,
        /// The launcher's range.
        range: String,
    },
    /// The base label has categories.
    #[error("the base label has the categories {0}, and a machine's categories are chosen for it")]
    BaseCategories(CategorySet),
    /// The base label has no level.
    #[error("the base label {0} has no level, so there is nothing to tell machines apart")]
    NoLevel(String),
    /// A label could not be made.
    #[error(transparent)]
    Label(#[from] LabelError),
}

impl AllocateError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoPair { .. } => {
                Some("stop a machine, or give sVirt a range with more categories")
            }
            Self::NoGroup { .. } => Some("stop the machines of a group that is no longer needed"),
            Self::Sensitivity { .. } => Some("run sVirt with a range that includes it"),
            Self::BaseCategories(_) => {
                Some("write the base label with a sensitivity alone, as in s0")
            }
            Self::NoLevel(_) => Some("a policy with MCS or MLS is needed"),
            Self::Label(LabelError::TooFew { .. }) => Some(
                "start sVirt with categories to give: from a login that has some, or with SELinuxContext= in \
                 its unit and a range such as s0-s0:c0.c1023",
            ),
            Self::Label(_) => None,
        }
    }
}

/// A source of random numbers, each any of 64 bits.
pub type Random<'a> = &'a mut dyn FnMut() -> u64;

/// A number below `count`, evenly but for less than one in 2^32, and in one step whatever the source
/// says.
fn below(random: Random<'_>, count: u32) -> u32 {
    let scaled = u128::from(random()) * u128::from(count);
    u32::try_from(scaled >> 64).unwrap_or(0)
}

/// What is free, and what was given.
#[derive(Debug)]
pub struct Allocator {
    pool: Pool,
    grid: Grid,
    groups: BTreeMap<GroupName, u16>,
    taken: BTreeSet<u16>,
}

impl Allocator {
    /// Everything is free.
    pub fn new(pool: Pool) -> Self {
        let grid = Grid::new(pool.own());
        Self { pool, grid, groups: BTreeMap::new(), taken: BTreeSet::new() }
    }

    /// A live machine has this pair.
    pub fn in_use(&mut self, pair: Pair) {
        let [a, b] = pair.both();
        self.grid.take(a, b);
        // A launcher without this block may have taken a pair from it; its machine is not to be
        // cleared for a group's objects by one of its own categories.
        self.taken.extend(pair.both().into_iter().filter(|c| self.pool.groups().contains(*c)));
    }

    /// A live group has this category. No pair has it from now on: a machine with it would reach
    /// what the group shares.
    pub fn group(&mut self, name: GroupName, category: u16) {
        self.grid.take_all(category);
        self.groups.insert(name, category);
        self.taken.insert(category);
    }

    /// A process that is none of ours is cleared for these categories.
    pub fn alien(&mut self, categories: &CategorySet) {
        if categories.len() > MACHINE_MAX {
            return;
        }
        self.taken.extend(categories.iter());
        let all: Vec<u16> = categories.iter().collect();
        if let [one] = all[..] {
            return self.grid.take_all(one);
        }
        for (index, a) in all.iter().enumerate() {
            all.iter().skip(index + 1).for_each(|b| self.grid.take(*a, *b));
        }
    }

    /// A pair that nobody has. It counts as in use from now on: whoever finds that another was
    /// faster asks again and gets a different one.
    ///
    /// # Errors
    /// [`AllocateError::NoPair`].
    pub fn pair(&mut self, random: Random<'_>) -> Result<Pair, AllocateError> {
        let none =
            || AllocateError::NoPair { own: self.pool.own().clone(), pairs: self.pool.pairs() };
        let free = self.grid.free();
        if free == 0 {
            return Err(none());
        }
        let (a, b) = self.grid.pick(below(random, free)).ok_or_else(none)?;
        Ok(Pair::new(a, b)?)
    }

    /// The category of a group: the one that it has, or one that nobody has.
    ///
    /// # Errors
    /// [`AllocateError::NoGroup`].
    pub fn group_category(
        &mut self,
        name: &GroupName,
        random: Random<'_>,
    ) -> Result<u16, AllocateError> {
        if let Some(category) = self.groups.get(name) {
            return Ok(*category);
        }
        let all = self.pool.groups();
        let free: Vec<u16> = all.iter().filter(|c| !self.taken.contains(c)).collect();
        let count = u32::try_from(free.len()).unwrap_or(0);
        let index = usize::try_from(below(random, count)).unwrap_or(0);
        let Some(category) = free.get(index).copied() else {
            let (group, all) = (name.clone(), all.len());
            return Err(AllocateError::NoGroup { group, in_use: all - free.len(), all });
        };
        self.group(name.clone(), category);
        Ok(category)
    }

    /// Somebody else has the category that this group was to have. It stays in use, and the group
    /// gets another the next time.
    pub fn lost(&mut self, name: &GroupName) {
        self.groups.remove(name);
    }

    /// The launcher's categories.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

#[cfg(test)]
mod tests;
