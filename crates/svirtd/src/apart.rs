//! What is done in a process of its own. One with threads may not fork, and a start forks the machine's
//! supervisor, as a question to QEMU forks the trial machine that answers it: so the daemon runs its own
//! program once more, which does one thing, says how that went, and ends.
//!
//! What is asked comes on its standard input, which ends with the daemon: a start whose daemon has died is
//! given up and undone. Where a machine is to end with a connection, its supervisor keeps that end of the pipe:
//! the daemon's, which it then keeps as well, is the bond.

use crate::calls::saved_file;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
};
use svirt_engine::{Code, Engine, Failure, StartOptions, Streams, Then, XmlFlags, spec::Spec};

/// The word that makes this program do one thing.
pub(crate) const WORD: &str = "--apart";
/// The longest question and the longest answer, in bytes.
const LONGEST: u64 = 32 << 20;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Start a machine; its identity is the answer.
    Start {
        /// Which.
        what: What,
        /// Whether it is held before its guest has run.
        paused: bool,
        /// Whether it ends with the other end of what this is read from.
        bound: bool,
    },
    /// Let a machine go on that was saved in a file; its identity is the answer.
    Restore {
        /// The file.
        path: PathBuf,
        /// What its guest does then.
        then: Then,
    },
    /// Which version QEMU has.
    Version,
    /// What the host can start.
    Capabilities,
    /// What a machine may have: emulator, architecture, board, type.
    DomainCapabilities([Option<String>; 4]),
    /// The command line of a document.
    Native(String),
    /// The document of a machine.
    Document {
        /// Its name.
        name: String,
        /// Without what is known only while it runs.
        inactive: bool,
        /// With its secrets.
        secure: bool,
        /// For another version.
        migratable: bool,
    },
}

/// Which machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// The one that is defined under this name.
    Defined(String),
    /// One that is forgotten when it ends.
    Transient(Box<Spec>),
    /// The one that is defined under this name, this once as something else.
    Instead(String, Box<Spec>),
}

/// What keeps a machine alive that was started to end with it.
pub(crate) type Bond = ChildStdin;

/// Has something done, and returns the answer.
///
/// # Errors
/// Whatever the process says; it could not be run, or died.
pub(crate) fn ask<T: DeserializeOwned>(task: &Task) -> Result<T, Failure> {
    bind(task).map(|(answer, _)| answer)
}

/// The same, and what a machine is bound to that was started so.
///
/// # Errors
/// Whatever the process says; it could not be run, or died.
pub(crate) fn bind<T: DeserializeOwned>(task: &Task) -> Result<(T, Bond), Failure> {
    // The program that runs, even if another one was installed at its path since.
    let child = Command::new("/proc/self/exe")
        .arg(WORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let answer = child.and_then(|mut child| {
        let talked = talk(&mut child, task);
        child.wait().and(talked)
    });
    let (answer, bond) = answer.map_err(|e| {
        let message = "what is done in a process of its own broke off";
        Failure { causes: vec![e.to_string()], ..Failure::new(Code::Host, message) }
    })?;
    let died = |_| Err(Failure::new(Code::Internal, "what does this in a process of its own died"));
    let answer: Result<T, Failure> = serde_json::from_slice(&answer).unwrap_or_else(died);
    answer.map(|answer| (answer, bond))
}

fn talk(child: &mut Child, task: &Task) -> io::Result<(Vec<u8>, Bond)> {
    let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let mut line = serde_json::to_vec(task)?;
    line.push(b'\n');
    to.write_all(&line)?;
    let mut answer = Vec::new();
    from.take(LONGEST).read_to_end(&mut answer)?;
    // Whose end now would have been that of what was being done.
    Ok((answer, to))
}

/// Is what was run: does one thing.
pub(crate) fn main() -> ExitCode {
    let answer = task().and_then(|task| done(&Engine::new()?, task));
    let said = serde_json::to_vec(&answer).map_err(io::Error::other);
    match said.and_then(|text| io::stdout().write_all(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn task() -> Result<Task, Failure> {
    let mut line = Vec::new();
    let mut stdin = BufReader::new(io::stdin().lock().take(LONGEST));
    stdin.read_until(b'\n', &mut line).map_err(|e| Failure::from_error(Code::Host, &e))?;
    serde_json::from_slice(&line).map_err(|e| Failure::from_error(Code::Internal, &e))
}

fn done(engine: &Engine, task: Task) -> Result<serde_json::Value, Failure> {
    match task {
        Task::Start { what, paused, bound } => value(&start(engine, what, paused, bound)?),
        Task::Restore { path, then } => value(&restore(engine, &path, then)?),
        Task::Version => value(&engine.emulator_version()?),
        Task::Capabilities => value(&engine.capabilities()?),
        Task::DomainCapabilities(asked) => {
            let [emulator, arch, board, kind] = asked.each_ref().map(Option::as_deref);
            value(&engine.domain_capabilities(emulator, arch, board, kind)?)
        }
        Task::Native(xml) => value(&engine.domain_to_native(&xml)?),
        Task::Document { name, inactive, secure, migratable } => {
            let how = XmlFlags { inactive, secure, migratable };
            value(&engine.domain_xml(&named(&name)?, how)?)
        }
    }
}

fn start(engine: &Engine, what: What, paused: bool, bound: bool) -> Result<uuid::Uuid, Failure> {
    let stdin = io::stdin();
    let bond = bound.then(|| stdin.as_fd().try_clone_to_owned()).transpose();
    let bond = bond.map_err(|e| Failure::from_error(Code::Host, &e))?;
    let mut options = StartOptions { paused, bond, ..StartOptions::default() };
    let given_up = Some(stdin.as_fd());
    let started = match what {
        What::Defined(name) => {
            engine.start_defined_with(&named(&name)?, options, given_up, &|_| {})
        }
        What::Instead(name, spec) => {
            options.instead = Some(spec);
            engine.start_defined_with(&named(&name)?, options, given_up, &|_| {})
        }
        What::Transient(spec) => {
            engine.start_with(&spec, Streams::none(), options, given_up, &|_| {})
        }
    };
    Ok(started?.id)
}

fn restore(engine: &Engine, path: &Path, then: Then) -> Result<uuid::Uuid, Failure> {
    let file = saved_file(path).map_err(|e| {
        let message = format!("Failed to open file '{}'", path.display());
        Failure { causes: vec![e.to_string()], ..Failure::new(Code::NotFound, message) }
    })?;
    let stdin = io::stdin();
    Ok(engine.restore(file, then, Some(stdin.as_fd()), &|_| {})?.id)
}

fn named(name: &str) -> Result<svirt_engine::model::MachineName, Failure> {
    name.parse().map_err(|e| Failure::from_error(Code::Usage, &e))
}

fn value(answer: &impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(answer).map_err(|e| Failure::from_error(Code::Internal, &e))
}
