//! What machines left that are gone, on real files: root's have labels, which need no SELinux; everybody's
//! have directories and links.

use super::*;
use crate::{Paths, supervisor::this_process};
use rustix::fs::XattrFlags;
use std::{fs, os::unix::fs::symlink, process::Command, time::Instant};
use svirt_host::facts;
use svirt_model::{Attribute, EventKind, Op, Plan, Uuid, Want, label::SecurityModel};
use svirt_store::{NewRun, Outcome, Phase, Supervisor};

const XATTR: &str = "security.selinux";
const OURS: &str = "system_u:object_r:svirt_image_t:s0:c1,c2\0";
const FOUND: &str = "system_u:object_r:var_t:s0\0";

struct Place {
    engine: Engine,
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("svirt-test-").tempdir().unwrap();
        let at = fs::canonicalize(directory.path()).unwrap();
        let paths = Paths { state: at.join("state"), runtime: at.join("run") };
        Self { engine: Engine { paths, facts: facts::gather().into() }, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap().join(name)
    }

    fn store(&self) -> Store {
        self.engine.store().unwrap()
    }

    /// A machine that has made these changes, and whose supervisor is alive or has died.
    fn left(&self, id: u128, ops: Vec<Op>, supervisor: Supervisor) {
        let machine = Uuid::from_u128(id);
        let name: MachineName = format!("m{id}").parse().unwrap();
        let want = |op: &Op| Want {
            machine,
            object: op.object.clone(),
            attribute: op.attribute.clone(),
            value: op.after.clone(),
        };
        let wants: Vec<Want> = ops.iter().map(want).collect();
        let request = String::new();
        let run = NewRun {
            id: machine,
            name: name.clone(),
            supervisor,
            transient: true,
            drill: false,
            request,
        };
        let plan = Plan { id: machine, name, labels: vec![], ops, processes: vec![] };
        let mut store = self.store();
        store.start(run).unwrap().commit(&plan, &wants, &[]).unwrap();
        store.running(machine, &[], &[], "").unwrap();
    }

    fn dead(&self, id: u128, ops: Vec<Op>) {
        // No process has so high a number.
        let supervisor = Supervisor { pid: u32::MAX >> 1, ..this_process().unwrap() };
        self.left(id, ops, supervisor);
    }

    fn recover(&self) -> Recovery {
        self.engine.recover().unwrap()
    }

    fn last_event(&self) -> String {
        self.engine.events(0, 999).unwrap().pop().unwrap().detail
    }
}

/// A directory and a link of a machine's, made.
fn made(place: &Place, id: u128) -> Vec<Op> {
    let (directory, link) = (place.path(&format!("d{id}")), place.path(&format!("l{id}")));
    fs::create_dir(&directory).unwrap();
    symlink("/nowhere", &link).unwrap();
    let op = |object: PathBuf, after: Value| Op {
        object,
        attribute: Attribute::Presence,
        before: Value::Absent,
        after,
    };
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    vec![
        op(directory, Value::Directory { uid, gid, mode: 0o700 }),
        op(link, Value::Link("/nowhere".into())),
    ]
}

/// A file that has been labelled; `None` where this user cannot label files.
fn labelled(path: &Path) -> Option<Op> {
    fs::write(path, "x").unwrap();
    if !set(path, OURS) {
        svirt_testkit::skipped("this user cannot label files");
        return None;
    }
    let label = |label: &str| Value::Label(Some(label.as_bytes().to_vec()));
    let file = known_at(path);
    assert!(file.is_some(), "nothing stays of {}", path.display());
    Some(Op {
        object: path.to_owned(),
        attribute: Attribute::Label { model: SecurityModel::Selinux, file },
        before: label(FOUND),
        after: label(OURS),
    })
}

fn set(path: &Path, label: &str) -> bool {
    rustix::fs::setxattr(path, XATTR, label.as_bytes(), XattrFlags::empty()).is_ok()
}

fn label_of(path: &Path) -> String {
    let mut value = vec![0; 256];
    let length = rustix::fs::getxattr(path, XATTR, &mut value[..]).unwrap_or(0);
    String::from_utf8_lossy(&value[..length]).into_owned()
}

#[test]
fn what_dead_machines_left_is_put_back_and_shown_before() {
    let place = Place::new();
    let mut images = Vec::new();
    for id in 0..3 {
        let mut ops = made(&place, id);
        let image = place.path(&format!("image{id}"));
        ops.extend(labelled(&image).inspect(|_| images.push(image)));
        place.dead(id, ops);
    }
    let (pending, objects) = (place.engine.recovery().unwrap(), 6 + images.len());
    assert!(pending.len() == objects && pending.iter().all(|p| p.why_not.is_none()), "{pending:?}");
    assert!(place.path("d0").exists() && images.iter().all(|image| label_of(image) == OURS));
    assert_eq!(place.store().runs().unwrap().len(), 3, "nothing was done");
    let recovery = place.recover();
    assert_eq!((recovery.machines.len(), recovery.rest.len()), (3, 0), "{recovery:?}");
    assert!((0..3).all(|id| !place.path(&format!("d{id}")).exists()));
    assert!(images.iter().all(|image| label_of(image) == FOUND));
    assert_eq!(place.recover(), Recovery::default());
    assert!(place.engine.recovery().unwrap().is_empty());
    let history = place.engine.history(Some("m1"), None, 100).unwrap();
    let mut entries = history.entries.iter().cloned().filter_map(Recorded::whole);
    assert!(entries.all(|e| e.phase == Phase::Undone && e.name.as_str() == "m1"));
    assert_eq!((history.entries.len() * 3, history.begins), (objects, Some(1)));
}

#[test]
fn what_somebody_else_changed_is_left_and_told() {
    let place = Place::new();
    let image = place.path("image");
    let Some(op) = labelled(&image) else { return };
    place.dead(1, vec![op]);
    set(&image, "theirs");
    let why_not = place.engine.recovery().unwrap().remove(0).why_not.unwrap();
    assert!(why_not.contains("theirs"), "{why_not}");
    let rest = place.recover().rest;
    assert!(rest.len() == 1 && !rest[0].later && rest[0].why.contains("theirs"), "{rest:?}");
    assert!(place.recover().rest.is_empty(), "it is told once, and the ledger has it");
    assert_eq!(label_of(&image), "theirs");
}

/// As root the file is found under its new name, and so is its history by everybody.
#[test]
fn what_was_moved_is_restored_where_it_is() {
    let place = Place::new();
    let (image, away) = (place.path("image"), place.path("away/moved"));
    let Some(op) = labelled(&image) else { return };
    place.dead(1, vec![op]);
    fs::create_dir(place.path("away")).unwrap();
    fs::rename(&image, &away).unwrap();
    let rest = place.recover().rest;
    if rustix::process::geteuid().is_root() {
        assert!(rest.is_empty() && label_of(&away) == FOUND, "{rest:?}");
        let event = place.last_event();
        assert!(event.contains(away.to_str().unwrap()), "{event}");
    } else {
        let told = |rest: &Rest| !rest.later && rest.why.starts_with("moved, not restored");
        assert!(rest.len() == 1 && told(&rest[0]) && label_of(&away) == OURS, "{rest:?}");
    }
    for path in [&away, &image] {
        let found = place.engine.history(None, Some(path), 9).unwrap().entries;
        assert_eq!(found.len(), 1, "{}", path.display());
    }
    assert!(place.engine.history(None, Some(&place.path("other")), 9).unwrap().entries.is_empty());
}

/// A file system in a file, mounted somewhere.
struct Disk<'a> {
    place: &'a Place,
}

impl<'a> Disk<'a> {
    fn make(place: &'a Place) -> Option<Self> {
        Self::with(place, &[])
    }

    fn with(place: &'a Place, options: &[&str]) -> Option<Self> {
        let image = place.path("disk");
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let root = rustix::process::geteuid().is_root();
        let words = [&["-q"], options, &[image.to_str().unwrap()]].concat();
        if !root || !run("mkfs.ext4", &words) {
            svirt_testkit::skipped("mkfs.ext4 and root are needed");
            return None;
        }
        Some(Self { place })
    }

    fn mount(&self, name: &str) -> Option<Mount> {
        let (image, at) = (self.place.path("disk"), self.place.path(name));
        fs::create_dir(&at).unwrap();
        let mounted = run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]);
        if !mounted {
            svirt_testkit::skipped("nothing can be mounted here");
        }
        mounted.then_some(Mount(at))
    }
}

struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).output().is_ok_and(|said| said.status.success())
}

#[test]
fn what_is_on_an_unmounted_disk_is_put_back_when_it_is_mounted_again() {
    let place = Place::new();
    let Some(disk) = Disk::make(&place) else { return };
    let Some(first) = disk.mount("first") else { return };
    let Some(op) = labelled(&first.0.join("image")) else { return };
    place.dead(1, vec![op]);
    drop(first);
    for machines in [1, 0, 0] {
        let Recovery { machines: gone, rest } = place.recover();
        assert_eq!(gone.len(), machines);
        assert!(
            rest.len() == 1 && rest[0].later && rest[0].why.contains("not mounted"),
            "{rest:?}"
        );
    }
    assert!(place.last_event().contains("restored later"));
    assert_eq!(place.engine.recovery().unwrap().len(), 1);
    let Some(second) = disk.mount("second") else { return };
    assert!(place.recover().rest.is_empty());
    assert_eq!(label_of(&second.0.join("image")), FOUND);
    assert!(place.last_event().contains("second/image"), "{}", place.last_event());
}

#[test]
fn what_is_on_a_disk_that_cannot_be_written_is_put_back_when_it_can() {
    let place = Place::new();
    let Some(disk) = Disk::make(&place) else { return };
    let Some(mount) = disk.mount("mount") else { return };
    let image = mount.0.join("image");
    let Some(op) = labelled(&image) else { return };
    place.dead(1, vec![op]);
    let at = mount.0.to_str().unwrap();
    assert!(run("mount", &["-o", "remount,ro", at]));
    let rest = place.recover().rest;
    assert!(rest.len() == 1 && rest[0].later && rest[0].why.contains("read-only"), "{rest:?}");
    assert!(run("mount", &["-o", "remount,rw", at]));
    assert!(place.recover().rest.is_empty());
    assert_eq!(label_of(&image), FOUND);
    assert!(place.last_event().contains("was restored"), "{}", place.last_event());
}

/// An orphan is not put back under a machine that has the object now.
#[test]
fn what_a_live_machine_wants_is_put_back_at_its_end() {
    let place = Place::new();
    let Some(disk) = Disk::make(&place) else { return };
    let Some(mount) = disk.mount("mount") else { return };
    let image = mount.0.join("image");
    let Some(op) = labelled(&image) else { return };
    place.dead(1, vec![op.clone()]);
    let at = mount.0.to_str().unwrap();
    assert!(run("mount", &["-o", "remount,ro", at]));
    assert_eq!(place.recover().rest.len(), 1);
    place.left(2, vec![op], this_process().unwrap());
    assert!(run("mount", &["-o", "remount,rw", at]));
    place.recover();
    assert_eq!(label_of(&image), OURS, "machine m2 has it");
    let mut store = place.store();
    let why = "it ended";
    crate::supervisor::finish(
        &place.engine,
        &mut store,
        Uuid::from_u128(2),
        EventKind::Stopped,
        why,
    )
    .unwrap();
    assert_eq!(label_of(&image), FOUND);
    assert!(store.orphans().unwrap().is_empty());
}

/// A label takes room, and so may one that is put back.
#[test]
fn what_a_quota_has_no_room_for_is_put_back_when_it_has() {
    let place = Place::new();
    let images = place.path("images");
    fs::create_dir(&images).unwrap();
    let quota = match svirt_testkit::Quota::over(&images) {
        Ok(quota) => quota,
        Err(svirt_testkit::Skipped(why)) => return svirt_testkit::skipped(why),
    };
    let Some(op) = labelled(&images.join("image")) else { return };
    place.dead(1, vec![op]);
    quota.use_up();
    let rest = place.recover().rest;
    assert!(rest.len() == 1 && rest[0].later, "{rest:?}");
    assert!(rest[0].why.contains("quota exceeded"), "{rest:?}");
    quota.raise();
    assert!(place.recover().rest.is_empty());
    assert_eq!(label_of(&images.join("image")), FOUND);
}

/// The ledger's end was on the disk, and the label that was put back before it was not.
#[test]
fn what_a_loss_of_power_took_back_is_put_back_again() {
    let place = Place::new();
    let (image, other) = (place.path("image"), place.path("other"));
    let (Some(op), Some(theirs)) = (labelled(&image), labelled(&other)) else { return };
    place.dead(1, vec![op, theirs]);
    let mut store = place.store();
    let end = store.finish(Uuid::from_u128(1), "another boot").unwrap();
    let undone = end
        .due()
        .unwrap()
        .entries
        .iter()
        .map(|e| (e.sequence, Outcome::Undone))
        .collect::<Vec<_>>();
    end.commit(&undone, EventKind::Stopped, "").unwrap();
    set(&other, "theirs");
    assert!(place.recover().rest.is_empty());
    assert_eq!((label_of(&image).as_str(), label_of(&other).as_str()), (FOUND, "theirs"));
    set(&image, OURS);
    place.recover();
    assert_eq!(label_of(&image), OURS, "it is looked at once");
}

/// What two hundred machines left, in milliseconds; `cargo xtask bench --only recover` reads this.
#[test]
#[ignore = "it measures, which depends on the host: `cargo xtask bench --only recover` runs it"]
fn two_hundred_dead() {
    let (mut took, mut none) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let place = Place::new();
        for id in 0..200 {
            let mut ops = made(&place, id);
            ops.extend(labelled(&place.path(&format!("image{id}"))));
            place.dead(id, ops);
        }
        let begin = Instant::now();
        assert_eq!(place.recover().machines.len(), 200);
        took.push(format!("{:.4}", begin.elapsed().as_secs_f64() * 1000.0));
        let begin = Instant::now();
        assert_eq!(place.recover(), Recovery::default());
        none.push(format!("{:.4}", begin.elapsed().as_secs_f64() * 1000.0));
    }
    println!("dead 200 {}", took.join(" "));
    println!("dead 0 {}", none.join(" "));
}

/// A file system of which every call fails from now on, as one whose disk is gone (`EXT4_IOC_SHUTDOWN`).
fn fails(mount: &Mount) {
    // `_IOR('X', 125, __u32)`, without writing what is not written yet (fs/ext4/ext4.h).
    const SHUT: &str = "open(F, '<', $ARGV[0]) or die; $how = pack('L', 2);
        ioctl(F, 0x8004587d, $how) or die \"$!\"";
    assert!(run("perl", &["-e", SHUT, mount.0.to_str().unwrap()]));
}

#[test]
fn what_is_on_a_disk_that_fails_is_put_back_when_it_is_well_again() {
    let place = Place::new();
    let Some(disk) = Disk::make(&place) else { return };
    let Some(first) = disk.mount("first") else { return };
    let Some(op) = labelled(&first.0.join("image")) else { return };
    place.dead(1, vec![op]);
    rustix::fs::sync();
    fails(&first);
    for _ in 0..2 {
        let rest = place.recover().rest;
        assert!(rest.len() == 1 && rest[0].later, "{rest:?}");
        assert!(rest[0].why.contains("Input/output error"), "{rest:?}");
    }
    drop(first);
    let Some(second) = disk.mount("second") else { return };
    assert!(place.recover().rest.is_empty());
    assert_eq!(label_of(&second.0.join("image")), FOUND);
}

/// Labels that are alike share a block, so that one more needs a block more.
#[test]
fn what_a_full_disk_keeps_from_being_put_back_is_put_back_when_it_has_room() {
    let place = Place::new();
    let Some(disk) = Disk::with(&place, &["-I", "128", "-b", "1024", "-m", "0"]) else { return };
    let Some(mount) = disk.mount("mount") else { return };
    let images = ["one", "two"].map(|name| mount.0.join(name));
    let ops: Option<Vec<Op>> = images.iter().map(|image| labelled(image)).collect();
    let Some(mut ops) = ops else { return };
    // Another one was there before than on any other file.
    let rare = "system_u:object_r:rare_t:s0\0";
    ops[0].before = Value::Label(Some(rare.into()));
    place.dead(1, ops.split_off(1));
    place.dead(2, ops);
    fs::write(mount.0.join("full"), vec![1; 32 << 20]).unwrap_err();
    let mut small = 0;
    while fs::write(mount.0.join(format!("small{small}")), [1; 1024]).is_ok() {
        small += 1;
    }
    let rest = place.recover().rest;
    assert!(rest.iter().all(|rest| rest.later && rest.why.contains("No space left")), "{rest:?}");
    assert_eq!(rest.len(), 2, "each needs a block of its own");
    fs::remove_file(mount.0.join("full")).unwrap();
    assert!(place.recover().rest.is_empty());
    assert_eq!(images.each_ref().map(|image| label_of(image)), [rare, FOUND]);
}

/// The directory of an image is another by now: hidden by a mount, replaced, or behind a link.
#[test]
fn what_is_hidden_or_replaced_is_found_again_and_nothing_else_is_touched() {
    let place = Place::new();
    let Some(disk) = Disk::make(&place) else { return };
    type Ill<'a> = &'a dyn Fn(&Path, &Path) -> bool;
    let replaced: Ill<'_> =
        &|images, away| fs::rename(images, away).and_then(|()| fs::create_dir(images)).is_ok();
    let linked: Ill<'_> =
        &|images, away| fs::rename(images, away).and_then(|()| symlink("/etc", images)).is_ok();
    let barred: Ill<'_> = &|images, _| run("chmod", &["000", images.to_str().unwrap()]);
    let hidden: Ill<'_> =
        &|images, _| run("mount", &["-t", "tmpfs", "svt", images.to_str().unwrap()]);
    for (id, ill) in [replaced, linked, barred, hidden].into_iter().enumerate() {
        let Some(mount) = disk.mount(&format!("mount{id}")) else { return };
        let (images, away) =
            (mount.0.join(format!("images{id}")), mount.0.join(format!("away{id}")));
        fs::create_dir(&images).unwrap();
        let Some(op) = labelled(&images.join("image")) else { return };
        place.dead(id as u128 + 1, vec![op]);
        assert!(ill(&images, &away), "{id}");
        // Somebody else's, with a label of a machine's.
        let other = images.join("image");
        let is_hidden = away.exists() || id == 3;
        let is_another = is_hidden && id != 1 && fs::write(&other, "").is_ok() && set(&other, OURS);
        let rest = place.recover().rest;
        assert!(rest.is_empty(), "{id}: {rest:?}");
        assert!(!is_another || label_of(&other) == OURS, "{id}: somebody else's was changed");
        if id == 3 {
            assert!(run("umount", &[images.to_str().unwrap()]));
        }
        let image = if away.exists() { away.join("image") } else { images.join("image") };
        assert_eq!(label_of(&image), FOUND, "{id}");
    }
}
