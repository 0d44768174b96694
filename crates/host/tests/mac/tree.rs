//! A whole directory, with somebody in it who means no good.

use super::{NEW, file, held, label, place, set};
use rustix::fs::{CWD, Mode, RenameFlags, mkfifoat, renameat_with};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};
use svirt_host::mac::tree::{self, Change, Progress, Returned, TreeError};
use svirt_model::label::{SecurityModel, Tree};

const MODEL: SecurityModel = SecurityModel::Selinux;

fn scan(root: &Path) -> Result<Tree, TreeError> {
    tree::scan(held(root), MODEL, &|_| {})
}

fn change(before: &Tree) -> Change<'_> {
    Change { model: MODEL, before, after: NEW }
}

fn label_tree(root: &Path, before: &Tree) -> Result<Progress, TreeError> {
    tree::label(held(root), change(before), &|_| {})
}

fn put_back(root: &Path, before: &Tree) -> Returned {
    tree::put_back(held(root), change(before), &|_| {}).unwrap()
}

fn all_below(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for entry in fs::read_dir(root).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(all_below(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

fn labels(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    all_below(root).into_iter().map(|path| (path.clone(), label(&path))).collect()
}

/// Directories within directories, with files of all sorts of labels, a link, and a socket: 517
/// objects, of which all but the socket are labelled.
fn grow(root: &Path) -> UnixListener {
    fs::create_dir(root).unwrap();
    for directory in 0..12 {
        let path = root.join(format!("d{directory}/e/f"));
        fs::create_dir_all(&path).unwrap();
        for number in 0..40 {
            let file = file(path.join(format!("file{number}")));
            match number % 4 {
                0 => set(&file, format!("u:object_r:t{number}:s0\0").as_bytes()),
                1 => set(&file, b"alien \xff label"),
                2 => set(&file, &vec![b'x'; 3000]),
                _ => {}
            }
        }
    }
    symlink("/etc/passwd", root.join("d1/link")).unwrap();
    UnixListener::bind(root.join("d2/socket")).unwrap()
}

#[test]
fn a_tree_is_labelled_and_put_back_to_the_byte() {
    let Some(place) = place() else { return };
    let root = place.path().join("tree");
    let _socket = grow(&root);
    for common in [None, Some(b"usual".as_slice())] {
        common.inspect(|common| set(&root, common));
        let (before, passwd) = (labels(&root), label("/etc/passwd"));
        let seen = scan(&root).unwrap();
        assert_eq!((seen.common.as_deref(), seen.count), (common, 518));
        assert_eq!(seen.labels.len(), 12 + usize::from(common.is_some()));
        assert_eq!(labels(&root), before, "looking changed something");
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Tree>(&text).unwrap(), seen);
        let said = AtomicUsize::new(0);
        let watch = |progress: Progress| {
            said.store(usize::try_from(progress.changed).unwrap(), Ordering::Relaxed);
        };
        let done = tree::label(held(&root), change(&seen), &watch).unwrap();
        assert_eq!((done.seen, done.changed, said.into_inner()), (518, 518, 518));
        for (path, found) in labels(&root) {
            let expected = if path.ends_with("socket") { None } else { Some(NEW) };
            assert_eq!(found.as_deref(), expected, "{}", path.display());
        }
        assert_eq!(label("/etc/passwd"), passwd);
        assert_eq!(label_tree(&root, &seen).unwrap().changed, 0, "another machine wants it alike");
        for _ in 0..2 {
            let returned = put_back(&root, &seen);
            assert_eq!((returned.restored, returned.left), (518, 0), "{returned:?}");
            assert_eq!(labels(&root), before);
        }
    }
}

/// What the machine makes and renames has the label that it would have had, what it removes is counted,
/// and what somebody else labels meanwhile is left.
#[test]
fn what_a_machine_leaves_gets_the_label_of_its_directory() {
    let Some(place) = place() else { return };
    let root = place.path().join("tree");
    fs::create_dir_all(root.join("secret/below")).unwrap();
    for name in ["plain", "renamed", "removed", "replaced", "theirs", "secret/kept"] {
        file(root.join(name));
    }
    all_below(&root).iter().for_each(|path| set(path, b"usual"));
    for name in ["renamed", "removed", "replaced", "secret", "secret/kept"] {
        set(root.join(name), name.as_bytes());
    }
    let seen = scan(&root).unwrap();
    assert_eq!((seen.count, seen.exceptions().count()), (9, 5));
    assert_eq!(label_tree(&root, &seen).unwrap().changed, 9);
    // As the kernel does for a machine of a group: its categories besides those of the directory.
    let made = b"a_u:object_r:svirt_image_t:s0:c1,c2,c1000\0";
    fs::rename(root.join("renamed"), root.join("secret/below/other")).unwrap();
    fs::remove_file(root.join("removed")).unwrap();
    fs::remove_file(root.join("replaced")).unwrap();
    for name in ["replaced", "made", "secret/made", "secret/below/made"] {
        set(file(root.join(name)), made);
    }
    mkfifoat(CWD, root.join("fifo"), Mode::RUSR).unwrap();
    set(root.join("fifo"), made);
    set(root.join("theirs"), b"u:object_r:theirs_t:s0");
    let returned = put_back(&root, &seen);
    assert_eq!((returned.left, &returned.named[..]), (1, &[PathBuf::from("theirs")][..]));
    for (name, had) in [
        ("", "usual"),
        ("plain", "usual"),
        ("made", "usual"),
        ("fifo", "usual"),
        ("replaced", "usual"),
        ("theirs", "u:object_r:theirs_t:s0"),
        ("secret", "secret"),
        ("secret/made", "usual"),
        ("secret/kept", "secret/kept"),
        ("secret/below", "usual"),
        ("secret/below/made", "usual"),
        ("secret/below/other", "renamed"),
    ] {
        let found = label(root.join(name)).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), had, "{name}");
    }
}

/// Whatever is not as it was seen stops the work, and what was done until then can be taken back.
#[test]
fn what_was_changed_since_it_was_seen_is_not_labelled() {
    let Some(place) = place() else { return };
    let (root, victim) = (place.path().join("tree"), file(place.path().join("victim")));
    set(&victim, b"usual");
    fs::create_dir_all(root.join("d")).unwrap();
    file(root.join("d/file"));
    file(root.join("d/other"));
    fs::set_permissions(root.join("d"), fs::Permissions::from_mode(0o777)).unwrap();
    all_below(&root).iter().for_each(|path| set(path, b"usual"));
    set(root.join("d/other"), b"other");
    let (seen, before) = (scan(&root).unwrap(), labels(&root));
    for (name, has) in [("file", b"theirs".as_slice()), ("file", b"other"), ("other", b"usual")] {
        set(root.join("d").join(name), has);
        let refused = label_tree(&root, &seen).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("d/{name} was labelled or put there")), "{refused}");
        assert_eq!(label(root.join("d").join(name)).as_deref(), Some(has));
        put_back(&root, &seen);
        let had = before.get(&root.join("d").join(name)).unwrap();
        set(root.join("d").join(name), had.as_deref().unwrap());
        assert_eq!(labels(&root), before);
    }
    // Planted when all was looked at, with the very label.
    fs::hard_link(&victim, root.join("d/planted")).unwrap();
    let refused = label_tree(&root, &seen).unwrap_err().to_string();
    assert!(refused.starts_with("d/planted has 2 hard links"), "{refused}");
    assert_eq!(label(&victim).as_deref(), Some(b"usual".as_slice()));
}

#[test]
fn what_may_be_anothers_is_refused_before_anything_changes() {
    let Some(place) = place() else { return };
    let root = place.path().join("tree");
    fs::create_dir_all(root.join("d")).unwrap();
    let victim = file(place.path().join("victim"));
    fs::hard_link(&victim, root.join("d/planted")).unwrap();
    assert_eq!(
        scan(&root).unwrap_err().to_string(),
        "d/planted has 2 hard links, so it may be a file from elsewhere"
    );
    fs::remove_file(root.join("d/planted")).unwrap();
    for number in 0..=tree::EXCEPTIONS_MAX {
        set(file(root.join(format!("d/{number}"))), b"other");
    }
    assert!(matches!(scan(&root), Err(TreeError::Mixed)));
    fs::remove_file(root.join("d/0")).unwrap();
    assert_eq!(scan(&root).unwrap().exceptions().count(), tree::EXCEPTIONS_MAX);
    let (link, odd) = (place.path().join("link"), place.path().join("odd"));
    symlink(&root, &link).unwrap();
    assert!(scan(&link).is_err(), "a tree that is a link is none");
    file(odd.clone());
    assert!(scan(&odd).is_err(), "a file is no tree");
}

/// Becomes true at the end, however that comes.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A directory and a link to one outside change places all the time, and so do a file and one with
/// another name outside: in directories that everybody may write.
#[test]
fn nothing_outside_is_labelled_whatever_is_renamed_meanwhile() {
    let Some(place) = place() else { return };
    let (root, outside) = (place.path().join("tree"), place.path().join("outside"));
    fs::create_dir_all(outside.join("below")).unwrap();
    file(outside.join("victim"));
    file(outside.join("below/victim"));
    fs::create_dir_all(root.join("a/below")).unwrap();
    (0..20).for_each(|n| drop(file(root.join(format!("a/below/file{n}")))));
    file(root.join("a/victim"));
    for directory in ["", "a", "a/below"] {
        fs::set_permissions(root.join(directory), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let seen = scan(&root).unwrap();
    let before = labels(&outside);
    symlink(&outside, root.join("b")).unwrap();
    fs::hard_link(outside.join("victim"), place.path().join("planted")).unwrap();
    let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _at_the_end = Raise(&over);
        scope.spawn(|| {
            let (a, b) = (root.join("a"), root.join("b"));
            let (file, planted) = (root.join("file"), place.path().join("planted"));
            fs::write(&file, "").unwrap();
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
                renameat_with(CWD, &file, CWD, &planted, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..300 {
            match label_tree(&root, &seen) {
                Ok(_) | Err(TreeError::HardLinked { .. }) => {}
                Err(e) => panic!("{e}"),
            }
            put_back(&root, &seen);
            assert_eq!(labels(&outside), before);
        }
    });
    assert!(swaps.into_inner() > 300);
}

/// A caller that panics in one thread does not leave the others waiting.
#[test]
fn a_panic_of_the_callers_ends_the_work() {
    let Some(place) = place() else { return };
    let root = place.path().join("tree");
    let _socket = grow(&root);
    let seen = scan(&root).unwrap();
    let panics = |progress: Progress| assert!(progress.changed < 400);
    let labelled = || drop(tree::label(held(&root), change(&seen), &panics));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(labelled)).is_err());
}

/// Another user's files are nothing that an ordinary user could label.
#[test]
fn a_tree_of_two_owners_is_refused_to_who_is_not_root() {
    let place = tempfile::tempdir().unwrap();
    file(place.path().join("own"));
    if !rustix::process::geteuid().is_root() {
        assert!(scan(place.path()).is_ok());
        let of_root = scan(Path::new("/usr/share/misc"));
        assert!(matches!(&of_root, Err(TreeError::Foreign { owner: 0, .. })), "{of_root:?}");
        return;
    }
    std::os::unix::fs::chown(place.path().join("own"), Some(1000), None).unwrap();
    assert!(scan(place.path()).is_ok(), "root may");
}
