//! Disks that are full, have no inodes left, may not be written or fail: a start is refused in words and
//! leaves nothing; what they keep from being put back is put back when they are well again.

use crate::{
    census::Census,
    lives::{self, Life},
    stage::{Stage, tried},
};
use std::{fs, path::PathBuf};
use svirt_testkit::{Caller, Outcome, Said, Skipped};

/// What ails a file system.
#[derive(Debug, Clone, Copy)]
enum Ill {
    Full,
    NoInodes,
    ReadOnly,
}

/// A small file system over a directory of the stage's, as long as this is.
struct Small {
    path: PathBuf,
}

impl Small {
    fn over(stage: &Stage, path: PathBuf) -> Result<Self, Skipped> {
        stage.host.needs_root("mount a small file system")?;
        let small = "size=4m,nr_inodes=64,mode=0700";
        let point = path.to_str().expect("text");
        stage.host.run_program("mount", &["-t", "tmpfs", "-o", small, "svt", point]).exits(0);
        Ok(Self { path })
    }

    /// Whether the kernel did: what is open for writing stays so.
    fn remount(&self, stage: &Stage, how: &str) -> bool {
        let how = format!("remount,{how}");
        let point = self.path.to_str().expect("text");
        stage.host.run_program("mount", &["-o", &how, point]).code == Some(0)
    }

    fn falls(&self, stage: &Stage, ill: Ill) {
        match ill {
            Ill::ReadOnly => drop(self.remount(stage, "ro")),
            Ill::Full => {
                let all = vec![1; 8 << 20];
                fs::write(self.path.join("full"), all).expect_err("it is small");
            }
            Ill::NoInodes => {
                let make = |n: u32| fs::write(self.path.join(format!("inode{n}")), "");
                assert!((0..100).any(|n| make(n).is_err()));
            }
        }
    }

    fn recovers(&self, stage: &Stage) {
        assert!(self.remount(stage, "rw"));
        for entry in fs::read_dir(&self.path).expect("it is there").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "full" || name.starts_with("inode") {
                fs::remove_file(entry.path()).expect("ours");
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.path).status();
    }
}

/// Refused for a reason of the host's, which is said.
#[track_caller]
fn is_refused(said: &Said, ill: Ill) {
    let words: &[&str] = match ill {
        Ill::ReadOnly => &["read-only", "readonly", "Read-only", "may be written"],
        Ill::Full => &["space", "full"],
        Ill::NoInodes => &["space", "inodes"],
    };
    assert!(words.iter().any(|word| said.err.contains(word)), "{ill:?}: {said:#?}");
    assert_eq!(said.code, Some(74), "{ill:?}: {said:#?}");
}

/// While a start is asked for, and while a machine runs that is then to end.
fn ill(place: fn(&Stage) -> PathBuf) -> Outcome {
    let mut stage = Stage::new(Caller::Root)?;
    let small = Small::over(&stage, place(&stage))?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    for ill in [Ill::Full, Ill::NoInodes, Ill::ReadOnly] {
        small.falls(&stage, ill);
        let refused = stage.host.run(&life.words());
        // The log of the store has room for a while.
        if refused.code != Some(0) {
            is_refused(&refused, ill);
        }
        stage.settle(None);
        small.recovers(&stage);
        stage.recovers(&before, &life, &format!("a start where it is {ill:?}"));

        runs(&stage, &life);
        small.falls(&stage, ill);
        let ended = stage.host.run(&["kill", &life.name]);
        assert!(ended.code != Some(70) && ended.signal.is_none(), "{ill:?}: {ended:#?}");
        stage.settle(None);
        small.recovers(&stage);
        stage.recovers(&before, &life, &format!("an end where it is {ill:?}"));
    }
    end(stage, small, &before, &life)
}

/// A machine that runs until it is killed.
fn runs(stage: &Stage, life: &Life) {
    let words = ["exec", "--detach", "--name", &life.name, "--", "/bin/sleep", "1000"];
    stage.host.run(&words).exits(0);
}

fn end(mut stage: Stage, small: Small, before: &Census, life: &Life) -> Outcome {
    stage.record(life);
    stage.is_as(before, life, "all was well again");
    drop(small);
    Ok(())
}

#[test]
fn a_state_directory_that_falls_ill_is_told_and_nothing_is_left() {
    tried(ill(|stage| stage.host.state()));
}

#[test]
fn a_run_time_directory_that_falls_ill_is_told_and_nothing_is_left() {
    tried(ill(|stage| stage.host.runtime()));
}
