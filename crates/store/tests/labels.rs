//! What a start reserves for its labels, and what it sees of those of other machines.

mod common;

use common::{end, new_run, plan};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{
    Attribute, EventKind, FileSystem, GroupName, Held, Known, Mark, Op, Uuid, Value, Want,
    label::{MachineLabel, Pair, Rivals, SecurityModel},
};
use svirt_store::{NewRun, Outcome, Store};

fn store() -> (tempfile::TempDir, Store) {
    let directory = common::fast_directory();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn pair(one: u16, other: u16) -> Pair {
    Pair::new(one, other).unwrap()
}

fn group(text: &str) -> GroupName {
    text.parse().unwrap()
}

fn run(id: u128) -> NewRun {
    new_run(id, &format!("m{id}"))
}

/// The seat that a machine of these tests has in each of its groups.
fn seat(id: u128) -> u16 {
    1023 - u16::try_from(id).unwrap()
}

/// Lives with a pair and these groups.
fn live(store: &mut Store, id: u128, own: Pair, groups: &[(&str, u16)]) {
    let run = run(id);
    let start = store.start(run.clone()).unwrap();
    assert!(start.reserve_pair(own).unwrap());
    for (name, category) in groups {
        assert!(start.join_group(&group(name), *category, seat(id)).unwrap());
    }
    start.commit(&plan(&run, &[]), &[], &[]).unwrap();
}

#[test]
fn a_pair_is_one_live_machines() {
    let (_directory, mut store) = store();
    // Whoever mixes the two halves up takes these for one.
    live(&mut store, 1, pair(1, 2), &[]);
    live(&mut store, 2, pair(2, 3), &[]);
    live(&mut store, 3, pair(0, 16_383), &[]);
    let start = store.start(run(4)).unwrap();
    assert!(!start.reserve_pair(pair(2, 1)).unwrap());
    assert!(start.reserve_pair(pair(1, 3)).unwrap());
    assert_eq!(start.pairs().unwrap(), [pair(0, 16_383), pair(1, 2), pair(1, 3), pair(2, 3)]);
    drop(start);
    end(&mut store, Uuid::from_u128(1)).unwrap();
    let start = store.start(run(4)).unwrap();
    assert_eq!(start.pairs().unwrap(), [pair(0, 16_383), pair(2, 3)], "and what was dropped");
    assert!(start.reserve_pair(pair(1, 2)).unwrap());
}

#[test]
fn a_pair_and_a_user_of_one_number_are_two_things() {
    let (_directory, mut store) = store();
    let start = store.start(run(1)).unwrap();
    assert!(start.reserve_pair(pair(1, 2)).unwrap());
    let user = 1 << 16 | 2;
    assert_eq!(start.reserve_user(user..user + 1, |_| true).unwrap(), user);
}

#[test]
fn a_group_has_its_category_as_long_as_a_machine_is_in_it() {
    let (_directory, mut store) = store();
    live(&mut store, 1, pair(1, 2), &[("disks", 1000), ("logs", 1001)]);
    live(&mut store, 2, pair(1, 3), &[("disks", 1000)]);
    let start = store.start(run(3)).unwrap();
    assert!(!start.join_group(&group("disks"), 1002, 0).unwrap(), "it has another");
    assert!(!start.join_group(&group("other"), 1001, 0).unwrap(), "another has it");
    let both: BTreeMap<_, _> = [(group("disks"), 1000), (group("logs"), 1001)].into();
    assert_eq!(start.groups().unwrap(), both);
    assert_eq!(start.seats(&group("disks")).unwrap(), [seat(1), seat(2)].into());
    assert!(start.seats(&group("other")).unwrap().is_empty());
    drop(start);
    end(&mut store, Uuid::from_u128(1)).unwrap();
    let start = store.start(run(3)).unwrap();
    assert_eq!(start.groups().unwrap(), [(group("disks"), 1000)].into());
    assert!(start.join_group(&group("other"), 1001, 0).unwrap());
    assert!(start.join_group(&group("disks"), 1000, seat(2)).is_err(), "a seat is for one");
    drop(start);
    end(&mut store, Uuid::from_u128(2)).unwrap();
    assert!(store.start(run(3)).unwrap().groups().unwrap().is_empty());
}

fn label(model: SecurityModel, text: &str) -> MachineLabel {
    MachineLabel { model, label: text.to_owned(), image_label: None, doi: 0, enforcing: true }
}

#[test]
fn a_machines_labels_are_seen_as_long_as_it_lives() {
    let (_directory, mut store) = store();
    let labels = [
        label(SecurityModel::Selinux, "system_u:system_r:svirt_t:s0:c1,c2"),
        label(SecurityModel::Smack, "svirt-1"),
    ];
    for id in [2, 1] {
        let run = run(id);
        let plan = svirt_model::Plan { labels: labels.to_vec(), ..plan(&run, &[]) };
        store.start(run).unwrap().commit(&plan, &[], &[]).unwrap();
    }
    end(&mut store, Uuid::from_u128(2)).unwrap();
    let everybody = Rivals { everybody: true, ..Rivals::default() };
    let seen = store.start(run(3)).unwrap().labels(&everybody).unwrap();
    assert_eq!(seen, labels.clone().map(|label| (common::name("m1"), label)));
    let [selinux, smack] = labels.map(|label| vec![(common::name("m1"), label)]);
    let start = store.start(run(3)).unwrap();
    let by = |of: Rivals| start.labels(&of).unwrap();
    assert_eq!(by(Rivals { own: [2].into(), ..Rivals::default() }), selinux);
    assert_eq!(by(Rivals { labels: ["svirt-1".into()].into(), ..Rivals::default() }), smack);
    // It shares what a machine has that has something of its own.
    assert_eq!(by(Rivals { own: [3].into(), shared: [2].into(), ..Rivals::default() }), []);
    assert_eq!(by(Rivals::default()), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever is above or below a machine by his categories is among those that are read.
    #[test]
    fn whoever_stands_in_the_way_is_read(
        others in prop::collection::vec(prop::collection::btree_set(0u16..8, 0..5), 0..12),
        own in prop::collection::btree_set(0u16..8, 1..4),
        shared in prop::collection::btree_set(0u16..8, 0..3),
    ) {
        let (_directory, mut store) = store();
        let mut in_the_way = BTreeSet::new();
        let mine: BTreeSet<u16> = own.union(&shared).copied().collect();
        for (id, theirs) in (1..).zip(&others) {
            let text: Vec<String> = theirs.iter().map(|c| format!("c{c}")).collect();
            let level = if text.is_empty() { "s0".into() } else { format!("s0:{}", text.join(",")) };
            let labels = vec![label(SecurityModel::Selinux, &format!("u:r:svirt_t:{level}"))];
            let run = run(id);
            if theirs.is_subset(&mine) || mine.is_subset(theirs) {
                in_the_way.insert(run.name.clone());
            }
            let plan = svirt_model::Plan { labels, ..plan(&run, &[]) };
            store.start(run).unwrap().commit(&plan, &[], &[]).unwrap();
        }
        let of = Rivals { own, shared, ..Rivals::default() };
        let read = store.start(run(99)).unwrap().labels(&of).unwrap();
        let read: BTreeSet<_> = read.into_iter().map(|(name, _)| name).collect();
        prop_assert!(in_the_way.is_subset(&read), "{in_the_way:?}, {read:?}");
    }
}

fn known(inode: u64) -> Known {
    let on = FileSystem::Uuid(Uuid::from_u128(1));
    Known { on, inode, mark: Mark::Handle { kind: 1, bytes: vec![7] } }
}

/// A label of this file, wanted by a machine.
fn want(id: u128, object: &str, inode: u64, text: &str) -> Want {
    let file = Some(known(inode));
    let attribute = Attribute::Label { model: SecurityModel::Selinux, file };
    let value = Value::Label(Some(text.into()));
    Want { machine: Uuid::from_u128(id), object: object.into(), attribute, value }
}

/// Lives with this want, and makes it where there was something else before.
fn live_wanting(store: &mut Store, want: &Want, before: Option<&str>) {
    let run = new_run(want.machine.as_u128(), &format!("m{}", want.machine.as_u128()));
    let op = |before: &str| Op {
        object: want.object.clone(),
        attribute: want.attribute.clone(),
        before: Value::Label(Some(before.into())),
        after: want.value.clone(),
    };
    let plan = svirt_model::Plan { ops: before.map(op).into_iter().collect(), ..plan(&run, &[]) };
    store.start(run).unwrap().commit(&plan, std::slice::from_ref(want), &[]).unwrap();
}

#[test]
fn what_is_held_has_the_value_that_was_there_before_all() {
    let (_directory, mut store) = store();
    let first = want(1, "/srv/shared", 7, "group");
    live_wanting(&mut store, &first, Some("found"));
    live_wanting(&mut store, &want(2, "/srv/shared", 7, "group"), Some("group, by the second"));
    live_wanting(&mut store, &want(3, "/srv/shared", 8, "replaced"), Some("x"));
    live_wanting(&mut store, &want(4, "/srv/other", 9, "other"), Some("x"));
    live_wanting(&mut store, &want(5, "/srv/kept", 5, "kept"), None);
    // The first goes; what it changed stays, since the second wants it.
    let finish = store.finish(first.machine, "boot").unwrap();
    assert!(finish.due().unwrap().entries.is_empty());
    finish.commit(&[], EventKind::Stopped, "").unwrap();

    let new = [want(9, "/srv/kept", 5, "new"), want(9, "/srv/shared", 7, "new")];
    let held = store.start(run(9)).unwrap().held(&common::keys(&new)).unwrap();
    let expected = |want: Want, before: &str| Held {
        name: common::name(&format!("m{}", want.machine.as_u128())),
        want,
        before: Value::Label(Some(before.into())),
    };
    let second = want(2, "/srv/shared", 7, "group");
    let kept = want(5, "/srv/kept", 5, "kept");
    assert_eq!(held, [expected(kept, "kept"), expected(second, "found")]);

    let finish = store.finish(Uuid::from_u128(2), "boot").unwrap();
    let undone: Vec<_> = finish.due().unwrap().entries;
    assert_eq!(undone.len(), 2);
    let undone: Vec<_> = undone.iter().map(|e| (e.sequence, Outcome::Undone)).collect();
    finish.commit(&undone, EventKind::Stopped, "").unwrap();
    assert!(store.start(run(9)).unwrap().held(&common::keys(&new[1..])).unwrap().is_empty());
}

/// What one machine has labelled by one name and another uses by a second, as through a bind mount,
/// stays labelled until both are gone.
#[test]
fn a_label_is_held_by_whatever_name_a_machine_has_the_file() {
    let (_directory, mut store) = store();
    let (one, two) = (want(1, "/srv/base", 7, "content"), want(2, "/mnt/base", 7, "content"));
    live_wanting(&mut store, &one, Some("found"));
    let held =
        store.start(run(2)).unwrap().held(&common::keys(std::slice::from_ref(&two))).unwrap();
    let before = Value::Label(Some("found".into()));
    assert_eq!(held, [Held { name: common::name("m1"), want: one.clone(), before }]);
    live_wanting(&mut store, &two, Some("found"));
    let finish = store.finish(one.machine, "boot").unwrap();
    assert!(finish.due().unwrap().entries.is_empty(), "the second machine would lose it");
    finish.commit(&[], EventKind::Stopped, "").unwrap();
    let undone = store.finish(two.machine, "boot").unwrap().due().unwrap().entries;
    let names: Vec<_> = undone.iter().map(|entry| entry.op.object.clone()).collect();
    assert_eq!(names, [two.object, one.object]);
}
