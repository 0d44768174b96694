//! The way to an object whose label is to be put back: at its path, by its handle wherever it is now, or
//! by another name beside.
//!
//! What is done with it, this refuses to know.

use super::{Undone, label::words};
use crate::{
    Doing, HostError,
    known::{self, Again, Mounted},
};
use rustix::{
    fs::{CWD, Dir, Mode, OFlags, ResolveFlags, fstat, openat, openat2},
    io::Errno,
    process::geteuid,
};
use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};
use svirt_model::Known;

/// The way to an object whose label is to be put back.
pub(super) enum Way {
    /// It is where it was.
    Here(OwnedFd),
    /// It has another name now, of which this is said.
    Moved(OwnedFd, String),
    /// There is none, and this is what became of the change.
    None(Undone),
}

/// What stands at a path.
///
/// # Errors
/// `ELOOP` where a link has come into the way there; else the kernel's.
fn held(path: &Path) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(CWD, path, flags, Mode::empty(), resolve) {
        Ok(object) => Ok(Some(object)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What stands at a path, beside what is to be there.
pub(super) enum At {
    /// The very object.
    Same(OwnedFd),
    /// Another, or a way there that has a link in it now.
    Another,
    /// Nothing.
    Nothing,
}

/// What the plan itself made is known by its place and by being this user's.
pub(super) fn at(path: &Path, file: Option<&Known>) -> io::Result<At> {
    let object = match held(path) {
        Ok(Some(object)) => object,
        Ok(None) => return Ok(At::Nothing),
        Err(Errno::LOOP) => return Ok(At::Another),
        Err(e) => return Err(e.into()),
    };
    let same = match file {
        Some(file) => known::is(object.as_fd(), file)?,
        None => fstat(&object)?.st_uid == geteuid().as_raw(),
    };
    Ok(if same { At::Same(object) } else { At::Another })
}

/// To what the plan itself made, which has nothing of its own to be put back.
pub(super) fn to_made(path: &Path) -> Result<Way, HostError> {
    Ok(match at(path, None).on("open", path)? {
        At::Same(object) => Way::Here(object),
        At::Another => Way::None(Undone::Left("it was replaced".into())),
        At::Nothing => Way::None(Undone::Restored),
    })
}

/// To an object by what it is known by: at its path, by its handle, or by another name beside.
pub(super) fn to_known(
    path: &Path,
    file: &Known,
    label: &[u8],
    mounted: &Mounted,
) -> Result<Way, HostError> {
    let there = match held(path) {
        Err(Errno::LOOP) => None,
        there => there.on("open", path)?,
    };
    if let Some(object) = there {
        // Of a file system that is known only in its boot, what looks the same there and still has
        // the label that nobody else gives is taken for the same.
        let is = match mounted.is_of_another_boot(&file.on)? {
            false => known::is(object.as_fd(), file),
            true => known::resembles(object.as_fd(), file),
        };
        if is.on("look at", path)? {
            return Ok(Way::Here(object));
        }
    }
    let found = mounted.find(file)?;
    if let Again::Found(object, point) = found {
        let to = place_of(&object, path, file, &point);
        return Ok(Way::Moved(object, to));
    }
    if let Again::Gone = found {
        return Ok(Way::None(Undone::Restored));
    }
    if let Some((object, name)) = beside(path, file).on("look beside", path)? {
        return Ok(Way::Moved(object, name.display().to_string()));
    }
    let label = words(Some(label));
    Ok(Way::None(match found {
        Again::NotMounted => Undone::Later(format!("its file system ({}) is not mounted", file.on)),
        Again::OfAnotherBoot => Undone::Later(format!(
            "it is not there since the host was started again, and its file system has nothing to be \
             known by; it may still have {label}"
        )),
        _ => Undone::Left(format!(
            "moved, not restored: it is not there any more; if it was not removed, it still has {label}"
        )),
    }))
}

/// Where an object is that was found by its handle. The kernel has a path only for what it was led to
/// by one; where its file system is mounted elsewhere now, the end of its path may still be right.
fn place_of(object: &OwnedFd, path: &Path, file: &Known, point: &Path) -> String {
    let link = format!("/proc/self/fd/{}", object.as_raw_fd());
    let shown = rustix::fs::readlink(link, Vec::new()).ok();
    let shown = shown.map(|path| PathBuf::from(OsStr::from_bytes(path.as_bytes())));
    let names = path.components().skip(1);
    let below =
        (0..names.clone().count()).map(|n| point.join(names.clone().skip(n).collect::<PathBuf>()));
    let leads_there = |path: &PathBuf| {
        let found = held(path).ok().flatten();
        found.is_some_and(|found| known::is(found.as_fd(), file).unwrap_or(false))
    };
    match shown.into_iter().chain(below).find(leads_there) {
        Some(path) => path.display().to_string(),
        None => format!("find {} -xdev -inum {} shows where", point.display(), file.inode),
    }
}

/// So many names are looked at for one that was renamed: everybody waits meanwhile.
const NAMES_MAX: usize = 4096;

/// The file by another name in the same directory: before something is replaced, it is often kept so.
fn beside(path: &Path, file: &Known) -> io::Result<Option<(OwnedFd, PathBuf)>> {
    let (Some(above), resolve) = (path.parent(), ResolveFlags::NO_SYMLINKS) else {
        return Ok(None);
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = match openat2(CWD, above, flags, Mode::empty(), resolve) {
        Ok(directory) => directory,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    for entry in Dir::read_from(&directory)?.take(NAMES_MAX) {
        let entry = entry?;
        if entry.ino() != file.inode {
            continue;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        let Ok(object) = openat(&directory, name, flags, Mode::empty()) else { continue };
        if known::is(object.as_fd(), file)? {
            return Ok(Some((object, above.join(name))));
        }
    }
    Ok(None)
}
