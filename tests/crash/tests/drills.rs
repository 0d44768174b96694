//! Drills are killed wherever they change something: what they had made is gone when somebody has looked,
//! and the machine has not noticed.

use crate::{
    census::Census,
    stage::{Key, Stage, tried},
};
use std::{fs, path::PathBuf, process::Command};
use svirt_testkit::{Caller, Outcome, Talk};
use svirt_tests_crash::{descendants, kill};

/// A machine that runs, and a drill on it that makes all that any drill makes.
struct Drilled {
    stage: Stage,
    name: String,
    /// Where the drill makes files.
    place: PathBuf,
    /// The machine's processes.
    machine: Vec<u32>,
}

impl Drilled {
    fn new(caller: Caller) -> Result<Self, svirt_testkit::Skipped> {
        let mut stage = Stage::new(caller)?;
        let place = stage.host.directory("decoys", 0o755);
        let name = stage.host.name("drilled");
        let sleep = ["exec", "--detach", "--name", &name, "--", "/bin/sleep", "1000"];
        stage.host.run(&sleep).exits(0);
        let machine = descendants();
        stage.director.begin();
        let mut it = Self { stage, name, place, machine };
        // Once, so that what is kept of every drill is there.
        it.points();
        Ok(it)
    }

    fn start(&mut self) -> Talk {
        self.stage.director.begin();
        let words = ["drill", &self.name, "--attempt", "read-file"];
        let mut command: Command = self.stage.host.svirt(&words);
        command.env("TMPDIR", &self.place);
        self.stage.director.direct(&mut command);
        Talk::start(command)
    }

    /// Every point that a drill comes to which nobody kills.
    fn points(&mut self) -> Vec<Key> {
        let talk = self.start();
        let mut points = Vec::new();
        while let Some(point) = self.stage.director.next(talk.id()) {
            points.push((point.name.clone(), point.nth));
        }
        talk.finish().exits(0);
        self.stage.settle_beside(&self.machine);
        points
    }

    /// Kills whoever comes to a point; whether somebody did.
    fn kill_at(&mut self, key: &Key) -> bool {
        let talk = self.start();
        let mut hit = false;
        while let Some(point) = self.stage.director.next(talk.id()) {
            if (&point.name, point.nth) == (&key.0, key.1) {
                kill(point.pid, false);
                hit = true;
            }
        }
        talk.finish();
        self.stage.settle_beside(&self.machine);
        hit
    }

    /// Everything that drills have said in the ledger that they would make.
    fn recorded(&self) -> Vec<PathBuf> {
        let said = self.stage.host.run(&["ledger", "export"]).exits(0).out;
        let entries = said.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let objects = entries.filter_map(|e: serde_json::Value| Some(e["object"].as_str()?.into()));
        let drills = |path: &PathBuf| path.to_string_lossy().contains("-drill-");
        objects.filter(drills).collect()
    }

    #[track_caller]
    fn nothing_is_left(&self, before: &Census, after: &str) {
        self.stage.host.run(&["recover"]).exits(0);
        let left = Census::take(&self.stage.host).differences(before);
        assert!(left.is_empty(), "after {after}: {left:#?}");
        let left: Vec<_> = self.recorded().into_iter().filter(|path| path.exists()).collect();
        assert!(left.is_empty(), "after {after}: {left:?}");
    }
}

/// Those at which something changes, and of the others the first of each name.
fn steps(points: Vec<Key>) -> impl Iterator<Item = Key> {
    let changes = |name: &str| name.starts_with("op ") || name.starts_with("store ");
    points.into_iter().filter(move |(name, nth)| *nth == 0 || changes(name))
}

fn killed_anywhere(caller: Caller) -> Outcome {
    let mut drilled = Drilled::new(caller)?;
    let before = Census::take(&drilled.stage.host);
    let points = drilled.points();
    let made = ["op directory made", "op directory undone"];
    let groups = ["op control group made", "op control group undone"];
    let groups = groups.into_iter().filter(|_| caller == Caller::Root);
    for name in made.into_iter().chain(groups) {
        assert!(points.iter().any(|(point, _)| point == name), "{name}: {points:?}");
    }
    drilled.nothing_is_left(&before, "nobody was killed");
    let (mut tries, mut missed) = (0, Vec::new());
    for key in steps(points) {
        tries += 1;
        if !drilled.kill_at(&key) {
            missed.push(key.clone());
        }
        drilled.nothing_is_left(&before, &format!("a drill was killed at {key:?}"));
    }
    assert!(tries > 30 && missed.len() * 20 < tries, "of {tries} not hit: {missed:?}");
    drilled.stage.host.run(&["verify", &drilled.name]).exits(0);
    drilled.stage.host.run(&["kill", &drilled.name]).exits(0);
    drilled.stage.settle(None);
    Ok(())
}

mod a_drill_that_is_killed_anywhere_leaves_nothing {
    use super::*;

    #[test]
    fn as_root() {
        tried(killed_anywhere(Caller::Root));
    }

    #[test]
    fn as_user() {
        tried(killed_anywhere(Caller::User));
    }
}

/// A machine's end undoes nothing of a drill's, and hides nothing of it either.
#[test]
fn what_a_killed_drill_made_outlives_its_machine_until_somebody_looks() {
    let outlives = || -> Outcome {
        let mut drilled = Drilled::new(Caller::Root)?;
        let last = |points: Vec<Key>| {
            points.into_iter().rfind(|(name, _)| name == "op control group made").expect("made")
        };
        let key = last(drilled.points());
        assert!(drilled.kill_at(&key));
        let left: Vec<_> = drilled.recorded().into_iter().filter(|path| path.exists()).collect();
        assert!(left.iter().any(|path| path.starts_with("/sys/fs/cgroup")), "{left:?}");
        assert!(left.iter().any(|path| path.starts_with(&drilled.place)), "{left:?}");
        drilled.stage.host.run(&["kill", &drilled.name]).exits(0);
        drilled.stage.settle(None);
        let said = drilled.stage.host.run(&["recover"]).exits(0);
        assert!(said.out.contains("drill-") || said.err.contains("drill-"), "{said:?}");
        assert!(left.iter().all(|path| !path.exists()), "{left:?}");
        assert_eq!(fs::read_dir(&drilled.place).expect("ours").count(), 0);
        Ok(())
    };
    tried(outlives());
}
