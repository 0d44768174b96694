//! How much of the kernel is left to a program: read from the ignored test of the filters, which asks the
//! same of every one, also of those that QEMU and containers have without sVirt.

use super::place::Person;
use super::report::{MEDIAN, Measurement};
use super::series::Series;
use crate::command::{cargo, output};
use crate::error::{Error, Result};

pub(super) fn measure(person: &Person) -> Result<Vec<Measurement>> {
    let arguments = ["test", "--quiet", "--package=svirt-host", "--test=seccomp", "--"];
    let test = ["--ignored", "--nocapture", "reach::reached"];
    let found = read(&output(cargo(arguments).args(test))?);
    if found.is_empty() {
        return Err(Error::Answer("the test of the filters prints no numbers".to_owned()));
    }
    let of = |what: &str, which: fn(&Reached) -> f64| Measurement {
        name: format!("{what} that can be reached"),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "",
        target: None,
        compared: false,
        series: found.iter().map(|one| one.series(which)).collect(),
    };
    Ok(vec![of("system calls", |one| one.calls), of("requests of ioctl", |one| one.requests)])
}

/// What one filter lets through.
#[derive(Debug, PartialEq)]
struct Reached {
    name: String,
    calls: f64,
    requests: f64,
}

impl Reached {
    fn series(&self, which: fn(&Self) -> f64) -> Series {
        Series { name: self.name.clone(), samples: vec![which(self)] }
    }
}

/// The lines `reached CALLS REQUESTS NAME`. The test's name may stand before one.
fn read(text: &str) -> Vec<Reached> {
    let one = |line: &str| {
        let mut words = line.rsplit("... ").next()?.strip_prefix("reached ")?.splitn(3, ' ');
        let mut number = || words.next()?.parse().ok();
        let (calls, requests) = (number()?, number()?);
        Some(Reached { name: words.next()?.to_owned(), calls, requests })
    };
    text.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_the_word_before_them() {
        let text = "test a ... reached 10 200 QEMU in a machine\nreached 3 4 x\nok\n";
        let one = |name: &str, calls, requests| Reached { name: name.into(), calls, requests };
        assert_eq!(read(text), [one("QEMU in a machine", 10.0, 200.0), one("x", 3.0, 4.0)]);
    }
}
