//! The flags of the commands that look at machines and change them.

use super::{ExecSpec, MachineArgs, value};
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};
use svirt_model::MachineName;

/// Print what a start would do, and do nothing
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    pub(crate) of: PlanOf,
}

/// Whose start is planned.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanOf {
    /// Of a machine as 'svirt run' would run it
    Run {
        #[command(flatten)]
        machine: Box<MachineArgs>,
        #[command(flatten)]
        how: PlanHow,
    },
    /// Of a program as 'svirt exec' would run it
    Exec {
        #[command(flatten)]
        spec: Box<ExecSpec>,
        #[command(flatten)]
        how: PlanHow,
    },
    /// Of a machine that is defined
    Start {
        /// The machine
        name: MachineName,
        #[command(flatten)]
        how: PlanHow,
    },
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PlanHow {
    /// Show every library and data file of the program as well
    #[arg(long)]
    pub(crate) all: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Start a machine that is defined
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The machine
    #[arg(required_unless_present = "xml", conflicts_with = "xml")]
    pub(crate) name: Option<MachineName>,
    /// Start the machine that libvirt's XML describes, which is gone when it ends
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) xml: Option<PathBuf>,
    /// Stay at its console, as 'svirt run' does
    #[arg(long)]
    pub(crate) attach: bool,
    /// Have its guest stand still until 'svirt resume': nothing of it has run before
    #[arg(long)]
    pub(crate) paused: bool,
    /// Print the machine's name and identity as JSON
    #[arg(long, conflicts_with = "attach")]
    pub(crate) json: bool,
}

/// Ask machines to power off; end those that do not
#[derive(Debug, Args)]
#[command(
    long_about = "Ask machines to power off, and wait until they are gone. A guest that does \
    not listen loses its VMM: by SIGTERM after the timeout, by SIGKILL some seconds later."
)]
pub(crate) struct StopArgs {
    /// How long the guest may take to power off
    #[arg(long, short, value_name = "SECONDS", default_value = "30", value_parser = value::seconds)]
    pub(crate) timeout: Duration,
    /// Every machine that runs
    #[arg(long, conflicts_with = "name")]
    pub(crate) all: bool,
    /// The machines
    #[arg(required_unless_present = "all")]
    pub(crate) name: Vec<MachineName>,
}

/// End machines at once
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// The machines
    #[arg(required = true)]
    pub(crate) name: Vec<MachineName>,
}

/// Have guests stand still
#[derive(Debug, Args)]
#[command(
    long_about = "Have guests stand still until 'svirt resume': their processors stop, their memory \
    and their disks stay as they are. One that stands still already stays so."
)]
pub(crate) struct PauseArgs {
    /// The machines
    #[arg(required = true)]
    pub(crate) name: Vec<MachineName>,
}

/// Have guests go on that stand still
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The machines
    #[arg(required = true)]
    pub(crate) name: Vec<MachineName>,
}

/// Press machines' reset buttons
#[derive(Debug, Args)]
#[command(
    long_about = "Press machines' reset buttons: each guest begins anew and is not asked. What it \
    has not written to its disks is lost."
)]
pub(crate) struct ResetArgs {
    /// The machines
    #[arg(required = true)]
    pub(crate) name: Vec<MachineName>,
}

/// Ask guests to begin anew
#[derive(Debug, Args)]
#[command(
    long_about = "Ask guests to begin anew: the power button is pressed, and when a guest has switched \
    itself off, it begins anew instead of ending, with the same processes and the same confinement. One \
    that does not heed the button goes on; when it switches itself off later, it begins anew, unless \
    'svirt stop' wanted its end in between."
)]
pub(crate) struct RebootArgs {
    /// The machines
    #[arg(required = true)]
    pub(crate) name: Vec<MachineName>,
}

/// Save a machine's state and end it
#[derive(Debug, Args)]
#[command(
    long_about = "Save a machine's state and end it: its guest stands still, and 'svirt restore' has it \
    go on from there. Without a file, the next start of a machine that is defined does that. Until all \
    of it is on the disk the machine is not ended; if this command is killed before, it goes on.\n\n\
    The machine's disks belong to what is saved: who changes them in between damages what is on them."
)]
pub(crate) struct SaveArgs {
    /// The machine
    pub(crate) name: MachineName,
    /// The file that its state is saved in; one that is there is replaced
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
}

/// Start a machine where it was when it was saved
#[derive(Debug, Args)]
#[command(
    long_about = "Start a machine where it was when 'svirt save' saved it. The file says what the \
    machine is, and stays as it is."
)]
pub(crate) struct RestoreArgs {
    /// The file
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Have its guest stand still until 'svirt resume'
    #[arg(long)]
    pub(crate) paused: bool,
}

/// Take a picture of what a machine shows
#[derive(Debug, Args)]
pub(crate) struct ScreenshotArgs {
    /// The machine
    pub(crate) name: MachineName,
    /// The file that it becomes, a PPM; '-' is standard output
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// Remove the definitions of machines that do not run
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The machines
    #[arg(required = true)]
    pub(crate) name: Vec<MachineName>,
}

/// Change a machine's definition
#[derive(Debug, Args)]
#[command(
    long_about = "Change a machine's definition: in $VISUAL or $EDITOR, or from a file. A machine \
    that libvirt's XML defined is edited as that. What is not acceptable is not saved. A machine that runs takes the change at its next start."
)]
pub(crate) struct EditArgs {
    /// The machine
    pub(crate) name: MachineName,
    /// Take the definition from a JSON file, or from standard input with '-'
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) spec: Option<PathBuf>,
    /// Take the definition from libvirt's XML in a file, or from standard input with '-'
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
        conflicts_with = "spec")]
    pub(crate) xml: Option<PathBuf>,
}

/// Start a machine with the host, or all that are marked so
#[derive(Debug, Args)]
pub(crate) struct AutostartArgs {
    /// The machine
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) name: Option<MachineName>,
    /// Do not start it with the host any more
    #[arg(long, conflicts_with = "all")]
    pub(crate) off: bool,
    /// Start every machine that is marked: for the host's own start
    #[arg(long)]
    pub(crate) all: bool,
}

/// List machines
#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// Also those that do not run
    #[arg(long, short)]
    pub(crate) all: bool,
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show a machine: its layers, what it may reach, what the kernel says about it
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The machine
    pub(crate) name: MachineName,
    /// Show every library, data file and row of evidence as well
    #[arg(long)]
    pub(crate) all: bool,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print it in libvirt's XML: the document that defined it, or one that describes it
    #[arg(long, conflicts_with_all = ["all", "json"])]
    pub(crate) xml: bool,
}

/// Go to a machine's console
#[derive(Debug, Args)]
#[command(long_about = "Go to a machine's console. What it said last is shown again. Ctrl-] and \
    then d leaves it; the end of standard input leaves it too, where that is no terminal.")]
pub(crate) struct ConsoleArgs {
    /// The machine
    pub(crate) name: MachineName,
}

/// Print what a machine said
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The machine
    pub(crate) name: MachineName,
    /// What the VMM said, in place of the guest's console
    #[arg(long)]
    pub(crate) vmm: bool,
    /// Go on as it says more, until it ends
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// Print what happened to machines
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only what came after the event with this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) since: u64,
    /// Go on as more happens
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print each event as JSON, on a line of its own
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say what this host is for machines, and what would make it better
#[derive(Debug, Args)]
#[command(
    long_about = "Say what this host is for machines, and what would make it better: what a machine \
    gets of each layer here, whether KVM runs a guest, which switches of the kernel and weaknesses of \
    the processor make walls thinner. Each with what follows and what can be done.\n\n\
    With --self-test each layer that machines get here is put up alone and must refuse what it is there \
    for, and of two machines one tries to get at the other's memory.\n\n\
    Exits with 0, with what a start would if no machine can be started, or with 78 if a layer does not \
    refuse what it should."
)]
pub(crate) struct DoctorArgs {
    /// Show what is well, too
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Try what is claimed: two machines are started for it, some seconds on a slow host
    #[arg(long)]
    pub(crate) self_test: bool,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ask the kernel again whether machines are confined as planned
#[derive(Debug, Args)]
#[command(
    long_about = "Ask the kernel again whether machines are confined as planned: labels and filters \
    of every thread, privileges, users, namespaces, mounts, every descriptor, processes, listening \
    sockets, limits, profiles, and the labels of objects.\n\n\
    Prints what does not hold, and between which two looks it ceased to. Exits with 0 only if \
    everything holds, else with 78. Landlock's domain and the refusal of executable memory are shown \
    to no other process by any kernel: those are what svirt drill attacks."
)]
pub(crate) struct VerifyArgs {
    /// The machines; all that run if none is named
    pub(crate) name: Vec<MachineName>,
    /// Every machine that runs
    #[arg(long, conflicts_with = "name")]
    pub(crate) all: bool,
    /// Show what holds as well
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Attack a machine's confinement from inside
#[derive(Debug, Args)]
#[command(
    long_about = "Attack a machine's confinement from inside: in a process that is confined exactly as \
    the machine's VMM is, try one thing after the other that a guest in control of its VMM would try.\n\n\
    Each is tried without any confinement as well, so that what fails for another reason is called \
    absent and not blocked. What is attacked is made for the drill; no machine is touched, and nothing \
    is changed by a try that succeeds. Exits with 0 where nothing is open but what the plan grants, \
    with 1 where something is, and with 69 where something could not be tried.\n\n\
    With --attempt it makes one try and prints 'refused: ...' and exits with 0 where it was refused, \
    'OPEN: ...' and 1 where it was not."
)]
#[command(group = clap::ArgGroup::new("place").required(true).multiple(true)
    .args(["name", "all", "baseline", "against", "list"]))]
pub(crate) struct DrillArgs {
    /// The machines
    pub(crate) name: Vec<MachineName>,
    /// Every machine that runs
    #[arg(long, conflicts_with = "name")]
    pub(crate) all: bool,
    /// Find out which layers refuse what: try it all again with each layer alone, and with each left out
    #[arg(long)]
    pub(crate) layers: bool,
    /// Try it all without any confinement
    #[arg(long, conflicts_with_all = ["name", "all", "layers"])]
    pub(crate) baseline: bool,
    /// Try it all in somebody else's sandbox: a command for the shell, in which {} is the probe
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["name", "all", "layers", "baseline"])]
    pub(crate) against: Option<String>,
    /// Try only this
    #[arg(long, value_name = "WORD", value_parser = value::attempt(), hide_possible_values = true,
        conflicts_with_all = ["all", "layers", "against", "json"])]
    pub(crate) attempt: Option<value::AttemptWord>,
    /// What it is tried on, in place of a decoy: a path, a process, PROCESS:ADDRESS, or ADDRESS:PORT
    #[arg(long, requires = "attempt")]
    pub(crate) target: Option<String>,
    /// Print every attempt, what it tries and why it matters, and try nothing
    #[arg(long, conflicts_with_all = ["name", "all", "layers", "baseline", "against", "attempt", "json"])]
    pub(crate) list: bool,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show all of this on two machines that attack each other
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Print what came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the completions of a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write the manual pages, one for each command
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}
