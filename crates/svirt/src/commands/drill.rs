//! `svirt drill`: one attack on a machine's confinement, from inside.

use crate::{
    args::DrillArgs,
    error::{self, Outcome},
    output::print,
    probe,
};
use std::path::Path;
use svirt_engine::{Code, Engine, Failure};
use svirt_model::{Ending, MachineName};

/// The signal by which a filter kills.
const SIGSYS: i32 = 31;

/// `svirt drill`.
pub(crate) fn drill(args: &DrillArgs) -> Outcome {
    let program =
        std::env::current_exe().map_err(|e| error::host("cannot find this program", &e))?;
    let engine = Engine::new()?;
    check(&engine, &args.name, &program)?;
    let mut words = vec![probe::WORD.to_owned(), args.attempt.word()];
    words.extend(args.target.clone());
    match engine.drill(&args.name, &program, &words)? {
        Ending::Exited(code) if code == i32::from(probe::REFUSED) => Ok(probe::REFUSED),
        Ending::Exited(code) if code == i32::from(probe::OPEN) => Ok(probe::OPEN),
        Ending::Killed(SIGSYS) => {
            print("refused: SIGSYS (the filter does not have the system call)\n")?;
            Ok(probe::REFUSED)
        }
        other => Err(no_answer(&args.name, other).into()),
    }
}

/// A probe that could not run here at all would have been refused nothing.
fn check(engine: &Engine, name: &MachineName, program: &Path) -> Result<(), Failure> {
    let words = vec![probe::WORD.to_owned(), probe::NOTHING.to_owned()];
    match engine.drill(name, program, &words)? {
        Ending::Exited(0) => Ok(()),
        other => Err(no_answer(name, other)),
    }
}

fn no_answer(name: &MachineName, ending: Ending) -> Failure {
    let message = format!("the drill on {name} proves nothing: the probe {}", told(ending));
    Failure::new(Code::Unavailable, message)
}

fn told(ending: Ending) -> String {
    match ending {
        Ending::Exited(code) if code == i32::from(probe::UNCLEAR) => {
            "could not make the try".into()
        }
        other => format!("was {other}").replace("was exited", "exited"),
    }
}
