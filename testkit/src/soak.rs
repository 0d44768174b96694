//! Chance for tests that last, which `cargo xtask soak` runs, and how long they may. Everything is chosen
//! by a seed, which is printed: the same seed goes through the same choices.

use std::{env, time::Duration};

/// Set by `cargo xtask soak`.
const SECONDS: &str = "SVIRT_SOAK_SECONDS";
const SEED: &str = "SVIRT_SOAK_SEED";

/// Numbers that follow from a seed (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below this one, which is not 0.
    ///
    /// # Panics
    /// It is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it is below a usize")
    }

    /// One of these, of which there is at least one.
    ///
    /// # Panics
    /// There is none.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// How long a soak lasts, and by what it is chosen; a short one where nobody says.
pub fn asked() -> (Duration, u64) {
    let number = |name| env::var(name).ok().and_then(|text: String| text.parse().ok());
    (Duration::from_secs(number(SECONDS).unwrap_or(10)), number(SEED).unwrap_or(1))
}
