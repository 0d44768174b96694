//! cargo-nextest or `cargo test`, and the words with which each ends.
//!
//! What reads a log looks at its last lines, so a runner's summary is held back while the times
//! are printed. At a terminal nextest keeps the screen to itself and nothing is held back.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::process::{Child, Command, Stdio};

use crate::command::{cargo, line, succeeded, works};
use crate::error::{Error, Result};

/// What runs the tests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Runner {
    Nextest,
    CargoTest,
}

/// The last words of a runner, to be printed at the very end.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Summary {
    /// Why tests were skipped, and how many for each reason.
    skipped: BTreeMap<String, usize>,
    lines: Vec<String>,
}

impl Summary {
    /// Takes in what tests wrote that were skipped: `skipped: NAME: REASON`, a line each.
    pub(super) fn note_skipped(&mut self, text: &str) {
        for line in text.lines() {
            let told = line.strip_prefix("skipped: ").and_then(|line| line.split_once(": "));
            let reason = told.map_or(line, |(_, reason)| reason);
            *self.skipped.entry(reason.to_owned()).or_default() += 1;
        }
    }

    /// Prints why tests were skipped, and the runner's last words.
    pub(super) fn print(&self) {
        for (reason, count) in &self.skipped {
            eprintln!("   skipped: {count} because {reason}");
        }
        for line in &self.lines {
            eprintln!("{line}");
        }
    }
}

/// nextest, if it is here.
pub(super) fn choose() -> Runner {
    let has_nextest = works(&mut cargo(["nextest", "--version"]));
    if has_nextest { Runner::Nextest } else { Runner::CargoTest }
}

impl Runner {
    /// The command for the packages of `scope`, and the tests whose names contain `filter`.
    pub(super) fn command(self, scope: &[String], filter: Option<&str>) -> Command {
        let mut command = match self {
            Self::Nextest => cargo(["nextest", "run"]),
            // The examples of the documentation have had their phase.
            Self::CargoTest => cargo(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]),
        };
        if self == Self::Nextest && std::env::var_os("CI").is_some() {
            command.args(["--profile", "ci"]);
        }
        command.args(scope).args(filter);
        command
    }

    /// Runs the tests and keeps the summary.
    pub(super) fn run(self, command: &mut Command, summary: &mut Summary) -> Result {
        match self {
            Self::Nextest if io::stderr().is_terminal() => crate::command::run(command),
            Self::Nextest => run_nextest(command.arg("--color=never"), summary),
            Self::CargoTest => run_cargo_test(command, summary),
        }
    }
}

fn run_nextest(command: &mut Command, summary: &mut Summary) -> Result {
    let mut child = start(command.stderr(Stdio::piped()))?;
    each_line(child.stderr.take(), command, |line| {
        if !summary.lines.is_empty() || begins_summary(&line) {
            summary.lines.push(line);
        } else {
            eprintln!("{line}");
        }
    })?;
    finish(child, command)
}

/// `     Summary [   0.004s] 3 tests run: 3 passed, 0 skipped`
fn begins_summary(line: &str) -> bool {
    line.trim_start().starts_with("Summary [")
}

fn run_cargo_test(command: &mut Command, summary: &mut Summary) -> Result {
    let mut child = start(command.stdout(Stdio::piped()))?;
    let mut counts = Counts::default();
    each_line(child.stdout.take(), command, |line| {
        counts.add(&line);
        println!("{line}");
    })?;
    summary.lines.push(counts.line());
    finish(child, command)
}

/// `cargo test` ends once for each program of tests: this is their sum.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished ...`
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = result.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" | "filtered" => self.skipped += count,
                _ => {}
            }
        }
    }

    fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

fn start(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|source| Error::Run { line: line(command), source })
}

/// Gives each line of a child's stream to `take`, as it comes.
fn each_line(stream: Option<impl Read>, command: &Command, mut take: impl FnMut(String)) -> Result {
    let Some(stream) = stream else { return Ok(()) };
    for bytes in BufReader::new(stream).split(b'\n') {
        let bytes = bytes.map_err(|source| Error::Run { line: line(command), source })?;
        take(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(())
}

fn finish(mut child: Child, command: &Command) -> Result {
    let status = child.wait().map_err(|source| Error::Run { line: line(command), source })?;
    succeeded(command, status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_all_programs_are_added_up() {
        let mut counts = Counts::default();
        counts.add("running 4 tests");
        counts.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out");
        counts
            .add("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(counts.line(), "8 passed, 2 failed, 3 skipped");
    }

    #[test]
    fn a_filter_and_a_scope_reach_the_runner() {
        let command = Runner::CargoTest.command(&["--workspace".to_owned()], Some("labels"));
        assert!(line(&command).ends_with("--tests --workspace labels"), "{}", line(&command));
    }

    #[test]
    fn what_nextest_says_last_is_held_back() {
        let script = "echo PASS >&2; echo '  Summary [ 0.1s] 1 test run' >&2; echo FAIL >&2";
        let mut summary = Summary::default();
        let mut command = Command::new("sh");
        run_nextest(command.args(["-c", script, "sh"]), &mut summary).expect("it ends well");
        assert_eq!(summary.lines, ["  Summary [ 0.1s] 1 test run", "FAIL"]);
    }

    #[test]
    fn what_was_skipped_is_counted_by_its_reason() {
        let mut summary = Summary::default();
        summary.note_skipped("skipped: a::b: no QEMU\nskipped: c: no QEMU\nskipped: d: no: root\n");
        let counted: Vec<_> = summary.skipped.iter().map(|(why, n)| (why.as_str(), *n)).collect();
        assert_eq!(counted, [("no QEMU", 2), ("no: root", 1)]);
    }

    #[test]
    fn failed_tests_fail_and_still_have_a_summary() {
        let script = "echo 'test result: FAILED. 1 passed; 1 failed'; exit 101";
        let mut summary = Summary::default();
        let mut command = Command::new("sh");
        let result = run_cargo_test(command.args(["-c", script]), &mut summary);
        assert!(matches!(result, Err(Error::Failed { .. })), "{result:?}");
        assert_eq!(summary.lines, ["1 passed, 1 failed, 0 skipped"]);
    }
}
