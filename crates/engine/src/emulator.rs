//! What the host's QEMU says that it can do. It is asked once, in the confinement that a machine has;
//! the answer is remembered for this program as it is.

use crate::{
    Code, Engine, Failure, program,
    resolve::Identity,
    start::{self, Streams},
};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::Path,
    time::Duration,
};
use svirt_formats::{
    capabilities::{ASKED, Emulator},
    spec::{CommandSpec, Spec, VERSION},
};
use svirt_host::Doing;
use svirt_model::Stream;
use svirt_store::Store;

/// QEMU answers in a tenth of a second; a busy host may take a while.
const LIMIT: Duration = Duration::from_secs(20);
/// What it says has some tens of kilobytes. As much fits into a pipe that anybody may make
/// (`/proc/sys/fs/pipe-max-size`), so that nobody needs to read until it has ended.
const SAID_MAX: usize = 1 << 20;

/// The host's QEMU.
pub(crate) fn usual(engine: &Engine, store: &mut Store) -> Result<Emulator, Failure> {
    let path = program::qemu()?;
    let key = key(&path)?;
    if let Some(known) = remembered(store, &path, &key)? {
        return Ok(known);
    }
    let said = ask(engine, &path)?;
    let emulator = Emulator::read(&path, &said).map_err(|e| mute(&path, &e.to_string()))?;
    let text = serde_json::to_string(&emulator);
    let text = text.map_err(|e| Failure::from_error(Code::Internal, &e))?;
    store.remember(&key, &text)?;
    Ok(emulator)
}

/// The same, if it was asked before: nothing is run.
pub(crate) fn known(store: &Store) -> Result<Option<Emulator>, Failure> {
    let path = program::qemu()?;
    remembered(store, &path, &key(&path)?)
}

fn key(path: &Path) -> Result<String, Failure> {
    Ok(format!("emulator {VERSION} {}", program::stamp(path)?))
}

fn remembered(store: &Store, path: &Path, key: &str) -> Result<Option<Emulator>, Failure> {
    let known = store.recall(key)?.and_then(|text| serde_json::from_str::<Emulator>(&text).ok());
    Ok(known.map(|known| Emulator { path: path.to_owned(), ..known }))
}

fn mute(path: &Path, why: &str) -> Failure {
    let message = format!("{} does not say what it can do", path.display());
    Failure { causes: vec![why.to_owned()], ..Failure::new(Code::Unavailable, message) }
}

/// Asks all questions at once and hears what was said when QEMU has ended.
fn ask(engine: &Engine, path: &Path) -> Result<Vec<u8>, Failure> {
    let (questions, asking) = pipe()?;
    let (answers, answering) = pipe()?;
    fcntl_setpipe_size(&answers, SAID_MAX).doing(|| "make room for what QEMU says")?;
    let words: String = ASKED.map(|question| format!("{{\"execute\":\"{question}\"}}\n")).concat();
    File::from(asking).write_all(words.as_bytes()).doing(|| "ask QEMU")?;
    let streams = Streams(vec![(Stream::Input, questions), (Stream::Output, answering)]);
    let id = start::new_id()?;
    let name = format!("ask-{}", id.simple());
    let name = name.parse().map_err(|e| Failure::from_error(Code::Internal, &e))?;
    let ending = start::run_for(engine, &asked(path), Identity { id, name }, streams, LIMIT)?;
    let mut said = Vec::new();
    let limit = u64::try_from(SAID_MAX).unwrap_or(u64::MAX);
    File::from(answers).take(limit).read_to_end(&mut said).doing(|| "hear QEMU")?;
    match ending {
        Some(_) => Ok(said),
        None => Err(mute(path, "it did not end in time")),
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    Ok(pipe_with(PipeFlags::CLOEXEC).doing(|| "make a pipe")?)
}

/// QEMU without a machine, with its monitor on its standard streams.
fn asked(path: &Path) -> Spec {
    let words = "-machine none -nodefaults -no-user-config -display none -accel tcg \
                 -chardev stdio,id=monitor -mon chardev=monitor,mode=control";
    let words = words.split_whitespace().map(str::to_owned);
    let command = [path.to_string_lossy().into_owned()].into_iter().chain(words).collect();
    let command = CommandSpec { command, directory: "/".into(), ..CommandSpec::default() };
    Spec { version: VERSION, command: Some(command), ..Spec::default() }
}
