//! Everything that must hold before a change goes in, cheapest first, each phase with its time.
//!
//! Works with a stable toolchain alone. Takes cargo-nextest where there is one, because it ends a
//! test that hangs and keeps tests with a real QEMU from crowding each other; otherwise
//! `cargo test`. The runner's own summary is the last thing that is printed.

mod runner;

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::command::{self, cargo, line, tree};
use crate::error::{Error, Result};
use crate::{check, test::runner::Summary};

/// What a whole run may take on two cores, with an empty `target`, in CI.
const BUDGET: Duration = Duration::from_secs(20 * 60);

/// Set by the `test` script: when it began, in seconds since 1970.
const BEGAN: &str = "SVIRT_TEST_BEGAN";

/// Names the file into which tests write that they were skipped, and why.
pub(crate) const SKIPPED: &str = "SVIRT_SKIPPED";

/// Crates whose tests need no kernel, no QEMU and no time, by directory.
const PURE: &[(&str, &str)] = &[
    ("crates/model", "svirt-model"),
    ("crates/formats", "svirt-formats"),
    ("crates/plan", "svirt-plan"),
    ("crates/policy", "svirt-policy"),
    ("crates/rpc", "svirt-rpc"),
    ("xtask", "xtask"),
];

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the crates that never touch the host
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// One step of the whole, and what it is called when it fails.
struct Phase {
    name: &'static str,
    work: Work,
}

enum Work {
    /// The rules of `cargo xtask check`.
    Rules,
    /// One cargo command.
    Cargo(Vec<String>),
    /// The tests themselves.
    Tests,
}

/// Runs the phases in order.
///
/// # Errors
/// The first phase that fails.
pub(crate) fn run(options: &Options) -> Result {
    let began = Instant::now();
    let earlier = since_script_began();
    let mut times = vec![("prepare", earlier)];
    let mut summary = Summary::default();
    let result = phases(options).into_iter().try_for_each(|phase| {
        let start = Instant::now();
        let result = run_phase(&phase, options, &mut summary);
        times.push((phase.name, start.elapsed()));
        result.map_err(|source| Error::Phase { phase: phase.name, source: Box::new(source) })
    });
    print_times(&times, earlier + began.elapsed());
    summary.print();
    result
}

fn phases(options: &Options) -> Vec<Phase> {
    let scope = scope(options).join(" ");
    let cargo = |words: String| Work::Cargo(words.split_whitespace().map(str::to_owned).collect());
    let mut phases = vec![
        Phase { name: "format", work: cargo("fmt --all -- --check".to_owned()) },
        Phase { name: "rules", work: Work::Rules },
        Phase { name: "build", work: cargo(format!("build {scope} --all-targets")) },
        Phase {
            name: "lints",
            work: cargo(format!("clippy {scope} --all-targets -- -D warnings")),
        },
    ];
    // nextest runs no examples of the documentation.
    if !options.quick && options.filter.is_none() {
        phases.push(Phase { name: "examples", work: cargo(format!("test {scope} --doc --quiet")) });
    }
    phases.push(Phase { name: "tests", work: Work::Tests });
    phases
}

/// The packages to work on, as arguments of cargo.
fn scope(options: &Options) -> Vec<String> {
    if !options.quick {
        return vec!["--workspace".to_owned()];
    }
    let here = PURE.iter().filter(|(directory, _)| tree().join(directory).is_dir());
    here.map(|(_, package)| format!("--package={package}")).collect()
}

fn run_phase(phase: &Phase, options: &Options, summary: &mut Summary) -> Result {
    match &phase.work {
        Work::Rules => {
            announce(phase.name, "cargo xtask check");
            check::run()
        }
        Work::Cargo(arguments) => {
            let mut command = cargo(arguments);
            announce(phase.name, &line(&command));
            command::run(&mut command)
        }
        Work::Tests => {
            let runner = runner::choose();
            let mut command = runner.command(&scope(options), options.filter.as_deref());
            announce(phase.name, &line(&command));
            let skipped =
                tempfile::NamedTempFile::new().map_err(Error::file(std::env::temp_dir()))?;
            let result = runner.run(command.env(SKIPPED, skipped.path()), summary);
            summary.note_skipped(&fs::read_to_string(skipped.path()).unwrap_or_default());
            result
        }
    }
}

fn announce(phase: &str, what: &str) {
    eprintln!("{phase:>10}: {what}");
}

/// How long ago the script began that called this: what it installed and built counts too.
fn since_script_began() -> Duration {
    let began = std::env::var(BEGAN).ok().and_then(|seconds| seconds.parse().ok());
    let began = began.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    began.and_then(|began| SystemTime::now().duration_since(began).ok()).unwrap_or_default()
}

fn print_times(times: &[(&str, Duration)], whole: Duration) {
    for (phase, time) in times {
        eprintln!("{phase:>10}: {:6.1} s", time.as_secs_f64());
    }
    eprintln!("{:>10}: {:6.1} s of {} s", "budget", whole.as_secs_f64(), BUDGET.as_secs());
    if whole > BUDGET {
        eprintln!("warning: over budget");
    }
}
