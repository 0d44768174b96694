//! Machines that are kept: making, changing, marking and removing their definitions.

use super::{print_json, worst};
use crate::{
    args::{AutostartArgs, CreateArgs, EditArgs, LayerArgs, RemoveArgs},
    error::{self, Outcome, explain},
    output::{print, say},
    render::{json, layers::warn},
    specification,
};
use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
    process::Command,
};
use svirt_engine::{Code, Engine, Failure, spec::Spec};
use svirt_model::MachineName;

/// `svirt create`.
pub(crate) fn create(args: &CreateArgs) -> Outcome {
    let spec = specification::of_machine(&args.machine)?;
    let notes = specification::warn(&spec)?;
    let plan = Engine::new()?.create(&spec, args.autostart)?;
    let unenforced: Vec<_> = plan.unenforced().cloned().collect();
    warn(&unenforced);
    if args.json {
        print_json(&json::versioned([
            ("name", json::of(&plan.name)),
            ("notes", json::of(&notes)),
            ("unenforced", json::of(&unenforced)),
        ]))?;
    } else {
        print(&format!("{}\n", plan.name))?;
    }
    Ok(0)
}

/// `svirt rm`.
pub(crate) fn remove(args: &RemoveArgs) -> Outcome {
    let engine = Engine::new()?;
    Ok(worst(args.name.iter().map(|name| engine.remove(name))))
}

/// `svirt autostart`.
pub(crate) fn autostart(args: &AutostartArgs) -> Outcome {
    let engine = Engine::new()?;
    let Some(name) = &args.name else {
        let all = engine.autostart()?;
        return Ok(worst(all.into_iter().map(|(name, started)| match started {
            Ok(started) => {
                warn(&started.unenforced);
                print(&format!("{name}\n")).map_err(|e| error::host("cannot name it", &e))
            }
            Err(failure) => {
                Err(Failure { message: format!("{name}: {}", failure.message), ..failure })
            }
        })));
    };
    engine.set_autostart(name, !args.off)?;
    Ok(0)
}

/// `svirt edit`.
pub(crate) fn edit(args: &EditArgs) -> Outcome {
    let engine = Engine::new()?;
    let before = engine.definition(&args.name)?;
    match (&args.spec, &args.xml) {
        (Some(file), _) => engine.edit(&args.name, &specification::of_file(file)?)?,
        (None, Some(file)) => {
            let after = specification::of_xml(file, &kept(&before))?;
            specification::warn(&after)?;
            engine.edit(&args.name, &after)?;
        }
        (None, None) => edit_by_hand(&engine, &args.name, &before)?,
    }
    Ok(0)
}

/// What a document does not say and an edit of it therefore leaves.
fn kept(before: &Spec) -> LayerArgs {
    let (require, weaken) = (before.require.clone(), before.weaken.clone());
    LayerArgs { require, weaken, seclabel: Vec::new() }
}

fn edit_by_hand(engine: &Engine, name: &MachineName, before: &Spec) -> Result<(), Failure> {
    let suffix = if before.domain.is_some() { ".xml" } else { ".json" };
    let file = tempfile::Builder::new().prefix("svirt-").suffix(suffix).tempfile();
    let file = file.map_err(|e| error::host("cannot make a file to edit", &e))?;
    let path = file.path();
    write(path, before)?;
    loop {
        run_editor(path)?;
        let result = read_again(path, before).and_then(|after| save(engine, name, before, &after));
        let Err(failure) = result else { return Ok(()) };
        if !edit_again(&failure) {
            return Err(Failure::new(
                failure.code,
                format!("the definition of {name} was not changed"),
            ));
        }
    }
}

fn save(engine: &Engine, name: &MachineName, before: &Spec, after: &Spec) -> Result<(), Failure> {
    if before == after {
        say("nothing was changed");
        return Ok(());
    }
    specification::warn(after)?;
    engine.edit(name, after)
}

/// Writes what is edited: a document of libvirt's, or the specification.
fn write(path: &Path, spec: &Spec) -> Result<(), Failure> {
    let json =
        || serde_json::to_string_pretty(spec).map_err(|e| Failure::from_error(Code::Internal, &e));
    let text = match &spec.domain {
        Some(domain) => domain.xml.clone(),
        None => json()? + "\n",
    };
    std::fs::write(path, text).map_err(|e| error::file("write", path, &e))
}

/// What was edited. A document keeps its name: it is not that of the file in which it was edited.
fn read_again(path: &Path, before: &Spec) -> Result<Spec, Failure> {
    let Some(domain) = &before.domain else { return specification::of_file(path) };
    specification::of_document(path, &domain.document, &kept(before))
}

/// The editor's words are split at blanks: no shell reads them.
fn run_editor(path: &Path) -> Result<(), Failure> {
    let mut named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| env::var(name).ok());
    let words = named.find(|words| !words.trim().is_empty()).unwrap_or_else(|| "vi".into());
    let mut words = words.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).arg(path).status();
    let status = status.map_err(|e| {
        error::file("start the editor", Path::new(program), &e).hint("set VISUAL or EDITOR")
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(Code::Unavailable, format!("the editor {program} failed: {status}")))
}

/// Says what is wrong, and asks whether to go on; without a terminal there is nobody to ask.
fn edit_again(failure: &Failure) -> bool {
    explain(failure);
    if !io::stdin().is_terminal() {
        return false;
    }
    let _ = write!(io::stderr(), "Edit it again? [Y/n] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer).unwrap_or(0);
    read > 0 && !answer.trim_start().starts_with(['n', 'N'])
}
