//! A program that does nothing, in a confinement: `svirt exec` beside `bwrap` with a root as bare
//! as sVirt's, beside the program alone.

use std::path::Path;
use std::process::Command;

use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use super::watch::to_the_end;
use crate::command::output;
use crate::error::Result;

const PROGRAM: &str = "/usr/bin/true";

/// sVirt is allowed half more than bubblewrap, which has no ledger, no evidence and no filters.
const TARGET: Target = Target::AtMost(1.5);

/// Before the rounds that count.
const WARM_UP: usize = 3;

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    let mut contenders = [
        ("svirt exec", place.svirt(person, ["exec", "--", PROGRAM])),
        ("bwrap", bubblewrap(person)?),
        ("the program alone", person.command(Path::new(PROGRAM))),
    ];
    let mut series = contenders.each_ref().map(|(name, _)| Series::new(*name));
    for round in 0..rounds + WARM_UP {
        for (contender, series) in contenders.iter_mut().zip(&mut series) {
            let time = to_the_end(&mut contender.1)?;
            if round >= WARM_UP {
                series.add(time);
            }
        }
    }
    Ok(Measurement {
        name: "exec /usr/bin/true".to_owned(),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "ms",
        target: Some(TARGET),
        compared: true,
        series: series.into(),
    })
}

fn bubblewrap(person: &Person) -> Result<Command> {
    let mut bwrap = person.command(Path::new("/usr/bin/bwrap"));
    bwrap.args(["--unshare-all", "--new-session", "--die-with-parent", "--cap-drop", "ALL"]);
    for file in needed()? {
        bwrap.args(["--ro-bind", &file, &file]);
    }
    bwrap.args(["--clearenv", "--remount-ro", "/", PROGRAM]);
    Ok(bwrap)
}

/// The program, its linker and its libraries.
fn needed() -> Result<Vec<String>> {
    let text = output(Command::new("ldd").arg(PROGRAM))?;
    let mut files = vec![PROGRAM.to_owned()];
    files.extend(text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
    Ok(files)
}
