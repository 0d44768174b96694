//! Commands that manage machines are killed at each of their points: what they were to do is done or
//! not done, never half.

use crate::{
    census::Census,
    lives,
    stage::{Stage, tried},
};
use svirt_testkit::{Caller, Outcome, Said};
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

/// A machine that runs is killed by a command that is killed itself.
fn stopped(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    let run = |stage: &Stage| {
        let mut words = life.words();
        words.insert(1, "--detach");
        let cat = words.len() - 1;
        words[cat] = "/bin/sleep";
        words.push("1000");
        stage.host.run(&words).exits(0);
    };
    run(&stage);
    let ending = points(&mut stage, &["kill", &life.name]);
    for key in ending {
        run(&stage);
        let talk = stage.start(&["kill", &life.name]);
        while let Some(point) = stage.director.next(talk.id()) {
            if (&point.name, point.nth) == (&key.0, key.1) {
                kill(point.pid, false);
            }
        }
        talk.finish();
        // It was told before, or is now.
        let again = stage.host.run(&["kill", &life.name]);
        assert!(matches!(again.code, Some(0 | 66 | 75)), "{again:#?}");
        stage.settle(None);
        stage.is_as(&before, &life, &format!("kill was killed at {key:?}"));
    }
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

#[test]
fn a_machine_ends_whenever_the_command_is_killed_that_ends_it() {
    tried(stopped(Caller::Root));
}
