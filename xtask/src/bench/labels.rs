//! Labels of objects, beside the tools that give them: `chcon` and `setfiles`. Each contender is a
//! program that is run whole. No security module has to be active, since root may write SELinux's
//! attribute all the same; what one that is active would add is added to each.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use super::watch::to_the_end;
use crate::command::output;
use crate::dist;
use crate::error::{Error, Result};

const CHCON: &str = "/usr/bin/chcon";
const SETFILES: &str = "/usr/sbin/setfiles";

/// What a small machine has: a disk and what it lies on, firmware, its variables, a cdrom.
const OBJECTS: usize = 5;

const DIRECTORIES: usize = 100;
const FILES_EACH: usize = 100;

/// sVirt may take as long as who does the same.
const TARGET: Target = Target::AtMost(1.0);

/// Before the rounds that count.
const WARM_UP: usize = 1;

/// Another label for each number.
fn context(number: usize) -> String {
    format!("system_u:object_r:svirt_image_t:s0:c{},c1023", number % 1023)
}

/// Gives the objects of one machine their labels and theirs back.
pub(super) fn few(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    let program = program()?;
    let files: Vec<PathBuf> = (0..OBJECTS).map(|n| place.file(&format!("object-{n}"))).collect();
    for file in &files {
        File::create(file).map_err(Error::file(file))?;
    }
    let chcon = |number| {
        let mut chcon = person.command(Path::new(CHCON));
        chcon.arg(context(number)).args(&files);
        chcon
    };
    to_the_end(&mut chcon(0))?;
    let mut ours = person.command(&program);
    ours.args(["few", "selinux"]).arg(context(1)).args(&files);
    let names = ["sVirt, there and back", "chcon, there and back", "of sVirt's, the work alone"];
    let mut series = names.map(Series::new);
    for round in 0..rounds + WARM_UP {
        let begin = Instant::now();
        let said = output(&mut ours)?;
        let all = begin.elapsed();
        let peer = to_the_end(&mut chcon(1))? + to_the_end(&mut chcon(0))?;
        if round >= WARM_UP {
            series[0].add(all);
            series[1].add(peer);
            series[2].samples.push(sum(&said)?);
        }
    }
    Ok(measurement("labels of 5 objects", person, series.into()))
}

/// What the program says that its parts took, in milliseconds.
fn sum(said: &str) -> Result<f64> {
    let parts: std::result::Result<Vec<f64>, _> = said.split_whitespace().map(str::parse).collect();
    let odd = |_| Error::Answer(format!("the program that labels says {said:?}"));
    Ok(parts.map_err(odd)?.iter().sum())
}

/// Labels a directory with everything in it. Whatever was done is looked at afterwards: no contender
/// may leave anything out.
pub(super) fn tree(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    if !Path::new(SETFILES).exists() {
        return Err(Error::Needs("there is no setfiles: install the package policycoreutils"));
    }
    let contenders = Contenders {
        program: program()?,
        root: grown(place)?,
        record: place.file("record"),
        patterns: place.file("file_contexts"),
        person,
    };
    let mut series = Contenders::NAMES.map(Series::new);
    for round in 0..rounds + WARM_UP {
        for (index, series) in series.iter_mut().enumerate() {
            let time = contenders.run(index, &context(round * 4 + index))?;
            if round >= WARM_UP {
                series.add(time);
            }
        }
    }
    Ok(measurement("10,000 files labelled", person, series.into()))
}

fn measurement(name: &str, person: &Person, series: Vec<Series>) -> Measurement {
    Measurement {
        name: name.to_owned(),
        person: person.name.clone(),
        unit: "ms",
        quantile: MEDIAN,
        target: Some(TARGET),
        compared: true,
        series,
    }
}

/// What labels as sVirt does, built as sVirt is.
fn program() -> Result<PathBuf> {
    dist::example("svirt-host", "label")
}

/// A directory with ten thousand files.
fn grown(place: &Place) -> Result<PathBuf> {
    let root = place.file("tree");
    for directory in 0..DIRECTORIES {
        let directory = root.join(directory.to_string());
        fs::create_dir_all(&directory).map_err(Error::file(&directory))?;
        for file in 0..FILES_EACH {
            let file = directory.join(file.to_string());
            File::create(&file).map_err(Error::file(&file))?;
        }
    }
    Ok(root)
}

/// Who labels a directory, and with what.
struct Contenders<'a> {
    program: PathBuf,
    root: PathBuf,
    /// Where sVirt's keeps what was there before.
    record: PathBuf,
    /// Where setfiles reads which label is whose.
    patterns: PathBuf,
    person: &'a Person,
}

impl Contenders<'_> {
    const NAMES: [&'static str; 4] =
        ["sVirt, what was there made durable", "chcon -R", "setfiles -F", "sVirt, nothing kept"];

    fn run(&self, which: usize, context: &str) -> Result<Duration> {
        let pattern = format!("{}(/.*)?\t{context}\n", self.root.display());
        fs::write(&self.patterns, pattern).map_err(Error::file(&self.patterns))?;
        let time = to_the_end(&mut self.command(which, context))?;
        let left = output(&mut self.ours(context))?;
        match left.trim() {
            "0" => Ok(time),
            left => Err(Error::Answer(format!("{} left {left} objects", Self::NAMES[which]))),
        }
    }

    fn command(&self, which: usize, context: &str) -> Command {
        let tool = |program, argument: &str, what: &OsStr| {
            let mut tool = self.person.command(Path::new(program));
            tool.arg(argument).arg(what).arg(&self.root);
            tool
        };
        match which {
            0 => {
                let mut ours = self.ours(context);
                ours.arg(&self.record);
                ours
            }
            1 => tool(CHCON, "-R", context.as_ref()),
            2 => tool(SETFILES, "-F", self.patterns.as_ref()),
            _ => self.ours(context),
        }
    }

    /// It prints how many objects it has changed.
    fn ours(&self, context: &str) -> Command {
        let mut ours = self.person.command(&self.program);
        ours.arg("tree").arg(context).arg(&self.root);
        ours
    }
}
