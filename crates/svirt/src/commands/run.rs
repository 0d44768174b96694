//! Starting machines, and staying at their side.

use super::print_json;
use crate::{
    args::{ExecArgs, LayerArgs, RestoreArgs, RunArgs, StartArgs},
    console::{Left, Manner, Terminal, attend},
    error::{self, Outcome, explain},
    output::{print, say},
    progress::Progress,
    render::{json, layers::warn},
    signals::Signals,
    specification,
};
use std::{
    fs::File,
    io::{self, IsTerminal},
};
use svirt_engine::{
    Code, Engine, Failure, Labelling, StartOptions, Started, Streams, Then, spec::Spec,
};
use svirt_model::MachineName;

/// `svirt run`.
pub(crate) fn run(args: &RunArgs) -> Outcome {
    let spec = specification::of_machine(&args.machine)?;
    begin(&spec, paused(args.paused), args.detach, args.json)
}

fn paused(paused: bool) -> StartOptions {
    StartOptions { paused, ..StartOptions::default() }
}

/// `svirt restore`.
pub(crate) fn resume_saved(args: &RestoreArgs) -> Outcome {
    let engine = Engine::new()?;
    let file = File::open(&args.file).map_err(|e| error::file("open", &args.file, &e))?;
    let spec = engine.saved(&file)?.spec;
    let then = if args.paused { Then::StandsStill } else { Then::AsBefore };
    let here = Here::before_the_start()?;
    let given_up = Some(here.signals.ending());
    let started = here.patiently(&spec, || engine.restore(file, then, given_up, &tell))?;
    announce(&spec, &started, false)
}

/// `svirt exec`.
pub(crate) fn exec(args: &ExecArgs) -> Outcome {
    let spec = specification::of_command(&args.spec)?;
    begin(&spec, StartOptions::default(), args.detach, args.json)
}

/// `svirt start`.
pub(crate) fn start(args: &StartArgs) -> Outcome {
    match (&args.name, &args.xml) {
        (Some(name), _) => start_defined(name, args),
        (None, Some(file)) => {
            let spec = specification::of_xml(file, &LayerArgs::default())?;
            begin(&spec, paused(args.paused), !args.attach, args.json)
        }
        (None, None) => Err(Failure::new(Code::Usage, "no machine is named").into()),
    }
}

fn start_defined(name: &MachineName, args: &StartArgs) -> Outcome {
    let engine = Engine::new()?;
    let spec = engine.definition(name)?;
    let here = Here::before_the_start()?;
    let given_up = (!args.attach).then(|| here.signals.ending());
    let started = here.patiently(&spec, || {
        engine.start_defined_with(name, paused(args.paused), given_up, &tell)
    })?;
    if args.attach { stay(&spec, started, here) } else { announce(&spec, &started, args.json) }
}

fn begin(spec: &Spec, options: StartOptions, detach: bool, json: bool) -> Outcome {
    let engine = Engine::new()?;
    let here = Here::before_the_start()?;
    specification::warn(spec)?;
    let streams = if detach || is_guest(spec) { Streams::none() } else { Streams::inherit()? };
    let given_up = detach.then(|| here.signals.ending());
    let started =
        here.patiently(spec, || engine.start_with(spec, streams, options, given_up, &tell))?;
    if detach { announce(spec, &started, json) } else { stay(spec, started, here) }
}

/// Whether sVirt writes the VMM's command line.
fn is_guest(spec: &Spec) -> bool {
    spec.command.is_none()
}

fn announce(spec: &Spec, started: &Started, json: bool) -> Outcome {
    if json {
        print_json(&json::versioned([
            ("name", json::of(&started.name)),
            ("id", json::of(&started.id)),
            ("notes", json::of(&specification::notes(spec)?)),
            ("unenforced", json::of(&started.unenforced)),
        ]))?;
    } else {
        print(&format!("{}\n", started.name))?;
    }
    Ok(0)
}

/// Says how far a directory is that is labelled for the machine.
fn tell(Labelling { directory, done, of }: &Labelling) {
    if !io::stderr().is_terminal() {
        return;
    }
    say(&match of {
        Some(of) => format!("labelling {directory}: {done} of {of} files"),
        None => format!("looking through {directory}: {done} files"),
    });
}

/// What must be known of this command's surroundings before a machine starts: a signal that comes
/// in the meantime is not forgotten, and a VMM that has the terminal may change its modes and be
/// killed before it puts them back. A signal to a command that stays stops the machine, which may
/// have spoken before its start was done; where nobody stays it ends the start.
struct Here {
    signals: Signals,
    terminal: Option<Terminal>,
}

impl Here {
    fn before_the_start() -> Result<Self, Failure> {
        Ok(Self { signals: Signals::watch()?, terminal: Terminal::of_input() })
    }

    /// Starts, and says what takes so long if it does. A start that a signal ended ends this command
    /// by that signal.
    fn patiently(
        &self,
        spec: &Spec,
        start: impl FnOnce() -> Result<Started, Failure>,
    ) -> Result<Started, Failure> {
        let is_tried = spec.guest.as_ref().is_some_and(|guest| guest.accelerator.is_none());
        let progress = Progress::begin(if is_tried {
            "starting it; the first start on a host also finds out whether /dev/kvm runs guests ..."
        } else {
            "starting it ..."
        });
        let started = start();
        drop(progress);
        if let Err(failure) = &started
            && self.signals.endings() > 0
        {
            explain(failure);
            self.signals.obey();
        }
        if let Ok(started) = &started {
            warn(&started.unenforced);
        }
        started
    }
}

/// At the machine's side until it ends; its exit code is this command's.
fn stay(spec: &Spec, started: Started, here: Here) -> Outcome {
    let name = started.name.clone();
    let (waiter, console) = started.attended();
    let console = is_guest(spec).then_some(console);
    let Here { signals, terminal } = here;
    match attend(&name, console, waiter, &signals, Manner::Owner, terminal)? {
        Left::Ended(ending) => Ok(ending.exit_code()),
        Left::Running => Ok(0),
    }
}
