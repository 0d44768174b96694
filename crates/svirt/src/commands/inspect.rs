//! Looking at machines.

use super::print_json;
use crate::{
    args::{InspectArgs, PsArgs},
    error::Outcome,
    output::{Style, print},
    render::{self, Listed, json},
};
use svirt_engine::{Engine, spec::Spec};
use svirt_model::{State, Status};

/// `svirt ps`.
pub(crate) fn list(args: &PsArgs) -> Outcome {
    let engine = Engine::new()?;
    let mut machines = engine.list()?;
    machines.retain(|machine| args.all || machine.state != State::Stopped);
    let machines: Vec<_> = machines.into_iter().map(|machine| listed(&engine, machine).0).collect();
    if args.json {
        let machines = machines.iter().map(json::summary).collect();
        print_json(&json::versioned([("machines", machines)]))?;
    } else {
        print(&render::machines(&machines, Style::of_output()))?;
    }
    Ok(0)
}

/// `svirt inspect`.
pub(crate) fn inspect(args: &InspectArgs) -> Outcome {
    let engine = Engine::new()?;
    if args.xml {
        print(&engine.domain(&args.name)?)?;
        return Ok(0);
    }
    let (listed, definition) = listed(&engine, engine.status(&args.name)?);
    if args.json {
        let machine = json::of(&listed.machine);
        let weakened = json::of(&listed.weakened);
        let definition = json::of(&definition);
        print_json(&json::versioned([
            ("machine", machine),
            ("weakened", weakened),
            ("definition", definition),
        ]))?;
    } else {
        let style = Style::of_output();
        let definition = definition.map(|spec| render::definition(&spec, style));
        let text = render::status(&listed, args.all, style);
        print(&(text + &definition.unwrap_or_default()))?;
    }
    Ok(0)
}

/// A machine with what its definition, if it has one, adds: a layer that was given up shows also
/// while the machine does not run.
fn listed(engine: &Engine, machine: Status) -> (Listed, Option<Spec>) {
    let definition = engine.definition(&machine.name).ok();
    let definition = definition.and_then(|spec| Some(spec.expanded().ok()?.spec));
    let weakened = match (&machine.plan, &definition) {
        (Some(plan), _) => render::layers::weakened(plan),
        (None, Some(spec)) => spec.weakened(),
        (None, None) => Default::default(),
    };
    (Listed { machine, weakened }, definition)
}
