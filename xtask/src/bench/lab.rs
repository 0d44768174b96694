//! What labels cost on kernels that enforce them: read from the ignored tests of `tests/lsm` that measure
//! it, since they know how to boot such a kernel. It is a program of this host (user-mode-linux), whose
//! system calls take many times as long as the host's own: what does the same there is measured beside.

use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::reserve::read;
use super::series::Series;
use crate::command::{cargo, output};
use crate::dist;
use crate::error::Result;

/// In milliseconds.
const TARGET: Target = Target::AtMost(5.0);

const WORK: &str = "of five objects, there and back";
const START: &str = "what it adds to a start with five";
const ADDED: Figures =
    &[("added", "added"), ("with", "a start with it"), ("without", "a start without it")];

/// What the tests call their figures, and what each is.
type Figures = &'static [(&'static str, &'static str)];

/// Of each model, which figures are one measurement.
const ALL: [(&str, &str, Figures); 7] = [
    ("selinux", WORK, &[("alone", "sVirt's work"), ("peer", "chcon, twice"), ("nothing", "true")]),
    ("selinux", START, ADDED),
    ("smack", WORK, &[("alone", "sVirt's work"), ("peer", "perl, twice"), ("nothing", "true")]),
    ("smack", START, ADDED),
    ("apparmor", "a profile compiled", &[("compiled", "compiled"), ("nothing", "true")]),
    ("apparmor", "a profile loaded", &[("loaded", "loaded")]),
    ("apparmor", START, ADDED),
];

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Vec<Measurement>> {
    let test = ["test", "--quiet", "--package=svirt-tests-lsm", "--test=labs", "--"];
    let mut tests = cargo(test);
    tests.args(["--ignored", "--nocapture", "--test-threads=1", "measure"]);
    tests.env("SVIRT_BIN", place.file("svirt")).env("SVIRT_LAB_ROUNDS", rounds.to_string());
    tests.env("SVIRT_LAB_LABEL", dist::example("svirt-host", "label")?);
    let text = output(&mut tests)?;
    let measurement = |(model, what, kinds): (&str, &str, Figures)| {
        let named = kinds.iter().map(|(key, name)| (format!("{model} {key}"), *name));
        let series: Result<Vec<Series>> =
            named.map(|(key, name)| read(&text, &key, name)).collect();
        Ok(Measurement {
            name: format!("{model}: {what}"),
            person: person.name.clone(),
            unit: "ms",
            quantile: MEDIAN,
            // A profile is compiled by a program of the distribution's, once for each machine.
            target: (what == WORK).then_some(TARGET),
            compared: false,
            series: series?,
        })
    };
    ALL.into_iter().map(measurement).collect()
}
