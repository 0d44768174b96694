//! Putting back what was changed, and showing it.

use super::print_json;
use crate::{
    args::{LedgerArgs, LedgerWhat, RecoverArgs, RepairArgs},
    error::{Outcome, explain},
    output::{Style, print, say},
    render::{self, json},
};
use std::io::{self, BufRead, IsTerminal, Write};
use svirt_engine::{Code, Engine, Failure, Repair};

/// Not everything is as it was before.
const REST: u8 = 1;

/// So many changes are exported in one go.
const PAGE: u32 = 1_000;

/// `svirt recover`.
pub(crate) fn recover(args: &RecoverArgs) -> Outcome {
    let engine = Engine::new()?;
    if args.dry_run {
        let pending = engine.recovery()?;
        match args.json {
            true => print_json(&json::versioned([("pending", json::of(&pending))]))?,
            false => print(&render::pending(&pending, Style::of_output()))?,
        }
        return Ok(0);
    }
    let recovery = engine.recover()?;
    if args.json {
        print_json(&json::versioned([
            ("recovered", json::of(&recovery.machines)),
            ("rest", json::of(&recovery.rest)),
        ]))?;
    } else {
        print(&recovery.machines.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    }
    recovery.rest.iter().for_each(|rest| {
        let when = if rest.later { "is restored later" } else { "was left" };
        say(&format!("{}: {} {when}: {}", rest.machine, rest.object.display(), rest.why));
    });
    Ok(if recovery.rest.is_empty() { 0 } else { REST })
}

/// `svirt ledger`.
pub(crate) fn ledger(args: &LedgerArgs) -> Outcome {
    let engine = Engine::new()?;
    match args.what {
        Some(LedgerWhat::Export { since }) => return export(&engine, since),
        Some(LedgerWhat::Keep { entries }) => {
            print(&format!("{}\n", engine.ledger_kept(entries)?))?;
            return Ok(0);
        }
        None => {}
    }
    let history = engine.history(args.machine.as_deref(), args.path.as_deref(), args.last)?;
    if args.json {
        print_json(&json::versioned([
            ("entries", history.entries.iter().map(json::entry).collect()),
            ("begins", json::of(&history.begins)),
            ("kept", history.kept.into()),
        ]))?;
        return Ok(0);
    }
    print(&render::ledger(&history.entries, Style::of_output()))?;
    if history.begins.is_some_and(|oldest| oldest > 1) {
        say(&format!(
            "older changes were forgotten: {} are kept (svirt ledger keep)",
            history.kept
        ));
    }
    Ok(0)
}

fn export(engine: &Engine, mut since: u64) -> Outcome {
    loop {
        let page = engine.ledger_since(since, PAGE)?;
        let Some(last) = page.last() else { return Ok(0) };
        since = last.sequence();
        let lines = page.iter().map(|entry| format!("{}\n", json::versioned_entry(entry)));
        print(&lines.collect::<String>())?;
    }
}

/// `svirt repair`.
pub(crate) fn repair(args: &RepairArgs) -> Outcome {
    let engine = Engine::new()?;
    let repairs = engine.damage(&args.path)?;
    if !args.json {
        print(&render::repairs(&repairs))?;
    }
    let wanted = repairs.iter().any(Repair::is_due);
    if wanted && !args.yes {
        agreed(args.json)?;
    }
    let failures = if wanted { engine.repair(&repairs)? } else { Vec::new() };
    if args.json {
        print_json(&json::repairs(&repairs, wanted))?;
    }
    Ok(failures.iter().map(explain).fold(0, |first, code| if first == 0 { code } else { first }))
}

/// Asks at a terminal.
fn agreed(json: bool) -> Result<(), Failure> {
    let nothing = |why: &str, hint: &str| {
        Err(Failure::new(Code::Denied, format!("nothing was changed: {why}")).hint(hint))
    };
    if json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return nothing("there is no terminal to ask at", "say --yes to do it");
    }
    let _ = write!(io::stderr(), "Do this? [y/N] ");
    let mut line = String::new();
    let _ = io::stdin().lock().read_line(&mut line);
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => nothing("you did not say yes", "answer y, or say --yes"),
    }
}
