//! What lasts longer than a test may: `cargo xtask soak --minutes N [--seed S]`.
//!
//! Everything is chosen by the seed, which is printed: the same seed goes through the same choices.

use crate::{
    lives::{self, Life},
    stage::Stage,
};
use std::{
    env,
    time::{Duration, Instant},
};
use svirt_testkit::Caller;

/// Set by `cargo xtask soak`.
const SECONDS: &str = "SVIRT_SOAK_SECONDS";
const SEED: &str = "SVIRT_SOAK_SEED";

/// Numbers that follow from a seed (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below this one, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it is below a usize")
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// How long a soak lasts, and by what it is chosen; a short one where nobody says.
pub(crate) fn asked() -> (Duration, u64) {
    let number = |name| env::var(name).ok().and_then(|text: String| text.parse().ok());
    (Duration::from_secs(number(SECONDS).unwrap_or(10)), number(SEED).unwrap_or(1))
}

/// Anybody is killed at any point of any life.
#[test]
#[ignore = "it lasts: cargo xtask soak --minutes N"]
fn anybody_is_killed_at_any_point() {
    let (lasts, seed) = asked();
    let (end, mut chance) = (Instant::now() + lasts, Chance::new(seed));
    let callers = [Caller::Root, Caller::User, Caller::Delegated];
    let all: [fn(&Stage) -> Life; 3] = [lives::program, lives::guest, lives::command_line];
    let mut count = 0;
    while Instant::now() < end {
        let (caller, life) = (*chance.of(&callers), *chance.of(&all));
        let Ok(mut stage) = Stage::new(caller) else { continue };
        let life = life(&stage);
        let before = stage.before(&life);
        let mut seen = stage.record(&life);
        // In which order those come to their points who run side by side is not chosen.
        seen.sort_by(|a, b| a.key.cmp(&b.key));
        for _ in 0..50 {
            let one = chance.of(&seen).clone();
            let others: Vec<_> = one.there.iter().filter(|r| Some(**r) != one.held).collect();
            let victim = match chance.below(others.len() + 1) {
                0 => None,
                index => Some(*others[index - 1]),
            };
            let what = format!("{victim:?} killed at {:?} as {caller:?}", one.key);
            eprintln!("seed {seed}, {count}: {what}");
            stage.kill_at(&life, &one.key, victim);
            stage.recovers(&before, &life, &what);
            count += 1;
            if Instant::now() > end {
                break;
            }
        }
    }
}
