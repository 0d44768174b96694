//! The table of all attempts.

use crate::{
    Attempt, devices, execution, exhaustion, files, ipc, kernel, keys, leaks, links, memory,
    network, privileges, processes,
};

/// The groups, in the order in which they are tried.
const GROUPS: &[&[Attempt]] = &[
    files::ATTEMPTS,
    links::ATTEMPTS,
    devices::ATTEMPTS,
    processes::ATTEMPTS,
    ipc::ATTEMPTS,
    network::ATTEMPTS,
    keys::ATTEMPTS,
    kernel::ATTEMPTS,
    memory::ATTEMPTS,
    execution::ATTEMPTS,
    privileges::ATTEMPTS,
    leaks::ATTEMPTS,
    exhaustion::ATTEMPTS,
];

/// Every attempt, in the order in which they are made.
#[derive(Debug, Clone, Copy)]
pub struct Attempts;

/// Every attempt.
pub const ATTEMPTS: Attempts = Attempts;

impl Attempts {
    /// Each in turn.
    pub fn iter(self) -> impl Iterator<Item = &'static Attempt> {
        GROUPS.iter().flat_map(|group| group.iter())
    }
}

/// The attempt with a word.
pub fn find(word: &str) -> Option<&'static Attempt> {
    ATTEMPTS.iter().find(|attempt| attempt.word == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_enough_and_each_has_a_word_of_its_own() {
        let words: BTreeSet<_> = ATTEMPTS.iter().map(|attempt| attempt.word).collect();
        assert_eq!(words.len(), ATTEMPTS.iter().count());
        assert!(words.len() >= 120, "{}", words.len());
        for attempt in ATTEMPTS.iter() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(attempt.word.chars().all(plain), "{}", attempt.word);
            assert!(attempt.what.len() > 8 && attempt.why.len() > 20, "{}", attempt.word);
            assert!(
                !attempt.what.ends_with('.') && !attempt.why.ends_with('.'),
                "{}",
                attempt.word
            );
        }
    }

    #[test]
    fn every_target_is_one_of_an_attempt() {
        for target in Target::ALL {
            assert!(ATTEMPTS.iter().any(|a| a.target == Some(*target)), "{}", target.word());
        }
    }
}
