//! Telling machines that run what to do.

use super::worst;
use crate::{
    args::{PauseArgs, ResetArgs, ResumeArgs},
    error::Outcome,
    output::say,
};
use svirt_engine::{Engine, Failure};
use svirt_model::MachineName;

/// `svirt pause`.
pub(crate) fn pause(args: &PauseArgs) -> Outcome {
    tell_all(&args.name, "paused", Engine::pause)
}

/// `svirt resume`.
pub(crate) fn resume(args: &ResumeArgs) -> Outcome {
    tell_all(&args.name, "runs", Engine::resume)
}

/// `svirt reset`.
pub(crate) fn reset(args: &ResetArgs) -> Outcome {
    tell_all(&args.name, "reset", Engine::reset)
}

/// Tells one after the other: each answers at once, or has a defect.
fn tell_all(
    names: &[MachineName],
    done: &str,
    tell: impl Fn(&Engine, &MachineName) -> Result<(), Failure>,
) -> Outcome {
    let engine = Engine::new()?;
    let told = |name| tell(&engine, name).map(|()| say(&format!("{name}: {done}")));
    Ok(worst(names.iter().map(told)))
}
