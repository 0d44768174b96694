//! A bit of any page of a real store is another on the disk: what machines that died had changed is put back as
//! it was written, or somebody is told; nothing is forgotten, and nothing else is put back.

mod common;

use common::{new_run, number, raw};
use std::{collections::BTreeSet, fs, path::Path};
use svirt_model::{
    Attribute, EventKind, FileSystem, Known, Mark, Op, Plan, Uuid, Value, Want,
    label::SecurityModel,
};
use svirt_store::{Due, Outcome, Phase, Store, StoreError};

/// Those that died; one more goes on.
const DEAD: [u128; 3] = [1, 2, 3];
const ALIVE: u128 = 4;

/// Those that have ended before.
const ENDED: std::ops::Range<u128> = 100..120;

/// A byte of so many is tried by a test, all of them where this says 1.
const EACH: &str = "SVIRT_TEST_EACH_BYTE";

fn label(text: &str) -> Value {
    Value::Label(Some(text.into()))
}

fn of_file(id: u64, after: &str) -> Op {
    let on = FileSystem::Uuid(Uuid::from_u128(9));
    let mark = Mark::Handle { kind: 1, bytes: vec![id as u8; 8] };
    Op {
        object: format!("/srv/images/{id}.raw").into(),
        attribute: Attribute::Label {
            model: SecurityModel::Selinux,
            file: Some(Known { on, inode: id, mark }),
        },
        before: label("system_u:object_r:var_t:s0\0"),
        after: label(&format!("system_u:object_r:svirt_image_t:s0:{after}\0")),
    }
}

/// What a machine changes: its directories and its own file, and a base that all of them read.
fn ops(id: u128) -> Vec<Op> {
    let directory = |part: u32| common::directory_op(&format!("/run/svirt/{id}/{part}"));
    let base = of_file(99, "c1023");
    (0..3).map(directory).chain([of_file(id as u64, &format!("c{id},c{}", id + 9)), base]).collect()
}

/// A store with machines that died and one that goes on, after some that have ended, all in the one file.
fn settled(directory: &Path) -> Vec<u8> {
    let mut store = Store::open(directory).unwrap();
    for id in ENDED.chain(DEAD).chain([ALIVE]) {
        let run = new_run(id, &format!("m{id}"));
        let want = |op: &Op| Want {
            machine: run.id,
            object: op.object.clone(),
            attribute: op.attribute.clone(),
            value: op.after.clone(),
        };
        let (ops, name) = (ops(id), run.name.clone());
        let wants: Vec<Want> = ops.iter().map(want).collect();
        let plan = Plan { id: run.id, name, labels: vec![], ops, processes: vec![] };
        let start = store.start(run.clone()).unwrap();
        start.reserve_user(1000..2000, |_| true).unwrap();
        start.commit(&plan, &wants, &[common::claim(&run)]).unwrap();
        store.running(run.id, &[], &[], "").unwrap();
        if ENDED.contains(&id) {
            common::end(&mut store, run.id).unwrap();
        }
    }
    drop(store);
    // The last connection of a program that does not ask otherwise brings the log in.
    assert!(number(&raw(directory), "SELECT count(*) FROM ledger") > 100);
    fs::read(directory.join("svirt.db")).unwrap()
}

/// What a recovery puts back, and of which objects it says that something is amiss.
#[derive(Debug, Default)]
struct Done {
    back: Vec<Op>,
    told: u64,
}

impl Done {
    fn due(&mut self, due: Due) -> Vec<(u64, Outcome)> {
        self.told += due.damaged.len() as u64;
        let undone = due.entries.iter().map(|entry| (entry.sequence, Outcome::Undone)).collect();
        self.back.extend(due.entries.into_iter().map(|entry| entry.op));
        undone
    }
}

/// Everything that a recovery does with the store.
fn recover(directory: &Path) -> Result<Done, StoreError> {
    let mut store = Store::open(directory)?;
    let mut done = Done { told: store.check()?.lost, ..Done::default() };
    for run in store.runs()? {
        if run.name.as_str() == format!("m{ALIVE}") || run.id == Uuid::from_u128(ALIVE) {
            continue;
        }
        let finish = store.finish(run.id, "boot")?;
        let outcomes = done.due(finish.due()?);
        finish.commit(&outcomes, EventKind::Recovered, "its supervisor had died")?;
    }
    if let Some(again) = store.again("boot")? {
        let outcomes = done.due(again.due()?);
        again.commit(&outcomes, &[])?;
    }
    Ok(done)
}

fn flipped(directory: &Path, bytes: &[u8], at: usize) -> Result<Done, StoreError> {
    let path = directory.join("svirt.db");
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1 << (at % 8);
    let _ = fs::remove_file(path.with_extension("db-wal"));
    let _ = fs::remove_file(path.with_extension("db-shm"));
    fs::write(&path, flipped).unwrap();
    recover(directory)
}

#[test]
fn a_bit_of_any_page_that_is_another_forgets_nothing_and_puts_nothing_else_back() {
    let directory = common::fast_directory();
    let bytes = settled(directory.path());
    // A prime, so that all of a page's places are met somewhere.
    let each = std::env::var(EACH).ok().and_then(|text| text.parse().ok()).unwrap_or(193);
    let of = |id| ops(id).into_iter().take(4).map(|op| format!("{op:?}"));
    let all: BTreeSet<String> = DEAD.into_iter().flat_map(of).collect();
    // What was put back is looked at once more after a boot, and so where the boot's name is another.
    let known: BTreeSet<String> = ENDED.flat_map(of).chain(all.iter().cloned()).collect();
    let (mut whole, mut told, mut refused) = (0, 0, 0);
    for at in (0..bytes.len()).step_by(each) {
        let what = format!("byte {at}, of page {}", at / 4096 + 1);
        match flipped(directory.path(), &bytes, at) {
            Ok(done) => {
                let back: BTreeSet<_> = done.back.iter().map(|op| format!("{op:?}")).collect();
                let other: Vec<_> = back.difference(&known).collect();
                assert!(other.is_empty(), "{what}: {other:#?}");
                let missed: Vec<_> = all.difference(&back).collect();
                assert!(missed.len() as u64 <= done.told, "{what}: {missed:#?}");
                whole += u32::from(done.told == 0);
                told += u32::from(done.told > 0);
            }
            // Nothing was put back: what is there is as it was, and somebody knows.
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Place(_)) => {
                refused += 1;
            }
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
    eprintln!("of {} bytes: {whole} whole, {told} told, {refused} refused", whole + told + refused);
    assert!(whole > told && told > 0 && refused > 0);
}

/// Of each index that leads to what is to be undone, one key is another than in its table.
#[test]
fn an_index_that_hides_a_change_is_made_anew() {
    let directory = common::fast_directory();
    let bytes = settled(directory.path());
    for index in ["ledger_open", "ledger_unsettled_object", "ledger_unsettled_file", "wants_object"]
    {
        fs::write(directory.path().join("svirt.db"), &bytes).unwrap();
        let root = number(
            &raw(directory.path()),
            &format!("SELECT rootpage FROM sqlite_schema WHERE name = '{index}'"),
        );
        let page = (root as usize - 1) * 4096..root as usize * 4096;
        let own: &[u8] = match index {
            "ledger_open" => b"00000000-0000-0000-0000-000000000001",
            "ledger_unsettled_file" => b"-000000000009",
            _ => b"/run/svirt/1/0",
        };
        let found = bytes[page.clone()].windows(own.len()).position(|part| part == own);
        let last = page.start + found.expect(index) + own.len() - 1;
        let mut flipped = bytes.clone();
        flipped[last] ^= 1;
        for name in ["svirt.db-wal", "svirt.db-shm"] {
            let _ = fs::remove_file(directory.path().join(name));
        }
        fs::write(directory.path().join("svirt.db"), flipped).unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        assert!(store.check().unwrap().indexes, "{index}");
        assert_eq!(store.check().unwrap(), svirt_store::Checked::default(), "{index}");
        drop(store);
        assert_eq!(recover(directory.path()).unwrap().back.len(), 12, "{index}");
        for name in ["svirt.db-wal", "svirt.db-shm"] {
            let _ = fs::remove_file(directory.path().join(name));
        }
    }
}

/// A change that the end of its machine did not find is found by the next look, and one that is gone is missed.
#[test]
fn what_an_end_did_not_find_is_undone_and_what_is_gone_is_missed() {
    let directory = common::fast_directory();
    settled(directory.path());
    let mut store = Store::open(directory.path()).unwrap();
    assert_eq!(store.check_once("boot").unwrap(), svirt_store::Checked::default());
    // As if nothing had been found: the machine is gone, its changes are not undone.
    let ended = "DELETE FROM runs WHERE name = 'm1'";
    assert_eq!(raw(directory.path()).execute(ended, []), Ok(1));
    assert_eq!(store.forgotten().unwrap().len(), 4, "what others want is theirs");
    let changed = raw(directory.path());
    changed.execute_batch("DROP TRIGGER ledger_gone").unwrap();
    assert_eq!(
        changed.execute("DELETE FROM ledger WHERE name = 'm2' AND object LIKE '%/2/0'", []),
        Ok(1)
    );
    assert_eq!(
        store.check_once("boot").unwrap(),
        svirt_store::Checked::default(),
        "once is enough"
    );
    let checked = store.check_once("another boot").unwrap();
    assert_eq!((checked.indexes, checked.lost, checked.forgotten), (false, 1, 4));
    let orphans = store.orphans().unwrap();
    assert!(orphans.len() == 4 && orphans.iter().all(|entry| entry.phase == Phase::Orphaned));
    assert_eq!(store.check().unwrap(), svirt_store::Checked::default());
}
