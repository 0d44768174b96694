//! Why a label was refused.

/// A text in an error: at most 80 characters of it, so that a hostile one fills no screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ink(String);

impl Ink {
    /// The beginning of a text.
    pub fn of(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl std::fmt::Display for Ink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A label was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Longer than its model allows.
    #[error("the {what} {given} has {length} bytes, and at most {limit} are allowed")]
    TooLong {
        /// What it should have been.
        what: &'static str,
        /// Its beginning.
        given: Ink,
        /// Its length.
        length: usize,
        /// The greatest length.
        limit: usize,
    },
    /// Not of the form that its model wants.
    #[error("the {what} {given} is not usable: {why}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// Its beginning.
        given: Ink,
        /// What is wrong.
        why: &'static str,
    },
    /// A number that is too great.
    #[error("{given} is beyond {limit}, the last {what}")]
    Beyond {
        /// What it counts.
        what: &'static str,
        /// As it was written.
        given: Ink,
        /// The greatest one.
        limit: u16,
    },
    /// The upper end of a range does not dominate the lower.
    #[error("in the range {0} the second level does not dominate the first")]
    Inverted(Ink),
    /// A reserved label for a machine.
    #[error("the Smack label {0} means something to the kernel, so no machine can have it")]
    Reserved(Ink),
    /// Too few categories to give two machines different ones.
    #[error(
        "the range {range} has {count} categories outside the {groups} for groups: two are needed"
    )]
    TooFew {
        /// The range.
        range: String,
        /// How many there are.
        count: usize,
        /// How many are kept for groups.
        groups: usize,
    },
    /// A pair of one category.
    #[error("a machine's two categories are the same, c{0}")]
    Twice(u16),
    /// Settings that contradict each other.
    #[error("a label of type {kind} {why}")]
    Contradiction {
        /// `dynamic`, `static` or `none`.
        kind: &'static str,
        /// What does not go together.
        why: &'static str,
    },
    /// A word that has no meaning there.
    #[error("{given} is no {what}: write {choices}")]
    Word {
        /// What it should have been.
        what: &'static str,
        /// As it was written.
        given: Ink,
        /// What there is.
        choices: &'static str,
    },
}
