//! What a script told: for each name what a command said and how it ended.

use crate::Said;
use std::collections::BTreeMap;
use svirt_model::{Layer, LayerStatus, Status};

/// How each command begins in the stream: `== NAME CODE BYTES BYTES`, then its output and what it
/// complained.
const MARK: &str = "== ";
/// What a script says last.
const END: &str = "the-end";

/// What a script told.
#[derive(Debug)]
pub struct Report {
    said: BTreeMap<String, Said>,
    console: String,
}

impl Report {
    /// # Panics
    /// It does not come to its end.
    #[track_caller]
    pub(super) fn read(bytes: &[u8], console: String) -> Self {
        let all = Self::of_a_part(bytes, console);
        all.said(END).exits(0);
        all
    }

    /// What was told until the power was cut.
    pub(super) fn of_a_part(mut bytes: &[u8], console: String) -> Self {
        let mut said = BTreeMap::new();
        while let Some((name, one, rest)) = next(bytes) {
            said.insert(name, one);
            bytes = rest;
        }
        Self { said, console }
    }

    /// Whether anything was told under this name.
    pub fn has(&self, name: &str) -> bool {
        self.said.contains_key(name)
    }

    /// What was told under this name; a signal that killed the command is in the code, with 128.
    ///
    /// # Panics
    /// Nothing was.
    #[track_caller]
    pub fn said(&self, name: &str) -> Said {
        let none = || panic!("nothing was told of {name} in {:#?}: {}", self.said, self.console);
        self.said.get(name).cloned().unwrap_or_else(none)
    }

    /// A status that was told under this name, by `inspect --json`.
    ///
    /// # Panics
    /// It was not.
    #[track_caller]
    pub fn status(&self, name: &str) -> Status {
        let said = self.said(name);
        let read = || -> serde_json::Result<Status> {
            let mut document: serde_json::Value = serde_json::from_str(&said.out)?;
            serde_json::from_value(document["machine"].take())
        };
        read().unwrap_or_else(|e| panic!("{name} is no status ({e}): {self:#?}"))
    }

    /// What the status that was told under this name says of a layer of the VMM's.
    ///
    /// # Panics
    /// Nothing.
    #[track_caller]
    pub fn layer(&self, name: &str, layer: Layer) -> LayerStatus {
        let plan = self.status(name).plan.expect("it runs");
        let found = plan.vmm().layers.iter().find(|status| status.layer == layer);
        found.unwrap_or_else(|| panic!("{name} has no layer {layer}: {plan:#?}")).clone()
    }
}

fn next(bytes: &[u8]) -> Option<(String, Said, &[u8])> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?.strip_prefix(MARK)?;
    let [name, code, out, err] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
    let (out, rest) = bytes[end + 1..].split_at_checked(out.parse().ok()?)?;
    let (err, rest) = rest.split_at_checked(err.parse().ok()?)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = Said { code: code.parse().ok(), signal: None, out: text(out), err: text(err) };
    Some((name.to_owned(), said, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_read_back_to_the_byte() {
        let told = b"== first 3 6 2\n== a\n\nno== the-end 0 0 0\n";
        let report = Report::read(told, String::new());
        let first = report.said("first").exits(3);
        assert_eq!((first.out.as_str(), first.err.as_str()), ("== a\n\n", "no"));
    }

    #[test]
    #[should_panic(expected = "nothing was told of the-end")]
    fn a_script_that_ended_early_told_nothing() {
        Report::read(b"== first 0 0 0\n== the-end 0 5 0\n", String::new());
    }
}
