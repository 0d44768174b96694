//! A bit of the ledger that is another on the disk: nothing follows from an entry that is not what was written.

mod common;

use common::{name, new_run, number, raw};
use std::{fs, path::Path};
use svirt_model::{
    Attribute, Event, EventKind, FileSystem, Known, Mark, Op, Plan, Uuid, Value, Want,
    label::SecurityModel,
};
use svirt_store::{DamagedEntry, LedgerEntry, Outcome, Phase, Recorded, Sought, Store, StoreError};

const MACHINE: Uuid = Uuid::from_u128(1);

fn label(text: &str) -> Value {
    Value::Label(Some(text.into()))
}

fn op() -> Op {
    let on = FileSystem::Uuid(Uuid::from_u128(9));
    let file = Some(Known { on, inode: 7, mark: Mark::Handle { kind: 1, bytes: vec![10; 8] } });
    Op {
        object: "/srv/images/web.raw".into(),
        attribute: Attribute::Label { model: SecurityModel::Selinux, file },
        before: label("system_u:object_r:var_t:s0\0"),
        after: label("system_u:object_r:svirt_image_t:s0:c1,c2\0"),
    }
}

/// A machine that has labelled a file.
fn begin(store: &mut Store, id: u128, ops: Vec<Op>) -> Result<(), StoreError> {
    let run = new_run(id, &format!("m{id}"));
    let want = |op: &Op| Want {
        machine: run.id,
        object: op.object.clone(),
        attribute: op.attribute.clone(),
        value: op.after.clone(),
    };
    let wants: Vec<Want> = ops.iter().map(want).collect();
    let plan = Plan { id: run.id, name: run.name.clone(), labels: vec![], ops, processes: vec![] };
    store.start(run.clone())?.commit(&plan, &wants, &[])?;
    store.running(run.id, &[], &[], "")
}

/// A store with one machine, all in the one file.
fn settled(directory: &Path) -> Vec<u8> {
    let mut store = Store::open(directory).unwrap();
    begin(&mut store, 1, vec![op()]).unwrap();
    drop(store);
    assert_eq!(number(&raw(directory), "SELECT count(*) FROM ledger"), 1);
    fs::read(directory.join("svirt.db")).unwrap()
}

/// Where the entry is in the file, from before its head to its digest.
fn place(bytes: &[u8]) -> std::ops::Range<usize> {
    let text = |value: serde_json::Result<String>| value.unwrap();
    let Op { object, attribute, before, after } = op();
    let all = [
        MACHINE.to_string(),
        "m1".to_owned(),
        object.to_str().unwrap().to_owned(),
        text(serde_json::to_string(&attribute)),
        text(serde_json::to_string(&before)),
        text(serde_json::to_string(&after)),
    ];
    let row = all.concat().into_bytes();
    let at = bytes.windows(row.len()).position(|part| part == row).expect("it is there");
    // SQLite's head of a record has a byte or two for each column; behind it come the phase, the time, the
    // file and the digest.
    at - 20..at + row.len() + "done".len() + 6 + 64
}

fn entry(store: &Store) -> Option<LedgerEntry> {
    store.open_entries(MACHINE).unwrap().pop()
}

fn sought(store: &Store) -> Vec<Recorded> {
    store.sought(&Sought::default(), 9).unwrap()
}

fn last_event(store: &Store) -> Option<Event> {
    store.events_since(0, 99).unwrap().pop()
}

/// Ends the machine as whoever recovers does; what was undone of it, and what was damaged.
fn end(store: &mut Store) -> Result<(Vec<Op>, Vec<DamagedEntry>), StoreError> {
    let finish = store.finish(MACHINE, "boot")?;
    let due = finish.due()?;
    let outcomes: Vec<_> = due.entries.iter().map(|e| (e.sequence, Outcome::Undone)).collect();
    finish.commit(&outcomes, EventKind::Recovered, "its supervisor had died")?;
    Ok((due.entries.into_iter().map(|entry| entry.op).collect(), due.damaged))
}

#[test]
fn a_bit_that_is_another_in_an_entry_undoes_nothing_but_what_was_written() {
    let directory = common::fast_directory();
    let path = directory.path().join("svirt.db");
    let bytes = settled(directory.path());
    let written = entry(&Store::open(directory.path()).unwrap()).expect("it is whole").op;
    assert_eq!(written, op());
    let (mut refused, mut damaged, mut whole) = (0, 0, 0);
    for at in place(&bytes) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let _ = fs::remove_file(path.with_extension("db-wal"));
        let _ = fs::remove_file(path.with_extension("db-shm"));
        fs::write(&path, flipped).unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        match end(&mut store) {
            // The page itself makes no sense any more.
            Err(StoreError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("byte {at}: {error:?}"),
            Ok((undone, left)) => {
                assert!(undone.iter().all(|op| *op == written), "byte {at}: {undone:#?}");
                assert!(undone.len() + left.len() <= 1);
                whole += undone.len();
                damaged += left.len();
                let kept = sought(&store);
                assert_eq!(kept.len(), 1, "byte {at}");
                if let ([found], [Recorded::Damaged(kept)]) = (&left[..], &kept[..]) {
                    assert_eq!(found.before, kept.before);
                    assert_eq!((&*kept.phase, &*kept.reason), ("left", DamagedEntry::REASON));
                }
            }
        }
    }
    let bytes = place(&bytes).len();
    assert!(damaged * 10 > bytes * 8, "{damaged} of {bytes}; {refused} refused, {whole} whole");
}

/// After an entry was left the store is whole, and goes on.
#[test]
fn a_store_with_a_damaged_entry_goes_on() {
    for damage in [
        "before = replace(before, 'var', 'vas')",
        "object = '/srv/images/wec.raw'",
        "machine = '00000000-0000-0000-0000-000000000003'",
        "attribute = 'nothing'",
        "digest = 1",
        "digest = NULL",
    ] {
        let directory = common::fast_directory();
        settled(directory.path());
        let update = format!("UPDATE ledger SET {damage}");
        assert_eq!(raw(directory.path()).execute(&update, []), Ok(1));
        let mut store = Store::open(directory.path()).unwrap();
        assert_eq!(entry(&store), None, "{damage}");
        let (undone, _) = end(&mut store).unwrap();
        assert!(undone.is_empty(), "{damage}");
        assert!(store.again("boot").unwrap().is_none(), "{damage}");
        begin(&mut store, 2, vec![op()]).unwrap();
        let check = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
        assert_eq!(number(&raw(directory.path()), check), 1, "{damage}");
    }
}

/// What could not be put back, and whose record was then damaged.
#[test]
fn a_damaged_orphan_is_left_by_the_next_second_look() {
    let directory = common::fast_directory();
    settled(directory.path());
    let mut store = Store::open(directory.path()).unwrap();
    let finish = store.finish(MACHINE, "boot").unwrap();
    finish.commit(&[(1, Outcome::Later("full".into()))], EventKind::Recovered, "").unwrap();
    let flipped = "UPDATE ledger SET object = '/srv/images/wec.raw'";
    assert_eq!(raw(directory.path()).execute(flipped, []), Ok(1));
    assert!(store.orphans().unwrap().is_empty());
    assert!(store.start(new_run(2, "m2")).unwrap().orphaned(&[op().attribute]).unwrap().is_empty());
    let again = store.again("boot").unwrap().expect("there is something to look at");
    let due = again.due().unwrap();
    assert!(due.entries.is_empty() && due.damaged.len() == 1, "{due:?}");
    again.commit(&[], &[(name("m1"), "left".into())]).unwrap();
    assert!(store.again("boot").unwrap().is_none());
    assert_eq!(last_event(&store).map(|event| event.detail).as_deref(), Some("left"));
}

/// What was there before all machines is what the first one has recorded.
#[test]
fn nobody_relies_on_the_damaged_record_of_another() {
    let directory = common::fast_directory();
    settled(directory.path());
    let flipped = "UPDATE ledger SET before = replace(before, 'var', 'vas')";
    assert_eq!(raw(directory.path()).execute(flipped, []), Ok(1));
    let mut store = Store::open(directory.path()).unwrap();
    let refused = store.start(new_run(2, "m2")).unwrap().held(&[op().attribute]).unwrap_err();
    assert_eq!(refused.to_string(), "entry 1 of the ledger, of /srv/images/web.raw, is damaged");
    assert!(refused.hint().unwrap().contains("svirt repair /srv/images/web.raw"));
}

/// Entries of versions that knew no digest are given one.
#[test]
fn what_was_written_before_there_were_digests_is_whole() {
    let directory = common::fast_directory();
    settled(directory.path());
    let older = "DROP TABLE label_parts;
        ALTER TABLE runs DROP COLUMN drill;
        DROP TRIGGER ledger_begun;
        DROP TRIGGER ledger_settled;
        DROP TRIGGER ledger_gone;
        DROP TABLE accounts;
        ALTER TABLE wants DROP COLUMN digest;
        ALTER TABLE ledger DROP COLUMN digest;
        DROP INDEX ledger_boot;
        ALTER TABLE ledger DROP COLUMN boot_ms;
        CREATE INDEX ledger_boot ON ledger (boot, time_ms) WHERE boot IS NOT NULL;
        PRAGMA user_version = 5;";
    raw(directory.path()).execute_batch(older).unwrap();
    let store = Store::open(directory.path()).unwrap();
    let entry = entry(&store).expect("it is whole");
    assert_eq!((entry.op, entry.phase), (op(), Phase::Done));
}
