//! What a machine's supervisor has for itself: pages that no other process shares. The program's
//! own pages are among them as long as it is the only supervisor; what it has written always is.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use crate::command::{output, run};
use crate::error::{Error, Result};

/// In MiB.
const TARGET: Target = Target::AtMost(2.0);

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    let mut all = Series::new("the only supervisor");
    let mut written = Series::new("of that, what it has written");
    for _ in 0..rounds {
        let name = output(&mut place.svirt(person, ["run", "--detach", "--memory=16M"]))?;
        let private = private_memory(place, person, name.trim());
        // Whatever came of it, the machine is not left.
        kill(place, person, &[name.trim()])?;
        let Private { clean, dirty } = private?;
        all.samples.push(clean + dirty);
        written.samples.push(dirty);
    }
    Ok(Measurement {
        name: "private memory of a supervisor".to_owned(),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "MiB",
        target: Some(TARGET),
        compared: false,
        series: vec![all, written],
    })
}

/// Ends machines. What is said of each one's end is no news.
pub(super) fn kill(place: &Place, person: &Person, names: &[&str]) -> Result {
    if names.is_empty() {
        return Ok(());
    }
    let words = ["kill"].into_iter().chain(names.iter().copied());
    run(place.svirt(person, words).stdout(Stdio::null()).stderr(Stdio::null()))
}

fn private_memory(place: &Place, person: &Person, name: &str) -> Result<Private> {
    let text = output(&mut place.svirt(person, ["ps", "--json"]))?;
    let list: Value = serde_json::from_str(&text).map_err(|_| odd("JSON"))?;
    let machines = list["machines"].as_array().ok_or_else(|| odd("machines"))?;
    let ours = machines.iter().find(|machine| machine["name"] == name);
    let pid = ours.and_then(|machine| machine["supervisor"].as_u64());
    let file = format!("/proc/{}/smaps_rollup", pid.ok_or_else(|| odd("the supervisor"))?);
    let text = fs::read_to_string(&file).map_err(Error::file(&file))?;
    Ok(Private { clean: field(&text, "Private_Clean:"), dirty: field(&text, "Private_Dirty:") })
}

/// Pages of one process alone, in MiB.
struct Private {
    /// As they are in a file.
    clean: f64,
    /// Written by the process.
    dirty: f64,
}

fn odd(what: &str) -> Error {
    Error::Answer(format!("`svirt ps --json` does not show {what}"))
}

/// A field of `/proc/PID/smaps_rollup` (`proc_pid_smaps(5)`), in MiB; not a number where it is not.
fn field(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    value.and_then(|kib| kib.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_mebibytes() {
        let text = "Rss: 9 kB\nPrivate_Clean:  512 kB\nPrivate_Dirty:   1024 kB\n";
        assert_eq!(field(text, "Private_Clean:"), 0.5);
        assert_eq!(field(text, "Private_Dirty:"), 1.0);
        assert!(field(text, "Private_Hugetlb:").is_nan());
    }
}
