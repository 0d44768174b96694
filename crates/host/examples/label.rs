//! Labels objects as a start does, and as a whole directory is labelled, so that it can be measured
//! beside `chcon` and `setfiles`. The label is a whole SELinux context. SELinux need not be active: its
//! attribute can be written by root on every file system that has attributes.
//!
//! `label few CONTEXT FILE...` gives each file the label through the interpreter of ops, takes all of
//! it back, and prints how many milliseconds each took. `label tree CONTEXT DIRECTORY [RECORD]` labels
//! a directory and everything below, and prints how many objects it changed; what was there before is
//! made durable in the file RECORD first, or is not kept.

use rustix::fs::{Mode, OFlags, open};
use std::{
    error::Error, ffi::OsString, fs::File, io::Write, os::fd::AsFd, os::unix::ffi::OsStrExt,
    path::Path, time::Instant,
};
use svirt_host::{
    apply::{self, Means, Watcher},
    known::{self, Mounted},
    mac::{
        attribute::{Attributes, Xattr},
        tree::{self, Change},
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
        (Some("tree"), [directory]) => whole(&label, directory.as_ref(), None),
        (Some("tree"), [directory, record]) => {
            whole(&label, directory.as_ref(), Some(record.as_ref()))
        }
        _ => Err(USAGE.into()),
    }
}

fn few(label: &[u8], files: &[OsString]) -> Outcome {
    let mounted = Mounted::default();
    let profiles = Path::new("/nonexistent");
    let means = Means { contents: |_| &[], profiles, watch: Watcher::NONE };
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

/// What is there is looked at and made durable as a start does it, before any of it is changed.
fn whole(label: &[u8], directory: &Path, record: Option<&Path>) -> Outcome {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = open(directory, flags, Mode::empty())?;
    let begin = Instant::now();
    let before = tree::scan(&root, SecurityModel::Selinux, &|_| {})?;
    let seen = begin.elapsed();
    if let Some(record) = record {
        let mut file = File::create(record)?;
        file.write_all(&serde_json::to_vec(&before)?)?;
        file.sync_data()?;
    }
    let change = Change { model: SecurityModel::Selinux, before: &before, after: label };
    let begin = Instant::now();
    let progress = tree::label(&root, change, &|_| {})?;
    let (seen, labelled) = (seen.as_secs_f64() * 1000.0, begin.elapsed().as_secs_f64() * 1000.0);
    eprintln!("{} objects: looked at in {seen:.1} ms, labelled in {labelled:.1} ms", before.count);
    println!("{}", progress.changed);
    Ok(())
}
