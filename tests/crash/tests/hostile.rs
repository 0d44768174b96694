//! Another user changes, all the time, what stands at a path that is given to machines of root's: nothing
//! but what root named ever changes, each refusal is told, and nothing hangs.

use crate::{
    census::attributes,
    lives,
    stage::{SERVED, Stage, tried},
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command},
};
use svirt_testkit::{Caller, Host, Outcome};

/// What stands there by turns: the disk, a link to somebody else's file, a second name of another file, a
/// pipe, a directory, nothing; and the directory itself is another one.
const SWAPS: &str = "
    cd \"$1\" || exit
    put() { mv -fT \"$1\" place/disk.raw 2>/dev/null; }
    while :; do
        ln -s \"$2\" link; put link
        ln other second; put second
        mkfifo pipe; put pipe
        head -c 8192 /dev/zero >disk; put disk
        : >place/disk.raw
        rm -f place/disk.raw; mkdir place/disk.raw; rmdir place/disk.raw
        head -c 8192 /dev/zero >disk; put disk
        mv place away; ln -s \"${2%/*}\" place; rm place; mv away place
    done
";

/// Dropping it ends it.
struct Swapping(Child);

impl Drop for Swapping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn seen(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).expect("it is there");
    let content = fs::read(path).expect("root may read it");
    let owner = (metadata.uid(), metadata.gid(), metadata.mode(), metadata.nlink());
    format!("{owner:?} {:?} {content:?}", attributes(path))
}

fn swapped() -> Outcome {
    let theirs = Host::new(Caller::User)?;
    let stage = Stage::new(Caller::Root)?;
    let victim = stage.host.directory("victim", 0o755).join("disk.raw");
    fs::write(&victim, "root's").expect("a file of ours");
    let (attack, other) = (theirs.directory("attack", 0o755), theirs.path("attack/other"));
    theirs.directory("attack/place", 0o755);
    fs::write(&other, "another").expect("a file of ours");
    theirs.give(&other);
    let (before, others) = (seen(&victim), fs::read(&other).expect("ours"));
    let mut swapper: Command = theirs.command("sh");
    swapper.args(["-c", SWAPS, "sh"]).arg(&attack).arg(&victim);
    let swapping = Swapping(swapper.spawn().expect("a shell"));
    let disk = attack.join("place/disk.raw").to_string_lossy().into_owned();
    let (to, name) = (format!("of={disk}"), stage.host.name("swapped"));
    let write =
        ["/bin/dd", "if=/dev/zero", &to, "bs=1", "count=1", "conv=notrunc", "oflag=nonblock"];
    let words = [&["exec", "--name", &name, "--rw", &disk, "--"][..], &write].concat();
    let (mut done, mut refused) = (0, 0);
    for _ in 0..60 {
        let said = stage.host.run(&words);
        assert!(said.signal.is_none() && said.code != Some(70), "{said:#?}");
        match said.code {
            Some(0) => done += 1,
            _ => refused += 1,
        }
        assert!(said.code == Some(0) || !said.err.trim().is_empty(), "{said:#?}");
        assert_eq!(seen(&victim), before);
    }
    drop(swapping);
    assert_eq!(fs::read(&other).expect("ours"), others, "by a second name");
    assert!(refused > 0, "{done} done, {refused} refused");
    assert!(stage.host.running().is_empty());
    stage.host.assert_nothing_left();
    Ok(())
}

/// An image gets another name while a machine begins and ends: at some of the points of its life that come after
/// it was looked up.
fn renamed() -> Outcome {
    let mut stage = Stage::new(Caller::Root)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    let mut names: Vec<String> = stage.record(&life).into_iter().map(|seen| seen.key.0).collect();
    let from = names.iter().position(|name| name == "store committed").expect("it is durable");
    names.drain(..from);
    let mut met = BTreeSet::new();
    names.retain(|name| met.insert(name.clone()));
    let (disk, away) = (stage.image("disk.raw"), stage.image("away.raw"));
    let (mut started, mut told) = (0, 0);
    for name in names.into_iter().step_by(8) {
        let mut talk = stage.start(&life.words());
        let mut is_away = false;
        while let Some(point) = stage.director.next(talk.id()) {
            if point.name == name && !is_away {
                fs::rename(&disk, &away).expect("ours");
                is_away = true;
            }
            if point.name == SERVED {
                talk.close_input();
            }
        }
        let said = talk.finish();
        match said.code {
            Some(0) => started += 1,
            Some(66) => {}
            Some(75) => {
                said.complains("was renamed or replaced while the machine started");
                told += 1;
            }
            _ => panic!("at {name:?}: {said:#?}"),
        }
        stage.settle(None);
        if is_away {
            fs::rename(&away, &disk).expect("ours");
        }
        stage.recovers(&before, &life, &format!("the image was renamed at {name:?}"));
    }
    assert!(started > 0 && told > 0, "{started} started, {told} were told");
    eprintln!("{started} started, {told} were told");
    Ok(())
}

#[test]
fn an_image_that_is_renamed_meanwhile_is_told_or_used() {
    tried(renamed());
}

#[test]
fn what_another_user_swaps_meanwhile_is_never_followed() {
    tried(swapped());
}
