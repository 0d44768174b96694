//! A program with three threads more than one, which says what it can read and waits.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixListener,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
};

/// What it says last before it waits.
pub(crate) const READY: &str = "ready";

/// Says of each file whether it can be read, after a `+` whether a socket can be made there, and waits
/// for the end of its input.
pub(crate) fn run(paths: &[&str]) {
    let (began, begins) = mpsc::channel();
    let (hold, held) = mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let others: Vec<_> = (0..3)
        .map(|_| {
            let (began, held) = (began.clone(), held.clone());
            std::thread::spawn(move || {
                began.send(()).expect("somebody listens");
                let _ = held.lock().map(|held| held.recv());
            })
        })
        .collect();
    (0..3).for_each(|_| begins.recv().expect("a thread begins"));
    for path in paths {
        let done = match path.strip_prefix('+') {
            Some(path) => UnixListener::bind(path).map(|_| "made"),
            None => fs::read(path).map(|_| "read"),
        };
        match done {
            Ok(done) => println!("{path} can be {done}"),
            Err(e) => println!("{path} cannot: {:?}", e.kind()),
        }
    }
    println!("{READY}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(hold);
    others.into_iter().for_each(|thread| drop(thread.join()));
}

/// It, started and ready.
pub(crate) struct Started {
    child: Child,
    /// Its input; while it is open, it waits.
    input: Option<ChildStdin>,
    /// What it said of the files.
    pub(crate) said: Vec<String>,
}

impl Started {
    /// Starts this program again with these words.
    pub(crate) fn new(words: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        let lines = BufReader::new(output).lines().map(|line| line.expect("text"));
        let said: Vec<_> = lines.take_while(|line| line != READY).collect();
        Self { child, input, said }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it end.
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("it is ours");
        assert!(status.success(), "{status}");
    }
}
