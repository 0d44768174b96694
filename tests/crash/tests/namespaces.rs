//! Whoever looks from other namespaces, as out of a container that shares a home, takes no machine for
//! dead that lives.

use crate::{
    lives,
    stage::{Stage, tried},
};
use std::process::Command;
use svirt_testkit::{Caller, Outcome, Said, Skipped, Talk};

/// `svirt` in new namespaces.
fn elsewhere(stage: &Stage, namespaces: &[&str], words: &[&str]) -> Said {
    let svirt = stage.host.program().to_string_lossy().into_owned();
    let mut command: Command = stage.host.command("unshare");
    command.args(namespaces).arg("--fork").arg(svirt).args(words);
    Talk::start(command).finish()
}

fn lives_seen_from(namespaces: &[&str]) -> Outcome {
    let mut stage = Stage::new(Caller::Root)?;
    if elsewhere(&stage, namespaces, &["--version"]).code != Some(0) {
        return Err(Skipped::because("this kernel has no such namespaces"));
    }
    let life = lives::program(&stage);
    let before = stage.before(&life);
    let words = ["exec", "--detach", "--name", &life.name, "--", "/bin/sleep", "1000"];
    stage.host.run(&words).exits(0);
    assert_eq!(elsewhere(&stage, namespaces, &["recover"]).exits(0).out, "");
    let seen = elsewhere(&stage, namespaces, &["ps"]).exits(0).out;
    assert!(seen.contains(&life.name), "{seen}");
    let again = elsewhere(&stage, namespaces, &words);
    assert!(again.code == Some(75) && again.err.contains("is running"), "{again:#?}");
    assert_eq!(stage.host.running(), std::slice::from_ref(&life.name));
    stage.host.run(&["kill", &life.name]).exits(0);
    stage.settle(None);
    stage.is_as(&before, &life, "it was looked at from elsewhere");
    // One that is dead is recovered from there.
    assert!(stage.kill_at(&life, &(crate::stage::SERVED.to_owned(), 0), None));
    let recovered = elsewhere(&stage, namespaces, &["recover"]).exits(0).out;
    assert!(recovered.contains(&life.name), "{recovered}");
    stage.is_as(&before, &life, "it was recovered from elsewhere");
    Ok(())
}

#[test]
fn a_machine_that_lives_is_seen_to_from_another_pid_namespace() {
    tried(lives_seen_from(&["--pid", "--mount-proc"]));
}

#[test]
fn a_machine_that_lives_is_seen_to_from_another_time_namespace() {
    tried(lives_seen_from(&["--time", "--boottime", "100000", "--monotonic", "100000"]));
}
