//! Labels of real files, written and put back. SELinux need not be there: the attribute is.

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
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::open(object, flags, Mode::empty()).unwrap();
    let file = crate::known::known(std::os::fd::AsFd::as_fd(&held)).unwrap();
    assert!(file.is_some(), "nothing stays of {}", object.display());
    Op {
        object: object.to_owned(),
        attribute: Attribute::Label { model: SecurityModel::Selinux, file },
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
    apply::undo(op, &means(), &Mounted::default()).unwrap()
}

fn means() -> Means<'static> {
    let watch = apply::Watcher::NONE;
    Means { contents: |_| &[], profiles: Path::new("/nonexistent"), watch }
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
    let elsewhere = tempfile::tempdir_in(fs::canonicalize(case.place.path()).unwrap()).unwrap();
    let away = elsewhere.path().join("away");
    fs::rename(object, &away).unwrap();
    for replace in [
        |path: &Path, _: &Path| fs::write(path, "y").unwrap(),
        |path: &Path, other: &Path| symlink(other, path).unwrap(),
    ] {
        replace(object, &away);
        assert_eq!(why(make(&case.op)), "it was replaced");
        assert_eq!(label_of(&away).as_deref(), Some(NEW), "nothing is done to it");
        fs::remove_file(object).unwrap();
    }
    fs::rename(&away, object).unwrap();
    assert_eq!(undo(&case.op), Undone::Restored);
    assert_eq!(case.label().as_deref(), Some(OLD));
}

#[test]
fn what_was_renamed_in_its_directory_gets_its_label_back() {
    for replaced in [false, true] {
        let Some(case) = Case::new(Some(OLD)) else { return };
        let object = &case.op.object;
        let kept = object.with_file_name("kept");
        make(&case.op).unwrap();
        fs::rename(object, &kept).unwrap();
        if replaced {
            fs::write(object, "new").unwrap();
        }
        assert_eq!(undo(&case.op), Undone::Moved(kept.display().to_string()));
        assert_eq!(label_of(&kept).as_deref(), Some(OLD));
        assert_eq!(replaced.then(|| label_of(object)).flatten(), None);
    }
}

#[test]
fn what_was_moved_away_is_found_by_its_handle() {
    for replaced in [false, true] {
        let Some(case) = Case::new(Some(OLD)) else { return };
        let elsewhere = tempfile::tempdir_in(case.place.path()).unwrap();
        let away = fs::canonicalize(elsewhere.path()).unwrap().join("away");
        make(&case.op).unwrap();
        fs::rename(&case.op.object, &away).unwrap();
        if replaced {
            fs::write(&case.op.object, "new").unwrap();
            case.set(NEW).unwrap();
        }
        assert_eq!(undo(&case.op), Undone::Moved(away.display().to_string()));
        assert_eq!(label_of(&away).as_deref(), Some(OLD));
        assert_eq!(replaced.then(|| case.label()).flatten().as_deref(), replaced.then_some(NEW));
        fs::remove_file(&away).unwrap();
        assert_eq!(undo(&case.op), Undone::Restored, "it is no more");
    }
}

/// Who may not ask for a handle, or has none, is told what he has to look for.
#[test]
fn what_nobody_says_the_place_of_keeps_its_label_and_that_is_said() {
    let Some(mut case) = Case::new(Some(OLD)) else { return };
    make(&case.op).unwrap();
    let elsewhere = tempfile::tempdir_in(case.place.path()).unwrap();
    fs::rename(&case.op.object, elsewhere.path().join("away")).unwrap();
    let Attribute::Label { file: Some(file), .. } = &mut case.op.attribute else { panic!() };
    file.mark = svirt_model::Mark::Born { seconds: 1, nanoseconds: 2 };
    let left = undo(&case.op);
    let said = |why: &str| why.starts_with("moved, not restored") && why.contains("svirt_image_t");
    assert!(matches!(&left, Undone::Left(why) if said(why)), "{left:?}");
}

#[test]
fn what_is_on_a_file_system_that_is_not_there_is_for_later() {
    let Some(mut case) = Case::new(Some(OLD)) else { return };
    make(&case.op).unwrap();
    let Attribute::Label { file: Some(file), .. } = &mut case.op.attribute else { panic!() };
    file.on = svirt_model::FileSystem::Uuid(svirt_model::Uuid::from_u128(7));
    let later = undo(&case.op);
    assert!(matches!(&later, Undone::Later(why) if why.contains("not mounted")), "{later:?}");
    assert_eq!(case.label().as_deref(), Some(NEW));
}

/// A number that is used again is another file, whatever label that has.
#[test]
fn a_number_that_is_used_again_is_another_file() {
    let Some(case) = Case::new(Some(OLD)) else { return };
    make(&case.op).unwrap();
    let number = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let was = number(&case.op.object);
    fs::remove_file(&case.op.object).unwrap();
    let again = (0..200).map(|n| case.place.path().join(n.to_string())).find(|path| {
        fs::write(path, "another").unwrap();
        number(path) == was
    });
    let Some(again) = again else {
        return svirt_testkit::skipped("the file system does not use a number again");
    };
    fs::rename(again, &case.op.object).unwrap();
    case.set(NEW).unwrap();
    assert_eq!(why(make(&case.op)), "it was replaced");
    assert_eq!(undo(&case.op), Undone::Restored, "the file that was labelled is no more");
    assert_eq!(case.label().as_deref(), Some(NEW));
}

/// Of a file system that has nothing to be known by, what looks the same is the same after a boot.
#[test]
fn what_was_known_only_in_another_boot_is_recognised_by_its_place_and_its_look() {
    let Some(mut case) = Case::new(Some(OLD)) else { return };
    make(&case.op).unwrap();
    let Attribute::Label { file: Some(file), .. } = &mut case.op.attribute else { panic!() };
    let boot = svirt_model::Uuid::from_u128(1);
    file.on = svirt_model::FileSystem::Boot { boot, device: 1 };
    let away = case.place.path().join("away");
    fs::rename(&case.op.object, &away).unwrap();
    assert!(matches!(undo(&case.op), Undone::Later(why) if why.contains("started again")));
    fs::write(&case.op.object, "another").unwrap();
    case.set(NEW).unwrap();
    assert!(matches!(undo(&case.op), Undone::Later(_)), "it looks otherwise");
    fs::rename(&away, &case.op.object).unwrap();
    assert_eq!(undo(&case.op), Undone::Restored);
    assert_eq!(case.label().as_deref(), Some(OLD));
}
