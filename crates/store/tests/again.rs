//! What could not be undone is looked at again, and so is, after another boot, what was undone just
//! before the host went down.

mod common;

use common::{live, new_run, raw, retention};
use std::num::NonZeroU32;
use svirt_model::{
    Attribute, EventKind, FileSystem, Known, Mark, Op, Uuid, Value, Want, label::SecurityModel,
};
use svirt_store::{Outcome, Phase, Store};

fn store() -> (tempfile::TempDir, Store) {
    let directory = common::fast_directory();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn attribute(inode: u64) -> Attribute {
    let on = FileSystem::Uuid(Uuid::from_u128(1));
    let file = Some(Known { on, inode, mark: Mark::Handle { kind: 1, bytes: vec![7] } });
    Attribute::Label { model: SecurityModel::Selinux, file }
}

/// A machine lives that has labelled this file.
fn labels(store: &mut Store, id: u128, inode: u64, before: &str, after: &str) {
    let (attribute, object) = (attribute(inode), std::path::PathBuf::from("/srv/a"));
    let (before, after) = (Value::Label(Some(before.into())), Value::Label(Some(after.into())));
    let want = Want {
        machine: Uuid::from_u128(id),
        object: object.clone(),
        attribute: attribute.clone(),
        value: after.clone(),
    };
    let run = new_run(id, &format!("m{id}"));
    let op = Op { object, attribute, before, after };
    let plan = svirt_model::Plan { ops: vec![op], ..common::plan(&run, &[]) };
    store.start(run).unwrap().commit(&plan, &[want], &[]).unwrap();
}

/// It ends, with this outcome of all that it had changed.
fn ends(store: &mut Store, id: u128, boot: &str, outcome: &Outcome) -> Vec<u64> {
    let finish = store.finish(Uuid::from_u128(id), boot).unwrap();
    let all: Vec<u64> = finish.due().unwrap().entries.iter().map(|e| e.sequence).collect();
    let outcomes: Vec<_> = all.iter().map(|sequence| (*sequence, outcome.clone())).collect();
    finish.commit(&outcomes, EventKind::Stopped, "").unwrap();
    all
}

fn later(why: &str) -> Outcome {
    Outcome::Later(why.to_owned())
}

/// What is looked at again in this boot.
fn due(store: &mut Store, boot: &str) -> Vec<u64> {
    let Some(again) = store.again(boot).unwrap() else { return Vec::new() };
    again.due().unwrap().entries.iter().map(|entry| entry.sequence).collect()
}

fn looked(store: &mut Store, boot: &str, outcome: &Outcome) {
    let again = store.again(boot).unwrap().expect("something to look at");
    let outcomes: Vec<_> =
        again.due().unwrap().entries.iter().map(|e| (e.sequence, outcome.clone())).collect();
    let name = common::name("m1");
    again.commit(&outcomes, &[(name, "looked at again".into())]).unwrap();
}

#[test]
fn what_cannot_be_undone_now_is_kept_until_it_can() {
    let (_directory, mut store) = store();
    labels(&mut store, 1, 7, "found", "a");
    assert!(due(&mut store, "one").is_empty());
    assert_eq!(ends(&mut store, 1, "one", &later("not mounted")), [1]);
    assert!(
        store.runs().unwrap().is_empty()
            && store.open_entries(Uuid::from_u128(1)).unwrap().is_empty()
    );
    for _ in 0..2 {
        let orphans = store.orphans().unwrap();
        let told = |e: &svirt_store::LedgerEntry| (e.sequence, e.phase, e.reason.clone());
        assert_eq!(
            orphans.iter().map(told).collect::<Vec<_>>(),
            [(1, Phase::Orphaned, "not mounted".into())]
        );
        looked(&mut store, "one", &later("not mounted"));
    }
    looked(&mut store, "one", &later("read-only"));
    assert_eq!(store.orphans().unwrap()[0].reason, "read-only");
    looked(&mut store, "one", &Outcome::Undone);
    assert!(store.orphans().unwrap().is_empty() && due(&mut store, "one").is_empty());
    assert_eq!(store.history(9).unwrap()[0].phase, Phase::Undone);
    let last = store.events_since(0, 99).unwrap().pop().unwrap();
    assert_eq!((last.kind, &*last.detail), (EventKind::Recovered, "looked at again"));
}

#[test]
fn what_a_live_machine_wants_is_left_to_its_end() {
    let (_directory, mut store) = store();
    labels(&mut store, 1, 7, "found", "a");
    ends(&mut store, 1, "one", &later("an error"));
    let start = store.start(new_run(2, "m2")).unwrap();
    let orphaned = start.orphaned(&[attribute(7), attribute(8)]).unwrap();
    assert_eq!(
        orphaned.iter().map(|op| &op.before).collect::<Vec<_>>(),
        [&Value::Label(Some("found".into()))]
    );
    drop(start);
    labels(&mut store, 2, 7, "found", "b");
    labels(&mut store, 3, 8, "x", "y");
    assert!(due(&mut store, "one").is_empty());
    let held = store.start(new_run(9, "m9")).unwrap().held(&[attribute(7)]).unwrap();
    assert_eq!(
        held.iter().map(|h| &h.before).collect::<Vec<_>>(),
        [&Value::Label(Some("found".into()))]
    );
    assert_eq!(ends(&mut store, 3, "one", &Outcome::Undone), [3]);
    assert_eq!(ends(&mut store, 2, "one", &later("still")), [2, 1], "newest first");
    assert_eq!(due(&mut store, "one"), [2, 1]);
}

#[test]
fn a_label_that_was_put_back_is_looked_at_once_more_after_a_boot() {
    let (_directory, mut store) = store();
    labels(&mut store, 1, 7, "found", "a");
    let directories = new_run(2, "m2");
    live(&mut store, &directories).unwrap();
    ends(&mut store, 2, "one", &Outcome::Undone);
    ends(&mut store, 1, "one", &Outcome::Undone);
    assert!(due(&mut store, "one").is_empty());
    assert_eq!(due(&mut store, "two"), [1], "a directory is there or not");
    looked(&mut store, "two", &later("not mounted"));
    assert_eq!(due(&mut store, "two"), [1]);
    assert!(store.orphans().unwrap().is_empty(), "nobody knows that it is not as it was");
    looked(&mut store, "two", &Outcome::Left("another's".into()));
    assert!(due(&mut store, "two").is_empty());
    let entry = store.history(99).unwrap().pop().unwrap();
    assert_eq!((entry.sequence, entry.phase, &*entry.reason), (1, Phase::Undone, ""));
}

#[test]
fn what_was_put_back_long_before_the_last_is_on_the_disk() {
    let (directory, mut store) = store();
    for id in 1..=3 {
        labels(&mut store, id, id as u64, "found", "a");
        ends(&mut store, id, "one", &Outcome::Undone);
    }
    let old = "UPDATE ledger SET boot_ms = boot_ms - 3700000 WHERE sequence = 2";
    raw(directory.path()).execute_batch(old).unwrap();
    assert_eq!(due(&mut store, "two"), [3, 1]);
    looked(&mut store, "two", &Outcome::Undone);
    assert!(due(&mut store, "two").is_empty());
}

/// What was put back a moment before the last is not on the disk, however the clock was set in between.
#[test]
fn a_clock_that_is_set_makes_nothing_older() {
    for hours in [-40, 40] {
        let (directory, mut store) = store();
        store.set_retention(retention(1, 9, 9));
        for id in 1..=3 {
            labels(&mut store, id, id as u64, "found", "a");
            ends(&mut store, id, "one", &Outcome::Undone);
            let set = format!("UPDATE ledger SET time_ms = time_ms + {hours} * 3600000");
            raw(directory.path()).execute_batch(&set).unwrap();
        }
        assert_eq!(due(&mut store, "two"), [3, 2, 1], "set by {hours} hours");
    }
}

#[test]
fn what_has_to_be_looked_at_again_is_not_forgotten() {
    let (directory, mut store) = store();
    let one = NonZeroU32::MIN;
    store.set_retention(svirt_store::Retention { ledger: one, ..retention(1, 9, 9) });
    labels(&mut store, 1, 1, "found", "a");
    ends(&mut store, 1, "one", &later("an error"));
    for id in 2..=4 {
        labels(&mut store, id, id as u64, "found", "a");
        ends(&mut store, id, "one", &Outcome::Undone);
    }
    let kept =
        |store: &Store| store.history(99).unwrap().iter().map(|e| e.sequence).collect::<Vec<_>>();
    assert_eq!(kept(&store), [4, 3, 2, 1]);
    let old = "UPDATE ledger SET boot_ms = boot_ms - 3700000 WHERE sequence IN (2, 3)";
    raw(directory.path()).execute_batch(old).unwrap();
    labels(&mut store, 5, 5, "found", "a");
    ends(&mut store, 5, "one", &Outcome::Undone);
    assert_eq!(kept(&store), [5, 4, 1], "an orphan stays in any case");
}

#[test]
fn so_much_is_kept_as_its_user_sets_and_never_less_than_is_required() {
    let (_directory, mut store) = store();
    store.set_retention(retention(1, 9, 9));
    let directory = |store: &mut Store, id| {
        let run = new_run(id, &format!("m{id}"));
        live(store, &run).unwrap();
        ends(store, id, "one", &Outcome::Undone);
        store.history(99_999).unwrap().len()
    };
    assert_eq!(directory(&mut store, 1), 1);
    store.keep_at_least(3);
    assert_eq!(store.ledger_kept().unwrap(), 10_000);
    let kept = (2..9).map(|id| directory(&mut store, id)).last();
    assert_eq!(kept, Some(3));
    store.keep_ledger(NonZeroU32::MIN).unwrap();
    assert_eq!(store.ledger_kept().unwrap(), 1_000, "there is a bound");
    store.keep_at_least(u32::MAX);
    assert_eq!(store.ledger_kept().unwrap(), 1_000_000);
}
