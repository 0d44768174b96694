//! A drill's score: the same probe under nothing, under bubblewrap with all namespaces, and in a
//! machine of sVirt's; and how long a drill takes.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use crate::command::output;
use crate::error::{Error, Result};

/// A drill takes no longer, in seconds.
const TARGET: Target = Target::AtMost(5.0);
const MACHINE: &str = "drilled";
/// A root that can be read, and nothing else of the host's.
const BUBBLEWRAP: &str = "bwrap --unshare-all --new-session --die-with-parent --cap-drop ALL \
                          --clearenv --ro-bind / / --dev /dev --proc /proc {}";

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Vec<Measurement>> {
    let start = ["run", "--detach", "--net", "none", "--name", MACHINE];
    output(&mut place.svirt(person, start))?;
    let measured = scores(place, person).and_then(|mut all| {
        all.push(time(place, person, rounds)?);
        Ok(all)
    });
    output(&mut place.svirt(person, ["kill", MACHINE]))?;
    measured
}

fn scores(place: &Place, person: &Person) -> Result<Vec<Measurement>> {
    let machine = asked(&mut place.svirt(person, ["drill", "--json", MACHINE]))?;
    let against = ["drill", "--json", "--against", BUBBLEWRAP];
    let all = [
        ("in a machine", score(&machine["machines"][0])?),
        ("bwrap --unshare-all", score(&asked(&mut place.svirt(person, against))?)?),
        ("nothing", score(&asked(&mut place.svirt(person, ["drill", "--json", "--baseline"]))?)?),
    ];
    let one = |what: &str| {
        let series = |(name, score): &(&str, BTreeMap<String, f64>)| {
            let mut series = Series::new(*name);
            series.samples.push(score.get(what).copied().unwrap_or_default());
            series
        };
        Measurement {
            name: format!("attempts {what}"),
            quantile: MEDIAN,
            person: person.name.clone(),
            unit: "",
            target: (what == "open").then_some(Target::AtMost(0.0)),
            compared: false,
            series: all.iter().map(series).collect(),
        }
    };
    Ok(["blocked", "open", "granted", "absent", "unproven"].map(one).into())
}

/// What was open makes it fail, which is what is measured.
fn asked(command: &mut Command) -> Result<Value> {
    let said = command.output().map_err(|_| odd())?;
    serde_json::from_slice(&said.stdout).map_err(|_| odd())
}

fn score(document: &Value) -> Result<BTreeMap<String, f64>> {
    let score = document["score"].as_object().ok_or_else(odd)?;
    Ok(score.iter().filter_map(|(what, n)| Some((what.clone(), n.as_f64()?))).collect())
}

fn odd() -> Error {
    Error::Answer("`svirt drill --json` does not show a score".to_owned())
}

fn time(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    let mut series = Series::new("svirt drill");
    for _ in 0..rounds {
        let began = Instant::now();
        output(&mut place.svirt(person, ["drill", "--json", MACHINE]))?;
        series.samples.push(began.elapsed().as_secs_f64());
    }
    Ok(Measurement {
        name: "a drill".to_owned(),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "s",
        target: Some(TARGET),
        compared: false,
        series: vec![series],
    })
}
