//! Links, handles, and the links of procfs that lead past names.

use crate::{
    Attempt, Group, Target,
    attempt::{Failed, Tried, call, process},
};
use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::unix::fs::symlink,
    path::Path,
};
use svirt_host::sys::Try;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Links, word, texts, make)
}

use Target::{Directory, Link, Process, PublicFile};

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "follow-link",
        ["read a file through a symbolic link", "a link leads to what its own name hides"],
        first_bytes,
    )
    .on(Link),
    a(
        "climb-out",
        [
            "read a file by a path that climbs above the root",
            "a root that is only a directory is left so",
        ],
        climb,
    )
    .on(PublicFile),
    a("make-link", ["make a symbolic link", "somebody with more rights follows it"], link)
        .on(Directory),
    a(
        "make-hard-link",
        ["make another name of a file", "the file stays when its owner removes it"],
        hard_link,
    )
    .on(Directory),
    a("name-to-handle", ["get a file's handle", "it names the file past every path"], |t| {
        call(Try::NameToHandle, t)
    })
    .on(PublicFile),
    a(
        "open-by-handle",
        ["open a file by a handle", "any file of the file system, past every path and mount"],
        |_| call(Try::OpenByHandle, ""),
    ),
    a(
        "its-root",
        [
            "reach a file through another process's root (/proc/PID/root)",
            "the host's root is the root of most processes",
        ],
        |t| through(t, "root"),
    )
    .on(Process),
    a(
        "its-directory",
        ["reach another process's directory (/proc/PID/cwd)", "past every path that leads there"],
        |t| through(t, "cwd"),
    )
    .on(Process),
    a(
        "its-program",
        [
            "read another process's program (/proc/PID/exe)",
            "a program of the host's that it may then replace",
        ],
        |t| opened(t, "exe"),
    )
    .on(Process),
    a(
        "its-descriptor",
        ["open what another process has open (/proc/PID/fd)", "its disk, past every path and mode"],
        |t| opened(t, "fd/0"),
    )
    .on(Process),
    a(
        "its-memory-file",
        ["open another process's memory (/proc/PID/mem)", "everything that it knows"],
        |t| opened(t, "mem"),
    )
    .on(Process),
    a(
        "its-maps",
        [
            "read where another process has its memory (/proc/PID/maps)",
            "an attack on it needs these addresses",
        ],
        |t| opened(t, "maps"),
    )
    .on(Process),
    a(
        "its-environment",
        ["read another process's environment (/proc/PID/environ)", "passwords are passed so"],
        |t| opened(t, "environ"),
    )
    .on(Process),
    a(
        "its-arguments",
        [
            "read another process's arguments (/proc/PID/cmdline)",
            "names of machines and images, and secrets",
        ],
        |t| opened(t, "cmdline"),
    )
    .on(Process),
    a(
        "own-memory-file",
        [
            "open its own memory for writing (/proc/self/mem)",
            "it writes to memory that is read-only or executable",
        ],
        |_| writable("/proc/self/mem"),
    ),
    a(
        "own-descriptor",
        [
            "open one of its descriptors anew (/proc/self/fd)",
            "what was handed over for reading is open for writing then",
        ],
        |_| stat("/proc/self/fd/0"),
    ),
    a(
        "own-label",
        [
            "open the file that changes its label (/proc/self/attr/current)",
            "a label that reaches more",
        ],
        |_| writable("/proc/self/attr/current"),
    ),
    a(
        "own-oom-score",
        [
            "make itself the last that is killed when memory runs out",
            "another is killed in its place",
        ],
        |_| writable("/proc/self/oom_score_adj"),
    ),
    a(
        "roots-root",
        [
            "reach the root of the host's first process (/proc/1/root)",
            "whatever the host does from then on",
        ],
        |_| stat("/proc/1/root/etc"),
    ),
];

fn first_bytes(path: &str) -> Tried {
    let count = File::open(path)?.read(&mut [0; 16])?;
    Ok(format!("read {count} bytes"))
}

fn climb(path: &str) -> Tried {
    first_bytes(&format!("{}{path}", "/..".repeat(24)))
}

fn link(directory: &str) -> Tried {
    let at = Path::new(directory).join(format!("link-{}", std::process::id()));
    symlink("/etc", &at)?;
    fs::remove_file(at)?;
    Ok("made".into())
}

fn hard_link(directory: &str) -> Tried {
    let at = Path::new(directory).join(format!("name-{}", std::process::id()));
    fs::hard_link(Path::new(directory).join("victim"), &at)?;
    fs::remove_file(at)?;
    Ok("made".into())
}

fn stat(path: &str) -> Tried {
    fs::metadata(path)?;
    Ok("reached".into())
}

fn writable(path: &str) -> Tried {
    OpenOptions::new().write(true).open(path)?;
    Ok("opened for writing".into())
}

fn through(target: &str, link: &str) -> Tried {
    stat(&format!("/proc/{}/{link}/.", process(target)?))
}

fn opened(target: &str, file: &str) -> Tried {
    let path = format!("/proc/{}/{file}", process(target)?);
    File::open(path).map_err(Failed::from)?;
    Ok("opened".into())
}
