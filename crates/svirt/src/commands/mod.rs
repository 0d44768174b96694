//! The commands: each reads its flags, asks the engine, and prints the answer.

mod define;
mod doctor;
mod drill;
mod follow;
mod inspect;
mod manual;
mod order;
mod plan;
mod policy;
mod restore;
mod run;
mod save;
mod stop;
mod verify;

use crate::{
    args::Command,
    demo,
    error::{Error, Outcome, explain},
    output::print,
};
use serde_json::Value;
use svirt_engine::Failure;

/// Runs a command.
///
/// # Errors
/// It could not do what it was asked to.
pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Exec(args) => run::exec(&args),
        Command::Plan(args) => plan::plan(args),
        Command::Create(args) => define::create(&args),
        Command::Start(args) => run::start(&args),
        Command::Stop(args) => stop::stop(&args),
        Command::Kill(args) => stop::kill(&args),
        Command::Pause(args) => order::pause(&args),
        Command::Resume(args) => order::resume(&args),
        Command::Reset(args) => order::reset(&args),
        Command::Reboot(args) => order::reboot(&args),
        Command::Save(args) => save::save(&args),
        Command::Restore(args) => run::resume_saved(&args),
        Command::Screenshot(args) => order::screenshot(&args),
        Command::Rm(args) => define::remove(&args),
        Command::Edit(args) => define::edit(&args),
        Command::Autostart(args) => define::autostart(&args),
        Command::Ps(args) => inspect::list(&args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Console(args) => follow::console(&args),
        Command::Logs(args) => follow::logs(&args),
        Command::Events(args) => follow::events(&args),
        Command::Recover(args) => restore::recover(&args),
        Command::Ledger(args) => restore::ledger(&args),
        Command::Repair(args) => restore::repair(&args),
        Command::Verify(args) => verify::verify(&args),
        Command::Drill(args) => drill::drill(&args),
        Command::Policy(args) => policy::policy(&args.what),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::pages(&args),
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &Value) -> Result<(), Error> {
    Ok(print(&format!("{value}\n"))?)
}

/// The exit code after several things were done, each of which may have failed: that of the first
/// failure. Every failure is told.
fn worst(results: impl IntoIterator<Item = Result<(), Failure>>) -> u8 {
    let failures = results.into_iter().filter_map(Result::err);
    failures
        .map(|failure| explain(&failure))
        .fold(0, |first, code| if first == 0 { code } else { first })
}
