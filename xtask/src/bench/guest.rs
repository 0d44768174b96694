//! From nothing to the embedded guest's first line: `svirt run` beside the same QEMU alone.

use std::fs;

use svirt_guest::{GUEST, READY_LINE};

use super::peer::{Ends, Planned};
use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use super::watch::to_the_line;
use crate::error::{Error, Result};

const TARGET: Target = Target::AtMost(1.05);

/// Before the rounds that count: sVirt learns here whether KVM works.
const WARM_UP: usize = 2;

/// The guest is told to switch itself off once it has said that it runs.
pub(super) const FAREWELL: &str = "poweroff\n";

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    let mut ours = place.svirt(person, ["run"]);
    // The first round makes sVirt know the accelerator, which the peer's command line needs.
    to_the_line(&mut ours, READY_LINE, FAREWELL)?;
    let image = image(place)?;
    let monitor =
        format!("socket,id=monitor,server=on,wait=off,path={}", person.file("m").display());
    let ends = Ends { monitor: &monitor, console: "stdio,id=console,signal=off" };
    let planned = Planned::ask(place, person, &[])?;
    let mut alone = planned.alone(person, &ends, &[("/boot/kernel", &image)]);
    let mut series = [Series::new("svirt run"), Series::new("qemu alone")];
    for round in 0..rounds + WARM_UP {
        for (command, series) in [&mut ours, &mut alone].into_iter().zip(&mut series) {
            let time = to_the_line(command, READY_LINE, FAREWELL)?;
            if round >= WARM_UP {
                series.add(time);
            }
        }
    }
    Ok(Measurement {
        name: "run to the embedded guest's first line".to_owned(),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "ms",
        target: Some(TARGET),
        compared: true,
        series: series.into(),
    })
}

/// The embedded guest as a file.
pub(super) fn image(place: &Place) -> Result<std::path::PathBuf> {
    let image = GUEST.ok_or(Error::Needs("there is no embedded guest for this processor"))?;
    let file = place.file("guest.elf");
    fs::write(&file, image).map_err(Error::file(&file))?;
    Ok(file)
}
