//! What it was left by whoever started it.

use crate::{
    Attempt, Group, Target,
    attempt::{Failed, Tried},
};
use nix::errno::Errno;
use rustix::{
    process::{Resource, getcwd, getppid, getrlimit},
    system::uname,
};
use std::fs::OpenOptions;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Leaks, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "descriptors",
        ["find a descriptor that it was not given", "files of whoever started it"],
        |_| descriptors(),
    ),
    a("environment", ["find an environment", "passwords and paths of whoever started it"], |_| {
        environment()
    }),
    a(
        "terminal",
        [
            "open the terminal of whoever started it (/dev/tty)",
            "what is typed there, and what it types itself",
        ],
        |_| terminal(),
    ),
    a(
        "host-name",
        ["know what the host is called", "which host this is, and where to attack next"],
        host_name,
    )
    .on(Target::HostName),
    a(
        "directory",
        ["be in a directory of the host's", "paths from there lead past its root"],
        |_| directory(),
    ),
    a(
        "parent",
        ["know its parent's number", "whoever supervises it is the first to be attacked"],
        |_| parent(),
    ),
    a(
        "core-dump",
        [
            "leave its memory to the host when it crashes",
            "the guest's secrets in a file, by a program that runs as root",
        ],
        |_| core(),
    ),
];

/// The first three are streams.
fn descriptors() -> Tried {
    let open = |fd: &i32| svirt_host::sys::is_open(*fd);
    match (3..1024).find(open) {
        Some(fd) => Ok(format!("descriptor {fd}")),
        None => Err(Failed::Refused(Errno::EBADF)),
    }
}

fn environment() -> Tried {
    match std::env::vars_os().count() {
        0 => Err(Failed::Refused(Errno::ENOENT)),
        count => Ok(format!("{count} variables")),
    }
}

fn terminal() -> Tried {
    OpenOptions::new().read(true).open("/dev/tty")?;
    Ok("opened".into())
}

fn host_name(name: &str) -> Tried {
    let own = uname();
    if own.nodename().to_string_lossy() == name && !name.is_empty() {
        return Ok("it is known".into());
    }
    Err(Failed::Refused(Errno::ENOENT))
}

fn directory() -> Tried {
    let own = getcwd(Vec::new())?;
    if own.as_bytes() == b"/" { Err(Failed::Refused(Errno::ENOENT)) } else { Ok("it is".into()) }
}

/// One outside its pid namespace has the number 0, and one inside it is the machine's own init.
fn parent() -> Tried {
    match getppid().map(|parent| parent.as_raw_nonzero().get()) {
        None | Some(1) => Err(Failed::Refused(Errno::ESRCH)),
        Some(number) => Ok(format!("process {number}")),
    }
}

fn core() -> Tried {
    match getrlimit(Resource::Core).maximum {
        Some(0) => Err(Failed::Refused(Errno::EPERM)),
        _ => Ok("it may".into()),
    }
}
