//! Files and directories of others.

use crate::{
    Attempt, Group, Target,
    attempt::{Tried, call},
};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, inotify};
use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use svirt_host::sys::Try;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Files, word, texts, make)
}

use Target::{Directory, Library, NeighboursFile, PrivateFile, PublicFile};

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a("read-file", ["read a file that everybody may read", "modes keep no secret that is not marked as one: the host's lists of users, other machines' shared images"], read).on(PublicFile),
    a("read-private-file", ["read a file that only whoever started the machine may read", "keys and images of other machines"], read).on(PrivateFile),
    a("read-neighbours-file", ["read a file that its own user may read", "another machine's disk, where machines share a user"], read).on(NeighboursFile),
    a("write-file", ["open for writing a file that everybody may write", "another machine's disk or the host's configuration"], write).on(PublicFile),
    a("write-neighbours-file", ["open for writing a file that its own user may write", "another machine's disk, where machines share a user"], write).on(NeighboursFile),
    a("append-file", ["open a file for appending", "logs and lists of keys are appended to"], append).on(PublicFile),
    a("truncate-file", ["truncate a file by its name", "it destroys without opening; old Landlocks do not govern it"], |t| call(Try::Truncate, t)).on(PublicFile),
    a("stat-file", ["ask for a file's size and owner", "which machines and images there are is nobody's business; no Landlock governs it"], stat).on(PublicFile),
    a("stat-file-system", ["ask how full a file system is", "it tells what other machines write"], |t| call(Try::StatFs, t)).on(PublicFile),
    a("list-directory", ["list a directory", "names of machines and images"], list).on(Directory),
    a("create-file", ["make a file in a directory that everybody may write to", "what it leaves there, another reads"], create).on(Directory),
    a("create-unnamed-file", ["make a file without a name (O_TMPFILE)", "it fills the host's disk where nobody sees it"], unnamed).on(Directory),
    a("create-set-id-file", ["make a file that gives its owner's rights to whoever executes it", "somebody on the host who executes it becomes the machine's user"], set_id).on(Directory),
    a("create-directory", ["make a directory", "names that a later program believes, and room that nobody has counted"], directory).on(Directory),
    a("create-pipe", ["make a named pipe", "whoever opens it waits for ever"], |t| made_at(Try::MakePipe, t)).on(Directory),
    a("remove-file", ["remove a file", "another machine's socket or disk"], remove).on(Directory),
    a("rename-file", ["rename a file", "one of its own in place of another's"], rename).on(Directory),
    a("change-mode", ["change a file's mode, to the same", "a secret becomes everybody's; no Landlock governs it"], |t| call(Try::ChangeMode, t)).on(NeighboursFile),
    a("change-owner", ["change a file's owner, to the same", "no Landlock governs it"], |t| call(Try::ChangeOwner, t)).on(NeighboursFile),
    a("change-times", ["change a file's times", "backups and builds miss what has changed; no Landlock governs it"], |t| call(Try::ChangeTimes, t)).on(PublicFile),
    a("set-attribute", ["set an extended attribute", "security modules keep their labels there; no Landlock governs it"], |t| call(Try::SetAttribute, t)).on(PublicFile),
    a("list-attributes", ["list a file's extended attributes", "labels tell which machine it belongs to"], |t| call(Try::ListAttributes, t)).on(PublicFile),
    a("watch-file", ["be told whenever a file is read or written", "when another machine works, and on what"], watch).on(PublicFile),
    a("watch-everything", ["be told of every access on the host (fanotify)", "what every process of the host opens"], |_| call(Try::Fanotify, "")),
    a("lock-file", ["lock a file that it may read", "whoever waits for the lock stands still"], lock).on(PublicFile),
    a("read-by-new-call", ["open a file by openat2", "a filter cannot see what it asks for"], |t| call(Try::OpenAt2, t)).on(PublicFile),
    a("change-library", ["open one of its own libraries for writing", "every program of the host loads it"], write).on(Library),
    a("write-root", ["make a file in its own root", "room that nobody has counted, and names that a later start believes"], in_root).on(Directory),
];

fn read(path: &str) -> Tried {
    let mut bytes = [0; 48];
    let count = File::open(path)?.read(&mut bytes)?;
    Ok(format!("read {count} bytes: {}", String::from_utf8_lossy(&bytes[..count])))
}

fn write(path: &str) -> Tried {
    OpenOptions::new().write(true).open(path)?;
    Ok("opened for writing".into())
}

fn append(path: &str) -> Tried {
    OpenOptions::new().append(true).open(path)?;
    Ok("opened for appending".into())
}

fn stat(path: &str) -> Tried {
    let metadata = fs::metadata(path)?;
    Ok(format!("{} bytes of user {}", metadata.len(), metadata.uid()))
}

fn list(path: &str) -> Tried {
    Ok(format!("{} names", fs::read_dir(path)?.count()))
}

fn own(directory: &str, name: &str) -> PathBuf {
    Path::new(directory).join(format!("{name}-{}", std::process::id()))
}

fn create(directory: &str) -> Tried {
    let path = own(directory, "file");
    File::create_new(&path)?;
    fs::remove_file(path)?;
    Ok("made".into())
}

fn unnamed(directory: &str) -> Tried {
    let flags = OFlags::TMPFILE | OFlags::WRONLY;
    rustix::fs::open(directory, flags, Mode::RUSR)?;
    Ok("made".into())
}

fn set_id(directory: &str) -> Tried {
    let path = own(directory, "set-id");
    let file = OpenOptions::new().write(true).create_new(true).mode(0o4700).open(&path)?;
    let mode = file.metadata()?.permissions().mode();
    fs::remove_file(path)?;
    if mode & 0o4000 == 0 { Err(nix::errno::Errno::EPERM.into()) } else { Ok("made".into()) }
}

fn directory(directory: &str) -> Tried {
    let path = own(directory, "directory");
    fs::create_dir(&path)?;
    fs::remove_dir(path)?;
    Ok("made".into())
}

/// Makes a node of the table's by a name of its own, and removes it.
pub(crate) fn made_at(which: Try, directory: &str) -> Tried {
    let path = own(directory, "node");
    let made = call(which, &path.to_string_lossy())?;
    fs::remove_file(path)?;
    Ok(made)
}

/// What it removes is there for that, and is there again afterwards.
fn remove(directory: &str) -> Tried {
    let path = Path::new(directory).join("victim");
    fs::remove_file(&path)?;
    File::create(path)?;
    Ok("removed".into())
}

fn rename(directory: &str) -> Tried {
    let (from, to) = (Path::new(directory).join("victim"), own(directory, "renamed"));
    fs::rename(&from, &to)?;
    fs::rename(to, from)?;
    Ok("renamed".into())
}

fn watch(path: &str) -> Tried {
    let watcher = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watcher, path, inotify::WatchFlags::ALL_EVENTS)?;
    Ok("watched".into())
}

fn lock(path: &str) -> Tried {
    flock(File::open(path)?, FlockOperation::NonBlockingLockExclusive)?;
    Ok("locked".into())
}

/// Where the host's root is the probe's, the decoys' directory stands for it: nothing of the host's
/// own is written to.
fn in_root(directory: &str) -> Tried {
    if Path::new(directory).exists() { create(directory) } else { create("/") }
}
