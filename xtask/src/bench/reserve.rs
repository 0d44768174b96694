//! What a machine's label costs where ten thousand others have one: read from the ignored test of the
//! engine that fills a host's names, which is the one that knows how.

use super::place::Person;
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use crate::command::{cargo, output};
use crate::error::{Error, Result};

const TEST: &str = "ten_thousand_live";

/// In milliseconds.
const TARGET: Target = Target::AtMost(1.0);

/// What the test calls each reservation, how many others live meanwhile, and what it is.
const SAMPLES: [(&str, &str); 4] = [
    ("pair 10000", "a pair, 10,000 live"),
    ("pair 10", "a pair, 10 live"),
    ("pair+place 10000", "and a place in a group, 10,000 live"),
    ("pair+group 10000", "and a group, 10,000 live"),
];

pub(super) fn measure(person: &Person) -> Result<Vec<Measurement>> {
    Ok(vec![Measurement {
        name: "a label reserved".to_owned(),
        person: person.name.clone(),
        unit: "ms",
        quantile: MEDIAN,
        target: Some(TARGET),
        compared: false,
        series: printed(TEST, &SAMPLES)?,
    }])
}

/// What an ignored test of the engine prints: of each kind what it calls it, and what it is.
pub(super) fn printed(test: &str, kinds: &[(&str, &str)]) -> Result<Vec<Series>> {
    let arguments = ["test", "--quiet", "--release", "--package=svirt-engine", "--lib", "--"];
    let text = output(cargo(arguments).args(["--ignored", "--nocapture", test]))?;
    kinds.iter().map(|(key, name)| read(&text, key, name)).collect()
}

/// What a test printed under a key, and what it is.
pub(super) fn read(text: &str, key: &str, name: &str) -> Result<Series> {
    let missing = || Error::Answer(format!("no test has printed `{key}`"));
    let series = |samples| Series { name: name.to_owned(), samples };
    samples(text, key).map(series).ok_or_else(missing)
}

/// The numbers that follow this on a line. The test's name may stand before it.
fn samples(text: &str, key: &str) -> Option<Vec<f64>> {
    let mut lines = text.lines().filter_map(|line| line.rsplit("... ").next());
    let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    line.split(' ').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_what_they_are_of() {
        let text = "test a::b ... pair 10 1.5 2\npair 10000 3\nend\n";
        assert_eq!(samples(text, "pair 10"), Some(vec![1.5, 2.0]));
        assert_eq!(samples(text, "pair 10000"), Some(vec![3.0]));
        assert_eq!(samples(text, "pair+group 10"), None);
        assert_eq!(samples("pair 10 x", "pair 10"), None);
    }
}
