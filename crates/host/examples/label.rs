//! Labels objects as a start does, and as a whole directory is labelled, so that it can be measured
//! beside `chcon` and `setfiles`. The label is a whole SELinux context. SELinux need not be active: its
//! attribute can be written by root on every file system that has attributes.
//!
//! `label few CONTEXT FILE...` gives each file the label through the interpreter of ops, takes all of
//! it back, and prints how many milliseconds each took. `label tree CONTEXT DIRECTORY [RECORD]` labels
//! a directory and everything below, and prints how many objects it changed; what was there before is
//! made durable in the file RECORD, or is not kept.

use rustix::fs::{Mode, OFlags, open};
use std::{
    error::Error,
    ffi::OsString,
    fs::File,
    io::Write,
    num::NonZero,
    os::fd::AsFd,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::AtomicBool},
    thread,
    time::Instant,
};
use svirt_host::{
    Doing, HostError,
    apply::{self, Means},
    known::{self, Mounted},
    mac::{
        attribute::{Attributes, Xattr},
        tree::{self, Change, Task},
    },
};
use svirt_model::{Attribute, Op, Value, label::SecurityModel};

const USAGE: &str = "label few CONTEXT FILE... | label tree CONTEXT DIRECTORY [RECORD]";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [how, context, objects @ ..] = words.as_slice() else { return Err(USAGE.into()) };
    // The tools write a NUL at the end.
    let label = [context.as_bytes(), b"\0"].concat();
    match (how.to_str(), objects) {
        (Some("few"), files) => few(&label, files),
        (Some("tree"), [directory]) => whole(&label, directory.as_ref(), &|_| Ok(())),
        (Some("tree"), [directory, record]) => {
            let record = Record { path: record.into(), file: Mutex::new(File::create(record)?) };
            whole(&label, directory.as_ref(), &|changes| record.keep(changes))
        }
        _ => Err(USAGE.into()),
    }
}

fn few(label: &[u8], files: &[OsString]) -> Outcome {
    let mounted = Mounted::default();
    let means = Means { contents: |_| &[], profiles: Path::new("/nonexistent") };
    let begin = Instant::now();
    let ops = files.iter().map(|file| op(label, file.as_ref())).collect::<Outcome<Vec<_>>>()?;
    ops.iter().try_for_each(|op| apply::make(op, &means))?;
    let made = begin.elapsed();
    for op in &ops {
        let undone = apply::undo(op, &means, &mounted)?;
        if undone != apply::Undone::Restored {
            return Err(format!("{undone:?}").into());
        }
    }
    let undone = begin.elapsed() - made;
    println!("{} {}", made.as_secs_f64() * 1000.0, undone.as_secs_f64() * 1000.0);
    Ok(())
}

/// What a plan has for an object that is to be labelled.
fn op(label: &[u8], file: &Path) -> Outcome<Op> {
    let object = file.canonicalize()?;
    let held = open(&object, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let file = known::known(held.as_fd())?;
    let before = Attributes::open()?.read(&held, Xattr::Selinux)?;
    Ok(Op {
        object,
        attribute: Attribute::Label { model: SecurityModel::Selinux, file },
        before: Value::Label(before),
        after: Value::Label(Some(label.to_vec())),
    })
}

fn whole(
    label: &[u8],
    directory: &Path,
    record: &(dyn Fn(&[Change]) -> Result<(), HostError> + Sync),
) -> Outcome {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let task = Task {
        attribute: Xattr::Selinux,
        value: label,
        threads: thread::available_parallelism().map_or(1, NonZero::get),
        record,
        progress: &|_| {},
        stop: &AtomicBool::new(false),
    };
    let outcome = tree::label(open(directory, flags, Mode::empty())?, &task)?;
    if !outcome.complete || !outcome.passed_over.is_empty() {
        return Err(format!("{outcome:?}").into());
    }
    println!("{}", outcome.progress.changed);
    Ok(())
}

/// Where what was there before is kept.
struct Record {
    path: PathBuf,
    file: Mutex<File>,
}

impl Record {
    fn keep(&self, changes: &[Change]) -> Result<(), HostError> {
        let text: String = changes.iter().map(|change| format!("{change:?}\n")).collect();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        kept.on("write", &self.path)
    }
}
