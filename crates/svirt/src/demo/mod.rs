//! `svirt demo`: two machines that attack each other, with the commands that anybody can type.
//!
//! It only knows what those commands print, and what the kernel says about processes and files. It
//! trusts no refusal that was not preceded by the same try succeeding without confinement, and it
//! fails if anything was open, unproven or left behind.

mod attempts;
mod leftovers;
mod machine;
mod outcome;
mod stage;

use crate::{
    args::DemoArgs,
    commands::print_json,
    error::{self, Outcome},
    render::json,
};
use attempts::Tried;
use leftovers::Traces;
use outcome::Verdict;
use serde_json::json;
use stage::Stage;
use std::{path::Path, time::Instant};
use svirt_engine::{Engine, Failure};

/// The exit code of a demonstration that showed something that must not be.
const FAILED: u8 = 1;

/// `svirt demo`.
pub(crate) fn run(args: &DemoArgs) -> Outcome {
    let began = Instant::now();
    let stage = Stage::new(args.json)?;
    let engine = Engine::new()?;
    let scratch = tempfile::Builder::new().prefix("svirt-demo-").tempdir();
    let scratch = scratch.map_err(|e| error::host("cannot make a temporary directory", &e))?;
    let played = play(&stage, &engine, scratch.path())?;
    let left = played.traces.left(&stage, scratch)?;
    let passed = left.is_empty() && outcome::all_refused(&played.tried);
    if args.json {
        let tried: Vec<_> = played.tried.iter().map(outcome::json).collect();
        print_json(&json::versioned([
            ("machines", played.machines),
            ("attempts", tried.into()),
            ("left_behind", left.into()),
            ("passed", passed.into()),
        ]))?;
    } else {
        conclude(&stage, &played.tried, &left, began)?;
    }
    Ok(if passed { 0 } else { FAILED })
}

/// What the demonstration showed.
struct Played {
    machines: serde_json::Value,
    tried: Vec<Tried>,
    traces: Traces,
}

fn play(stage: &Stage, engine: &Engine, scratch: &Path) -> Result<Played, Failure> {
    let suffix = machine::free_suffix(stage)?;
    let mut cast = machine::Cast::new(stage);
    stage.tell("Two machines, each with a disk of its own and the guest that is inside svirt.")?;
    let one = cast.start(engine, &format!("demo-a{suffix}"), "a", scratch)?;
    let other = cast.start(engine, &format!("demo-b{suffix}"), "b", scratch)?;
    stage.tell("Each guest reads its own disk.")?;
    for machine in [&one, &other] {
        machine.reads_its_disk(stage)?;
    }
    stage.tell("How they are confined.")?;
    stage.show(&["ps"])?;
    stage.print(&machine::layers(&one, &other, stage.style()))?;
    stage.tell(&format!(
        "Now {} is hostile and has taken its VMM over. Each attempt is made without confinement \
         first, and then from inside.",
        one.name
    ))?;
    let tried = attempts::all(stage, &one, &other)?;
    stage.tell("What came of it.")?;
    stage.print(&outcome::table(&tried, &one.name, stage.style()))?;
    stage.tell("The end.")?;
    let traces = Traces::of(engine, &[&one, &other]);
    cast.stop()?;
    other.has_its_disk()?;
    let machines = [&one, &other].map(|m| json!({"name": m.name, "layers": m.layers}));
    Ok(Played { machines: json::of(&machines), tried, traces })
}

fn conclude(
    stage: &Stage,
    tried: &[Tried],
    left: &[String],
    began: Instant,
) -> Result<(), Failure> {
    let count = |verdict| tried.iter().filter(|t| t.verdict() == verdict).count();
    let refused = count(Verdict::Refused);
    let mut text = format!("{refused} of {} attempts were refused", tried.len());
    for (verdict, what) in [
        (Verdict::Open, "OPEN"),
        (Verdict::Unproven, "unproven"),
        (Verdict::Absent, "absent: not possible on this host without confinement either"),
    ] {
        match count(verdict) {
            0 => {}
            number => text.push_str(&format!(", {number} {what}")),
        }
    }
    let left = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
    let seconds = began.elapsed().as_secs_f32();
    stage.tell(&format!("{text}; left behind: {left}; {seconds:.1} s."))
}
