//! Kill points: whoever comes to one is killed there, or somebody else is meanwhile, and everything is
//! put back. The points are those that the machine's own life comes to when nobody is killed.
//!
//! The last of a launcher is before it installs the program's filter, which does not allow what a test holds
//! it by. Behind that comes only the exec, at whose end it stands still, and is killed.

use crate::{
    lives::{self, Life},
    stage::{SERVED, Seen, Stage, tried},
};
use std::collections::BTreeSet;
use svirt_model::OpKind;
use svirt_testkit::{Caller, Outcome, Skipped, has_program, skipped};
use svirt_tests_crash::{Role, Tried, tried_in};

/// Which of a life's points are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Each step once, and where an op or the store is concerned, each time and with every victim.
    Steps,
    /// Ops and the store alone, with every victim where the store is concerned.
    Changes,
}

/// Who is killed at a point.
fn victims(seen: &Seen, thorough: bool) -> Vec<Option<Role>> {
    let others = seen.there.iter().filter(|role| Some(**role) != seen.held);
    let others: BTreeSet<Role> = others.copied().filter(|_| thorough).collect();
    [None].into_iter().chain(others.into_iter().map(Some)).collect()
}

/// The points that are tried, each with whether everybody is killed there who is there.
fn chosen(all: &[Seen], which: Which) -> Vec<(&Seen, bool)> {
    let changes = |name: &str| name.starts_with("op ") || name.starts_with("store ");
    let next = all.iter().skip(1).map(Some).chain([None]);
    let mut before: Option<&Seen> = None;
    let choose = |(seen, next): (_, Option<&Seen>)| {
        let seen: &Seen = seen;
        let is_new = before.is_none_or(|b| (b.held, &b.there) != (seen.held, &seen.there));
        before = Some(seen);
        // It has been compared with the plan, and stands still for the last time.
        let is_last = next.is_some_and(|next| next.key.0 == "let the process run");
        let (name, nth) = (seen.key.0.as_str(), seen.key.1);
        let always = is_last || name == SERVED || changes(name);
        match which {
            Which::Steps => (nth == 0 || always).then_some((seen, is_new || always)),
            Which::Changes => always.then_some((seen, !name.starts_with("op "))),
        }
    };
    all.iter().zip(next).filter_map(choose).collect()
}

/// Kills at each of the points, and recovers.
fn killed_anywhere(caller: Caller, life: fn(&Stage) -> Life, which: Which) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = life(&stage);
    let before = stage.before(&life);
    let seen = stage.record(&life);
    assert!(seen.iter().any(|s| s.served) && seen.len() > 200, "{seen:#?}");
    stage.is_as(&before, &life, "nobody was killed");
    all_are_made(&seen, &life, caller);
    let (mut tried, mut missed) = (0, Vec::new());
    for (one, thorough) in chosen(&seen, which) {
        for victim in victims(one, thorough) {
            tried += 1;
            let what = format!("{victim:?} was killed at {one:?}");
            match stage.kill_at(&life, &one.key, victim) {
                false => missed.push(what),
                true => stage.recovers(&before, &life, &what),
            }
        }
    }
    // Two processes side by side may meet in another order: not often.
    assert!(tried > 30 && missed.len() * 20 < tried, "of {tried} not hit: {missed:#?}");
    Ok(())
}

/// Every kind of change that the life is said to make was about to be made, made, about to be undone
/// and undone.
fn all_are_made(seen: &[Seen], life: &Life, caller: Caller) {
    // An ordinary user has no control groups of his own everywhere.
    let has = |kind: &&OpKind| caller == Caller::Root || **kind != OpKind::Cgroup;
    for kind in life.makes.iter().filter(has) {
        for moment in ["to be made", "made", "to be undone", "undone"] {
            let name = format!("op {kind} {moment}");
            assert!(seen.iter().any(|s| s.key.0 == name), "nobody came to {name:?}");
        }
    }
}

/// A kind that is in no life is found.
#[test]
fn every_kind_of_change_is_in_some_life() {
    let Ok(stage) = Stage::new(Caller::Root) else {
        return skipped("the tests are not run by root");
    };
    let lives = [lives::program(&stage), lives::guest(&stage), lives::command_line(&stage)];
    let made: BTreeSet<OpKind> = lives.iter().flat_map(|life| life.makes).copied().collect();
    assert_eq!(made, tried_in(Tried::Here).collect());
}

/// A program's whole life, from the first step of the command that starts it to the last of its
/// supervisor.
mod a_program_that_is_killed_anywhere_leaves_nothing {
    use super::*;

    #[test]
    fn as_root() {
        tried(killed_anywhere(Caller::Root, lives::program, Which::Steps));
    }

    #[test]
    fn as_user() {
        tried(killed_anywhere(Caller::User, lives::program, Which::Changes));
    }

    #[test]
    fn as_delegated() {
        tried(killed_anywhere(Caller::Delegated, lives::program, Which::Changes));
    }
}

mod real_qemu {
    use super::*;

    fn needs(programs: &[&str]) -> Outcome {
        let missing = programs.iter().find(|name| !has_program(name));
        missing.map_or(Ok(()), |name| Err(Skipped::because(format!("there is no {name}"))))
    }

    /// A guest with a network helper beside it.
    #[test]
    fn a_guest_that_is_killed_anywhere_leaves_nothing() {
        let guest = || killed_anywhere(Caller::Root, lives::guest, Which::Changes);
        tried(needs(&["qemu-system-x86_64", "passt"]).and_then(|()| guest()));
    }

    /// A machine that is defined, and started by its name.
    #[test]
    fn a_defined_machine_that_is_killed_anywhere_leaves_nothing() {
        let defined = || killed_anywhere(Caller::User, lives::defined, Which::Changes);
        tried(needs(&["qemu-system-x86_64"]).and_then(|()| defined()));
    }

    /// A command line of the user's own, with what it makes in other places.
    #[test]
    fn a_command_line_that_is_killed_anywhere_leaves_nothing() {
        let line = || killed_anywhere(Caller::User, lives::command_line, Which::Changes);
        tried(needs(&["qemu-system-x86_64"]).and_then(|()| line()));
    }
}
