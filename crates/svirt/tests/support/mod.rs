//! The built program with a state of its own, and whatever stands around it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    ffi::OsStr,
    io::Read,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
};
use svirt_testkit::skipped;
use tempfile::TempDir;

/// A user's machines, apart from all others.
pub(crate) struct Host {
    directory: TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Host {
    pub(crate) fn new() -> Self {
        // The launcher belongs beside the program, and the tests of this package do not make it.
        svirt_testkit::svirt();
        Self { directory: tempfile::Builder::new().prefix("svirt-test-").tempdir().unwrap() }
    }

    /// A path that is gone with this.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command of the program, with nothing on its standard input.
    pub(crate) fn svirt<T: AsRef<OsStr>>(&self, words: &[T]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svirt"));
        command.args(words).current_dir(self.directory.path());
        command.env("SVIRT_STATE_DIR", self.path("state"));
        command.env("SVIRT_RUNTIME_DIR", self.path("run"));
        for name in ["NO_COLOR", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn say<T: AsRef<OsStr>>(&self, words: &[T]) -> Said {
        self.svirt(words).output().unwrap().into()
    }

    /// A command that must succeed; what it printed.
    pub(crate) fn out<T: AsRef<OsStr> + std::fmt::Debug>(&self, words: &[T]) -> String {
        let said = self.say(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said.out
    }

    /// What a command printed, as JSON of version 1.
    pub(crate) fn json<T: AsRef<OsStr> + std::fmt::Debug>(&self, words: &[T]) -> serde_json::Value {
        let document: serde_json::Value = serde_json::from_str(&self.out(words)).unwrap();
        assert_eq!(document["version"], 1, "{words:?}");
        document
    }

    /// The machines that run.
    pub(crate) fn running(&self) -> Vec<String> {
        let document = self.json(&["ps", "--json"]);
        let machines = document["machines"].as_array().unwrap();
        machines.iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Nothing of a test that failed may outlive it.
        let listed = self.say(&["ps", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&listed.out).unwrap_or_default();
        for machine in document["machines"].as_array().into_iter().flatten() {
            if let Some(name) = machine["name"].as_str() {
                self.say(&["kill", name]);
            }
        }
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Whether machines can be run here; says so where they cannot.
pub(crate) fn has_qemu() -> bool {
    let found = svirt_testkit::has_program("qemu-system-x86_64");
    if !found {
        skipped("qemu-system-x86_64 is not installed");
    }
    found
}

/// What comes out of a stream, as far as it was read.
pub(crate) struct Listener<R> {
    stream: R,
    heard: Mutex<String>,
}

impl<R: Read> Listener<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, heard: Mutex::default() }
    }

    /// Reads until a text came that had not come before; what came after the last one.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let heard = self.heard.get_mut().unwrap();
        let mut bytes = [0; 4096];
        loop {
            if let Some(at) = heard.find(text) {
                let rest = heard.split_off(at + text.len());
                return std::mem::replace(heard, rest);
            }
            let count = self.stream.read(&mut bytes).unwrap_or(0);
            assert!(count > 0, "the stream ended before {text:?}: {heard:?}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// All that is left, to the end.
    pub(crate) fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        // A terminal ends with an error when its last user is gone.
        let _ = self.stream.read_to_end(&mut bytes);
        self.heard.into_inner().unwrap() + &String::from_utf8_lossy(&bytes)
    }
}

/// A child that is killed with its test.
pub(crate) struct Guarded(pub(crate) Child);

impl Guarded {
    /// Its exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
