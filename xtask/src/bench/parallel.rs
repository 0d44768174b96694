//! Fifty machines started at once, until the last one's VMM answers its monitor: that is when
//! `svirt run --detach` returns, and when QEMU alone has said its greeting.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::guest;
use super::memory::kill;
use super::peer::{Ends, Planned};
use super::place::{Person, Place};
use super::report::Measurement;
use super::series::Series;
use super::watch::{line_of, start};
use crate::command::line;
use crate::error::{Error, Result};

/// Machines at once.
const MACHINES: usize = 50;

/// Fifty machines on two cores take some ten seconds.
const LIMIT: Duration = Duration::from_secs(300);

const ARGUMENTS: [&str; 1] = ["--memory=16M"];

/// QEMU's first words on its monitor.
const GREETING: &str = "\"QMP\"";

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    let image = guest::image(place)?;
    let planned = Planned::ask(place, person, &ARGUMENTS)?;
    let ends = Ends { monitor: "stdio,id=monitor,signal=off", console: "null,id=console" };
    let mut series = [Series::new("50 x svirt run --detach"), Series::new("50 x qemu alone")];
    for _ in 0..rounds {
        series[0].add(ours(place, person)?);
        series[1].add(alone(|| planned.alone(person, &ends, &[("/boot/kernel", &image)]))?);
    }
    for series in &series {
        let rate = 1000.0 * MACHINES as f64 / series.median();
        eprintln!("bench: {} ({}): {rate:.1} starts a second", series.name, person.name);
    }
    Ok(Measurement {
        name: "50 machines at once",
        person: person.name.clone(),
        unit: "ms",
        target: None,
        compared: true,
        series: series.into(),
    })
}

fn ours(place: &Place, person: &Person) -> Result<Duration> {
    let names: Vec<String> = (0..MACHINES).map(|index| format!("bench-{index}")).collect();
    let begin = Instant::now();
    let children = names.iter().map(|name| {
        let words = ["run", "--detach", "--name", name].into_iter().chain(ARGUMENTS);
        let mut command = place.svirt(person, words);
        command
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| Error::Run { line: line(&command), source })
    });
    let children = children.collect::<Result<Vec<_>>>()?;
    let started: Vec<bool> = children.into_iter().map(ends_well).collect();
    let time = begin.elapsed();
    let there = names.iter().zip(&started).filter(|(_, started)| **started);
    kill(place, person, &there.map(|(name, _)| name.as_str()).collect::<Vec<_>>())?;
    let failed = started.iter().filter(|started| !**started).count();
    if failed == 0 { Ok(time) } else { Err(Error::Answer(format!("{failed} starts failed"))) }
}

fn ends_well(mut child: Child) -> bool {
    child.wait().is_ok_and(|status| status.success())
}

fn alone(qemu: impl Fn() -> Command) -> Result<Duration> {
    let begin = Instant::now();
    let mut all = Vec::new();
    for _ in 0..MACHINES {
        let (_, mut child) = start(qemu().stdin(Stdio::piped()))?;
        let greeting = line_of(&mut child, GREETING);
        all.push((child, greeting));
    }
    let greeted: Vec<bool> = all.iter().map(|(_, greeting)| greets(greeting, begin)).collect();
    let time = begin.elapsed();
    for (child, _) in &mut all {
        // One that has ended already is only to be waited for.
        let _ = child.kill();
        let _ = child.wait();
    }
    if greeted.into_iter().all(|yes| yes) {
        return Ok(time);
    }
    Err(Error::Answer("a QEMU alone did not say its greeting".to_owned()))
}

fn greets(greeting: &Receiver<Option<Instant>>, begin: Instant) -> bool {
    let left = LIMIT.saturating_sub(begin.elapsed());
    greeting.recv_timeout(left).is_ok_and(|moment| moment.is_some())
}
