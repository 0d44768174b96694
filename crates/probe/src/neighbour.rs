//! A process that stands for another machine's: it has the machine's user, and something of every kind
//! that belongs to a process rather than to a file system. It says what that is, and removes it when
//! its standard input ends.

use crate::{
    Target,
    attempt::{Failed, returned},
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};
use svirt_host::sys::{Try, attempt};

/// The word that makes the probe the neighbour.
pub const WORD: &str = "neighbour";
/// No neighbour says more, in bytes.
const SAID_MAX: u64 = 64 << 10;
/// What its memory is full of.
pub(crate) const MARK: u8 = 0x5a;
/// What its key and queue are called, with its own number behind it.
const NAME: &str = "svirt-drill";

/// Calls of the table that undo, each with its number and text.
type Undo = Vec<(Try, u64, String)>;

pub(crate) fn main() -> ExitCode {
    let memory = vec![MARK; 4096];
    let (mut has, mut undo) = (BTreeMap::new(), Undo::new());
    has.insert(Target::Process, std::process::id().to_string());
    has.insert(Target::Memory, format!("{}:{:x}", std::process::id(), memory.as_ptr().addr()));
    make(&mut has, &mut undo);
    let said = tell(&has);
    // Whatever comes, and however it ends: then everything is to go.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    for (which, number, text) in undo {
        let _ = returned(which, i64::try_from(number).unwrap_or(-1), &text);
    }
    if said.is_ok() && std::hint::black_box(memory).len() == 4096 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tell(has: &BTreeMap<Target, String>) -> io::Result<()> {
    let mut text: String =
        has.iter().map(|(target, value)| format!("{}\t{value}\n", target.word())).collect();
    text.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What this kernel does not have is not there to be attacked.
fn make(has: &mut BTreeMap<Target, String>, undo: &mut Undo) {
    let simple = [
        // With two the number of the last is none that there is without any.
        (Target::Segment, Try::MakeSegment, Try::RemoveSegment),
        (Target::Segment, Try::MakeSegment, Try::RemoveSegment),
        (Target::Semaphore, Try::MakeSemaphore, Try::RemoveSemaphore),
        (Target::Queue, Try::MakeQueue, Try::RemoveQueue),
    ];
    for (target, make, remove) in simple {
        if let Ok(number) = returned(make, 0, "") {
            has.insert(target, number.to_string());
            undo.push((remove, number, String::new()));
        }
    }
    if let Some(queue) = has.get(&Target::Queue).and_then(|queue| queue.parse().ok()) {
        let _ = returned(Try::SendMessage, queue, "");
    }
    let name = format!("{NAME}-{}", std::process::id());
    if let Ok(made) = std::ffi::CString::new(name.as_str())
        && attempt(Try::MakePosixQueue, 0, &made).is_ok()
    {
        has.insert(Target::PosixQueue, name.clone());
        undo.push((Try::RemovePosixQueue, 0, name.clone()));
    }
    if let Ok(key) = key(&name) {
        has.insert(Target::Key, key.to_string());
        has.insert(Target::KeyName, name);
        undo.push((Try::UnlinkKey, key, String::new()));
    }
}

/// A key in the user's keyring, with which everybody of that user may do everything.
fn key(name: &str) -> Result<u64, Failed> {
    let key = returned(Try::AddProcessKey, 0, name)?;
    let number = i64::try_from(key).unwrap_or(-1);
    returned(Try::OpenKey, number, "")?;
    returned(Try::LinkKey, number, "")?;
    Ok(key)
}

/// What a neighbour says of what it has, which ends with an empty line or with the neighbour.
pub fn hear(said: impl BufRead) -> BTreeMap<Target, String> {
    let lines = said.take(SAID_MAX).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).filter_map(|line| read(&line)).collect()
}

fn read(line: &str) -> Option<(Target, String)> {
    let (word, value) = line.split_once('\t')?;
    let target = Target::ALL.iter().find(|target| target.word() == word)?;
    Some((*target, value.to_owned()))
}

/// The arguments that make this program the neighbour.
pub fn arguments() -> [OsString; 2] {
    [crate::WORD.into(), WORD.into()]
}
