//! Many machines at once, started from many commands, ended and killed by chance, with disks that they
//! cannot all have: no two have the same user or the same disk, and nothing is left of any.

use crate::{
    lives::{self, Life},
    soak::{Chance, asked},
    stage::{Stage, tried},
};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};
use svirt_testkit::{Caller, Outcome, Process, Talk, has_program};

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
}

impl Storm {
    fn new(stage: Stage, what: What, count: usize) -> Self {
        let names = (0..count).map(|n| stage.host.name(&format!("m{n}"))).collect();
        // Fewer than machines: some are refused.
        let disks = (0..count / 2 + 1).map(|n| stage.image(&format!("d{n}.raw"))).collect();
        let storm = Self { stage, what, names, disks };
        for disk in &storm.disks {
            fs::write(disk, vec![0; 8192]).expect("a directory of ours");
            storm.stage.host.give(disk);
        }
        storm
    }

    fn start(&self, chance: &mut Chance) -> Talk {
        let (name, disk) = (chance.of(&self.names).clone(), chance.below(self.disks.len()));
        let (path, base) = (self.disks[disk].as_str(), self.stage.image("base.raw"));
        let mut words = vec![["exec", "run"][usize::from(self.what == What::Guest)], "--detach"];
        words.extend(["--name", &name]);
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
    fn holds(&self, seed: u64) -> Vec<String> {
        let running = self.stage.host.running();
        let plans = running.iter().filter_map(|name| {
            let said = self.stage.host.run(&["inspect", name, "--json"]);
            let document: serde_json::Value = serde_json::from_str(&said.out).ok()?;
            serde_json::from_value::<svirt_model::Plan>(document["machine"]["plan"].clone()).ok()
        });
        let plans: Vec<_> = plans.collect();
        let vmms = || plans.iter().map(|plan| &plan.vmm().confinement);
        let users: BTreeSet<u32> =
            vmms().filter(|c| c.identity.own).map(|c| c.identity.uid).collect();
        assert_eq!(
            users.len(),
            vmms().filter(|c| c.identity.own).count(),
            "seed {seed}: {users:?}"
        );
        let disks = |plan: &svirt_model::Plan| {
            let text = serde_json::to_string(plan).expect("JSON");
            self.disks
                .iter()
                .filter(|disk| text.contains(disk.as_str()))
                .cloned()
                .collect::<Vec<_>>()
        };
        let all: Vec<String> = plans.iter().flat_map(disks).collect();
        let once: BTreeSet<&String> = all.iter().collect();
        assert_eq!(once.len(), all.len(), "seed {seed}: one disk twice among {all:?}");
        running
    }

    fn turn(&self, chance: &mut Chance, seed: u64) {
        let starts: Vec<Talk> = (0..4).map(|_| self.start(chance)).collect();
        for said in starts.into_iter().map(Talk::finish) {
            assert!(matches!(said.code, Some(0 | 75)), "seed {seed}: {said:#?}");
        }
        for name in self.holds(seed) {
            match chance.below(4) {
                0 => drop(self.stage.host.run(&["kill", &name]).exits(0)),
                1 => {
                    let Some(supervisor) = self.stage.host.status(&name).supervisor else {
                        continue;
                    };
                    Process(supervisor).kill();
                }
                _ => {}
            }
        }
    }
}

fn storm(caller: Caller, what: What, count: usize, (lasts, seed): (Duration, u64)) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life: Life = lives::program(&stage);
    stage.record(&life);
    let (mut storm, mut chance) = (Storm::new(stage, what, count), Chance::new(seed));
    let before = storm.stage.census(&life);
    let end = Instant::now() + lasts;
    eprintln!("seed {seed}");
    while Instant::now() < end {
        storm.turn(&mut chance, seed);
    }
    for name in storm.stage.host.running() {
        storm.stage.host.run(&["kill", &name]).exits(0);
    }
    storm.stage.recovers(&before, &life, &format!("a storm of seed {seed}"));
    Ok(())
}

#[test]
fn many_programs_are_started_and_killed_by_chance() {
    tried(storm(Caller::Root, What::Program, 8, (Duration::from_secs(6), 7)));
}

/// Guests in real QEMUs, as each caller by turns.
#[test]
#[ignore = "it lasts: cargo xtask soak --minutes N"]
fn soak_of_many_guests() {
    assert!(has_program("qemu-system-x86_64"), "there is no qemu-system-x86_64");
    let (lasts, seed) = asked();
    for caller in [Caller::Root, Caller::User] {
        tried(storm(caller, What::Guest, 24, (lasts / 2, seed)));
    }
}
