//! Many machines at once, started from many commands, ended and killed by chance, with disks that they
//! cannot all have: no two have the same user or the same disk, and nothing is left of any.

use crate::{
    lives::{self, Life},
    stage::{Stage, tried},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};
use svirt_model::Status;
use svirt_testkit::{
    Caller, Outcome, Process, Talk, has_program,
    soak::{Chance, asked},
};

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Program,
    Guest,
}

/// Names, and disks that not all of them can have.
struct Storm {
    stage: Stage,
    what: What,
    names: Vec<String>,
    disks: Vec<String>,
    /// How many commands run at once.
    commands: usize,
}

/// A machine that runs, with what is its alone.
struct Runs {
    name: String,
    supervisor: u32,
    vmm: u32,
    disk: String,
}

impl Storm {
    fn new(stage: Stage, what: What, count: usize, commands: usize) -> Self {
        // More than there are disks: some are refused.
        let names = (0..2 * count).map(|n| stage.host.name(&format!("m{n}"))).collect();
        let disks = (0..count).map(|n| stage.image(&format!("d{n}.raw"))).collect();
        let storm = Self { stage, what, names, disks, commands };
        for disk in &storm.disks {
            fs::write(disk, vec![0; 8192]).expect("a directory of ours");
            storm.stage.host.give(disk);
        }
        storm
    }

    fn start(&self, name: &str, path: &str) -> Talk {
        let base = self.stage.image("base.raw");
        let mut words = vec![["exec", "run"][usize::from(self.what == What::Guest)], "--detach"];
        words.extend(["--name", name]);
        let shared = format!("{base},ro");
        match self.what {
            What::Program => {
                words.extend(["--rw", path, "--ro", &base, "--", "/bin/sleep", "1000"]);
            }
            What::Guest => {
                let small = ["--accel", "tcg", "--memory", "16M", "--net", "none"];
                words.extend(small.into_iter().chain(["--append", "plain"]));
                words.extend(["--disk", path, "--disk", &shared]);
            }
        }
        Talk::start(self.stage.host.svirt(&words))
    }

    /// What runs: each with a user and a disk that no other has.
    #[track_caller]
    fn holds(&self, seed: u64) -> Vec<Runs> {
        let (mut users, mut runs) = (BTreeSet::new(), Vec::new());
        for name in self.stage.host.running() {
            // It may have ended since.
            let said = self.stage.host.run(&["inspect", &name, "--json"]);
            let Ok(mut document) = serde_json::from_str::<Value>(&said.out) else { continue };
            let Ok(status) = serde_json::from_value::<Status>(document["machine"].take()) else {
                continue;
            };
            let (Some(plan), Some(supervisor)) = (&status.plan, status.supervisor) else {
                continue;
            };
            let identity = plan.vmm().confinement.identity;
            assert!(!identity.own || users.insert(identity.uid), "seed {seed}: {identity:?} twice");
            let text = serde_json::to_string(plan).expect("JSON");
            let disk = self.disks.iter().find(|disk| text.contains(disk.as_str()));
            let vmm = status.evidence.last().map(|vmm| vmm.pid);
            let Some((vmm, disk)) = vmm.zip(disk.cloned()) else { continue };
            runs.push(Runs { name, supervisor, vmm, disk });
        }
        let disks: BTreeSet<&String> = runs.iter().map(|one| &one.disk).collect();
        assert_eq!(disks.len(), runs.len(), "seed {seed}: one disk twice");
        runs
    }

    /// A machine for each disk.
    fn fill(&self, seed: u64) {
        let all: Vec<_> = self.names.iter().zip(&self.disks).collect();
        for some in all.chunks(self.commands) {
            let starts: Vec<Talk> =
                some.iter().map(|(name, disk)| self.start(name, disk)).collect();
            for said in starts.into_iter().map(Talk::finish) {
                assert_eq!(said.code, Some(0), "seed {seed}: {said:#?}");
            }
        }
        assert_eq!(self.holds(seed).len(), self.disks.len(), "seed {seed}");
    }

    /// All commands at once: most start something, the others end what runs, in any way.
    fn turn(&self, chance: &mut Chance, seed: u64) {
        let runs = self.holds(seed);
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..self.commands {
            match (chance.below(16), runs.is_empty()) {
                (0, false) => Process(chance.of(&runs).supervisor).kill(),
                (1, false) => ends.push(self.end(["stop", "--timeout=1"], chance.of(&runs))),
                (2 | 3, false) => ends.push(self.end(["kill", "--"], chance.of(&runs))),
                _ => {
                    let (name, disk) = (chance.of(&self.names[..]), chance.of(&self.disks[..]));
                    starts.push(self.start(name, disk));
                }
            }
        }
        for said in starts.into_iter().map(Talk::finish) {
            assert!(matches!(said.code, Some(0 | 75)), "seed {seed}: {said:#?}");
        }
        for said in ends.into_iter().map(Talk::finish) {
            // Somebody else may have ended it, or killed its supervisor before that answered.
            let gone = said.code == Some(74) && said.err.contains("supervisor is gone");
            assert!(gone || matches!(said.code, Some(0 | 66 | 75)), "seed {seed}: {said:#?}");
        }
    }

    fn end(&self, words: [&str; 2], one: &Runs) -> Talk {
        Talk::start(self.stage.host.svirt(&[words[0], words[1], &one.name]))
    }

    /// From inside one of them nothing is open, and none of the others can be touched.
    fn is_apart(&self, chance: &mut Chance, seed: u64) {
        let runs = self.holds(seed);
        let Some(one) = runs.get(chance.below(runs.len().max(1))) else { return };
        let drill = self.stage.host.run(&["drill", "--json", &one.name]);
        assert_eq!(drill.code, Some(0), "seed {seed}: {drill:#?}");
        let others: Vec<&Runs> = runs.iter().filter(|other| other.name != one.name).collect();
        for others in others.chunks(self.commands / 3) {
            let tries = others.iter().flat_map(|other| {
                let vmm = other.vmm.to_string();
                [("write-file", other.disk.clone()), ("send-signal", vmm.clone()), ("ptrace", vmm)]
            });
            let tries: Vec<_> = tries
                .map(|(attempt, target)| {
                    let words = ["drill", &one.name, "--attempt", attempt, "--target", &target];
                    (attempt, Talk::start(self.stage.host.svirt(&words)))
                })
                .collect();
            for (attempt, said) in tries.into_iter().map(|(a, talk)| (a, talk.finish())) {
                let refused = said.code == Some(0) && said.out.starts_with("refused: ");
                assert!(refused, "seed {seed}: {attempt} from {}: {said:#?}", one.name);
            }
        }
        eprintln!("seed {seed}: {} machines, and none is touched from {}", runs.len(), one.name);
    }
}

fn storm(
    caller: Caller,
    what: What,
    (count, commands): (usize, usize),
    (lasts, seed): (Duration, u64),
) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life: Life = lives::program(&stage);
    stage.record(&life);
    let (mut storm, mut chance) = (Storm::new(stage, what, count, commands), Chance::new(seed));
    let before = storm.stage.census(&life);
    let end = Instant::now() + lasts;
    eprintln!("seed {seed}");
    let mut turns = 0;
    storm.fill(seed);
    while Instant::now() < end {
        if what == What::Guest && turns % 10 == 0 {
            storm.is_apart(&mut chance, seed);
        }
        storm.turn(&mut chance, seed);
        turns += 1;
    }
    for name in storm.stage.host.running() {
        storm.stage.host.run(&["kill", &name]).exits(0);
    }
    storm.stage.recovers(&before, &life, &format!("a storm of seed {seed}"));
    Ok(())
}

#[test]
fn many_programs_are_started_and_killed_by_chance() {
    tried(storm(Caller::Root, What::Program, (8, 8), (Duration::from_secs(6), 7)));
}

/// Two hundred guests in real QEMUs from fifty commands at once, as each caller by turns.
#[test]
#[ignore = "it lasts: cargo xtask soak --minutes N"]
fn soak_of_many_guests() {
    assert!(has_program("qemu-system-x86_64"), "there is no qemu-system-x86_64");
    let (lasts, seed) = asked();
    for caller in [Caller::Root, Caller::User] {
        tried(storm(caller, What::Guest, (200, 50), (lasts / 2, seed)));
    }
}
