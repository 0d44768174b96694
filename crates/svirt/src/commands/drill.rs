//! `svirt drill`: attacks on machines' confinements, from inside.

use super::print_json;
use crate::{
    args::DrillArgs,
    error::{self, Outcome},
    output::{Style, print, say},
    progress::Progress,
    render::{drill as table, json},
    signals::Signals,
};
use serde_json::Value;
use std::io::IsTerminal;
use svirt_engine::{
    Code, Engine, Failure,
    drill::{Attacker, Drill, Row, Score, Step},
    probe::{ATTEMPTS, Answer, Attempt},
};
use svirt_model::MachineName;

/// Something was open.
const OPEN: u8 = 1;

/// `svirt drill`.
pub(crate) fn drill(args: &DrillArgs) -> Outcome {
    if args.list {
        print(&table::list(ATTEMPTS.iter(), Style::of_output()))?;
        return Ok(0);
    }
    // One that comes in the middle ends the drill, once all that was made for it is gone.
    let signals = Signals::watch()?;
    match attacked(args, &signals) {
        Err(error) if signals.endings() > 0 => {
            let code = error.report();
            signals.obey();
            Ok(code)
        }
        other => other,
    }
}

fn attacked(args: &DrillArgs, signals: &Signals) -> Outcome {
    let program =
        std::env::current_exe().map_err(|e| error::host("cannot find this program", &e))?;
    let by = Attacker { probe: &program, stop: signals.ending() };
    let engine = Engine::new()?;
    if let Some(attempt) = args.attempt {
        return one(&engine, args, by, attempt.0);
    }
    if args.baseline || args.against.is_some() {
        return elsewhere(&engine, args, by);
    }
    let mut drills = Vec::new();
    for name in names(&engine, args)? {
        drills.push(machine(&engine, args, by, &name)?);
    }
    if drills.is_empty() {
        say("no machine runs");
    }
    if args.json {
        let passed = drills.iter().all(|drill| code(&drill.score()) == 0);
        let machines: Vec<Value> = drills.iter().map(table::json).collect();
        print_json(&json::versioned([("passed", passed.into()), ("machines", machines.into())]))?;
    } else {
        let texts = drills.iter().map(|drill| table::machine(drill, Style::of_output()));
        print(&texts.collect::<Vec<_>>().join("\n"))?;
    }
    Ok(worst(drills.iter().map(Drill::score)))
}

fn names(engine: &Engine, args: &DrillArgs) -> Result<Vec<MachineName>, Failure> {
    if !args.all {
        return Ok(args.name.clone());
    }
    let running = engine.list()?.into_iter().filter(|machine| machine.state.has_vmm());
    Ok(running.map(|machine| machine.name).collect())
}

fn machine(
    engine: &Engine,
    args: &DrillArgs,
    by: Attacker<'_>,
    name: &MachineName,
) -> Result<Drill, Failure> {
    let told = std::io::stderr().is_terminal();
    if args.layers {
        let mut step = |step: &Step| {
            if told {
                say(&progress(name, step));
            }
        };
        return engine.drill_layers(name, by, &mut step);
    }
    let _progress = Progress::begin(&format!("attacking the confinement of {name}"));
    engine.drill(name, by)
}

fn progress(name: &MachineName, step: &Step) -> String {
    match step {
        Step::All => format!("attacking {name} with all its layers"),
        Step::Nothing => format!("attacking {name} with no layer"),
        Step::Alone(layer) => format!("attacking {name} with {layer} alone"),
        Step::Without(layer) => format!("attacking {name} without {layer}"),
    }
}

/// The same attempts without any confinement, or in somebody else's.
fn elsewhere(engine: &Engine, args: &DrillArgs, by: Attacker<'_>) -> Outcome {
    let rows: Vec<Row> = match &args.against {
        Some(command) => engine.drill_against(by, command)?,
        None => engine.drill_baseline(by)?,
    };
    let score = Score::of(&rows);
    if args.json {
        print_json(&table::rows_json(&rows))?;
    } else {
        print(&table::rows(&rows, Style::of_output()))?;
    }
    // Without confinement everything that can be is open, which is no finding.
    Ok(if args.against.is_some() { worst([score]) } else { 0 })
}

fn one(engine: &Engine, args: &DrillArgs, by: Attacker<'_>, attempt: &'static Attempt) -> Outcome {
    let target = args.target.as_deref();
    let machine = args.name.first().filter(|_| !args.baseline);
    match engine.drill_one(machine, by, (attempt, target))? {
        Answer::Unclear(why) => {
            let message = format!("the drill proves nothing: {why}");
            Err(Failure::new(Code::Unavailable, message).into())
        }
        answer => {
            print(&format!("{}\n", table::answer(&answer)))?;
            Ok(if matches!(answer, Answer::Open(_)) { OPEN } else { 0 })
        }
    }
}

fn code(score: &Score) -> u8 {
    match score {
        Score { open: 1.., .. } => OPEN,
        Score { unproven: 1.., .. } => Code::Unavailable as u8,
        _ => 0,
    }
}

/// What is open counts for more than what could not be tried.
fn worst(scores: impl IntoIterator<Item = Score>) -> u8 {
    let codes: Vec<u8> = scores.into_iter().map(|score| code(&score)).collect();
    if codes.contains(&OPEN) { OPEN } else { codes.into_iter().max().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_said_before_what_was_not_tried() {
        let all = Score { attempts: 3, blocked: 3, ..Score::default() };
        let open = Score { open: 1, ..all };
        let unproven = Score { unproven: 1, ..all };
        assert_eq!(worst([all, all]), 0);
        assert_eq!(worst([all, unproven]), 69);
        assert_eq!(worst([unproven, open]), 1);
        assert_eq!(worst([]), 0);
    }
}
