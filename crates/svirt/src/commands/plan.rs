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

/// `svirt plan`.
pub(crate) fn plan(args: PlanArgs) -> Outcome {
    let engine = Engine::new()?;
    let (spec, how) = asked(&engine, args.of)?;
    let notes = specification::warn(&spec)?;
    let plan = engine.plan(&spec)?;
    if how.json {
        print_json(&json::versioned([("plan", json::of(&plan)), ("notes", json::of(&notes))]))?;
    } else {
        print(&render::plan(&plan, how.all, Style::of_output()))?;
    }
    Ok(0)
}

fn asked(engine: &Engine, of: PlanOf) -> Result<(Spec, PlanHow), Failure> {
    Ok(match of {
        PlanOf::Run { machine, how } => (specification::of_machine(&machine)?, how),
        PlanOf::Exec { spec, how } => (specification::of_command(&spec)?, how),
        PlanOf::Start { name, how } => (engine.definition(&name)?, how),
    })
}
