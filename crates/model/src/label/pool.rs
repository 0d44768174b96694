//! Which categories are whose: a pair is one machine's own, a block at the end is the groups'.

use super::{CategorySet, LabelError, Level, LevelRange};

/// So many categories are kept for groups of machines, where there are that many to spare.
pub const GROUP_BLOCK: usize = 64;

/// One machine's own two categories, which are never the same: whoever has a set that includes both
/// reaches the machine's objects, and one category twice would be in half the others' reach
/// (CVE-2021-3631).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    low: u16,
    high: u16,
}

impl Pair {
    /// A pair, in whichever order.
    ///
    /// # Errors
    /// The two are one.
    pub fn new(one: u16, other: u16) -> Result<Self, LabelError> {
        match one == other {
            true => Err(LabelError::Twice(one)),
            false => Ok(Self { low: one.min(other), high: one.max(other) }),
        }
    }

    /// The two categories, ascending.
    pub fn both(self) -> [u16; 2] {
        [self.low, self.high]
    }

    /// The two as a set.
    pub fn set(self) -> CategorySet {
        self.both().into_iter().collect()
    }
}

/// The categories that a launcher can give away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    range: LevelRange,
    own: CategorySet,
    groups: CategorySet,
}

impl Pool {
    /// What a launcher with this range can give, when the `categories` first of the policy's are
    /// known to exist. The groups' block is the end of the *policy's* categories and not of the
    /// range's, so that two launchers with different ranges agree on it: 64, or an eighth where
    /// there are fewer than 512. Categories of the low level are on all that the launcher makes, so
    /// they keep nobody apart.
    ///
    /// # Errors
    /// Fewer than two categories are left for machines.
    pub fn new(range: &LevelRange, categories: u16) -> Result<Self, LabelError> {
        let block = GROUP_BLOCK.min(usize::from(categories) / 8);
        let first = categories.saturating_sub(u16::try_from(block).unwrap_or(0));
        Self::with_groups(
            range,
            &CategorySet::span(first, categories.saturating_sub(1)),
            categories,
        )
    }

    /// The same with a block of the caller's choice.
    ///
    /// # Errors
    /// Fewer than two categories are left for machines.
    pub fn with_groups(
        range: &LevelRange,
        block: &CategorySet,
        categories: u16,
    ) -> Result<Self, LabelError> {
        let beyond = CategorySet::span(categories, u16::MAX);
        let all = range.high().categories.without(&range.low().categories).without(&beyond);
        let own = all.without(block);
        let groups = all.without(&own);
        if own.len() < 2 {
            let (count, groups) = (own.len(), groups.len());
            return Err(LabelError::TooFew { range: range.to_string(), count, groups });
        }
        Ok(Self { range: range.clone(), own, groups })
    }

    /// Those from which machines' own pairs are taken.
    pub fn own(&self) -> &CategorySet {
        &self.own
    }

    /// Those that groups get.
    pub fn groups(&self) -> &CategorySet {
        &self.groups
    }

    /// How many machines can be told apart.
    pub fn pairs(&self) -> usize {
        self.own.len() * (self.own.len() - 1) / 2
    }

    /// Whether the launcher is cleared for this sensitivity.
    pub fn has_sensitivity(&self, sensitivity: u16) -> bool {
        let range: &LevelRange = &self.range;
        let Level { sensitivity: low, .. } = *range.low();
        (low..=range.high().sensitivity).contains(&sensitivity)
    }

    /// The launcher's range.
    pub fn range(&self) -> &LevelRange {
        &self.range
    }
}
