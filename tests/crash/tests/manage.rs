//! Commands that manage machines are killed at each of their points: what they were to do is done or
//! not done, never half.

use crate::{
    census::Census,
    lives::{self, Life},
    stage::{Stage, tried},
};
use svirt_testkit::{Caller, Outcome, Process, Said};
use svirt_tests_crash::kill;

/// Every point that a command comes to.
fn points(stage: &mut Stage, words: &[&str]) -> Vec<(String, usize)> {
    let talk = stage.start(words);
    let mut points = Vec::new();
    while let Some(point) = stage.director.next(talk.id()) {
        points.push((point.name.clone(), point.nth));
    }
    talk.finish().exits(0);
    points
}

/// Of those the first of each name: what only looks comes to the same again and again.
fn steps(stage: &mut Stage, words: &[&str]) -> Vec<(String, usize)> {
    points(stage, words).into_iter().filter(|(_, nth)| *nth == 0).collect()
}

/// Kills a command at a point.
fn killed(stage: &mut Stage, words: &[&str], key: &(String, usize)) -> Said {
    let talk = stage.start(words);
    while let Some(point) = stage.director.next(talk.id()) {
        if (&point.name, point.nth) == (&key.0, key.1) {
            kill(point.pid, false);
        }
    }
    let said = talk.finish();
    stage.settle(None);
    said
}

#[track_caller]
fn is_as(stage: &Stage, before: &Census, after: &str) {
    let left = Census::take(&stage.host).differences(before);
    assert!(left.is_empty(), "after {after}: {left:#?}");
}

/// Making a machine with disks, and removing it.
fn created_and_removed(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let name = stage.host.name("kept");
    let small = ["create", "--name", &name, "--accel", "tcg", "--memory", "32M", "--net", "none"];
    let create = [&small[..], &["--disk", "new:1M", "--disk", "new:2M"]].concat();
    let remove = ["rm", name.as_str()];
    // Once, so that what is kept of every machine is there.
    stage.host.run(&create).exits(0);
    stage.host.run(&remove).exits(0);
    let without = Census::take(&stage.host);
    let making = points(&mut stage, &create);
    let removing = points(&mut stage, &remove);
    for key in making {
        killed(&mut stage, &create, &key);
        // It is there or it is not, and whoever makes it again finds out which.
        let again = stage.host.run(&create);
        assert!(matches!(again.code, Some(0 | 75)), "create was killed at {key:?}: {again:#?}");
        let disks = stage.host.run(&["inspect", "--xml", &name]).exits(0).out;
        assert_eq!(disks.matches(".qcow2'/>").count(), 2, "create was killed at {key:?}: {disks}");
        stage.host.run(&remove).exits(0);
        is_as(&stage, &without, &format!("create was killed at {key:?}"));
    }
    for key in removing {
        stage.host.run(&create).exits(0);
        killed(&mut stage, &remove, &key);
        let again = stage.host.run(&remove);
        assert!(matches!(again.code, Some(0 | 66)), "rm was killed at {key:?}: {again:#?}");
        is_as(&stage, &without, &format!("rm was killed at {key:?}"));
    }
    Ok(())
}

/// Changing a definition.
fn edited(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let name = stage.host.name("kept");
    stage.host.run(&["create", "--name", &name, "--accel", "tcg", "--net", "none"]).exits(0);
    let document = |memory: &str| {
        let guest =
            format!("\"memory\": \"{memory}\", \"accelerator\": \"tcg\", \"net\": \"none\"");
        format!("{{\"version\": 1, \"guest\": {{{guest}}}}}")
    };
    let files = ["48M", "64M"].map(|memory| {
        let file = stage.host.file(&format!("{memory}.json"), document(memory).as_bytes());
        file.to_string_lossy().into_owned()
    });
    let edits = files.each_ref().map(|file| ["edit", &name, "--spec", file]);
    let shown = |stage: &Stage| stage.host.run(&["inspect", "--xml", &name]).exits(0).out;
    let editing = points(&mut stage, &edits[1]);
    let new = shown(&stage);
    stage.host.run(&edits[0]).exits(0);
    let old = shown(&stage);
    assert_ne!(old, new);
    let before = Census::take(&stage.host);
    for key in editing {
        killed(&mut stage, &edits[1], &key);
        let now = shown(&stage);
        assert!(now == old || now == new, "edit was killed at {key:?}: {now}");
        is_as(&stage, &before, &format!("edit was killed at {key:?}"));
        stage.host.run(&edits[0]).exits(0);
    }
    stage.host.run(&["rm", &name]).exits(0);
    Ok(())
}

/// A machine that goes on until it is ended.
fn run(stage: &Stage, life: &Life) {
    let mut words = life.words();
    words.insert(1, "--detach");
    let cat = words.len() - 1;
    words[cat] = "/bin/sleep";
    words.push("1000");
    stage.host.run(&words).exits(0);
}

/// Who is killed at the points of the command that ends a machine.
#[derive(Debug, Clone, Copy)]
enum Killed {
    Command,
    Supervisor,
}

/// A machine that runs is ended by a command that is killed itself, or whose supervisor is.
fn ended(caller: Caller, command: &[&str]) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    let words = [command, &[&life.name]].concat();
    run(&stage, &life);
    let ending = steps(&mut stage, &words);
    let all = ending.iter().flat_map(|key| [(key, Killed::Command), (key, Killed::Supervisor)]);
    for (key, killed) in all {
        run(&stage, &life);
        let supervisor = stage.host.status(&life.name).supervisor.expect("it runs");
        let talk = stage.start(&words);
        while let Some(point) = stage.director.next(talk.id()) {
            if (&point.name, point.nth) == (&key.0, key.1) {
                match killed {
                    Killed::Command => kill(point.pid, false),
                    Killed::Supervisor => kill(supervisor, true),
                }
            }
        }
        let said = talk.finish();
        let after = format!("{killed:?} was killed at {key:?} of {command:?}");
        let is_told =
            matches!((killed, said.code), (Killed::Command, _) | (_, Some(0 | 66 | 74 | 75)));
        assert!(is_told, "{after}: {said:#?}");
        // It was told before, or is now.
        let again = stage.host.run(&words);
        assert!(matches!(again.code, Some(0 | 66 | 75)), "{after}: {again:#?}");
        stage.settle(None);
        stage.is_as(&before, &life, &after);
    }
    Ok(())
}

/// Commands that look at a machine leave nothing with its supervisor, wherever they are killed.
fn looked_at(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    run(&stage, &life);
    let supervisor = Process(stage.host.status(&life.name).supervisor.expect("it runs"));
    let held = || supervisor.descriptors();
    let first = held();
    for words in [&["ps"][..], &["verify", &life.name], &["inspect", &life.name]] {
        for key in steps(&mut stage, words) {
            let talk = stage.start(words);
            while let Some(point) = stage.director.next(talk.id()) {
                if (&point.name, point.nth) == (&key.0, key.1) {
                    kill(point.pid, false);
                }
            }
            talk.finish();
        }
        // It has heard of the end of all before it answers this.
        stage.host.run(&["verify", &life.name]).exits(0);
        assert_eq!(held(), first, "{words:?}");
    }
    stage.host.run(&["kill", &life.name]).exits(0);
    stage.settle(None);
    stage.is_as(&before, &life, "it was looked at");
    Ok(())
}

#[test]
fn a_machine_is_there_or_not_whenever_its_making_or_removal_is_killed() {
    tried(created_and_removed(Caller::User));
}

#[test]
fn a_definition_is_the_old_or_the_new_whenever_its_change_is_killed() {
    tried(edited(Caller::User));
}

mod a_machine_ends_whenever_whoever_is_killed_when_it_is {
    use super::*;

    #[test]
    fn killed() {
        tried(ended(Caller::Root, &["kill"]));
    }

    #[test]
    fn stopped() {
        tried(ended(Caller::Root, &["stop", "--timeout", "1"]));
    }
}

#[test]
fn a_supervisor_keeps_nothing_of_commands_that_were_killed() {
    tried(looked_at(Caller::Root));
}
