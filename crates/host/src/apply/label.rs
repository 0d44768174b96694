//! The label of an object that is there already: written over what was recorded and nothing else,
//! and put back where it is still what was written.
//!
//! Which label is right, it refuses to know.

use super::Undone;
use crate::{
    Doing, HostError,
    mac::{
        Lsm,
        attribute::{self, Attributes, PutBack, Xattr},
        process,
        selinux::Selinux,
    },
};
use rustix::{
    fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2},
    io::Errno,
    process::geteuid,
};
use std::{io, os::fd::OwnedFd, path::Path};
use svirt_model::{
    FileId, Op, Value,
    label::{Context, SecurityModel},
};

/// What stands at a path.
enum Found {
    /// The very file.
    Same(OwnedFd),
    /// Another, or a way there that has a link in it now.
    Another,
    /// Nothing.
    Gone,
}

/// Writes the label.
///
/// # Errors
/// The file is gone or another, has more than one name, or has not the label that was recorded; the
/// kernel's.
pub(super) fn write(op: &Op, model: SecurityModel, file: Option<FileId>) -> Result<(), HostError> {
    let change = Change::of(op, model).on("label", &op.object)?;
    let object = the_file(&op.object, file).on("label", &op.object)?;
    change.make(&object).on("label", &op.object)
}

/// Puts the label back that was there before.
///
/// # Errors
/// The kernel's.
pub(super) fn put_back(
    op: &Op,
    model: SecurityModel,
    file: Option<FileId>,
) -> Result<Undone, HostError> {
    let path = &op.object;
    let change = Change::of(op, model).on("put the label back of", path)?;
    let object = match (find(path, file).on("open", path)?, file) {
        (Found::Same(object), _) => object,
        // What the plan made has nothing of its own to be put back.
        (Found::Another, None) => return Ok(Undone::Left("it was replaced".into())),
        (Found::Gone, None) => return Ok(Undone::Restored),
        (_, Some(file)) => match beside(path, file).on("look beside", path)? {
            Some(object) => object,
            None => return Ok(Undone::Left(moved(change.after))),
        },
    };
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
    match put.map_err(io::Error::other).on("put the label back of", path)? {
        PutBack::Restored => Ok(Undone::Restored),
        PutBack::Left(found) => {
            let found = words(found.as_deref());
            Ok(Undone::Left(format!("somebody else has labelled it since: it has {found}")))
        }
    }
}

/// The label that it has now; an error where it is gone or another.
///
/// # Errors
/// The kernel's.
pub(super) fn now(
    op: &Op,
    model: SecurityModel,
    file: Option<FileId>,
) -> Result<String, HostError> {
    let path = &op.object;
    let change = Change::of(op, model).on("look at the label of", path)?;
    let object = match find(path, file).on("open", path)? {
        Found::Same(object) => object,
        Found::Another => return Ok("it was replaced".into()),
        Found::Gone => return Ok("it is not there".into()),
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
fn the_file(path: &Path, file: Option<FileId>) -> io::Result<OwnedFd> {
    match find(path, file)? {
        Found::Gone => Err(Errno::NOENT.into()),
        Found::Another => Err(io::Error::other("it was replaced")),
        Found::Same(object) => {
            let stat = fstat(&object)?;
            let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            if regular && stat.st_nlink > 1 {
                let why = "it has other names (hard links), whose users would lose it; copy it";
                return Err(io::Error::other(why));
            }
            Ok(object)
        }
    }
}

/// What the plan itself made is known by its place and by being this user's.
fn find(path: &Path, file: Option<FileId>) -> Result<Found, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let object = match openat2(CWD, path, flags, Mode::empty(), resolve) {
        Ok(object) => object,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Found::Gone),
        Err(Errno::LOOP) => return Ok(Found::Another),
        Err(e) => return Err(e),
    };
    let same = match file {
        Some(file) => is(&object, file)?,
        None => fstat(&object)?.st_uid == geteuid().as_raw(),
    };
    Ok(if same { Found::Same(object) } else { Found::Another })
}

/// So many names are looked at for one that was renamed: everybody waits meanwhile.
const NAMES_MAX: usize = 4096;

/// The file by another name in the same directory: before something is replaced, it is often kept so.
fn beside(path: &Path, file: FileId) -> io::Result<Option<OwnedFd>> {
    let (Some(above), resolve) = (path.parent(), ResolveFlags::NO_SYMLINKS) else {
        return Ok(None);
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = match openat2(CWD, above, flags, Mode::empty(), resolve) {
        Ok(above) => above,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    for entry in Dir::read_from(&above)?.take(NAMES_MAX) {
        let entry = entry?;
        if entry.ino() != file.inode {
            continue;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(object) = openat(&above, entry.file_name(), flags, Mode::empty()) else { continue };
        if is(&object, file)? {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

fn is(object: &OwnedFd, file: FileId) -> Result<bool, Errno> {
    let stat = fstat(object)?;
    Ok(file == FileId { device: stat.st_dev, inode: stat.st_ino })
}

fn moved(label: &[u8]) -> String {
    let label = words(Some(label));
    format!("it is not there any more; if it was moved and not removed, it still has {label}")
}

/// The label that a file would have that this process makes in this place now.
fn fresh(model: SecurityModel, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
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
mod tests {
    use super::*;
    use crate::apply::{self, Means};
    use std::{fs, os::unix::fs::symlink};
    use svirt_model::Attribute;

    const OLD: &[u8] = b"before\xff:no:nul";
    const NEW: &[u8] = b"system_u:object_r:svirt_image_t:s0:c1,c2\0";

    struct Case {
        place: tempfile::TempDir,
        op: Op,
    }

    impl Case {
        /// A file and an op for it; `None` where this user cannot label files.
        fn new(before: Option<&[u8]>) -> Option<Self> {
            let place = tempfile::tempdir().unwrap();
            let object = fs::canonicalize(place.path()).unwrap().join("image");
            fs::write(&object, "x").unwrap();
            let case = Self { op: op(&object, before), place };
            match before.map_or(Ok(()), |before| case.set(before)) {
                Ok(()) if rustix::process::geteuid().is_root() => Some(case),
                _ => {
                    svirt_testkit::skipped("this user cannot label files");
                    None
                }
            }
        }

        fn set(&self, value: &[u8]) -> Result<(), rustix::io::Errno> {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(&self.op.object, Xattr::Selinux.name(), value, flags)
        }

        fn label(&self) -> Option<Vec<u8>> {
            label_of(&self.op.object)
        }
    }

    fn op(object: &Path, before: Option<&[u8]>) -> Op {
        let stat = rustix::fs::stat(object).unwrap();
        let file = FileId { device: stat.st_dev, inode: stat.st_ino };
        Op {
            object: object.to_owned(),
            attribute: Attribute::Label { model: SecurityModel::Selinux, file: Some(file) },
            before: Value::Label(before.map(<[u8]>::to_vec)),
            after: Value::Label(Some(NEW.to_vec())),
        }
    }

    fn label_of(path: &Path) -> Option<Vec<u8>> {
        let mut value = [0; 256];
        let length = rustix::fs::getxattr(path, Xattr::Selinux.name(), &mut value[..]).ok()?;
        Some(value[..length].to_vec())
    }

    fn make(op: &Op) -> Result<(), HostError> {
        apply::make(op, &means())
    }

    fn undo(op: &Op) -> Undone {
        apply::undo(op, &means()).unwrap()
    }

    fn means() -> Means<'static> {
        Means { contents: |_| &[], profiles: Path::new("/nonexistent") }
    }

    fn why(refused: Result<(), HostError>) -> String {
        std::error::Error::source(&refused.unwrap_err()).unwrap().to_string()
    }

    #[test]
    fn a_label_is_made_and_put_back_to_the_byte() {
        for before in [None, Some(OLD), Some(b"with:nul\0".as_slice()), Some(b"")] {
            let Some(case) = Case::new(before) else { return };
            make(&case.op).unwrap();
            assert_eq!(case.label().as_deref(), Some(NEW));
            for _ in 0..2 {
                assert_eq!(undo(&case.op), Undone::Restored);
                assert_eq!(case.label().as_deref(), before);
            }
        }
    }

    #[test]
    fn nothing_is_written_over_what_was_not_recorded() {
        let Some(case) = Case::new(Some(OLD)) else { return };
        case.set(b"theirs").unwrap();
        let refused = why(make(&case.op));
        assert!(refused.contains("somebody else") && refused.contains("theirs"), "{refused}");
        assert_eq!(case.label().as_deref(), Some(b"theirs".as_slice()));
        let left = undo(&case.op);
        assert!(matches!(&left, Undone::Left(why) if why.contains("theirs")), "{left:?}");
        assert_eq!(case.label().as_deref(), Some(b"theirs".as_slice()));
    }

    #[test]
    fn another_file_a_link_and_a_second_name_are_refused() {
        let Some(case) = Case::new(Some(OLD)) else { return };
        let (object, other) = (&case.op.object, case.place.path().join("other"));
        fs::hard_link(object, &other).unwrap();
        assert!(why(make(&case.op)).contains("hard links"));
        fs::remove_file(&other).unwrap();
        make(&case.op).unwrap();
        let gone = |undone| matches!(undone, Undone::Left(why) if why.contains("svirt_image_t"));
        let away = tempfile::tempdir_in(case.place.path()).unwrap();
        let away = away.path().join("away");
        fs::rename(object, &away).unwrap();
        assert!(gone(undo(&case.op)), "nobody knows where it is");
        for replace in [
            |path: &Path, _: &Path| fs::write(path, "y").unwrap(),
            |path: &Path, other: &Path| symlink(other, path).unwrap(),
        ] {
            replace(object, &away);
            assert_eq!(why(make(&case.op)), "it was replaced");
            assert!(gone(undo(&case.op)));
            fs::remove_file(object).unwrap();
        }
        assert_eq!(label_of(&away).as_deref(), Some(NEW), "by another name nothing is done to it");
        fs::rename(&away, object).unwrap();
        assert_eq!(undo(&case.op), Undone::Restored);
        assert_eq!(case.label().as_deref(), Some(OLD));
    }

    #[test]
    fn what_was_renamed_in_its_directory_gets_its_label_back() {
        for replaced in [false, true] {
            let Some(case) = Case::new(Some(OLD)) else { return };
            let (object, kept) = (&case.op.object, case.place.path().join("kept"));
            make(&case.op).unwrap();
            fs::rename(object, &kept).unwrap();
            if replaced {
                fs::write(object, "new").unwrap();
            }
            assert_eq!(undo(&case.op), Undone::Restored);
            assert_eq!(label_of(&kept).as_deref(), Some(OLD));
            assert_eq!(replaced.then(|| label_of(object)).flatten(), None);
        }
    }
}
