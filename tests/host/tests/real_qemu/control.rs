//! A machine's supervisor, spoken with as the commands do: a line of JSON each way.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    time::Duration,
};
use svirt_host::passing;
use svirt_testkit::{Host, Process};

/// A machine's run-time directory.
pub(super) fn place(host: &Host, name: &str) -> PathBuf {
    let all = fs::read_dir(host.runtime()).unwrap().flatten().map(|e| e.path());
    let its = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().starts_with(name);
    all.into_iter().find(its).unwrap_or_else(|| panic!("{name} has no run-time directory"))
}

/// Has a process stand still.
pub(super) fn stop_now(pid: Process) {
    signal(pid, Signal::STOP);
}

/// Sends a process a signal.
pub(super) fn signal(pid: Process, signal: Signal) {
    let pid = i32::try_from(pid.0).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A connection to a supervisor.
pub(super) struct Control(BufReader<UnixStream>);

impl Control {
    pub(super) fn of(host: &Host, name: &str) -> Self {
        let stream = UnixStream::connect(place(host, name).join("control")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    pub(super) fn say(&mut self, request: &Value) {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
    }

    /// What is said next; null once nobody is there.
    pub(super) fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        if line.is_empty() { Value::Null } else { serde_json::from_str(&line).unwrap() }
    }

    pub(super) fn tell_monitor(&mut self, command: &str, arguments: &Value) {
        self.say(&json!({ "monitor": { "command": command, "arguments": arguments } }));
    }

    /// What is said next, and what comes with it.
    pub(super) fn hear_with_descriptors(&mut self) -> (Value, Vec<OwnedFd>) {
        let (mut line, mut descriptors, mut byte) = (Vec::new(), Vec::new(), [0]);
        while line.last() != Some(&b'\n') {
            let passed = passing::receive(self.0.get_ref(), &mut byte).unwrap();
            assert_eq!(passed.length, 1, "it is there");
            line.push(byte[0]);
            descriptors.extend(passed.descriptors);
        }
        (serde_json::from_slice(&line).unwrap(), descriptors)
    }

    /// All that is said until nobody is there.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // One that is let go while it is being told something hears a part of that.
        let _ = self.0.read_to_end(&mut rest);
        rest
    }

    /// One that watches.
    pub(super) fn watching(host: &Host, name: &str) -> Self {
        let mut control = Self::of(host, name);
        control.say(&json!("watch"));
        assert_eq!(control.hear(), "granted");
        control
    }

    /// Goes on until this is said.
    #[track_caller]
    pub(super) fn hears(&mut self, what: &Value) {
        let mut before = Vec::new();
        loop {
            let said = self.hear();
            if said == *what {
                return;
            }
            assert_ne!(said, Value::Null, "no {what} in {before:?}");
            before.push(said);
        }
    }

    /// Goes on until somebody at the screen has come so far.
    #[track_caller]
    pub(super) fn hears_of_screen(&mut self, visit: &str) {
        loop {
            let said = self.hear();
            assert_ne!(said, Value::Null, "nobody is {visit}");
            if said["screen"]["visit"] == visit {
                return;
            }
        }
    }

    /// What the monitor answers.
    pub(super) fn monitor(&mut self, command: &str, arguments: &Value) -> Value {
        self.tell_monitor(command, arguments);
        self.hear()
    }

    /// Whether the guest runs, in QEMU's words.
    pub(super) fn run_state(&mut self) -> String {
        let answer = self.monitor("query-status", &Value::Null);
        answer["returned"]["status"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}
