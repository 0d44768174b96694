//! Starting machines, and staying at their side.

use super::print_json;
use crate::{
    args::{ExecArgs, RunArgs, StartArgs},
    console::{Left, Manner, Terminal, attend, exit_code},
    error::Outcome,
    output::print,
    progress::Progress,
    render::json,
    signals::Signals,
    specification,
};
use svirt_engine::{Engine, Failure, Started, Streams, spec::Spec};

/// `svirt run`.
pub(crate) fn run(args: &RunArgs) -> Outcome {
    let spec = specification::of_machine(&args.machine)?;
    begin(&spec, args.detach, args.json)
}

/// `svirt exec`.
pub(crate) fn exec(args: &ExecArgs) -> Outcome {
    let spec = specification::of_command(&args.spec)?;
    begin(&spec, args.detach, args.json)
}

/// `svirt start`.
pub(crate) fn start(args: &StartArgs) -> Outcome {
    let engine = Engine::new()?;
    if !args.attach {
        let started = patiently(None, || engine.start_defined(&args.name))?;
        return announce(&started, args.json);
    }
    let spec = engine.definition(&args.name)?;
    let here = Here::before_the_start()?;
    let started = patiently(Some(&spec), || engine.start_defined(&args.name))?;
    stay(&spec, started, here)
}

fn begin(spec: &Spec, detach: bool, json: bool) -> Outcome {
    let engine = Engine::new()?;
    if detach {
        let started = patiently(Some(spec), || engine.start(spec, Streams::none()))?;
        return announce(&started, json);
    }
    let here = Here::before_the_start()?;
    let streams = if is_guest(spec) { Streams::none() } else { Streams::inherit()? };
    let started = patiently(Some(spec), || engine.start(spec, streams))?;
    stay(spec, started, here)
}

/// Whether sVirt writes the VMM's command line.
fn is_guest(spec: &Spec) -> bool {
    spec.command.is_none()
}

/// Starts, and says what takes so long if it does.
fn patiently(
    spec: Option<&Spec>,
    start: impl FnOnce() -> Result<Started, Failure>,
) -> Result<Started, Failure> {
    let guest = spec.and_then(|spec| spec.guest.as_ref());
    let is_tried = guest.is_some_and(|guest| guest.accelerator.is_none());
    let _progress = Progress::begin(if is_tried {
        "starting it; the first start on a host also finds out whether /dev/kvm runs guests ..."
    } else {
        "starting it ..."
    });
    start()
}

fn announce(started: &Started, json: bool) -> Outcome {
    if json {
        print_json(&json::versioned([
            ("name", json::of(&started.name)),
            ("id", json::of(&started.id)),
        ]))?;
    } else {
        print(&format!("{}\n", started.name))?;
    }
    Ok(0)
}

/// What must be known of this command's surroundings before a machine starts: a signal that comes
/// in the meantime is not forgotten, and a VMM that has the terminal may change its modes and be
/// killed before it puts them back.
struct Here {
    signals: Signals,
    terminal: Option<Terminal>,
}

impl Here {
    fn before_the_start() -> Result<Self, Failure> {
        Ok(Self { signals: Signals::watch()?, terminal: Terminal::of_input() })
    }
}

/// At the machine's side until it ends; its exit code is this command's.
fn stay(spec: &Spec, started: Started, here: Here) -> Outcome {
    let name = started.name.clone();
    let (waiter, console) = started.attended();
    let console = is_guest(spec).then_some(console);
    let Here { signals, terminal } = here;
    match attend(&name, console, waiter, &signals, Manner::Owner, terminal)? {
        Left::Ended(ending) => Ok(exit_code(ending, is_guest(spec))),
        Left::Running => Ok(0),
    }
}
