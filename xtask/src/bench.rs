//! sVirt beside its peers: each contender runs in turn with the others, in the same minutes and on
//! the same machine, so that what disturbs one disturbs all.
//!
//! The figures are for reading, never for a test: a machine that does something else makes them
//! worse. Nothing here knows how sVirt works; it runs the programs that a user would run.

mod exec;
mod guest;
mod linux;
mod memory;
mod parallel;
mod peer;
mod place;
mod report;
mod series;
mod watch;

use std::path::PathBuf;

use crate::error::{Error, Result};
use place::{Person, Place};
use report::{Host, Measurement, Report};

/// What to measure, and where the figures go.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A tenth of the rounds: to see that everything works
    #[arg(long)]
    quick: bool,
    /// Write the figures to this file as JSON, with every sample
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only these, instead of all
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Subject>,
}

/// What is measured.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// A program in a confinement, beside bubblewrap
    Exec,
    /// The embedded guest, beside QEMU alone
    Guest,
    /// A Linux kernel up to its init, beside QEMU alone
    Linux,
    /// What a supervisor has for itself
    Memory,
    /// Fifty starts at once, beside fifty of QEMU alone
    Parallel,
}

const ALL: [Subject; 5] =
    [Subject::Exec, Subject::Guest, Subject::Linux, Subject::Memory, Subject::Parallel];

impl Subject {
    /// Rounds that count.
    fn rounds(self, quick: bool) -> usize {
        let (all, few) = match self {
            Subject::Exec => (200, 20),
            Subject::Guest => (30, 4),
            Subject::Linux => (7, 2),
            Subject::Memory => (5, 1),
            Subject::Parallel => (5, 1),
        };
        if quick { few } else { all }
    }

    fn measure(self, place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
        match self {
            Subject::Exec => exec::measure(place, person, rounds),
            Subject::Guest => guest::measure(place, person, rounds),
            Subject::Linux => linux::measure(place, person, rounds),
            Subject::Memory => memory::measure(place, person, rounds),
            Subject::Parallel => parallel::measure(place, person, rounds),
        }
    }
}

/// Builds, measures and prints.
///
/// # Errors
/// Something that is measured does not work. Figures that miss their target are no error.
pub(crate) fn run(options: &Options) -> Result {
    let place = Place::make()?;
    let host = Host::look()?;
    let mut measurements = Vec::new();
    for person in place.people() {
        for subject in
            ALL.into_iter().filter(|s| options.only.is_empty() || options.only.contains(s))
        {
            measurements.push(subject.measure(&place, person, subject.rounds(options.quick))?);
        }
    }
    let report = Report { host: host.afterwards()?, measurements };
    print!("{}", report.table());
    let Some(file) = &options.json else { return Ok(()) };
    std::fs::write(file, report.json()).map_err(Error::file(file))
}
