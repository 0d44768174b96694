//! No descriptors and no processes left: a start is refused in words, nothing hangs, nothing is left.

use crate::{
    lives,
    stage::{Stage, tried},
};
use std::fs;
use svirt_testkit::{Caller, Outcome, Skipped, Talk};

/// With so few descriptors as there may be, one more each time.
fn descriptors(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    let mut done = 0;
    for count in (4..40).step_by(3).chain([300, 1024]) {
        let mut command = stage.host.command("prlimit");
        command.arg(format!("--nofile={count}:{count}")).arg(stage.host.program());
        command.args(life.words());
        let said = Talk::start(command).finish();
        let is_said = said.code == Some(0) || !said.err.trim().is_empty();
        let is_ours = !matches!(said.code, None | Some(70 | 101));
        assert!(is_said && is_ours, "{count} descriptors: {said:#?}");
        done += usize::from(said.code == Some(0));
        stage.settle(None);
        stage.recovers(&before, &life, &format!("a start with {count} descriptors"));
    }
    assert!(done > 0, "a thousand descriptors are not enough");
    Ok(())
}

/// With so few processes as there may be (`pids.max`), one more each time.
fn processes() -> Outcome {
    let mut stage = Stage::new(Caller::Root)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    let group = std::path::Path::new("/sys/fs/cgroup/pids").join(stage.host.tag());
    if fs::create_dir(&group).is_err() {
        return Err(Skipped::because("there is no control group for processes of version 1"));
    }
    let mut done = 0;
    for count in 1..12 {
        fs::write(group.join("pids.max"), count.to_string()).expect("it is ours");
        let script = "echo 0 >\"$0/cgroup.procs\" && exec \"$@\"";
        let mut command = stage.host.command("sh");
        command.args(["-c", script]).arg(&group).arg(stage.host.program()).args(life.words());
        let said = Talk::start(command).finish();
        let is_said = said.code == Some(0) || !said.err.trim().is_empty();
        assert!(is_said && !matches!(said.code, None | Some(101)), "{count} processes: {said:#?}");
        done += usize::from(said.code == Some(0));
        stage.settle(None);
        stage.recovers(&before, &life, &format!("a start with {count} processes"));
    }
    fs::remove_dir(&group).expect("nothing is left in it");
    assert!(done > 0, "eleven processes are not enough");
    Ok(())
}

#[test]
fn a_start_with_few_descriptors_is_done_or_refused() {
    tried(descriptors(Caller::Root));
    tried(descriptors(Caller::User));
}

#[test]
fn a_start_with_few_processes_is_done_or_refused() {
    tried(processes());
}
