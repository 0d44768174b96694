//! Disks that are full, have no inodes left, may not be written or fail: a start is refused in words and
//! leaves nothing; what they keep from being put back is put back when they are well again.

use crate::{
    census::Census,
    lives::{self, Life},
    stage::{Stage, tried},
};
use std::{fs, path::PathBuf};
use svirt_testkit::{Caller, Outcome, Quota, Said, Skipped};

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

/// The quota of who uses a directory is used up when a start is asked for, and while a machine runs. Whether
/// that is so for nothing but what is told.
fn over_quota(place: fn(&Stage) -> PathBuf, told: fn(&Said)) -> Outcome {
    let mut stage = Stage::new(Caller::Root)?;
    let quota = Quota::over(&place(&stage))?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    quota.use_up();
    told(&stage.host.run(&life.words()));
    stage.settle(None);
    quota.raise();
    stage.recovers(&before, &life, "a start without quota");

    runs(&stage, &life);
    quota.use_up();
    let other = stage.host.name("other");
    // The log of the store may have room for a while.
    for _ in 0..9 {
        let said = stage.host.run(&["exec", "--name", &other, "--", "/bin/true"]);
        if said.code != Some(0) {
            told(&said);
            eprintln!("told: {}", said.err);
            break;
        }
    }
    let ended = stage.host.run(&["kill", &life.name]);
    assert!(ended.signal.is_none() && matches!(ended.code, Some(0 | 74)), "{ended:#?}");
    // Whoever may know nothing of it any more ends it by its supervisor.
    let all = svirt_tests_crash::descendants();
    all.into_iter().for_each(|pid| svirt_tests_crash::kill(pid, false));
    stage.settle(None);
    quota.raise();
    stage.recovers(&before, &life, "an end without quota");
    Ok(())
}

#[test]
fn a_state_directory_over_quota_is_told_and_nothing_is_left() {
    tried(over_quota(
        |stage| stage.host.state(),
        |said| {
            assert_eq!(said.code, Some(74), "{said:#?}");
            let words = ["quota exceeded", "is used up"];
            assert!(words.iter().any(|word| said.err.contains(word)), "{said:#?}");
            assert!(said.err.contains("hint: ") && said.err.contains("raised"), "{said:#?}");
        },
    ));
}

#[test]
fn a_run_time_directory_over_quota_is_told_and_nothing_is_left() {
    tried(over_quota(
        |stage| stage.host.runtime(),
        |said| {
            assert_eq!(said.code, Some(74), "{said:#?}");
            assert!(said.err.contains("quota exceeded"), "{said:#?}");
            assert!(said.err.contains("hint: ") && said.err.contains("raised"), "{said:#?}");
        },
    ));
}

/// A machine that may write no more hears it from its own disk, and all else is as ever.
#[test]
fn a_machine_whose_disk_is_over_quota_ends_as_any() {
    tried(machine_over_quota());
}

fn machine_over_quota() -> Outcome {
    let mut stage = Stage::new(Caller::Root)?;
    let place = stage.host.directory("quota", 0o700);
    let quota = Quota::over(&place)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    let disk = place.join("disk.raw");
    fs::write(&disk, "").expect("there is room");
    quota.use_up();
    let disk = disk.to_str().expect("text");
    let (to, name) = (format!("of={disk}"), stage.host.name("life"));
    let fill = ["/bin/dd", "if=/dev/zero", &to, "bs=1M", "count=8", "conv=notrunc"];
    let said =
        stage.host.run(&[&["exec", "--name", &name, "--rw", disk, "--"], &fill[..]].concat());
    assert!(said.code == Some(1) && said.err.contains("quota exceeded"), "{said:#?}");
    stage.settle(None);
    quota.raise();
    fs::remove_file(disk).expect("ours");
    stage.recovers(&before, &life, "a disk without quota");
    Ok(())
}

/// A disk over the state directory, as long as this is.
struct Disk {
    image: PathBuf,
    path: PathBuf,
    _beside: tempfile::TempDir,
}

impl Disk {
    fn over(stage: &Stage) -> Result<Self, Skipped> {
        stage.host.needs_root("mount a disk")?;
        // Apart from what is counted.
        let beside = tempfile::tempdir().expect("a directory");
        let image = beside.path().join("disk");
        let made = fs::File::create(&image).and_then(|file| file.set_len(32 << 20));
        made.expect("a directory of ours");
        let disk = Self { image, path: stage.host.state(), _beside: beside };
        let image = disk.image.to_str().expect("text");
        if stage.host.run_program("mkfs.ext4", &["-q", image]).code != Some(0) {
            return Err(Skipped::because("there is no mkfs.ext4"));
        }
        disk.mount(stage).then_some(disk).ok_or(Skipped::because("nothing can be mounted here"))
    }

    fn mount(&self, stage: &Stage) -> bool {
        let [image, path] = [&self.image, &self.path].map(|path| path.to_str().expect("text"));
        let mounted = stage.host.run_program("mount", &["-o", "loop", image, path]).code == Some(0);
        mounted && stage.host.run_program("chmod", &["700", path]).code == Some(0)
    }

    /// Every call of it fails from now on, and what was not written is lost (`EXT4_IOC_SHUTDOWN`,
    /// `_IOR('X', 125, __u32)`, fs/ext4/ext4.h).
    fn fails(&self, stage: &Stage) {
        const SHUT: &str = "open(F, '<', $ARGV[0]) or die; $how = pack('L', 2);
            ioctl(F, 0x8004587d, $how) or die \"$!\"";
        let path = self.path.to_str().expect("text");
        stage.host.run_program("perl", &["-e", SHUT, path]).exits(0);
    }

    fn is_well_again(&self, stage: &Stage) {
        let path = self.path.to_str().expect("text");
        stage.host.run_program("umount", &[path]).exits(0);
        assert!(self.mount(stage));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.path).status();
    }
}

/// The disk of the state directory fails when a start is asked for, and while a machine runs.
fn fails() -> Outcome {
    let mut stage = Stage::new(Caller::Root)?;
    let disk = Disk::over(&stage)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    rustix::fs::sync();
    disk.fails(&stage);
    for words in [&life.words()[..], &["ps"], &["recover"]] {
        let refused = stage.host.run(words);
        assert!(refused.code == Some(74) && refused.err.contains("hint: "), "{refused:#?}");
        assert!(refused.err.contains("state"), "it names what failed: {refused:#?}");
    }
    disk.is_well_again(&stage);
    stage.recovers(&before, &life, "a disk failed");

    runs(&stage, &life);
    disk.fails(&stage);
    let ended = stage.host.run(&["kill", &life.name]);
    assert!(ended.signal.is_none() && ended.code == Some(74), "{ended:#?}");
    // Whoever may know nothing of it any more ends it by its supervisor.
    let all = svirt_tests_crash::descendants();
    all.into_iter().for_each(|pid| svirt_tests_crash::kill(pid, false));
    stage.settle(None);
    disk.is_well_again(&stage);
    stage.recovers(&before, &life, "a disk failed while a machine ran");
    Ok(())
}

#[test]
fn a_state_directory_whose_disk_fails_is_told_and_nothing_is_left() {
    tried(fails());
}

#[test]
fn a_state_directory_that_falls_ill_is_told_and_nothing_is_left() {
    tried(ill(|stage| stage.host.state()));
}

#[test]
fn a_run_time_directory_that_falls_ill_is_told_and_nothing_is_left() {
    tried(ill(|stage| stage.host.runtime()));
}
