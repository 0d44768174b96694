//! What it takes to put back what two hundred machines left whose supervisors died: read from the
//! ignored test of the engine that leaves it. As root each has a labelled file as well.

use super::place::Person;
use super::report::{MEDIAN, Measurement, Target};
use super::reserve::printed;
use crate::error::Result;

const TEST: &str = "two_hundred_dead";

/// In milliseconds.
const TARGET: Target = Target::AtMost(1000.0);

/// What the test calls each recovery, and what it is.
const SAMPLES: [(&str, &str); 2] =
    [("dead 200", "of 200 machines"), ("dead 0", "of nothing, afterwards")];

pub(super) fn measure(person: &Person) -> Result<Vec<Measurement>> {
    Ok(vec![Measurement {
        name: "a recovery".to_owned(),
        person: person.name.clone(),
        unit: "ms",
        quantile: MEDIAN,
        target: Some(TARGET),
        compared: false,
        series: printed(TEST, &SAMPLES)?,
    }])
}
