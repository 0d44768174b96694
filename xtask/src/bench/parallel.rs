//! Machines started at once. Each start is over when the machine's VMM answers its monitor: that is
//! when `svirt run --detach` returns, and when QEMU alone has said its greeting. sVirt's own part ends
//! earlier, when it lets the VMM go, which is when it writes the event that the machine has started.
//! What waits for a processor meanwhile is in all of these times.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::guest;
use super::memory::kill;
use super::peer::{Ends, Planned};
use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target, WORST};
use super::series::Series;
use super::watch::{line_of, start};
use crate::command::output;
use crate::error::Result;

/// Two hundred machines on two cores take less than a minute.
const LIMIT: Duration = Duration::from_secs(300);

const ARGUMENTS: [&str; 1] = ["--memory=16M"];

/// QEMU's first words on its monitor.
const GREETING: &str = "\"QMP\"";

/// How every machine's name begins, which is what a start prints.
const NAME: &str = "bench-";

/// For sVirt's own part, in milliseconds.
const TARGET: Target = Target::AtMost(20.0);

pub(super) fn measure(
    place: &Place,
    person: &Person,
    rounds: usize,
    machines: usize,
) -> Result<Vec<Measurement>> {
    let image = guest::image(place)?;
    let planned = Planned::ask(place, person, &ARGUMENTS)?;
    let ends = Ends { monitor: "stdio,id=monitor,signal=off", console: "null,id=console" };
    let qemu = || planned.alone(person, &ends, &[("/boot/kernel", &image)]);
    let pair = || ["svirt run --detach", "qemu alone"].map(Series::new);
    let (mut all, mut each) = (pair(), pair());
    let mut part = Series::new("until its VMM is let go");
    for _ in 0..rounds {
        let ours = ours(place, person, machines, &mut part)?;
        let alone = alone(qemu, machines);
        for (index, times) in [ours, alone].into_iter().enumerate() {
            let last = times.iter().map(|time| time.map(|time| time.from_first));
            all[index].add_or_failure(last.reduce(|a, b| Some(a?.max(b?))).flatten());
            times.iter().for_each(|time| each[index].add_or_failure(time.map(|time| time.own)));
        }
    }
    let measurement = |what: &str, quantile, target, series: Vec<Series>| Measurement {
        name: format!("{machines} at once, {what}"),
        person: person.name.clone(),
        unit: "ms",
        quantile,
        target,
        compared: series.len() > 1,
        series,
    };
    Ok(vec![
        measurement("until the last answers", MEDIAN, None, all.into()),
        measurement("each, p99", WORST, None, each.into()),
        measurement("sVirt's own part, p99", WORST, Some(TARGET), vec![part]),
    ])
}

/// A start that has begun.
struct Begun {
    /// The command's, or QEMU's.
    child: Child,
    at: Instant,
    /// The same by the clock, in milliseconds since 1970.
    clock: f64,
    line: Receiver<Option<Instant>>,
}

/// How long a start took until it printed its line.
#[derive(Clone, Copy)]
struct Time {
    /// From its own begin on.
    own: Duration,
    /// From the begin of the first start on.
    from_first: Duration,
}

/// Begins all of them; one that does not is no reason to leave the others.
fn begin(commands: impl Iterator<Item = Command>, line: &'static str) -> Vec<Result<Begun>> {
    let begin = |mut command: Command| {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (at, mut child) = start(&mut command)?;
        let line = line_of(&mut child, line);
        Ok(Begun { child, at, clock: clock.as_secs_f64() * 1000.0, line })
    };
    commands.map(begin).collect()
}

/// Waits for the line of each; one that does not print it has no time.
fn until_all(begun: &[Result<Begun>]) -> Vec<Option<Time>> {
    let first = begun.iter().flatten().map(|begun| begun.at).next();
    let time = |begun: &Result<Begun>| {
        let (begun, first) = (begun.as_ref().ok()?, first?);
        let left = LIMIT.saturating_sub(first.elapsed());
        let moment = begun.line.recv_timeout(left).ok().flatten()?;
        Some(Time { own: moment - begun.at, from_first: moment - first })
    };
    begun.iter().map(time).collect()
}

fn ours(
    place: &Place,
    person: &Person,
    machines: usize,
    part: &mut Series,
) -> Result<Vec<Option<Time>>> {
    let names: Vec<String> = (0..machines).map(|index| format!("{NAME}{index}")).collect();
    let command = |name: &String| {
        let words = ["run", "--detach", "--name", name].into_iter().chain(ARGUMENTS);
        place.svirt(person, words)
    };
    let before = started(place, person, 0)?;
    let mut begun = begin(names.iter().map(command), NAME);
    let times = until_all(&begun);
    let well = begun.iter_mut().map(|begun| begun.as_mut().is_ok_and(ends_well));
    let there: Vec<&str> =
        names.iter().zip(well).filter(|(_, ok)| *ok).map(|(name, _)| name.as_str()).collect();
    let known = started(place, person, before.last);
    kill(place, person, &there)?;
    let known = known?.when;
    for (name, begun) in names.iter().zip(begun.iter()) {
        let clock = begun.as_ref().ok().map(|begun| begun.clock);
        let took = known.get(name).zip(clock).map(|(started, begun)| started - begun);
        part.samples.push(took.unwrap_or(f64::INFINITY));
    }
    Ok(times)
}

fn ends_well(begun: &mut Begun) -> bool {
    begun.child.wait().is_ok_and(|status| status.success())
}

/// What the events say.
struct Started {
    /// When each machine's VMM was let go, in milliseconds since 1970.
    when: BTreeMap<String, f64>,
    /// The number of the last event.
    last: u64,
}

/// The starts after the event with this number.
fn started(place: &Place, person: &Person, since: u64) -> Result<Started> {
    let since = since.to_string();
    let text = output(&mut place.svirt(person, ["events", "--json", "--since", &since]))?;
    let mut found = Started { when: BTreeMap::new(), last: 0 };
    for event in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        found.last = event["sequence"].as_u64().unwrap_or(found.last);
        if event["kind"] == "started"
            && let (Some(name), Some(time)) = (event["machine"].as_str(), event["time_ms"].as_f64())
        {
            found.when.insert(name.to_owned(), time);
        }
    }
    Ok(found)
}

fn alone(qemu: impl Fn() -> Command, machines: usize) -> Vec<Option<Time>> {
    let command = |_| {
        let mut qemu = qemu();
        qemu.stdin(Stdio::piped());
        qemu
    };
    let mut begun = begin((0..machines).map(command), GREETING);
    let times = until_all(&begun);
    for begun in begun.iter_mut().flatten() {
        // One that has ended already is only to be waited for.
        let _ = begun.child.kill();
        let _ = begun.child.wait();
    }
    times
}
