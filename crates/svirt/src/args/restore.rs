//! The flags of the commands that put back what was changed, and show it.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Clean up after machines whose supervisor died
#[derive(Debug, Args)]
#[command(
    long_about = "Clean up after machines whose supervisor died, and put back what could not be put \
    back before. Every command that looks at machines does this first.\n\n\
    Prints the machines. Exits with 0 if everything is as it was, and with 1 if not all of it is: what \
    is not, and why, goes to standard error."
)]
pub(crate) struct RecoverArgs {
    /// Print what would be restored, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print what was changed on this host, for whom, and whether it was restored
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    long_about = "Print what was changed on this host, when, from what to what, for which machine, and \
    whether it was restored. The newest change comes first."
)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    pub(crate) what: Option<LedgerWhat>,
    /// Only what was changed for this machine, by its name or its identity
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) machine: Option<String>,
    /// Only what was changed of the object that is, or was, at this path, whatever its path is now
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,
    /// At most so many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) last: u32,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What else is done with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerWhat {
    /// Print every change as JSON, the oldest first, on a line of its own
    Export {
        /// Only what came after the change with this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        since: u64,
    },
    /// Print how many changes are remembered, or set it
    #[command(
        long_about = "Print how many changes are remembered, or set it: from 1000 to 1000000, 10000 \
        unless it is set. What is not restored yet is remembered in any case. Older ones are forgotten \
        when a machine ends; svirt ledger export saves them before that."
    )]
    Keep {
        /// So many, the newest
        entries: Option<u32>,
    },
}

/// Put right what another tool, or a store that was lost, left on images
#[derive(Debug, Args)]
#[command(
    long_about = "Put right what another tool, or a store that was lost, left on images: labels of \
    machines that do not run, and what libvirt remembered of an image in an earlier boot of this host \
    (the attributes trusted.libvirt.security.*, with the owner and label that were there before).\n\n\
    Prints what it found and would do, and asks. Without a terminal nothing is changed unless --yes \
    says so. An object of a machine that runs is never touched."
)]
pub(crate) struct RepairArgs {
    /// The images
    #[arg(required = true, value_hint = clap::ValueHint::AnyPath)]
    pub(crate) path: Vec<PathBuf>,
    /// Do it without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print what was found and done as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
