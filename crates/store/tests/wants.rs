//! A thousand machines that share what they want come and go: what an object has follows from the wants
//! of those that live, and from nothing else.

mod common;

use common::{new_run, number, plan, raw};
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{
    Attribute, EventKind, FileSystem, Known, Mark, Op, Plan, Uuid, Value, Want,
    label::SecurityModel,
};
use svirt_store::{Outcome, Store};
use svirt_testkit::soak::Chance;

/// Bases that machines share, of which each has some.
const BASES: u64 = 40;
const SHARED: &str = "shared";
const FOUND: &str = "found";

fn attribute(inode: u64) -> Attribute {
    let on = FileSystem::Uuid(Uuid::from_u128(1));
    let file = Known { on, inode, mark: Mark::Handle { kind: 1, bytes: vec![7] } };
    Attribute::Label { model: SecurityModel::Selinux, file: Some(file) }
}

fn label(text: &str) -> Value {
    Value::Label(Some(text.into()))
}

/// The labels of all objects that are no longer as they were found, by inode, and who lives.
struct Host {
    store: Store,
    labels: BTreeMap<u64, Value>,
    live: Vec<(u128, BTreeSet<u64>)>,
    begun: u128,
    chance: Chance,
}

impl Host {
    fn of(&self, inode: u64) -> Value {
        self.labels.get(&inode).cloned().unwrap_or_else(|| label(FOUND))
    }

    /// A disk of the machine's own, and some of the bases.
    fn begin(&mut self) {
        self.begun += 1;
        let run = new_run(self.begun, &format!("m{}", self.begun));
        let own = BASES + u64::try_from(self.begun).unwrap();
        let mut inodes = BTreeSet::from([own]);
        inodes.extend((0..3).map(|_| self.chance.below(BASES as usize) as u64));
        let want = |inode: &u64| Want {
            machine: run.id,
            object: format!("/srv/{inode}").into(),
            attribute: attribute(*inode),
            value: label(if *inode < BASES { SHARED } else { "own" }),
        };
        let wants: Vec<Want> = inodes.iter().map(want).collect();
        let start = self.store.start(run.clone()).unwrap();
        let held = start.held(&common::keys(&wants)).unwrap();
        assert!(held.len() < wants.len(), "nobody else has its own disk");
        let op = |(inode, want): (&u64, &Want)| {
            let held = held.iter().find(|held| held.want.attribute == want.attribute);
            assert!(held.is_none_or(|held| held.want.value == want.value));
            let before = match held {
                Some(held) => held.before.clone(),
                None => self.labels.get(inode).cloned().unwrap_or_else(|| label(FOUND)),
            };
            let (object, attribute) = (want.object.clone(), want.attribute.clone());
            Op { object, attribute, before, after: want.value.clone() }
        };
        let ops: Vec<Op> = inodes.iter().zip(&wants).map(op).collect();
        let plan = Plan { ops, ..plan(&run, &[]) };
        start.commit(&plan, &wants, &[]).unwrap();
        for (inode, want) in inodes.iter().zip(&wants) {
            self.labels.insert(*inode, want.value.clone());
        }
        // One in eight dies before it runs.
        if self.chance.below(8) > 0 {
            self.store.running(run.id, &[], &[], "").unwrap();
        }
        self.live.push((self.begun, inodes));
    }

    /// Ends any of those that live, as a machine or its recovery does.
    fn end(&mut self) {
        let (id, _) = self.live.swap_remove(self.chance.below(self.live.len()));
        let finish = self.store.finish(Uuid::from_u128(id), "boot").unwrap();
        let mut outcomes = Vec::new();
        for entry in finish.due().unwrap().entries {
            let inode = entry.op.attribute.file().unwrap().inode;
            let now = self.labels.get(&inode).cloned().unwrap_or_else(|| label(FOUND));
            assert!(now == entry.op.after || now == entry.op.before, "{entry:?} on {now:?}");
            self.labels.insert(inode, entry.op.before);
            outcomes.push((entry.sequence, Outcome::Undone));
        }
        finish.commit(&outcomes, EventKind::Stopped, "").unwrap();
    }

    /// What the live machines want is there, and nothing else.
    fn is_the_union(&self) {
        let wanted: BTreeSet<u64> =
            self.live.iter().flat_map(|(_, inodes)| inodes.clone()).collect();
        for inode in 0..BASES + u64::try_from(self.begun).unwrap() + 1 {
            let expected = match wanted.contains(&inode) {
                true => label(if inode < BASES { SHARED } else { "own" }),
                false => label(FOUND),
            };
            assert_eq!(self.of(inode), expected, "{inode} after {} machines", self.begun);
        }
    }
}

#[test]
fn a_thousand_machines_come_and_go_and_their_wants_decide() {
    let directory = common::fast_directory();
    let store = Store::open(directory.path()).unwrap();
    let chance = Chance::new(5);
    let (labels, live) = (BTreeMap::new(), Vec::new());
    let mut host = Host { store, labels, live, begun: 0, chance };
    let open = || {
        let query = "SELECT count(*) FROM ledger WHERE phase IN ('intent', 'done', 'orphaned')";
        number(&raw(directory.path()), query)
    };
    (0..1000).for_each(|_| host.begin());
    host.is_the_union();
    assert_eq!(open(), 1000 + BASES as i64, "each base is put back once");
    for turn in 0..1000 {
        host.end();
        host.begin();
        if turn % 100 == 0 {
            host.is_the_union();
        }
    }
    assert_eq!(open(), 1000 + BASES as i64, "however many have come and gone");
    for left in (0..1000).rev() {
        host.end();
        if left < 20 || left % 100 == 0 {
            host.is_the_union();
        }
    }
    assert_eq!(open(), 0);
}
