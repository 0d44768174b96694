//! A program for labs, whose only programs are those that are carried there:
//!
//! `list COMMAND...` prints each point that the processes of a command come to, one a line: how often
//! somebody was at one of that name before, and the name. `kill COUNT NAME COMMAND...` kills whoever comes
//! to that point, and says whether somebody did. `cut COUNT NAME COMMAND...` cuts the power there: the
//! kernel stops at once, and whatever it had not written is lost. What is there when the machine runs was
//! written.

use crate::{Director, kill};
use std::{
    env, fs,
    process::{Command, ExitCode, Stdio},
};

/// The point at which a machine is there.
const RUNS: &str = "outlive the command";

/// Does what its arguments say.
///
/// # Panics
/// They say nothing that can be done.
pub fn from_arguments() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (meant, command) = match &words[..] {
        ["list", command @ ..] => (None, command),
        ["kill" | "cut", count, name, command @ ..] => {
            (Some((count.parse::<usize>().expect("a number"), *name)), command)
        }
        _ => panic!("list COMMAND..., kill COUNT NAME COMMAND... or cut COUNT NAME COMMAND..."),
    };
    let [program, arguments @ ..] = command else { panic!("no command") };
    let place = env::current_dir().expect("a directory");
    let mut director = Director::at(&place.join("points"));
    let mut command = Command::new(program);
    director.direct(command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()));
    let mut child = command.spawn().expect("the command starts");
    let mut killed = false;
    while let Some(point) = director.next(child.id()) {
        let here = (point.nth, point.name.as_str());
        if meant.is_none() {
            println!("{} {}", here.0, here.1);
        }
        match words.first() {
            Some(&"cut") if here.1 == RUNS => rustix::fs::sync(),
            Some(&"cut") if meant == Some(here) => {
                fs::write("/proc/sysrq-trigger", "o").expect("root may end a kernel");
                loop {
                    std::thread::park();
                }
            }
            Some(&"kill") if meant == Some(here) => {
                kill(point.pid, false);
                killed = true;
            }
            _ => {}
        }
    }
    let _ = child.wait();
    ExitCode::from(u8::from(meant.is_some() && !killed))
}
