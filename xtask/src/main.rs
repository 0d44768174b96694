//! The chores of the project that are not part of it: testing it, checking the rules that no
//! compiler checks, and trying it on a system where nothing of it has ever been.
//!
//! One module a command. Nothing here is needed to build or to run sVirt, and nothing here knows
//! what sVirt does.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod command;
mod dist;
mod error;
mod soak;
mod test;

use std::error::Error as _;
use std::process::ExitCode;

use clap::Parser;

use crate::error::Error;

/// The chores of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Check the rules of ARCHITECTURE.md that no compiler checks.
    Check,
    /// Build, lint and test everything.
    Test(test::Options),
    /// Build the programs as a package carries them, and say where they are.
    Dist,
    /// Measure sVirt beside its peers, and print the figures.
    Bench(bench::Options),
    /// Try the project where its developers' machine cannot help it (needs root).
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let result = match Chore::parse() {
        Chore::Check => check::run(),
        Chore::Test(options) => test::run(&options),
        Chore::Dist => dist::run_chore(),
        Chore::Bench(options) => bench::run(&options),
        Chore::Soak(options) => soak::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error and what it came from, one line.
fn report(error: &Error) {
    let mut line = format!("xtask: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!("{line}");
}
