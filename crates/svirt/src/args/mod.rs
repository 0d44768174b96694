//! The command line as it is written: one struct a command, from which help, manual and completions
//! come too. Nothing here looks at the world; `flags` makes specifications of it.

mod layers;
mod machine;
mod manage;
pub(crate) mod value;

pub(crate) use layers::LayerArgs;
pub(crate) use machine::{Accel, Display, Net};
pub(crate) use machine::{CreateArgs, ExecArgs, ExecSpec, MachineArgs, RunArgs};
pub(crate) use manage::*;

use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;

/// Every virtual machine in its own mandatory access control context
#[derive(Debug, Parser)]
#[command(
    name = "svirt",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    long_about = "Every virtual machine in its own mandatory access control context, with nothing \
        to configure. A guest that breaks out of its VMM finds nothing of another machine and \
        nothing of the host.\n\n\
        With no image and no kernel, a machine runs the small guest inside this program."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order in which the help shows them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Exec(ExecArgs),
    Plan(PlanArgs),
    Create(CreateArgs),
    Start(StartArgs),
    Stop(StopArgs),
    Kill(KillArgs),
    Rm(RemoveArgs),
    Edit(EditArgs),
    Autostart(AutostartArgs),
    Ps(PsArgs),
    Inspect(InspectArgs),
    Console(ConsoleArgs),
    Logs(LogsArgs),
    Events(EventsArgs),
    Recover(RecoverArgs),
    Drill(DrillArgs),
    Demo(DemoArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Reads a command line.
///
/// # Errors
/// It makes no sense, or it asks for help or for the version.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Command, clap::Error> {
    Ok(Cli::try_parse_from(arguments)?.command)
}

/// The whole command, for the manual and completions.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}
