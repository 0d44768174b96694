//! Saving machines.

use crate::{
    args::SaveArgs,
    error::{self, Outcome},
    output::say,
    signals::Signals,
};
use std::{fs::File, os::unix::fs::OpenOptionsExt};
use svirt_engine::{Engine, Then};

/// `svirt save`. A signal that would end this has the machine go on.
pub(crate) fn save(args: &SaveArgs) -> Outcome {
    let (engine, signals) = (Engine::new()?, Signals::watch()?);
    let (name, cancelled) = (&args.name, Some(signals.ending()));
    match &args.file {
        None => engine.managed_save(name, Then::AsBefore, &|_| {}, cancelled)?,
        Some(path) => {
            let mut options = File::options();
            // A guest's memory is nobody else's.
            let options = options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(path).map_err(|e| error::file("open", path, &e))?;
            engine.save(name, &file, Then::AsBefore, &|_| {}, cancelled)?;
        }
    }
    say(&format!("{name}: saved"));
    Ok(0)
}
