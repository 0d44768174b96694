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
    /// Start and end a hundred thousand machines in one store, which must stay small
    #[arg(long, conflicts_with = "minutes")]
    cycles: bool,
    /// Kill whatever there is at any point, again and again, for so long
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
    match options.minutes {
        Some(minutes) => crash(minutes, options.seed.unwrap_or_else(any_seed)),
        None if options.cycles => cycles(),
        None if options.labs => labs(),
        None if options.privileges => privileges(),
        None => fresh::run(),
    }
}

fn cycles() -> Result {
    let test = ["test", "--release", "--package=svirt-store", "--test=growth"];
    run_command(cargo(test).args(["--", "--ignored", "hundred_thousand"]))
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

/// The tests of `tests/crash` that last, each for its share of the time.
fn crash(minutes: u64, seed: u64) -> Result {
    eprintln!("soak: cargo xtask soak --minutes {minutes} --seed {seed}");
    let mut tests = cargo(["test", "--package=svirt-tests-crash", "--test=crash", "--"]);
    tests.args(["--ignored", "--nocapture", "--test-threads=1", "soak"]);
    let share = minutes * 60 / TRIALS;
    tests.env("SVIRT_SOAK_SECONDS", share.to_string());
    run_command(tests.env("SVIRT_SOAK_SEED", seed.to_string()))
}

/// How many tests share the time.
const TRIALS: u64 = 3;

fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ now.as_secs()
}
