//! Trials that last, or that need a machine of their own.

mod fresh;

use crate::command::{cargo, run as run_command};
use crate::error::Result;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which trial.
#[derive(clap::Args)]
#[group(required = true)]
pub(crate) struct Options {
    /// Run ./demo and ./test of the last commit in a new Debian 12
    #[arg(long, conflicts_with_all = ["minutes", "cycles", "labs"])]
    fresh: bool,
    /// Run what lasts of the tests with other kernels
    #[arg(long, conflicts_with_all = ["minutes", "cycles"])]
    labs: bool,
    /// Take every entry of the system call profiles and every library of a machine away in turn: what works
    /// must miss it, or it must say what does
    #[arg(long, conflicts_with_all = ["fresh", "labs", "cycles", "minutes"])]
    privileges: bool,
    /// Start and end so many machines in one store, which must stay small
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "100000",
        value_parser = clap::value_parser!(u32).range(1000..), conflicts_with = "minutes")]
    cycles: Option<u32>,
    /// Kill whatever there is at any point, many machines at once, and cut the power, for so long
    #[arg(long)]
    minutes: Option<u64>,
    /// Choose what is killed as another run did that printed this seed
    #[arg(long, requires = "minutes")]
    seed: Option<u64>,
}

/// Runs the trial that was asked for.
///
/// # Errors
/// If anything in it fails.
pub(crate) fn run(options: &Options) -> Result {
    match (options.minutes, options.cycles) {
        (Some(minutes), _) => crash(minutes, options.seed.unwrap_or_else(any_seed)),
        (None, Some(count)) => cycles(count),
        (None, None) if options.labs => labs(),
        (None, None) if options.privileges => privileges(),
        (None, None) => fresh::run(),
    }
}

fn cycles(count: u32) -> Result {
    let test = ["test", "--release", "--package=svirt-store", "--test=growth"];
    let mut lives = cargo(test);
    lives.args(["--", "--ignored", "--nocapture", "as_many_lives_as_are_asked_for"]);
    run_command(lives.env("SVIRT_SOAK_CYCLES", count.to_string()))
}

/// The tests of `tests/lsm` that last, but for what only measures.
fn labs() -> Result {
    let test = ["test", "--package=svirt-tests-lsm", "--test=labs", "--"];
    run_command(cargo(test).args(["--ignored", "--skip", "measure"]))
}

fn privileges() -> Result {
    let test = ["test", "--package=svirt-host", "--test=seccomp", "--", "--ignored", "--nocapture"];
    run_command(cargo(test).arg("every_rule_is_missed_or_unseen"))?;
    let test = ["test", "--package=svirt-tests-host", "--test=host", "--", "--ignored"];
    run_command(cargo(test).arg("every_library_is_missed"))
}

/// The tests that last, each for its share of the time.
fn crash(minutes: u64, seed: u64) -> Result {
    eprintln!("soak: cargo xtask soak --minutes {minutes} --seed {seed}");
    let trials: u64 = TRIALS.iter().map(|(_, count)| count).sum();
    for (tests, _) in TRIALS {
        let mut tests = cargo(["test"].iter().chain(*tests));
        tests.args(["--", "--ignored", "--nocapture", "--test-threads=1", "soak"]);
        tests.env("SVIRT_SOAK_SECONDS", (minutes * 60 / trials).to_string());
        run_command(tests.env("SVIRT_SOAK_SEED", seed.to_string()))?;
    }
    Ok(())
}

/// Where the tests that last are, and how many of them share the time.
const TRIALS: &[(&[&str], u64)] = &[
    (&["--package=svirt-tests-crash", "--test=crash"], 3),
    (&["--package=svirt-tests-lsm", "--test=labs"], 1),
];

fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ now.as_secs()
}
