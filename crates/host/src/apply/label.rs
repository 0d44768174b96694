//! The label of an object that is there already: written over what was recorded and nothing else,
//! and put back where it is still what was written.
//!
//! Which label is right, it refuses to know.

use super::{
    Means, Undone,
    find::{At, Way, at, to_known, to_made},
    tree,
};
use crate::{
    Doing, HostError,
    known::Mounted,
    mac::{
        Lsm,
        attribute::{self, Attributes, PutBack, Xattr},
        process,
        selinux::Selinux,
    },
};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Errno,
};
use std::{io, os::fd::OwnedFd, path::Path};
use svirt_model::{
    Known, Op, Value,
    label::{Context, SecurityModel},
};

/// Writes the label.
///
/// # Errors
/// The file is gone or another, has more than one name, or has not the label that was recorded; the
/// kernel's.
pub(super) fn write(
    op: &Op,
    model: SecurityModel,
    file: Option<&Known>,
    means: &Means<'_>,
) -> Result<(), HostError> {
    if let Some(change) = tree::change(op, model) {
        let directory = the_file(&op.object, file).on("label", &op.object)?;
        return tree::label(&op.object, &directory, change, means);
    }
    let change = Change::of(op, model).on("label", &op.object)?;
    let object = the_file(&op.object, file).on("label", &op.object)?;
    change.make(&object).on("label", &op.object)
}

/// Puts the label back that was there before, wherever the object is now.
///
/// # Errors
/// The kernel's. Then it may be possible later.
pub(super) fn put_back(
    op: &Op,
    model: SecurityModel,
    file: Option<&Known>,
    means: &Means<'_>,
    mounted: &Mounted,
) -> Result<Undone, HostError> {
    let path = &op.object;
    let whole = tree::change(op, model);
    let change = Change::of(op, model).on("put the label back of", path)?;
    let way = match file {
        Some(file) => to_known(path, file, change.after, mounted)?,
        None => to_made(path)?,
    };
    let (object, moved) = match way {
        Way::Here(object) => (object, None),
        Way::Moved(object, to) => (object, Some(to)),
        Way::None(undone) => return Ok(undone),
    };
    if let Some(whole) = whole {
        let undone = tree::put_back(path, &object, whole, means)?;
        return Ok(match (undone, moved) {
            (Undone::Restored | Undone::Noted(_), Some(to)) => Undone::Moved(to),
            (undone, _) => undone,
        });
    }
    let attributes = Attributes::open()?;
    let usual = match change.before {
        Before::Recorded(_) => None,
        Before::AsMade => fresh(model, path)?,
    };
    let before = match &change.before {
        Before::Recorded(label) => *label,
        Before::AsMade => usual.as_deref(),
    };
    let put = attributes.put_back(&object, change.attribute, before, change.after);
    Ok(match (put.map_err(io::Error::other).on("put the label back of", path)?, moved) {
        (PutBack::Restored, None) => Undone::Restored,
        (PutBack::Restored, Some(to)) => Undone::Moved(to),
        (PutBack::Left(found), moved) => {
            let found = words(found.as_deref());
            let moved = moved.map(|to| format!(" ({to})")).unwrap_or_default();
            Undone::Left(format!("somebody else has labelled it since{moved}: it has {found}"))
        }
    })
}

/// The label that it has now; an error where it is gone or another.
///
/// # Errors
/// The kernel's.
pub(super) fn now(
    op: &Op,
    model: SecurityModel,
    file: Option<&Known>,
) -> Result<String, HostError> {
    let path = &op.object;
    let change = Change::of(op, model).on("look at the label of", path)?;
    let object = match at(path, file).on("open", path)? {
        At::Same(object) => object,
        At::Another => return Ok("it was replaced".into()),
        At::Nothing => return Ok("it is not there".into()),
    };
    let label = Attributes::open()?.read(&object, change.attribute);
    let label = label.map_err(io::Error::other).on("read the label of", path)?;
    let ours = label.as_deref().is_some_and(|l| attribute::same(change.attribute, l, change.after));
    Ok(words(if ours { Some(change.after) } else { label.as_deref() }))
}

/// What is there before a label is written.
#[derive(Clone, Copy)]
enum Before<'a> {
    /// What was seen when planning.
    Recorded(Option<&'a [u8]>),
    /// What this process's making it gave it.
    AsMade,
}

/// What an op says of a label.
struct Change<'a> {
    attribute: Xattr,
    before: Before<'a>,
    after: &'a [u8],
}

impl<'a> Change<'a> {
    fn of(op: &'a Op, model: SecurityModel) -> io::Result<Self> {
        let no = |why: &str| io::Error::other(format!("no plan has {why}"));
        let attribute = Xattr::of(model).ok_or_else(|| no("labels of this model on files"))?;
        match (&op.before, &op.after) {
            (Value::Label(before), Value::Label(Some(after))) => {
                Ok(Self { attribute, before: Before::Recorded(before.as_deref()), after })
            }
            (Value::Tree(tree), Value::Label(Some(after))) => {
                Ok(Self { attribute, before: Before::Recorded(tree.common.as_deref()), after })
            }
            (Value::Absent, Value::Label(Some(after))) => {
                Ok(Self { attribute, before: Before::AsMade, after })
            }
            _ => Err(no("another change of a label than from one to one")),
        }
    }

    fn make(&self, object: &OwnedFd) -> io::Result<()> {
        let attributes = Attributes::open().map_err(io::Error::other)?;
        let read = || attributes.read(object, self.attribute).map_err(io::Error::other);
        let found = read()?;
        let is = |label: &[u8]| attribute::same(self.attribute, label, self.after);
        // Another machine wants it alike, and its supervisor was faster.
        if found.as_deref().is_some_and(is) {
            return Ok(());
        }
        if let Before::Recorded(before) = self.before
            && found.as_deref() != before
        {
            let (found, recorded) = (words(found.as_deref()), words(before));
            return Err(io::Error::other(format!(
                "somebody else has labelled it since the plan was made: it has {found}, and had \
                 {recorded}; start again to keep that"
            )));
        }
        attributes.write(object, self.attribute, self.after).map_err(io::Error::other)?;
        let now = read()?;
        if now.as_deref().is_some_and(is) {
            return Ok(());
        }
        let (now, after) = (words(now.as_deref()), words(Some(self.after)));
        Err(io::Error::other(format!("it has {now} after {after} was written")))
    }
}

/// The file itself, if its label is nobody else's business.
fn the_file(path: &Path, file: Option<&Known>) -> io::Result<OwnedFd> {
    let object = match at(path, file)? {
        At::Same(object) => object,
        At::Another => return Err(io::Error::other("it was replaced")),
        At::Nothing => return Err(Errno::NOENT.into()),
    };
    let stat = fstat(&object)?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if regular && stat.st_nlink > 1 {
        let why = "it has other names (hard links), whose users would lose it; copy it";
        return Err(io::Error::other(why));
    }
    Ok(object)
}

/// The label that a file would have that this process makes in this place now.
///
/// # Errors
/// The model is not active; the kernel's.
pub fn fresh(model: SecurityModel, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
    match model {
        SecurityModel::Selinux => selinux_default(path).map(Some),
        _ => process::own(Lsm::Smack).map(|own| Some(own.into_bytes())),
    }
}

fn selinux_default(path: &Path) -> Result<Vec<u8>, HostError> {
    let doing = || format!("find the usual label of {}", path.display());
    let none = |why: &str| HostError::new(doing(), io::Error::other(why));
    let selinux = Selinux::open()?.ok_or_else(|| none("SELinux is not active"))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = path.parent().ok_or_else(|| none("it is in no directory"))?;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let above = openat2(CWD, above, flags, Mode::empty(), resolve).doing(doing)?;
    let label = Attributes::open()?.read(&above, Xattr::Selinux);
    let label = label.map_err(io::Error::other).doing(doing)?.unwrap_or_default();
    let context = |bytes: &[u8]| Context::from_kernel(bytes).map_err(io::Error::other).doing(doing);
    let own = context(process::own(Lsm::Selinux)?.as_bytes())?;
    let class = selinux.class("file")?.ok_or_else(|| none("the policy has no class file"))?;
    let made = selinux.created(&own, &context(&label)?, &class)?;
    Ok([made.to_string().into_bytes(), vec![0]].concat())
}

/// A label for people: not more than a line of it.
pub(super) fn words(label: Option<&[u8]>) -> String {
    let Some(label) = label else { return "no label".into() };
    let text = String::from_utf8_lossy(label);
    let text: String = text.trim_end_matches('\0').chars().take(80).collect();
    format!("the label {}", text.escape_debug())
}

#[cfg(test)]
mod tests;
