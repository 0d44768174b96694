//! Programs and processes that it starts.

use crate::{
    Attempt, Given, Group, Target,
    attempt::{Failed, Tried},
    probe::EXECUTED,
};
use std::{os::unix::process::CommandExt, process::Command};
use svirt_host::sys::make_process;

/// `clone(2)`.
const NEW_USER: i64 = 0x1000_0000;
const NEW_MOUNT: i64 = 0x0002_0000;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Execution, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a("start-process", ["start a process", "a VMM needs none; whoever attacks it does"], |_| {
        start(0)
    })
    .unless(Given::OwnProcesses),
    a(
        "start-in-user-namespace",
        [
            "start a process in a new user namespace",
            "every capability, within parts of the kernel that seldom meet a stranger",
        ],
        |_| start(NEW_USER),
    ),
    a(
        "start-in-mount-namespace",
        [
            "start a process in a new mount namespace",
            "mounts of its own, over what the kernel shows",
        ],
        |_| start(NEW_MOUNT),
    ),
    a("execute-shell", ["become a shell (/bin/sh)", "every tool of the host"], |_| shell())
        .spends(),
    a(
        "execute-file",
        ["become a program that another put there", "a program of the attacker's own"],
        file,
    )
    .on(Target::Script)
    .spends(),
    a(
        "execute-itself",
        [
            "become its own program again, by its name",
            "it begins anew, with nothing but what the confinement leaves it",
        ],
        |_| itself(),
    )
    .unless(Given::OwnProcesses)
    .spends(),
    a(
        "execute-host-program",
        [
            "become a program that gives root's rights (/usr/bin/su)",
            "one that has a hole gives them to the attacker",
        ],
        |_| set_id(),
    )
    .spends(),
];

fn start(namespaces: i64) -> Tried {
    make_process(namespaces)?;
    Ok("started".into())
}

/// The shell says in the probe's place that it runs.
fn shell() -> Tried {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r"printf 'open\texecute-shell\texecuted\n'"]);
    Err(Failed::from(shell.exec()))
}

fn file(path: &str) -> Tried {
    Err(Failed::from(Command::new(path).exec()))
}

fn itself() -> Tried {
    let own = std::env::args_os().next().unwrap_or_default();
    let mut again = Command::new(own);
    again.args([crate::WORD, EXECUTED, "execute-itself"]);
    Err(Failed::from(again.exec()))
}

/// Whoever reads it may execute it; nothing of it runs.
fn set_id() -> Tried {
    std::fs::File::open("/usr/bin/su")?;
    Ok("it is there to be executed".into())
}
