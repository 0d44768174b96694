//! QEMU without sVirt, and otherwise the same: the planned command line with what sVirt hands over
//! as descriptors, or shows under another name, replaced by something plain.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::place::{Person, Place};
use crate::command::output;
use crate::error::{Error, Result};

/// What the planned command line has for its two connections.
const MONITOR: &str = "socket,id=monitor,fd=3";
const CONSOLE: &str = "socket,id=console,fd=4";

/// Where a contender's two connections lead.
pub(super) struct Ends<'a> {
    pub(super) monitor: &'a str,
    pub(super) console: &'a str,
}

/// The planned QEMU of one machine.
pub(super) struct Planned {
    arguments: Vec<String>,
    /// The host's file for each file that the machine sees, where the host has one.
    files: BTreeMap<String, String>,
}

impl Planned {
    /// Asks sVirt what `svirt run` with these arguments would run.
    pub(super) fn ask(place: &Place, person: &Person, arguments: &[&str]) -> Result<Self> {
        let words = ["plan", "run", "--json"].into_iter().chain(arguments.iter().copied());
        let text = output(&mut place.svirt(person, words))?;
        let plan: Value = serde_json::from_str(&text).map_err(|_| odd("JSON"))?;
        // Helpers come first, the VMM last.
        let vmm = plan["plan"]["processes"].as_array().and_then(|all| all.last());
        let confinement = &vmm.ok_or_else(|| odd("a process"))?["confinement"];
        let arguments = list(confinement, "arguments").iter().filter_map(Value::as_str);
        let planned = Self {
            arguments: arguments.map(str::to_owned).collect(),
            files: list(confinement, "entries").iter().filter_map(file).collect(),
        };
        let complete =
            [MONITOR, CONSOLE].iter().all(|end| planned.arguments.iter().any(|a| a == end));
        if complete { Ok(planned) } else { Err(odd("a monitor and a console that are known here")) }
    }

    /// That QEMU alone. `made` has files in place of those that sVirt would make.
    pub(super) fn alone(
        &self,
        person: &Person,
        ends: &Ends<'_>,
        made: &[(&str, &Path)],
    ) -> Command {
        let plain = |argument: &String| match argument.as_str() {
            MONITOR => ends.monitor.to_owned(),
            CONSOLE => ends.console.to_owned(),
            other => match made.iter().find(|(name, _)| *name == other) {
                Some((_, file)) => file.to_string_lossy().into_owned(),
                None => self.files.get(other).cloned().unwrap_or_else(|| other.to_owned()),
            },
        };
        let mut words = self.arguments.iter().map(plain);
        let program = words.next().unwrap_or_default();
        let mut qemu = person.command(Path::new(&program));
        qemu.args(words);
        qemu
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn file(entry: &Value) -> Option<(String, String)> {
    let host = entry["source"]["bind"]["path"].as_str()?;
    Some((entry["at"].as_str()?.to_owned(), host.to_owned()))
}

fn odd(what: &str) -> Error {
    Error::Answer(format!("`svirt plan run --json` does not show {what}"))
}
