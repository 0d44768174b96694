//! Telling machines that run what to do.

use super::worst;
use crate::{
    args::{PauseArgs, RebootArgs, ResetArgs, ResumeArgs, ScreenshotArgs},
    error::{self, Error, Outcome},
    output::say,
};
use std::{
    fs,
    io::{self, Write},
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

/// `svirt reboot`.
pub(crate) fn reboot(args: &RebootArgs) -> Outcome {
    tell_all(&args.name, "asked to begin anew", Engine::reboot)
}

/// `svirt screenshot`.
pub(crate) fn screenshot(args: &ScreenshotArgs) -> Outcome {
    let (_, picture) = Engine::new()?.screenshot(&args.name, 0)?;
    if args.file.as_os_str() == "-" {
        io::stdout().lock().write_all(&picture).map_err(Error::Output)?;
    } else {
        fs::write(&args.file, &picture).map_err(|e| error::file("write", &args.file, &e))?;
    }
    Ok(0)
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
