//! `svirt plan`: what a start would do.

use super::print_json;
use crate::{
    args::{PlanArgs, PlanHow, PlanOf},
    error::Outcome,
    output::{Style, print},
    render::{self, json},
    specification,
};
use svirt_engine::{Engine, Failure, spec::Spec};
use svirt_model::MachineName;

/// `svirt plan`.
pub(crate) fn plan(args: PlanArgs) -> Outcome {
    let engine = Engine::new()?;
    let (spec, defined, how) = asked(&engine, args.of)?;
    let notes = specification::warn(&spec)?;
    let plan = match defined {
        Some(name) => engine.plan_defined(&name)?,
        None => engine.plan(&spec)?,
    };
    if how.json {
        print_json(&json::versioned([("plan", json::of(&plan)), ("notes", json::of(&notes))]))?;
    } else {
        print(&render::plan(&plan, how.all, Style::of_output()))?;
    }
    Ok(0)
}

/// The machine, its name where it is defined, and how its plan is printed.
fn asked(engine: &Engine, of: PlanOf) -> Result<(Spec, Option<MachineName>, PlanHow), Failure> {
    Ok(match of {
        PlanOf::Run { machine, how } => (specification::of_machine(&machine)?, None, how),
        PlanOf::Exec { spec, how } => (specification::of_command(&spec)?, None, how),
        PlanOf::Start { name, how } => (engine.definition(&name)?, Some(name), how),
    })
}
