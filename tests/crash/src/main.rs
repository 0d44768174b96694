//! `svirt-crash list COMMAND...` prints each point that the processes of a command come to, one a line;
//! `svirt-crash kill N COMMAND...` kills whoever comes to the N-th, and exits with 0 if somebody came.
//! For labs, whose only programs are those that are carried there.
#![forbid(unsafe_code)]

use std::{
    env,
    process::{Command, ExitCode, Stdio},
};
use svirt_tests_crash::{Director, kill};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (number, command) = match &words[..] {
        ["list", command @ ..] => (None, command),
        ["kill", number, command @ ..] => (Some(number.parse().expect("a number")), command),
        _ => panic!("list COMMAND... or kill N COMMAND..."),
    };
    let [program, arguments @ ..] = command else { panic!("no command") };
    let mut director = Director::at(&env::temp_dir().join("points"));
    let mut command = Command::new(program);
    director.direct(command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()));
    let mut child = command.spawn().expect("the command starts");
    let (mut count, mut killed) = (0, false);
    while let Some(point) = director.next(child.id()) {
        if number.is_none() {
            println!("{}", point.name);
        }
        if number == Some(count) {
            kill(point.pid, false);
            killed = true;
        }
        count += 1;
    }
    let _ = child.wait();
    ExitCode::from(u8::from(number.is_some() && !killed))
}
