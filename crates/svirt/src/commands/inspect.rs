//! Looking at machines.

use super::print_json;
use crate::{
    args::{InspectArgs, PsArgs},
    error::Outcome,
    output::{Style, print},
    render::{self, json},
};
use svirt_engine::{Engine, Failure};
use svirt_model::{State, Status};

/// `svirt ps`.
pub(crate) fn list(args: &PsArgs) -> Outcome {
    let mut machines = Engine::new()?.list()?;
    machines.retain(|machine| args.all || machine.state != State::Stopped);
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
    let status = engine.status(&args.name)?;
    if args.json {
        let definition = definition(&engine, &status)?;
        print_json(&json::versioned([("machine", json::of(&status)), ("definition", definition)]))?;
    } else {
        print(&render::status(&status, args.all, Style::of_output()))?;
    }
    Ok(0)
}

/// Null for a machine that has none.
fn definition(engine: &Engine, status: &Status) -> Result<serde_json::Value, Failure> {
    match engine.definition(&status.name) {
        Ok(spec) => Ok(json::of(&spec)),
        Err(failure) if failure.code == svirt_engine::Code::NotFound => Ok(serde_json::Value::Null),
        Err(failure) => Err(failure),
    }
}
