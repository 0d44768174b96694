//! A machine that runs in the foreground of a `svirt run`, spoken with through its console.

use crate::{Host, Process, Said, Talk};
use svirt_model::Status;

/// What the embedded guest says when it wants a command.
pub const PROMPT: &str = "\n> ";

/// What every machine of a test is given: little memory, and no look at `/dev/kvm`.
const SMALL: [&str; 4] = ["--accel", "tcg", "--memory", "32M"];

/// A machine that runs.
#[derive(Debug)]
pub struct Machine<'a> {
    host: &'a Host,
    name: String,
    talk: Talk,
}

impl<'a> Machine<'a> {
    pub(crate) fn boot(host: &'a Host, name: &str, arguments: &[&str]) -> Self {
        Self::boot_with(host, name, &[&SMALL[..], arguments].concat())
    }

    pub(crate) fn boot_with(host: &'a Host, name: &str, arguments: &[&str]) -> Self {
        let name = host.name(name);
        let mut command = host.svirt(&["run", "--name", &name]);
        command.args(arguments);
        Self { host, name, talk: Talk::start(command) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The command at whose side it runs.
    pub fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    /// Waits for the embedded guest's prompt; gives what came before it.
    #[track_caller]
    pub fn ready(&mut self) -> String {
        self.talk.wait_for(PROMPT)
    }

    /// Says a line to the embedded guest, and gives its answer without the echo.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        self.talk.send(format!("{line}\r").as_bytes());
        self.talk.wait_for("\n");
        self.talk.wait_for(PROMPT).replace('\r', "").trim_end().to_owned()
    }

    /// Says a line after which the machine ends, and gives how it did.
    #[track_caller]
    pub fn ends_after(mut self, line: &str) -> Said {
        self.talk.send(format!("{line}\r").as_bytes());
        self.talk.finish()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn finish(self) -> Said {
        self.talk.finish()
    }

    /// What is known of it.
    #[track_caller]
    pub fn status(&self) -> Status {
        self.host.status(&self.name)
    }

    /// Its processes: helpers first, the VMM last.
    #[track_caller]
    pub fn processes(&self) -> Vec<Process> {
        self.status().evidence.iter().map(|read| Process(read.pid)).collect()
    }

    /// The process that runs it.
    #[track_caller]
    pub fn vmm(&self) -> Process {
        *self.processes().last().expect("a machine that runs has a VMM")
    }
}
