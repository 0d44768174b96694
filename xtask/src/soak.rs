//! Trials that last, or that need a machine of their own.

mod fresh;

use crate::error::Result;

/// Which trial.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run ./demo and ./test of the last commit in a new Debian 12
    #[arg(long, required = true)]
    fresh: bool,
}

/// Runs the trial that was asked for.
///
/// # Errors
/// If anything in it fails.
pub(crate) fn run(options: &Options) -> Result {
    debug_assert!(options.fresh);
    fresh::run()
}
