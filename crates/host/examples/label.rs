//! Labels objects as a start does, and as a whole directory is labelled, so that it can be measured
//! beside `chcon` and `setfiles`. SELinux, whose label is a whole context, need not be active: its
//! attribute can be written by root on every file system that has attributes.
//!
//! `label few MODEL LABEL FILE...` gives each file the label of `selinux` or `smack` through the
//! interpreter of ops, takes all of it back, and prints how many milliseconds each took. `label tree
//! CONTEXT DIRECTORY [RECORD]` labels a directory and everything below, and prints how many objects it
//! changed; what was there before is made durable in the file RECORD first, or is not kept. `label
//! profile FILE PLACE` compiles an AppArmor profile, keeps it in the directory PLACE unless it is kept
//! there, loads it, and prints how many milliseconds each took. `label time COMMAND...` prints those of
//! another program's whole run.

use rustix::fs::{Mode, OFlags, open};
use std::{
    error::Error,
    ffi::{OsStr, OsString},
    fs::File,
    io::Write,
    os::fd::AsFd,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use svirt_host::{
    apply::{self, Means, Watcher},
    known::{self, Mounted},
    mac::{
        apparmor::Apparmor,
        attribute::{Attributes, Xattr},
        compile::Compiler,
        tree::{self, Change},
    },
};
use svirt_model::{Attribute, Op, Value, label::SecurityModel};

const USAGE: &str = "label few MODEL LABEL FILE... | label tree CONTEXT DIRECTORY [RECORD] | \
                     label profile FILE PLACE | label time COMMAND...";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some((how, words)) = words.split_first() else { return Err(USAGE.into()) };
    match (how.to_str(), words) {
        (Some("few"), [model, label, files @ ..]) => few(which(model)?, label, files),
        (Some("tree"), [context, directory]) => whole(context, directory.as_ref(), None),
        (Some("tree"), [context, directory, record]) => {
            whole(context, directory.as_ref(), Some(record.as_ref()))
        }
        (Some("profile"), [file, place]) => profile(file.as_ref(), place.as_ref()),
        (Some("time"), [program, arguments @ ..]) => time(program, arguments),
        _ => Err(USAGE.into()),
    }
}

fn which(model: &OsStr) -> Outcome<(SecurityModel, Xattr)> {
    match model.to_str() {
        Some("selinux") => Ok((SecurityModel::Selinux, Xattr::Selinux)),
        Some("smack") => Ok((SecurityModel::Smack, Xattr::Smack)),
        _ => Err(USAGE.into()),
    }
}

/// As tools write it: SELinux's have a NUL at the end.
fn written(model: SecurityModel, label: &OsStr) -> Vec<u8> {
    let end: &[u8] = if model == SecurityModel::Selinux { b"\0" } else { b"" };
    [label.as_bytes(), end].concat()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn few((model, attribute): (SecurityModel, Xattr), label: &OsStr, files: &[OsString]) -> Outcome {
    let label = written(model, label);
    let mounted = Mounted::default();
    let profiles = Path::new("/nonexistent");
    let means = Means { contents: |_| &[], profiles, watch: Watcher::NONE };
    let begin = Instant::now();
    let ops = files.iter().map(|file| op(model, attribute, &label, file.as_ref()));
    let ops = ops.collect::<Outcome<Vec<_>>>()?;
    ops.iter().try_for_each(|op| apply::make(op, &means))?;
    let made = begin.elapsed();
    for op in &ops {
        let undone = apply::undo(op, &means, &mounted)?;
        if undone != apply::Undone::Restored {
            return Err(format!("{undone:?}").into());
        }
    }
    let undone = begin.elapsed() - made;
    println!("{} {}", milliseconds(made), milliseconds(undone));
    Ok(())
}

/// What a plan has for an object that is to be labelled.
fn op(model: SecurityModel, attribute: Xattr, label: &[u8], file: &Path) -> Outcome<Op> {
    let object = file.canonicalize()?;
    let held = open(&object, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let file = known::known(held.as_fd())?;
    let before = Attributes::open()?.read(&held, attribute)?;
    Ok(Op {
        object,
        attribute: Attribute::Label { model, file },
        before: Value::Label(before),
        after: Value::Label(Some(label.to_vec())),
    })
}

/// What is there is looked at and made durable as a start does it, before any of it is changed.
fn whole(context: &OsStr, directory: &Path, record: Option<&Path>) -> Outcome {
    let label = &written(SecurityModel::Selinux, context);
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
    let (seen, labelled) = (milliseconds(seen), milliseconds(begin.elapsed()));
    eprintln!("{} objects: looked at in {seen:.1} ms, labelled in {labelled:.1} ms", before.count);
    println!("{}", progress.changed);
    Ok(())
}

fn profile(file: &Path, place: &Path) -> Outcome {
    let text = std::fs::read_to_string(file)?;
    let apparmor = Apparmor::open()?.ok_or("AppArmor is not active")?;
    let mut compiler = Compiler::new(&apparmor, place)?;
    let begin = Instant::now();
    let compiled = compiler.compile(&text)?;
    let made = begin.elapsed();
    let begin = Instant::now();
    apparmor.load(&compiled.binary)?;
    println!("{} {}", milliseconds(made), milliseconds(begin.elapsed()));
    Ok(())
}

fn time(program: &OsStr, arguments: &[OsString]) -> Outcome {
    let begin = Instant::now();
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    println!("{}", milliseconds(begin.elapsed()));
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", program.display()).into()) }
}
