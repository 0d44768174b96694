//! By what objects are known, on file systems of the kernel's own: some that are there, and some that
//! root makes and mounts.

use rustix::fs::{Mode, OFlags, open};
use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    process::Command,
};
use svirt_host::known::{Again, Mounted, is, known};
use svirt_model::{FileSystem, Known, Mark, Uuid};
use svirt_testkit::{has_program, skipped};

fn held(path: &Path) -> OwnedFd {
    open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn known_at(path: &Path) -> Known {
    known(held(path).as_fd()).unwrap().expect("it can be known")
}

fn is_at(path: &Path, file: &Known) -> bool {
    is(held(path).as_fd(), file).unwrap()
}

#[test]
fn a_file_is_itself_under_another_name_and_another_is_not() {
    let (disk, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    for place in [disk.path(), memory.path()] {
        let (one, other) = (place.join("one"), place.join("other"));
        fs::write(&one, "1").unwrap();
        let file = known_at(&one);
        fs::rename(&one, &other).unwrap();
        fs::write(&one, "2").unwrap();
        assert!(is_at(&other, &file) && !is_at(&one, &file), "{file}");
        assert_eq!(known_at(&other), file);
        assert_ne!(known_at(&one), file);
    }
    let memory = known_at(memory.path());
    assert!(matches!(memory.on, FileSystem::Memory { .. }), "{memory}");
    assert!(!memory.on.outlives_a_boot());
}

/// A file that its owner may not open is known too: it is no other for that.
#[test]
fn who_may_not_open_a_file_knows_it_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let closed = place.path().join("closed");
    fs::write(&closed, "x").unwrap();
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let file = known_at(&closed);
    assert!(is_at(&closed, &file), "{file}");
}

/// A file system in a file.
struct Disk {
    place: tempfile::TempDir,
    uuid: Uuid,
}

impl Disk {
    /// `None` where it cannot be made or mounted here.
    fn make(kind: &str) -> Option<Self> {
        let uuid = Uuid::from_u128(
            0x5e1f_0000_0000_4000_8000_0000_0000_0000 | u128::from(std::process::id()),
        );
        let disk = Self { place: tempfile::tempdir().unwrap(), uuid };
        let program = format!("mkfs.{kind}");
        if !rustix::process::geteuid().is_root() || !has_program(&program) {
            skipped(format!("{program} or root is needed"));
            return None;
        }
        let image = fs::File::create(disk.image()).unwrap();
        image.set_len(if kind == "ext4" { 16 << 20 } else { 320 << 20 }).unwrap();
        let uuid = uuid.to_string();
        let flags = match kind {
            "xfs" => vec!["-q".into(), "-m".into(), format!("uuid={uuid}")],
            _ => vec!["-q".into(), "-U".into(), uuid],
        };
        assert!(run(Command::new(program).args(flags).arg(disk.image())));
        Some(disk)
    }

    fn image(&self) -> PathBuf {
        self.place.path().join("image")
    }

    fn mount(&self, name: &str) -> Option<Mount> {
        let at = self.place.path().join(name);
        fs::create_dir(&at).unwrap();
        let mounted = run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(&at));
        if !mounted {
            skipped("nothing can be mounted here");
        }
        mounted.then_some(Mount(at))
    }
}

struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        run(Command::new("umount").arg(&self.0));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|said| said.status.success())
}

/// Another place and another device number: what is written in the file system is what counts.
#[test]
fn a_file_is_found_where_its_file_system_is_mounted_and_nowhere_while_it_is_not() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let Some(disk) = Disk::make(kind) else { continue };
        let Some(first) = disk.mount("first") else { return };
        let (one, two) = (first.0.join("one"), first.0.join("two"));
        fs::write(&one, "1").unwrap();
        fs::write(&two, "2").unwrap();
        let (file, removed) = (known_at(&one), known_at(&two));
        assert_eq!(file.on, FileSystem::Uuid(disk.uuid), "{kind}");
        assert!(matches!(file.mark, Mark::Handle { .. }), "{file}");
        fs::remove_file(&two).unwrap();
        drop(first);
        let found = Mounted::default().find(&file).unwrap();
        assert!(matches!(found, Again::NotMounted), "{found:?}");
        let Some(second) = disk.mount("second") else { return };
        let mounted = Mounted::default();
        fs::rename(second.0.join("one"), second.0.join("three")).unwrap();
        let Again::Found(object, point) = mounted.find(&file).unwrap() else { panic!("{kind}") };
        assert!(is(object.as_fd(), &file).unwrap());
        assert_eq!(point, fs::canonicalize(&second.0).unwrap());
        assert!(is_at(&second.0.join("three"), &file), "{kind}");
        let found = mounted.find(&removed).unwrap();
        assert!(matches!(found, Again::Gone), "{kind}: {found:?}");
    }
}

#[test]
fn an_ordinary_user_is_not_told_where_a_file_is() {
    let place = tempfile::tempdir().unwrap();
    let one = place.path().join("one");
    fs::write(&one, "1").unwrap();
    let file = known_at(&one);
    let found = Mounted::default().find(&file).unwrap();
    match rustix::process::geteuid().is_root() {
        true => assert!(matches!(found, Again::Found(..)), "{found:?}"),
        false => assert!(matches!(found, Again::Untold | Again::NotMounted), "{found:?}"),
    }
}
