//! `svirt doctor`: what this host is for machines.

use super::print_json;
use crate::{
    args::DoctorArgs,
    error::{Outcome, explain},
    output::{Style, print},
    render::{self, json},
};
use svirt_engine::{Diagnosis, Engine};

/// `svirt doctor`.
pub(crate) fn doctor(args: &DoctorArgs) -> Outcome {
    let Diagnosis { conditions, obstacle } = Engine::new()?.doctor()?;
    if args.json {
        let obstacle = obstacle.as_ref().map(
            |failure| serde_json::json!({"message": failure.to_string(), "hint": failure.hint}),
        );
        print_json(&json::versioned([
            ("obstacle", json::of(&obstacle)),
            ("conditions", json::of(&conditions)),
        ]))?;
    } else {
        print(&render::conditions(&conditions, args.verbose, Style::of_output()))?;
    }
    Ok(obstacle.map_or(0, |failure| explain(&failure)))
}
