//! `svirt doctor`: what this host is for machines, and whether that holds.

use super::print_json;
use crate::{
    args::DoctorArgs,
    error::{self, Outcome, explain},
    output::{Style, print, say},
    render::{self, json, self_test},
    signals::Signals,
};
use std::io::IsTerminal;
use svirt_engine::{
    Code, Diagnosis, Engine, Failure,
    drill::{Attacker, SelfTest},
};

/// `svirt doctor`.
pub(crate) fn doctor(args: &DoctorArgs) -> Outcome {
    let engine = Engine::new()?;
    let Diagnosis { conditions, obstacle } = engine.doctor()?;
    let test = match args.self_test && obstacle.is_none() {
        true => Some(tested(&engine)?),
        false => None,
    };
    if args.json {
        let obstacle = obstacle.as_ref().map(
            |failure| serde_json::json!({"message": failure.to_string(), "hint": failure.hint}),
        );
        print_json(&json::versioned([
            ("obstacle", json::of(&obstacle)),
            ("conditions", json::of(&conditions)),
            ("self_test", json::of(&test.as_ref().map(self_test::json))),
        ]))?;
    } else {
        print(&render::conditions(&conditions, args.verbose, Style::of_output()))?;
        let text = test.as_ref().map(|test| self_test::text(test, Style::of_output()));
        print(&text.map_or(String::new(), |text| format!("\n{text}")))?;
    }
    let failed = test.is_some_and(|test| !test.passed()).then_some(Code::Unconfined as u8);
    Ok(obstacle.map_or(failed.unwrap_or(0), |failure| explain(&failure)))
}

/// A signal in the middle ends it, once all that was made for it is gone.
fn tested(engine: &Engine) -> Result<SelfTest, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|e| error::host("cannot find this program", &e))?;
    let signals = Signals::watch()?;
    let by = Attacker { probe: &program, stop: signals.ending() };
    let terminal = std::io::stderr().is_terminal();
    let mut told = |what: &str| {
        if terminal {
            say(what);
        }
    };
    let test = engine.self_test(by, &mut told);
    if let Err(failure) = &test
        && signals.endings() > 0
    {
        explain(failure);
        signals.obey();
    }
    test
}
