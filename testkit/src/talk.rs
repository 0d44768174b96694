//! A command that is spoken with: what it says is waited for, with a limit, and how it ended.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// Far more than anything here takes, on a busy host too.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a command's last words may take after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a command said and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit code; none where a signal killed it.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// Goes on only where it exited with this code.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Goes on only where standard error contains this.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in {self:#?}");
        self
    }
}

/// A command that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    errors: Receiver<Vec<u8>>,
    all: String,
    /// How much of `all` nobody waited for yet.
    unheard: usize,
    deadline: Instant,
}

impl Talk {
    /// Starts a command with pipes for its standard streams.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let output = stream(child.stdout.take().expect("it was asked for"));
        let errors = stream(child.stderr.take().expect("it was asked for"));
        let input = child.stdin.take();
        let deadline = Instant::now() + PATIENCE;
        Self { child, input, output, errors, all: String::new(), unheard: 0, deadline }
    }

    /// Gives it more time than most need, from now on.
    pub fn wait_no_longer_than(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// The command's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says something to it.
    ///
    /// # Panics
    /// It does not listen any more.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("it listens");
    }

    /// Gives all that came before `text` and was not waited for yet.
    ///
    /// # Panics
    /// It ends, or takes too long, without saying that.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.all[self.unheard..].find(text) {
                let before = self.all[self.unheard..][..at].to_owned();
                self.unheard += at + text.len();
                return before;
            }
            if let Err(why) = self.hear() {
                let _ = self.child.kill();
                let errors = self.complaints();
                panic!("no {text:?} ({why}) in {:?}; on stderr {errors:?}", self.all);
            }
        }
    }

    /// What is on standard error; one who still holds it is not waited for.
    fn complaints(&mut self) -> String {
        let mut said = Vec::new();
        while let Ok(bytes) = self.errors.recv_timeout(LAST_WORDS) {
            said.extend(bytes);
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    fn hear(&mut self) -> Result<(), RecvTimeoutError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let bytes = self.output.recv_timeout(left)?;
        self.all.push_str(&String::from_utf8_lossy(&bytes));
        Ok(())
    }

    /// Says something to it, if it still listens.
    pub fn try_send(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(bytes).and_then(|()| input.flush());
        }
    }

    /// Says that no more will be said.
    pub fn close_input(&mut self) {
        drop(self.input.take());
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.id()), signal).expect("it is there");
    }

    /// Closes its input and waits until it ends.
    ///
    /// # Panics
    /// It takes too long.
    #[track_caller]
    pub fn finish(mut self) -> Said {
        self.close_input();
        let status = self.ended();
        // What still holds its output is not waited for any longer than the command itself.
        self.deadline = self.deadline.min(Instant::now() + LAST_WORDS);
        while self.hear().is_ok() {}
        let err = self.complaints();
        let out = std::mem::take(&mut self.all);
        Said { code: status.code(), signal: status.signal(), out, err }
    }

    #[track_caller]
    fn ended(&mut self) -> ExitStatus {
        let handle =
            pidfd_open(pid(self.id()), PidfdFlags::empty()).expect("it was not waited for");
        let left = self.deadline.saturating_duration_since(Instant::now());
        if !readable(&handle, left) {
            let _ = self.child.kill();
            let errors = self.complaints();
            panic!("it goes on after {PATIENCE:?}: {:?}; on stderr {errors:?}", self.all);
        }
        self.child.wait().expect("it is a child of ours")
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It may have ended, and been waited for, before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process's number as rustix has it.
pub(crate) fn pid(number: u32) -> Pid {
    i32::try_from(number).ok().and_then(Pid::from_raw).expect("a process has a number above 0")
}

/// Whether a descriptor becomes readable in time.
pub(crate) fn readable(descriptor: impl std::os::fd::AsFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).expect("a limit of seconds");
    let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut watched, Some(&limit))).is_ok_and(|ready| ready > 0)
}

/// Reads in a thread, so that waiting can have a limit.
fn stream(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}
