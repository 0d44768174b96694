//! A whole directory, with somebody in it who means no good.

use super::{NEW, file, held, label, place, set};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use svirt_host::mac::{
    attribute::Xattr,
    tree::{self, Change, Outcome, Task, TreeError},
};

/// Labels a tree, and gives what was recorded.
fn label_tree(
    root: &Path,
    threads: usize,
    stop_after: usize,
) -> (Vec<Change>, Result<Outcome, TreeError>) {
    label_tree_and(root, threads, stop_after, &|_| {})
}

/// The same, with a look at what is recorded.
fn label_tree_and(
    root: &Path,
    threads: usize,
    stop_after: usize,
    look: &(dyn Fn(&[Change]) + Sync),
) -> (Vec<Change>, Result<Outcome, TreeError>) {
    let recorded = Mutex::new(Vec::new());
    let (stop, batches) = (AtomicBool::new(false), AtomicUsize::new(0));
    let record = |changes: &[Change]| {
        look(changes);
        let mut recorded = recorded.lock().unwrap();
        recorded.extend_from_slice(changes);
        if batches.fetch_add(1, Ordering::Relaxed) + 1 >= stop_after {
            stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    };
    let task = Task {
        attribute: Xattr::Selinux,
        value: NEW,
        threads,
        record: &record,
        progress: &|_| {},
        stop: &stop,
    };
    let outcome = tree::label(held(root), &task);
    (recorded.into_inner().unwrap(), outcome)
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

/// Directories within directories, with files of all sorts of labels, a link, and a socket.
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
                2 => set(&file, NEW),
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
    for threads in [1, 4] {
        let root = place.path().join(format!("tree{threads}"));
        let _socket = grow(&root);
        let before = labels(&root);
        let passwd = label("/etc/passwd");
        // What is recorded has its old label still.
        let unchanged = |changes: &[Change]| {
            for Change { path, before, .. } in changes {
                assert_eq!(label(root.join(path)), *before, "{}", path.display());
            }
        };
        let (recorded, outcome) = label_tree_and(&root, threads, usize::MAX, &unchanged);
        let outcome = outcome.unwrap();
        assert!(outcome.complete);
        assert_eq!(outcome.passed_over, [PathBuf::from("d2/socket")]);
        assert_eq!(usize::try_from(outcome.progress.seen).unwrap(), before.len());
        assert_eq!(usize::try_from(outcome.progress.changed).unwrap(), recorded.len());
        for (path, found) in labels(&root) {
            let expected = if path.ends_with("socket") { None } else { Some(NEW) };
            assert_eq!(found.as_deref(), expected, "{}", path.display());
        }
        assert_eq!(label("/etc/passwd"), passwd);
        for change in &recorded {
            let there = before.get(&root.join(&change.path)).or_else(|| before.get(&root));
            assert_eq!(there, Some(&change.before), "{change:?}");
        }
        let count = u64::try_from(recorded.len()).unwrap();
        let undone = tree::put_back(held(&root), Xattr::Selinux, NEW, recorded).unwrap();
        assert_eq!((undone.restored, undone.left.len()), (count, 0));
        assert_eq!(labels(&root), before);
        // Once more finds everything as it was.
        let (recorded, _) = label_tree(&root, threads, usize::MAX);
        assert_eq!(u64::try_from(recorded.len()).unwrap(), count);
    }
}

#[test]
fn what_was_begun_and_stopped_can_be_taken_back() {
    let Some(place) = place() else { return };
    let root = place.path().join("tree");
    let _socket = grow(&root);
    let before = labels(&root);
    let (recorded, outcome) = label_tree(&root, 3, 8);
    let outcome = outcome.unwrap();
    assert!(!outcome.complete && outcome.progress.changed > 0);
    assert!(recorded.len() < before.len() / 2, "{} of {}", recorded.len(), before.len());
    let changed = labels(&root).iter().filter(|(path, l)| before.get(*path) != Some(*l)).count();
    assert_eq!(changed, recorded.len());
    // One was given another label meanwhile, and one another name.
    let theirs = recorded.iter().find(|c| root.join(&c.path).is_file()).unwrap().path.clone();
    let moved = recorded.iter().rev().find(|c| root.join(&c.path).is_file() && c.path != theirs);
    let moved = moved.unwrap().path.clone();
    set(root.join(&theirs), b"theirs");
    fs::rename(root.join(&moved), root.join("elsewhere")).unwrap();
    let undone = tree::put_back(held(&root), Xattr::Selinux, NEW, recorded).unwrap();
    assert_eq!(undone.left.len(), 2);
    assert!(undone.left.contains(&theirs) && undone.left.contains(&moved), "{undone:?}");
    let after = labels(&root);
    assert_eq!(after.get(&root.join(&theirs)).unwrap().as_deref(), Some(b"theirs".as_slice()));
    let differ = after.iter().filter(|(path, l)| before.get(*path) != Some(*l)).count();
    assert_eq!(differ, 2);
}

#[test]
fn a_hard_linked_file_is_refused_before_it_is_changed() {
    let Some(place) = place() else { return };
    let root = place.path().join("tree");
    fs::create_dir_all(root.join("d")).unwrap();
    let victim = file(place.path().join("victim"));
    set(&victim, b"victim's");
    fs::hard_link(&victim, root.join("d/planted")).unwrap();
    let (_, outcome) = label_tree(&root, 2, usize::MAX);
    let refused = outcome.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "d/planted has 2 hard links, so it may be a file from elsewhere"
    );
    assert_eq!(label(&victim).as_deref(), Some(b"victim's".as_slice()));
    // One that has the label already is not changed, so it is not refused.
    set(&victim, NEW);
    assert!(label_tree(&root, 2, usize::MAX).1.unwrap().complete);
}

/// Becomes true at the end, however that comes.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A directory and a link to one outside change places all the time.
#[test]
fn nothing_outside_is_labelled_whatever_is_renamed_meanwhile() {
    let Some(place) = place() else {
        return;
    };
    let (root, outside) = (place.path().join("tree"), place.path().join("outside"));
    fs::create_dir_all(outside.join("below")).unwrap();
    file(outside.join("victim"));
    file(outside.join("below/victim"));
    let before = labels(&outside);
    fs::create_dir_all(root.join("a/below")).unwrap();
    (0..20).for_each(|n| drop(file(root.join(format!("a/below/file{n}")))));
    file(root.join("a/victim"));
    symlink(&outside, root.join("b")).unwrap();
    let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _at_the_end = Raise(&over);
        scope.spawn(|| {
            let (a, b) = (root.join("a"), root.join("b"));
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..300 {
            let (recorded, outcome) = label_tree(&root, 3, usize::MAX);
            assert!(outcome.is_ok(), "{outcome:?}");
            tree::put_back(held(&root), Xattr::Selinux, NEW, recorded).unwrap();
            assert_eq!(labels(&outside), before);
        }
    });
    assert!(swaps.into_inner() > 300);
}

#[test]
fn a_tree_that_is_a_link_is_none() {
    let Some(place) = place() else { return };
    let (root, link) = (place.path().join("tree"), place.path().join("link"));
    fs::create_dir(&root).unwrap();
    symlink(&root, &link).unwrap();
    assert!(label_tree(&link, 1, usize::MAX).1.is_err());
    assert_eq!(label(&root), None);
}

/// A caller that panics in one thread does not leave the others waiting.
#[test]
fn a_panic_of_the_callers_ends_the_work() {
    let Some(place) = place() else { return };
    let root = place.path().join("tree");
    let _socket = grow(&root);
    let panics = |changes: &[Change]| assert!(changes.iter().all(|c| c.path.iter().count() < 2));
    let labelled = || drop(label_tree_and(&root, 4, usize::MAX, &panics));
    assert!(std::panic::catch_unwind(labelled).is_err());
}
