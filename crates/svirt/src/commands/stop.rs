//! Ending machines.

use super::worst;
use crate::{
    args::{KillArgs, StopArgs},
    error::Outcome,
    output::say,
};
use std::thread;
use svirt_engine::{Engine, Failure, StopLimits};
use svirt_model::{Ending, MachineName};

/// `svirt stop`.
pub(crate) fn stop(args: &StopArgs) -> Outcome {
    let limits = StopLimits { acpi: args.timeout, ..StopLimits::default() };
    let engine = Engine::new()?;
    let names = if args.all { running(&engine)? } else { args.name.clone() };
    end_all(&names, |name| engine.stop(name, limits))
}

fn running(engine: &Engine) -> Result<Vec<MachineName>, Failure> {
    let all = engine.list()?.into_iter();
    Ok(all.filter(|machine| machine.state.has_vmm()).map(|machine| machine.name).collect())
}

/// `svirt kill`.
pub(crate) fn kill(args: &KillArgs) -> Outcome {
    let engine = Engine::new()?;
    end_all(&args.name, |name| engine.kill(name))
}

/// Ends all of them at the same time: one that takes long does not hold up the others.
fn end_all(
    names: &[MachineName],
    end: impl Fn(&MachineName) -> Result<Ending, Failure> + Sync,
) -> Outcome {
    let end = &end;
    let results: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = names.iter().map(|name| scope.spawn(move || end(name))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let told = names
        .iter()
        .zip(results)
        .map(|(name, result)| result.map(|ending| say(&format!("{name}: {ending}"))));
    Ok(worst(told))
}
