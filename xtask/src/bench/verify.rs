//! All machines of a full host, verified: everything about each is read from the kernel once more.

use std::process::Stdio;
use std::time::Instant;

use super::memory::kill;
use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use crate::command::{output, run};
use crate::error::Result;

/// In milliseconds.
const TARGET: Target = Target::AtMost(1000.0);

pub(super) fn measure(
    place: &Place,
    person: &Person,
    rounds: usize,
    machines: usize,
) -> Result<Measurement> {
    let mut names = Vec::new();
    let verified = fill(place, person, machines, &mut names)
        .and_then(|()| (0..rounds).map(|_| verify(place, person)).collect::<Result<Vec<_>>>());
    // Whatever came of it, no machine is left.
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    kill(place, person, &names)?;
    let mut series = Series::new("svirt verify --all");
    series.samples = verified?;
    Ok(Measurement {
        name: format!("{machines} machines verified"),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "ms",
        target: Some(TARGET),
        compared: false,
        series: vec![series],
    })
}

fn fill(place: &Place, person: &Person, machines: usize, names: &mut Vec<String>) -> Result {
    for _ in 0..machines {
        let words = ["run", "--detach", "--memory=16M", "--net=none"];
        names.push(output(&mut place.svirt(person, words))?.trim().to_owned());
    }
    Ok(())
}

/// How long it takes, in milliseconds. One that finds something is an error.
fn verify(place: &Place, person: &Person) -> Result<f64> {
    let began = Instant::now();
    run(place.svirt(person, ["verify", "--all"]).stdout(Stdio::null()))?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}
