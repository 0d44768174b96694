//! Machines that come and go: two hundred, fifty at a time, each by a command of its own that starts it,
//! hears the guest's first line, has the guest switch itself off, and is waited for. QEMU alone comes and
//! goes in the same way.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use svirt_guest::READY_LINE;

use super::guest::{self, FAREWELL};
use super::peer::{Ends, Planned};
use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use super::watch::to_the_line;
use crate::error::{Error, Result};

/// So many commands run at any moment.
const AT_ONCE: usize = 50;

const ARGUMENTS: [&str; 1] = ["--memory=16M"];

const TARGET: Target = Target::AtLeast(0.9);

pub(super) fn measure(
    place: &Place,
    person: &Person,
    rounds: usize,
    machines: usize,
) -> Result<Measurement> {
    let ours = |_| place.svirt(person, ["run"].into_iter().chain(ARGUMENTS));
    // The first makes sVirt know the accelerator, which the peer's command line needs.
    life(&mut ours(0))?;
    let (image, planned) = (guest::image(place)?, Planned::ask(place, person, &ARGUMENTS)?);
    let alone = |slot| {
        let path = person.file(&format!("monitor-{slot}"));
        let monitor = format!("socket,id=monitor,server=on,wait=off,path={}", path.display());
        let ends = Ends { monitor: &monitor, console: "stdio,id=console,signal=off" };
        planned.alone(person, &ends, &[("/boot/kernel", &image)])
    };
    let mut series = ["svirt run", "qemu alone"].map(Series::new);
    for _ in 0..rounds {
        series[0].samples.push(rate(machines, &ours)?);
        series[1].samples.push(rate(machines, &alone)?);
    }
    Ok(Measurement {
        name: format!("{machines} come and go, {AT_ONCE} at a time"),
        person: person.name.clone(),
        unit: "/s",
        quantile: MEDIAN,
        target: Some(TARGET),
        compared: true,
        series: series.into(),
    })
}

/// From its start to its end.
fn life(command: &mut Command) -> Result {
    to_the_line(command, READY_LINE, FAREWELL).map(drop)
}

/// How many of these machines come and go in a second; each command is made for the place among those
/// that run at once that it takes.
fn rate(machines: usize, command: &(dyn Fn(usize) -> Command + Sync)) -> Result<f64> {
    let (begun, begin) = (&AtomicUsize::new(0), Instant::now());
    let lives = |slot| {
        while begun.fetch_add(1, Ordering::Relaxed) < machines {
            life(&mut command(slot))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE).map(|slot| scope.spawn(move || lives(slot))).collect();
        let died = |_| Err(Error::Answer("a thread of the measurement died".to_owned()));
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(died))
    })?;
    Ok(machines as f64 / begin.elapsed().as_secs_f64())
}
