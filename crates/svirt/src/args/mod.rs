//! The command line as it is written: one struct a command, from which help, manual and completions
//! come too. Nothing here looks at the world; `flags` makes specifications of it.

mod layers;
mod machine;
mod manage;
mod policy;
mod restore;
pub(crate) mod value;

pub(crate) use layers::LayerArgs;
pub(crate) use machine::{Accel, Display, Net};
pub(crate) use machine::{CreateArgs, ExecArgs, ExecSpec, MachineArgs, RunArgs};
pub(crate) use manage::*;
pub(crate) use policy::*;
pub(crate) use restore::*;

use crate::escape;
use clap::{
    CommandFactory, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};
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

/// The commands, in the order in which the help shows them. The flags of one are described when it is
/// asked for: to describe those of all takes as long as to plan a start.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    Run(RunArgs),
    Exec(ExecArgs),
    Plan(PlanArgs),
    Create(CreateArgs),
    Start(StartArgs),
    Stop(StopArgs),
    Kill(KillArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Reset(ResetArgs),
    Reboot(RebootArgs),
    Save(SaveArgs),
    Restore(RestoreArgs),
    Screenshot(ScreenshotArgs),
    Rm(RemoveArgs),
    Edit(EditArgs),
    Autostart(AutostartArgs),
    Ps(PsArgs),
    Inspect(InspectArgs),
    Console(ConsoleArgs),
    Logs(LogsArgs),
    Events(EventsArgs),
    Recover(RecoverArgs),
    Ledger(LedgerArgs),
    Repair(RepairArgs),
    Verify(VerifyArgs),
    Drill(DrillArgs),
    Policy(PolicyArgs),
    Doctor(DoctorArgs),
    Demo(DemoArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Reads a command line.
///
/// # Errors
/// It makes no sense, or it asks for help or for the version.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Command, clap::Error> {
    Ok(Cli::try_parse_from(arguments).map_err(escaped)?.command)
}

/// So much of what was given is repeated, in characters.
const SHOWN_MAX: usize = 200;

/// The same error with what was given fit for a terminal: a script may have taken it from anywhere.
fn escaped(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg] {
        if let Some(ContextValue::String(given)) = error.get(kind) {
            let shown: String = given.chars().take(SHOWN_MAX).collect();
            let shown = ContextValue::String(escape::line(&shown).into_owned());
            error.insert(kind, shown);
        }
    }
    error
}

/// The whole command with the flags of each, for the manual and completions.
pub(crate) fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_of_the_command_line_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn what_was_given_reaches_no_terminal_raw_or_whole() {
        let long = "x".repeat(1000);
        for word in ["a\u{1b}[2J", "a\nb", "\u{1b}]0;x\u{7}", long.as_str()] {
            for given in
                [vec!["svirt", "run", "--memory", word], vec!["svirt", "run", "--name", word]]
            {
                let error = parse(given.iter().map(OsString::from).collect()).unwrap_err();
                let text = error.render().to_string();
                assert!(!text.contains(['\u{1b}', '\u{7}']) && !text.contains("a\nb"), "{text:?}");
                assert!(text.len() < 600, "{text}");
            }
        }
    }

    #[test]
    fn the_help_shows_every_command() {
        let help = command().term_width(100).render_help().to_string();
        insta::assert_snapshot!(help, @r"
        Every virtual machine in its own mandatory access control context

        Usage: svirt <COMMAND>

        Commands:
          run          Run a machine that is gone when it ends
          exec         Run a VMM, or any program, with your own command line
          plan         Print what a start would do, and do nothing
          create       Define a machine that is kept
          start        Start a machine that is defined
          stop         Ask machines to power off; end those that do not
          kill         End machines at once
          pause        Have guests stand still
          resume       Have guests go on that stand still
          reset        Press machines' reset buttons
          reboot       Ask guests to begin anew
          save         Save a machine's state and end it
          restore      Start a machine where it was when it was saved
          screenshot   Take a picture of what a machine shows
          rm           Remove the definitions of machines that do not run
          edit         Change a machine's definition
          autostart    Start a machine with the host, or all that are marked so
          ps           List machines
          inspect      Show a machine: its layers, what it may reach, what the kernel says about it
          console      Go to a machine's console
          logs         Print what a machine said
          events       Print what happened to machines
          recover      Clean up after machines whose supervisor died
          ledger       Print what was changed on this host, for whom, and whether it was restored
          repair       Put right what another tool, or a store that was lost, left on images
          verify       Ask the kernel again whether machines are confined as planned
          drill        Attack a machine's confinement from inside
          policy       Show, check, install and remove what the kernel's security modules are told
          doctor       Say what this host is for machines, and what would make it better
          demo         Show all of this on two machines that attack each other
          completions  Print the completions of a shell
          man          Write the manual pages, one for each command

        Options:
          -h, --help     Print help (see more with '--help')
          -V, --version  Print version
        ");
    }
}
