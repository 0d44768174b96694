//! Two copies of one state directory, and one from a backup: neither takes a machine that runs for one that died,
//! because it knows an earlier life of it, or none.

use crate::stage::{Stage, tried};
use std::{path::Path, process::Command};
use svirt_testkit::{Caller, Outcome, Said, Talk};

fn copied(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.expect("cp runs").success());
}

/// What a command says with another state directory.
fn with(stage: &Stage, state: &Path, words: &[&str]) -> Said {
    let mut command = stage.host.svirt(words);
    command.env("SVIRT_STATE_DIR", state);
    Talk::start(command).finish()
}

fn copies(caller: Caller) -> Outcome {
    let stage = Stage::new(caller)?;
    let (host, name) = (&stage.host, stage.host.name("copied"));
    let small = ["create", "--name", &name, "--accel", "tcg", "--memory", "32M", "--net", "none"];
    host.run(&[&small[..], &["--append", "plain"]].concat()).exits(0);
    let (before, copy) = (host.path("before"), host.path("copy"));
    copied(&host.state(), &before);
    host.run(&["start", &name]).exits(0);
    copied(&host.state(), &copy);
    host.run(&["kill", &name]).exits(0);
    host.run(&["start", &name]).exits(0);

    // The one knows a life of the machine that is over, the other none.
    let pending = with(&stage, &copy, &["recover", "--dry-run"]).exits(0);
    assert!(!pending.out.contains(&name), "nothing would be put back: {pending:#?}");
    with(&stage, &copy, &["recover"]).exits(1).complains("with this identity runs");
    with(&stage, &before, &["recover"]).exits(0);
    let refused = with(&stage, &before, &["start", &name]);
    refused.exits(75).complains("with this identity runs");
    host.run(&["verify"]).exits(0);
    assert_eq!(host.running(), std::slice::from_ref(&name));

    host.run(&["kill", &name]).exits(0);
    with(&stage, &copy, &["recover"]).exits(0);
    with(&stage, &before, &["start", &name]).exits(0);
    with(&stage, &before, &["kill", &name]).exits(0);
    host.assert_nothing_left();
    Ok(())
}

#[test]
fn a_copy_of_the_store_harms_no_machine_of_root() {
    tried(copies(Caller::Root));
}

#[test]
fn a_copy_of_the_store_harms_no_machine_of_a_user() {
    tried(copies(Caller::User));
}
