//! MLS and MCS levels, ranges of levels, and which one dominates which.

use super::{CategorySet, Ink, LabelError, category::number};
use std::{fmt, str::FromStr};

/// The last sensitivity that a text may name. The reference policy's MLS has 16.
const SENSITIVITY_MAX: u16 = 255;

/// A sensitivity and categories, `s0:c1,c2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Level {
    /// The sensitivity's number.
    pub sensitivity: u16,
    /// The categories.
    pub categories: CategorySet,
}

impl Level {
    /// Whether whoever has this level is above the other: at least its sensitivity, and all its
    /// categories. Every level dominates itself.
    pub fn dominates(&self, other: &Self) -> bool {
        self.sensitivity >= other.sensitivity && self.categories.includes(&other.categories)
    }
}

fn malformed(given: &str, why: &'static str) -> LabelError {
    LabelError::Malformed { what: "SELinux level", given: Ink::of(given), why }
}

impl FromStr for Level {
    type Err = LabelError;
    fn from_str(given: &str) -> Result<Self, LabelError> {
        let (sensitivity, categories) = match given.split_once(':') {
            None => (given, CategorySet::empty()),
            Some((sensitivity, rest)) => (sensitivity, CategorySet::parse(rest, given)?),
        };
        let wrong = || malformed(given, "a sensitivity is written s and a number, as in s0");
        let digits = sensitivity.strip_prefix('s').ok_or_else(wrong)?;
        let number = number(digits).ok_or_else(wrong)?;
        let (what, limit) = ("sensitivity", SENSITIVITY_MAX);
        let beyond = || LabelError::Beyond { what, given: Ink::of(sensitivity), limit };
        let sensitivity =
            u16::try_from(number).ok().filter(|n| *n <= SENSITIVITY_MAX).ok_or_else(beyond)?;
        Ok(Self { sensitivity, categories })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.sensitivity)?;
        if self.categories.is_empty() { Ok(()) } else { write!(f, ":{}", self.categories) }
    }
}

/// From a low to a high level, `s0-s15:c0.c1023`; the high one dominates the low.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LevelRange {
    low: Level,
    high: Level,
}

impl LevelRange {
    /// A range.
    ///
    /// # Errors
    /// `high` does not dominate `low`.
    pub fn new(low: Level, high: Level) -> Result<Self, LabelError> {
        let range = Self { low, high };
        let valid = range.high.dominates(&range.low);
        if valid { Ok(range) } else { Err(LabelError::Inverted(Ink::of(&range.to_string()))) }
    }

    /// The range that has one level.
    pub fn single(level: Level) -> Self {
        Self { low: level.clone(), high: level }
    }

    /// The level of what the process makes, and of an object.
    pub fn low(&self) -> &Level {
        &self.low
    }

    /// The clearance: what the process may reach at most.
    pub fn high(&self) -> &Level {
        &self.high
    }

    /// Whether a process with this range is cleared for an object with the other: MCS constraints
    /// compare the high levels.
    pub fn dominates(&self, object: &Self) -> bool {
        self.high.dominates(&object.high)
    }
}

impl FromStr for LevelRange {
    type Err = LabelError;
    fn from_str(given: &str) -> Result<Self, LabelError> {
        match given.split_once('-') {
            None => given.parse().map(Self::single),
            Some((low, high)) => Self::new(low.parse()?, high.parse()?),
        }
    }
}

impl fmt::Display for LevelRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.low)?;
        if self.low == self.high { Ok(()) } else { write!(f, "-{}", self.high) }
    }
}
