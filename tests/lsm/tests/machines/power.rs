//! The power is cut while labels are made or taken back, on a file system that had not yet written
//! everything: after the next boot all are as they were.

use super::run;
use crate::real_qemu::{labs, try_it};
use std::{fs::File, process::Command, time::Instant};
use svirt_testkit::{
    Host, Outcome, Skipped, has_program,
    lab::{Lab, Report},
    soak::{Chance, asked},
};

/// What is on the disk, and where sVirt keeps its state.
pub(super) const MOUNTED: &str = "
    ATTRIBUTE=security.SMACK64
    mount -t ext4 /dev/ubda /run/lab/root
    chmod 700 /run/lab/root
    life='svirt exec --name k --weaken landlock --rw /run/lab/root/a.raw --ro /run/lab/root/base.raw -- /bin/true'
";

pub(super) const MADE: &str = "
    cd root
    images a base
    set_label System base.raw
    set_label mine a.raw
    cd ..
    told first as root $life
    told before labels root/*.raw
    sync
";

/// A point at which it is cut: how often it was come to before, and its name.
type Cut = (u32, &'static str);

/// The points where what is on the disk is least what the store knows: the label is not, or the store's
/// commit may be and the label that was put back is not.
const WORST: [Cut; 2] = [(0, "op label made"), (3, "store committed")];

/// The others.
const OTHERS: [Cut; 3] = [
    (1, "store to commit"),
    // From here on the label is on the disk.
    (0, "op label to be undone"),
    (0, "op label undone"),
];

pub(super) fn lab(host: &Host) -> Result<Lab<'_>, Skipped> {
    if !has_program("mkfs.ext4") {
        return Err(Skipped::because("there is no mkfs.ext4"));
    }
    let disk = host.path("disk");
    let file = File::create(&disk).and_then(|file| file.set_len(32 << 20));
    file.expect("a file of ours");
    let made = Command::new("mkfs.ext4").arg("-q").arg(&disk).status();
    assert!(made.expect("it runs").success());
    host.give(&disk);
    let lab = Lab::with_module(host, "smack")?.with_disk(disk);
    Ok(lab.carrying(env!("CARGO_BIN_EXE_svirt-lsm-killer")))
}

fn told(report: &Report, name: &str) -> String {
    report.said(name).exits(0).out
}

/// What is there before anything is cut off.
fn begun(lab: &Lab<'_>) -> String {
    let made = run(lab, &format!("{MOUNTED}{MADE}"));
    told(&made, "first");
    let before = told(&made, "before");
    assert!(before.contains("a.raw mine"), "{before}");
    before
}

/// The power is cut when anybody comes to a point, if anybody does; after the next boot all is as before.
#[track_caller]
fn cut(lab: &Lab<'_>, (count, name): (u32, &str), before: &str) -> bool {
    let cut = format!("{MOUNTED} told cut as root svirt-lsm-killer cut {count} '{name}' $life");
    let cut = !lab.cut(&format!("{}\n{cut}", super::WORDS)).has("not-cut");
    let again = "told recover as root svirt recover
        told after labels root/*.raw
        told ps as root svirt ps
        told left ls root/run";
    let again = run(lab, &format!("{MOUNTED}{again}"));
    told(&again, "recover");
    assert_eq!(told(&again, "after"), before, "the power was cut at {count} {name:?}");
    assert_eq!(told(&again, "left"), "", "the power was cut at {count} {name:?}");
    cut
}

/// Cuts the power at each of these points, and boots again.
fn cut_at(host: &Host, cuts: &[Cut]) -> Outcome {
    let lab = lab(host)?;
    let before = begun(&lab);
    for at in cuts {
        assert!(cut(&lab, *at, &before), "nobody came to {at:?}");
    }
    Ok(())
}

labs! {
    /// Labels that were made or put back when the power was cut.
    fn labels_are_as_they_were_when_the_power_was_cut(host) {
        cut_at(host, &WORST)?;
    }

    /// At every other point.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn labels_are_as_they_were_whenever_the_power_was_cut(host) {
        cut_at(host, &OTHERS)?;
    }
}

/// The power is cut at any point of a life, again and again on one disk.
#[test]
#[ignore = "it lasts: cargo xtask soak --minutes N"]
fn soak_of_the_power_being_cut() {
    fn claim(host: &Host) -> Outcome {
        let (lab, (lasts, seed)) = (lab(host)?, asked());
        let (end, mut chance) = (Instant::now() + lasts, Chance::new(seed));
        let before = begun(&lab);
        let points =
            run(&lab, &format!("{MOUNTED} told points as root svirt-lsm-killer list $life"));
        let points = told(&points, "points");
        let read = |line: &'_ str| {
            let (count, name) = line.split_once(' ')?;
            Some((count.parse::<u32>().ok()?, name.to_owned()))
        };
        let points: Vec<_> = points.lines().filter_map(read).collect();
        assert!(points.len() > 20, "{points:?}");
        let (mut tried, mut met) = (0, 0);
        while Instant::now() < end {
            let (count, name) = chance.of(&points);
            eprintln!("seed {seed}, {tried}: the power is cut at {count} {name:?}");
            met += u32::from(cut(&lab, (*count, name), &before));
            tried += 1;
        }
        // Those that run side by side come to their points in another order, and rarely to another.
        assert!(met * 2 > tried, "seed {seed}: of {tried} points {met} were met");
        Ok(())
    }
    try_it(concat!(module_path!(), "::soak_of_the_power_being_cut"), claim);
}
