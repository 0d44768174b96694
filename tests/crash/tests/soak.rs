//! What lasts longer than a test may: `cargo xtask soak --minutes N [--seed S]`.

use crate::{
    lives::{self, Life},
    stage::Stage,
};
use std::time::Instant;
use svirt_testkit::{
    Caller,
    soak::{Chance, asked},
};

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
    assert!(count > 0, "nobody was killed");
}
