//! Recovery itself is killed, and done by two at once.

use crate::{
    census::Census,
    lives::{self, Life},
    stage::{SERVED, Stage, tried},
};
use svirt_testkit::{Caller, Outcome, Talk};
use svirt_tests_crash::kill;

/// A machine whose supervisor died while it ran, and what there was before it.
fn dead(stage: &mut Stage, life: &Life) {
    assert!(stage.kill_at(life, &(SERVED.to_owned(), 0), None));
}

fn stage(caller: Caller) -> Result<(Stage, Life, Census), svirt_testkit::Skipped> {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    Ok((stage, life, before))
}

/// The command that recovers is killed at each point that it comes to; whoever comes next recovers.
fn killed_anywhere(caller: Caller) -> Outcome {
    let (mut stage, life, before) = stage(caller)?;
    dead(&mut stage, &life);
    let mut talk = stage.start(&["recover"]);
    let mut points = Vec::new();
    while let Some(point) = stage.director.next(talk.id()) {
        points.push((point.name.clone(), point.nth));
    }
    talk.finish().exits(0);
    assert!(points.iter().any(|(name, _)| name == "store committed"), "{points:#?}");
    for key in points {
        dead(&mut stage, &life);
        talk = stage.start(&["recover"]);
        let mut hit = false;
        while let Some(point) = stage.director.next(talk.id()) {
            if (&point.name, point.nth) == (&key.0, key.1) {
                kill(point.pid, false);
                hit = true;
            }
        }
        let said = talk.finish();
        assert!(hit && said.signal == Some(9), "{key:?}: {said:#?}");
        stage.recovers(&before, &life, &format!("recovery was killed at {key:?}"));
    }
    Ok(())
}

/// Two commands find the same dead machine, and both do what they were asked.
fn two_at_once(caller: Caller) -> Outcome {
    let (mut stage, life, before) = stage(caller)?;
    dead(&mut stage, &life);
    let first = stage.start(&["recover"]);
    let undoing = loop {
        let point = stage.director.next(first.id()).expect("it undoes something");
        if point.name == "op directory to be undone" {
            break point;
        }
    };
    let mut command = stage.host.svirt(&["recover"]);
    stage.director.direct(&mut command);
    let second = Talk::start(command);
    // It has read which machines there are, and looks whether their supervisors live.
    let reading = loop {
        let point = stage.director.next(second.id()).expect("it looks at the machine");
        if point.name == "know this boot" {
            break point;
        }
    };
    drop(undoing);
    stage.director.pass_until_end_of(first.id(), std::time::Duration::from_secs(20));
    let said = first.finish().exits(0);
    assert!(said.out.contains(&life.name), "{said:#?}");
    drop(reading);
    while stage.director.next(second.id()).is_some() {}
    second.finish().exits(0);
    stage.is_as(&before, &life, "two have recovered");
    Ok(())
}

mod recovery_that_is_killed_anywhere_is_done_by_the_next {
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

#[test]
fn two_who_recover_at_once_do_not_fail() {
    tried(two_at_once(Caller::Root));
}
