//! Sets of categories, as runs, printed as the kernel prints them.

use super::{Ink, LabelError};
use std::fmt;

/// The last category that a text may name. Policies have 1024; the kernel's own limit is its memory.
pub const CATEGORY_MAX: u16 = 16_383;

/// A set of categories. Two are equal when they have the same categories, however they were written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CategorySet {
    /// Disjoint, ascending, with a gap between any two; first and last of each.
    runs: Vec<(u16, u16)>,
}

impl CategorySet {
    /// No category.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The categories from `first` to `last`, both included; none if `last` is smaller.
    pub fn span(first: u16, last: u16) -> Self {
        Self::from_runs(vec![(first, last)])
    }

    fn from_runs(mut given: Vec<(u16, u16)>) -> Self {
        given.retain(|(first, last)| first <= last);
        given.sort_unstable();
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for (first, last) in given {
            match runs.last_mut() {
                Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
                _ => runs.push((first, last)),
            }
        }
        Self { runs }
    }

    /// How many categories there are.
    pub fn len(&self) -> usize {
        self.runs.iter().map(|(first, last)| usize::from(last - first) + 1).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The greatest category.
    pub fn last(&self) -> Option<u16> {
        self.runs.last().map(|run| run.1)
    }

    /// Every category, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.runs.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Whether this category is among them.
    pub fn contains(&self, category: u16) -> bool {
        self.includes(&Self::span(category, category))
    }

    /// Whether every category of the other is among them.
    pub fn includes(&self, other: &Self) -> bool {
        let mut runs = self.runs.iter().peekable();
        other.runs.iter().all(|(first, last)| {
            while runs.next_if(|run| run.1 < *first).is_some() {}
            runs.peek().is_some_and(|run| run.0 <= *first && *last <= run.1)
        })
    }

    /// Those that are here and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.iter().filter(|category| !other.contains(*category)).collect()
    }

    /// Those that are here or in the other.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self::from_runs(self.runs.iter().chain(&other.runs).copied().collect())
    }

    /// Reads `c1.c5,c9`, where a dot spans, and a span ascends (`mls_context_to_sid()` of the kernel).
    pub(super) fn parse(given: &str, whole: &str) -> Result<Self, LabelError> {
        let run = |part: &str| -> Result<(u16, u16), LabelError> {
            let Some((first, last)) = part.split_once('.') else {
                return category(part, whole).map(|one| (one, one));
            };
            let (first, last) = (category(first, whole)?, category(last, whole)?);
            let why = "a span of categories ascends, as in c1.c5";
            if first < last { Ok((first, last)) } else { Err(malformed(whole, why)) }
        };
        given.split(',').map(run).collect::<Result<_, _>>().map(Self::from_runs)
    }
}

fn malformed(whole: &str, why: &'static str) -> LabelError {
    LabelError::Malformed { what: "SELinux level", given: Ink::of(whole), why }
}

fn category(given: &str, whole: &str) -> Result<u16, LabelError> {
    let wrong = || malformed(whole, "a category is written c and a number, as in c12");
    let digits = given.strip_prefix('c').ok_or_else(wrong)?;
    let number = number(digits).ok_or_else(wrong)?;
    let beyond =
        || LabelError::Beyond { what: "category", given: Ink::of(given), limit: CATEGORY_MAX };
    u16::try_from(number).ok().filter(|n| *n <= CATEGORY_MAX).ok_or_else(beyond)
}

/// Digits without a leading zero, for what is printed must be what was read.
pub(super) fn number(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits == "0" || !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain && canonical && digits.len() < 10)
}

impl FromIterator<u16> for CategorySet {
    fn from_iter<I: IntoIterator<Item = u16>>(categories: I) -> Self {
        Self::from_runs(categories.into_iter().map(|one| (one, one)).collect())
    }
}

/// Two neighbours stand with a comma between them, three and more with a dot.
impl fmt::Display for CategorySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.runs.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match last - first {
                0 => write!(f, "{comma}c{first}")?,
                1 => write!(f, "{comma}c{first},c{last}")?,
                _ => write!(f, "{comma}c{first}.c{last}")?,
            }
        }
        Ok(())
    }
}
