//! Memory that becomes executable, and memory that tells about others.

use crate::{
    Attempt, Given, Group, Target,
    attempt::{Tried, call},
};
use rustix::fs::{MemfdFlags, memfd_create};
use std::{fs::File, io::Write};
use svirt_host::sys::{Gain, Try, gain_executable, map_executable, merge_memory};

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Memory, word, texts, make)
}

const CODE: Given = Given::ExecutableMemory;

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "map-executable",
        ["map memory that is written and executed", "code of the attacker's own"],
        |_| gain(Gain::Mapped),
    )
    .unless(CODE),
    a(
        "make-executable",
        ["make memory executable that was written", "code of the attacker's own"],
        |_| gain(Gain::Written),
    )
    .unless(CODE),
    a("execute-heap", ["make the heap executable", "code in what a guest has sent to it"], |_| {
        gain(Gain::Heap)
    })
    .unless(CODE),
    a(
        "execute-stack",
        ["make the stack executable", "code in what a guest has sent to it"],
        |_| gain(Gain::Stack),
    )
    .unless(CODE),
    a(
        "execute-segment",
        [
            "attach shared memory so that it can be executed",
            "one process writes the code that another executes",
        ],
        |_| gain(Gain::Segment),
    )
    .unless(CODE),
    a(
        "execute-memory-file",
        [
            "write a file in memory and map it to be executed",
            "code that lies on no mount that forbids it",
        ],
        |_| memory_file(),
    )
    .unless(CODE),
    a(
        "map-file-executable",
        ["map a file of others to be executed", "code that another put there"],
        map,
    )
    .on(Target::PublicFile),
    a(
        "execute-reads",
        [
            "have everything executable that can be read (personality)",
            "code in what a guest has sent to it",
        ],
        |_| call(Try::ExecutableReads, ""),
    )
    .spends(),
    a(
        "map-null",
        ["map the address 0", "what the kernel takes for nothing becomes something"],
        |_| gain(Gain::Null),
    ),
    a(
        "merge-memory",
        [
            "have memory merged with others' that is the same",
            "by the time that a write takes it tells what others have",
        ],
        |_| merge(),
    ),
];

fn gain(how: Gain) -> Tried {
    gain_executable(how)?;
    Ok("done".into())
}

fn memory_file() -> Tried {
    let mut file = File::from(memfd_create("drill", MemfdFlags::empty())?);
    file.write_all(&[0xc3; 4096])?;
    map_executable(&file)?;
    Ok("mapped".into())
}

fn map(path: &str) -> Tried {
    map_executable(File::open(path)?)?;
    Ok("mapped".into())
}

fn merge() -> Tried {
    merge_memory()?;
    Ok("done".into())
}
