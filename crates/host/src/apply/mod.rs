//! The interpreter of ops: it makes one change, or takes it back, and looks at what is there.
//!
//! Undoing removes only what is still as it was made: what somebody else has put there stays.

mod find;
mod label;
mod look;
mod profile;
mod rules;
mod tree;

pub use label::fresh;
pub use look::look;
pub(crate) use profile::loaded;
pub use tree::Watcher;

use crate::{Doing, HostError, known::Mounted, subordinate, text};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, unlinkat},
    io::Errno,
    process::{Gid, Pid, PidfdFlags, Signal, Uid, geteuid, pidfd_open, pidfd_send_signal},
};
use std::{
    ffi::OsStr,
    fs,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    time::{Duration, Instant},
};
use svirt_model::{Attribute, Embedded, Op, Value};

/// What became of an op that was to be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// The object is as it was before.
    Restored,
    /// So it is, and it has another name now, of which this is said.
    Moved(String),
    /// It is, as far as there is anything left of it, of which this is said.
    Noted(String),
    /// It is no longer as it was made, so it was left alone.
    Left(String),
    /// It may still be as it was made, and nothing can be done about it now, for this reason.
    Later(String),
}

/// The bytes of something that is part of this program.
pub type Contents = fn(Embedded) -> &'static [u8];

/// What ops need besides what they say.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// What is part of this program.
    pub contents: Contents,
    /// A directory of this user's alone for compiled profiles; it is made when it is needed.
    pub profiles: &'a Path,
    /// Is told how far the labels of a directory are.
    pub watch: Watcher<'a>,
}

/// Makes one change.
///
/// # Errors
/// The kernel's. An object that is already there is an error: it is somebody else's. So is a label
/// that is not the one that was recorded.
pub fn make(op: &Op, means: &Means<'_>) -> Result<(), HostError> {
    svirt_fault::point(|| format!("op {} to be made", op.kind()));
    made(op, means)?;
    svirt_fault::point(|| format!("op {} made", op.kind()));
    Ok(())
}

fn made(op: &Op, means: &Means<'_>) -> Result<(), HostError> {
    let path = &op.object;
    if let Attribute::Label { model, file } = &op.attribute {
        return label::write(op, *model, file.as_ref(), means);
    }
    match &op.after {
        Value::Absent => Err(io::Error::other("no plan removes it")).on("remove", path),
        Value::Label(_) | Value::Tree(_) => {
            Err(io::Error::other("a label is no object")).on("make", path)
        }
        Value::Profile(source) => profile::load(path, source, means.profiles),
        Value::Rules(lines) => rules::allow(path, lines),
        Value::Directory { uid, gid, mode } => directory(path, *uid, *gid, *mode),
        Value::Link(text) => held(path)
            .and_then(|(directory, name)| rustix::fs::symlinkat(text, directory, name))
            .on("link", path),
        Value::Cgroup(limits) => group(path, limits),
        Value::EmptyFile => new_file(path, &[], 0o600),
        Value::Embedded(which) => new_file(path, (means.contents)(*which), 0o444),
    }
}

fn directory(path: &Path, uid: u32, gid: u32, mode: u32) -> Result<(), HostError> {
    rustix::fs::mkdir(path, Mode::from_raw_mode(0o700)).on("make the directory", path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::open(path, flags, Mode::empty()).on("open", path)?;
    if uid != rustix::process::geteuid().as_raw() {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::fchown(&made, uid, gid).on("change the owner of", path)?;
    }
    rustix::fs::fchmod(&made, Mode::from_raw_mode(mode)).on("set the mode of", path)
}

fn group(path: &Path, limits: &[(String, String)]) -> Result<(), HostError> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        // A group outlives a crash only when it is empty, and then it is as good as new.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(e).on("make the control group", path),
    }
    limits.iter().try_for_each(|(file, text)| {
        let file = path.join(file);
        fs::write(&file, text).on("write", &file)
    })
}

fn new_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), HostError> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).on("make the file", path)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).on("set the mode of", path)?;
    fs::File::from(file).write_all(bytes).on("write", path)
}

/// The directory that holds a path, which was found to have no link in it, and the name there. A
/// link that has come into it since is an error, not a way.
fn held(path: &Path) -> Result<(OwnedFd, &OsStr), Errno> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let directory = rustix::fs::openat2(rustix::fs::CWD, above, flags, Mode::empty(), resolve)?;
    Ok((directory, name))
}

/// Takes one change back, if it is still there as it was made. What the kernel refuses for a reason that
/// passes is for later; so is a label, whatever the reason, because it stays until it is put back.
/// `mounted` is where objects are looked for that are not where they were.
///
/// # Errors
/// The kernel's, of which nobody can expect that they pass.
pub fn undo(op: &Op, means: &Means<'_>, mounted: &Mounted) -> Result<Undone, HostError> {
    svirt_fault::point(|| format!("op {} to be undone", op.kind()));
    let undone = undone(op, means, mounted)?;
    svirt_fault::point(|| format!("op {} undone", op.kind()));
    Ok(undone)
}

fn undone(op: &Op, means: &Means<'_>, mounted: &Mounted) -> Result<Undone, HostError> {
    let undone = match (&op.attribute, &op.after) {
        (Attribute::Label { model, file }, _) => {
            let put = label::put_back(op, *model, file.as_ref(), means, mounted);
            return Ok(put.unwrap_or_else(|error| Undone::Later(error.in_full())));
        }
        (Attribute::Presence, Value::Profile(_)) => profile::remove(&op.object, means.profiles),
        (Attribute::Presence, Value::Rules(lines)) => rules::revoke(&op.object, lines),
        (Attribute::Presence, _) => remove(op),
    };
    match undone {
        Err(error) if error.passes() => Ok(Undone::Later(error.in_full())),
        other => other,
    }
}

/// Removes an object of the file system, if it is still there as it was made.
fn remove(op: &Op) -> Result<Undone, HostError> {
    let path = &op.object;
    let left = |why: &str| Ok(Undone::Left(why.to_owned()));
    let stat = match rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Undone::Restored),
        Err(e) => return Err(e).on("look at", path),
    };
    let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    match &op.after {
        Value::EmptyFile => left("it is kept: it was asked for by name"),
        Value::Absent => left("no plan removes it"),
        Value::Label(_) | Value::Tree(_) | Value::Profile(_) | Value::Rules(_) => {
            left("it is no object of its own")
        }
        Value::Link(text) => match fs::read_link(path) {
            Ok(found) if found == *text => held(path)
                .and_then(|(directory, name)| unlinkat(directory, name, AtFlags::empty()))
                .on("remove", path)
                .map(restored),
            _ => left("it was replaced"),
        },
        Value::Embedded(_) => fs::remove_file(path).on("remove", path).map(restored),
        _ if kind != rustix::fs::FileType::Directory => left("it was replaced"),
        Value::Directory { uid, .. } if *uid != stat.st_uid => left("it was replaced"),
        Value::Directory { .. } => remove_tree(path, FEW).map(restored),
        Value::Cgroup(_) => remove_group(path).map(restored),
    }
}

/// Undoing holds everybody up, so no more names than this are removed then; whoever undoes clears
/// before that.
const FEW: usize = 256;
/// As many names, and directories in directories, are removed for a machine that made so many.
const MANY: usize = 1 << 16;
const DEPTH: usize = 32;

/// Removes what a machine left in a directory that is to be undone: beforehand, because it may take a
/// while. What cannot be removed so is still there when the change is undone, which then says so.
pub fn clear(op: &Op) {
    if matches!(op.after, Value::Directory { .. })
        && let Ok(directory) = open_directory(rustix::fs::CWD, op.object.as_os_str())
    {
        let _ = empty(&directory, &mut MANY.clone(), DEPTH);
    }
}

/// An ordinary user cannot remove what a machine's own user has left in a directory of its own.
fn remove_tree(path: &Path, names: usize) -> Result<(), HostError> {
    match remove_all(path, names) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied && !geteuid().is_root() => {
            subordinate::remove_tree(path)
        }
        removed => removed.on("remove", path),
    }
}

fn remove_all(path: &Path, mut names: usize) -> io::Result<()> {
    let (above, name) = held(path)?;
    let directory = open_directory(&above, name)?;
    empty(&directory, &mut names, DEPTH)?;
    Ok(unlinkat(above, name, AtFlags::REMOVEDIR)?)
}

fn open_directory(above: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, flags, Mode::empty())
}

/// Removes what is in a directory, but no more than so many names and nothing that is deeper.
fn empty(directory: &OwnedFd, names: &mut usize, depth: usize) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        let too_much =
            || io::Error::other("it holds more than a machine may leave; rm -r removes it");
        *names = names.checked_sub(1).ok_or_else(too_much)?;
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR) => {}
            Err(e) => return Err(e.into()),
        }
        let below = depth.checked_sub(1).ok_or_else(too_much)?;
        empty(&open_directory(directory, name)?, names, below)?;
        unlinkat(directory, name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

fn restored((): ()) -> Undone {
    Undone::Restored
}

/// How long the processes of a group may take to be gone once they are killed.
const DYING: Duration = Duration::from_secs(10);

/// A group can be removed when its last process is gone, and those below it first. What is still in
/// it belongs to the machine whose end this is: it is killed and waited for.
fn remove_group(path: &Path) -> Result<(), HostError> {
    let below = fs::read_dir(path).on("read", path)?.filter_map(Result::ok);
    for entry in below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        remove_group(&entry.path())?;
    }
    let deadline = Instant::now() + DYING;
    loop {
        match rustix::fs::rmdir(path) {
            Err(Errno::BUSY) if Instant::now() < deadline => end_members(path)?,
            Err(Errno::NOENT) => return Ok(()),
            other => return other.on("remove the control group", path),
        }
    }
}

/// Kills the members of a group and waits for one of them; for one that is listed no more and not
/// quite gone, which nothing tells of, a moment.
fn end_members(group: &Path) -> Result<(), HostError> {
    let procs = group.join("cgroup.procs");
    let text = text::at(&procs).on("read", &procs)?;
    let mut member = None;
    for pid in text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
        // One that cannot be opened is gone.
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let _ = pidfd_send_signal(&descriptor, Signal::KILL);
        member = Some(descriptor);
    }
    let moment = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let while_it_dies = Timespec { tv_sec: 1, tv_nsec: 0 };
    let waited = match &member {
        Some(member) => poll(&mut [PollFd::new(member, PollFlags::IN)], Some(&while_it_dies)),
        None => poll(&mut [], Some(&moment)),
    };
    match waited {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e).on("wait for the processes of", group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn means() -> Means<'static> {
        Means { contents: |_| &[], profiles: Path::new("/nonexistent"), watch: Watcher::NONE }
    }

    fn undo(op: &Op, means: &Means<'_>) -> Result<Undone, HostError> {
        super::undo(op, means, &Mounted::default())
    }

    fn op(path: &Path, after: Value) -> Op {
        let object = path.to_owned();
        Op { object, attribute: Attribute::Presence, before: Value::Absent, after }
    }

    #[test]
    fn a_directory_is_made_with_its_mode_and_removed_with_what_is_in_it() {
        let place = tempfile::tempdir().unwrap();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let op = op(&place.path().join("run"), Value::Directory { uid, gid, mode: 0o710 });
        make(&op, &means()).unwrap();
        assert_eq!(fs::metadata(&op.object).unwrap().permissions().mode() & 0o7777, 0o710);
        assert!(make(&op, &means()).is_err(), "an existing directory was taken over");
        fs::write(op.object.join("left"), "x").unwrap();
        assert_eq!(undo(&op, &means()).unwrap(), Undone::Restored);
        assert!(!op.object.exists());
        assert_eq!(undo(&op, &means()).unwrap(), Undone::Restored, "undoing twice does no harm");
    }

    /// However much is left there, and however deep, it holds up nobody for long.
    #[test]
    fn what_a_machine_left_is_removed_within_bounds() {
        let place = tempfile::tempdir().unwrap();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let op = op(&place.path().join("run"), Value::Directory { uid, gid, mode: 0o700 });
        let fill = |count: usize| {
            make(&op, &means()).unwrap();
            for n in 0..count {
                std::os::unix::fs::symlink("/nowhere", op.object.join(n.to_string())).unwrap();
            }
        };
        fill(FEW + 2);
        let refused = undo(&op, &means()).unwrap_err();
        assert!(std::error::Error::source(&refused).unwrap().to_string().contains("rm -r"));
        assert_eq!(undo(&op, &means()).unwrap(), Undone::Restored, "the rest is few");
        fill(10 * FEW);
        clear(&op);
        assert_eq!(fs::read_dir(&op.object).unwrap().count(), 0);
        fs::create_dir_all((0..DEPTH + 2).fold(op.object.clone(), |p, _| p.join("d"))).unwrap();
        clear(&op);
        undo(&op, &means()).unwrap_err();
        fs::remove_dir_all(&op.object).unwrap();
        fs::create_dir_all((0..DEPTH).fold(op.object.clone(), |p, _| p.join("d"))).unwrap();
        assert_eq!(undo(&op, &means()).unwrap(), Undone::Restored);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_taken_for_gone() {
        let place = tempfile::tempdir().unwrap();
        let long = place.path().join("n".repeat(300));
        assert!(undo(&op(&long, Value::Link("/nowhere".into())), &means()).is_err());
    }

    #[test]
    fn what_somebody_else_put_there_is_left() {
        let place = tempfile::tempdir().unwrap();
        let op = op(&place.path().join("link"), Value::Link("/nowhere".into()));
        make(&op, &means()).unwrap();
        fs::remove_file(&op.object).unwrap();
        fs::write(&op.object, "precious").unwrap();
        assert!(matches!(undo(&op, &means()).unwrap(), Undone::Left(_)));
        assert_eq!(fs::read(&op.object).unwrap(), b"precious");
    }
}
