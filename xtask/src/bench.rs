//! sVirt beside its peers: each contender runs in turn with the others, in the same minutes and on
//! the same machine, so that what disturbs one disturbs all.
//!
//! The figures are for reading, never for a test: a machine that does something else makes them
//! worse. Nothing here knows how sVirt works; it runs the programs that a user would run.

mod drill;
mod exec;
mod growth;
mod guest;
mod lab;
mod labels;
mod libvirt;
mod linux;
mod memory;
mod parallel;
mod peer;
mod place;
mod reach;
mod recover;
mod report;
mod reserve;
mod series;
mod turnover;
mod verify;
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
    /// Two hundred starts at once, beside two hundred of QEMU alone
    Crowd,
    /// Two hundred machines that come and go, fifty at a time, beside as many of QEMU alone
    Turnover,
    /// The labels of five objects, given and taken back, beside chcon (root)
    Label,
    /// Labels, rules and profiles on kernels that enforce them
    Lab,
    /// Ten thousand files labelled, beside chcon -R and setfiles (root)
    Relabel,
    /// A label reserved where ten thousand are, beside where ten are
    Reserve,
    /// A drill's score in a machine, under bubblewrap and under nothing, and how long it takes
    Drill,
    /// The system calls that filters let through: sVirt's, QEMU's own, those of containers
    Reach,
    /// Two hundred machines verified
    Verify,
    /// What two hundred machines left whose supervisors died, put back
    Recover,
    /// A start beside a thousand machines, and on a host with five hundred mounts more (root)
    Growth,
    /// The daemon, beside libvirt's own (root)
    Libvirt,
}

const ALL: [Subject; 17] = [
    Subject::Exec,
    Subject::Guest,
    Subject::Linux,
    Subject::Memory,
    Subject::Parallel,
    Subject::Crowd,
    Subject::Turnover,
    Subject::Label,
    Subject::Lab,
    Subject::Relabel,
    Subject::Reserve,
    Subject::Verify,
    Subject::Recover,
    Subject::Drill,
    Subject::Reach,
    Subject::Growth,
    Subject::Libvirt,
];

impl Subject {
    /// Rounds that count.
    fn rounds(self, quick: bool) -> usize {
        let (all, few) = match self {
            Subject::Exec => (200, 20),
            Subject::Guest => (30, 4),
            Subject::Linux => (7, 2),
            Subject::Memory => (5, 1),
            Subject::Parallel => (5, 1),
            Subject::Crowd => (3, 1),
            Subject::Turnover => (5, 1),
            Subject::Label => (100, 10),
            Subject::Lab => (20, 3),
            Subject::Relabel => (11, 2),
            Subject::Reserve | Subject::Recover | Subject::Reach => (1, 1),
            Subject::Drill => (5, 1),
            Subject::Verify => (7, 1),
            Subject::Growth => (100, 10),
            Subject::Libvirt => (20, 2),
        };
        if quick { few } else { all }
    }

    /// Only root gives labels, and a reservation is the same for everybody.
    fn is_for(self, person: &Person) -> bool {
        match self {
            Subject::Label | Subject::Relabel | Subject::Growth | Subject::Libvirt => {
                person.is_root()
            }
            Subject::Reserve | Subject::Recover | Subject::Reach | Subject::Lab => {
                person.is_first()
            }
            _ => true,
        }
    }

    fn measure(self, place: &Place, person: &Person, rounds: usize) -> Result<Vec<Measurement>> {
        let one = match self {
            Subject::Exec => exec::measure(place, person, rounds),
            Subject::Guest => guest::measure(place, person, rounds),
            Subject::Linux => linux::measure(place, person, rounds),
            Subject::Memory => memory::measure(place, person, rounds),
            Subject::Parallel => return parallel::measure(place, person, rounds, 50),
            Subject::Crowd => return parallel::measure(place, person, rounds, 200),
            Subject::Turnover => turnover::measure(place, person, rounds, 200),
            Subject::Label => labels::few(place, person, rounds),
            Subject::Relabel => labels::tree(place, person, rounds),
            Subject::Lab => return lab::measure(place, person, rounds),
            Subject::Reserve => return reserve::measure(person),
            Subject::Drill => return drill::measure(place, person, rounds),
            Subject::Reach => return reach::measure(person),
            Subject::Growth => return growth::measure(place, person, rounds),
            Subject::Libvirt => return libvirt::measure(place, person, rounds),
            Subject::Verify => verify::measure(place, person, rounds, 200),
            Subject::Recover => return recover::measure(person),
        };
        Ok(vec![one?])
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
    let wanted = |subject: &Subject| options.only.is_empty() || options.only.contains(subject);
    for person in place.people() {
        for subject in ALL.into_iter().filter(|subject| wanted(subject) && subject.is_for(person)) {
            measurements.extend(subject.measure(&place, person, subject.rounds(options.quick))?);
        }
    }
    let report = Report { host: host.afterwards()?, measurements };
    print!("{}", report.table());
    let Some(file) = &options.json else { return Ok(()) };
    std::fs::write(file, report.json()).map_err(Error::file(file))
}
