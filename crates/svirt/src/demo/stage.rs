//! Commands of this program, shown before they are run.

use crate::{
    error, escape,
    output::{Style, print},
    quote,
    signals::Signals,
};
use serde_json::Value;
use std::{
    io::{self, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};
use svirt_engine::{Code, Failure};

/// Where the demonstration takes place.
#[derive(Debug)]
pub(super) struct Stage {
    program: PathBuf,
    /// Whether standard output is kept for the JSON, so that everything else is talk.
    json: bool,
    signals: Signals,
}

/// What a command said.
pub(super) struct Said {
    /// Its exit code.
    pub(super) code: u8,
    /// Its standard output.
    pub(super) out: String,
}

impl Stage {
    pub(super) fn new(json: bool) -> Result<Self, Failure> {
        let program = std::env::current_exe();
        let program = program.map_err(|e| error::host("cannot find this program", &e))?;
        Ok(Self { program, json, signals: Signals::watch()? })
    }

    pub(super) fn style(&self) -> Style {
        if self.json { Style::PLAIN } else { Style::of_output() }
    }

    /// Says what comes next.
    pub(super) fn tell(&self, text: &str) -> Result<(), Failure> {
        self.print(&format!("\n{}\n", self.style().heading(text)))
    }

    /// Prints lines that are ours or escaped.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        let printed = if self.json { io::stderr().write_all(text.as_bytes()) } else { print(text) };
        printed.map_err(|e| error::host("cannot print", &e))
    }

    fn announce(&self, words: &[&str]) -> Result<(), Failure> {
        self.print(&format!("$ svirt {}\n", quote::command(words)))
    }

    /// Shows a command, runs it, shows what it prints; what it complains about shows by itself.
    pub(super) fn run(&self, words: &[&str]) -> Result<Said, Failure> {
        self.announce(words)?;
        let said = self.quietly(words)?;
        self.print(&escape::lines(&said.out))?;
        Ok(said)
    }

    /// The same for a command that must succeed.
    pub(super) fn show(&self, words: &[&str]) -> Result<(), Failure> {
        let said = self.run(words)?;
        succeeded(words, said.code)
    }

    /// Shows and runs a command and reads the JSON that it prints.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Value, Failure> {
        self.announce(words)?;
        let said = self.quietly(words)?;
        succeeded(words, said.code)?;
        serde_json::from_str(&said.out).map_err(|e| Failure::from_error(Code::Internal, &e))
    }

    /// Runs a command without showing it.
    pub(super) fn quietly(&self, words: &[&str]) -> Result<Said, Failure> {
        let output = self.command(words).output();
        let Output { status, stdout, .. } =
            output.map_err(|e| error::file("run", &self.program, &e))?;
        if self.signals.endings() > 0 {
            return Err(Failure::new(Code::Host, "the demonstration was interrupted"));
        }
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
        Ok(Said { code, out: String::from_utf8_lossy(&stdout).into_owned() })
    }

    /// Shows a command and leaves it running, its standard output to be read.
    pub(super) fn begin(&self, words: &[&str]) -> Result<Child, Failure> {
        self.announce(words)?;
        self.command(words).spawn().map_err(|e| error::file("run", &self.program, &e))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command
    }
}

/// A command that failed has said why; its code says what kind of failure it was.
fn succeeded(words: &[&str], code: u8) -> Result<(), Failure> {
    if code == 0 {
        return Ok(());
    }
    let kind = Code::ALL.iter().copied().find(|known| *known as u8 == code).unwrap_or(Code::Host);
    let message = format!("svirt {} failed with exit code {code}", quote::command(words));
    Err(Failure::new(kind, message))
}
