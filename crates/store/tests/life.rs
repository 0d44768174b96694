//! What the store promises about definitions, starts, ends and the ledger.

mod common;

use common::{claim, commit, directory_op, end, live, name, new_run, plan, wants};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{
    EventKind, Evidence, Finding, GroupName, ImageFormat, Layer, Role, Sharing, State, Uuid,
};
use svirt_store::{Claim, Definition, NewRun, Outcome, Phase, ProcessId, Store, StoreError};

fn store() -> (tempfile::TempDir, Store) {
    let directory = common::fast_directory();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn definition(id: u128, text: &str) -> Definition {
    let request = r#"{"memory":"512M"}"#.to_owned();
    Definition {
        id: Uuid::from_u128(id),
        name: name(text),
        request,
        autostart: false,
        created_ms: 7,
    }
}

fn evidence() -> Vec<Evidence> {
    let row = |what: &str| Finding {
        layer: Layer::Seccomp,
        what: what.to_owned(),
        expected: "2".to_owned(),
        observed: "2".to_owned(),
    };
    vec![Evidence {
        role: Role::Vmm,
        pid: 42,
        findings: vec![row("Seccomp of every thread")],
        descriptors: Default::default(),
        mounts: 0,
        unseen: Vec::new(),
    }]
}

fn kinds(store: &Store) -> Vec<EventKind> {
    store.events_since(0, u32::MAX).unwrap().iter().map(|event| event.kind).collect()
}

#[test]
fn a_definition_is_kept_as_it_was_given() {
    let (directory, mut store) = store();
    let (b, a) = (definition(2, "b"), definition(1, "a"));
    store.define(&b).unwrap();
    store.define(&a).unwrap();
    drop(store);
    let mut store = Store::open(directory.path()).unwrap();
    assert_eq!(store.definitions().unwrap(), [a.clone(), b]);

    store.redefine(&a.name, "{}").unwrap();
    assert!(!store.redefine_from(&a.name, "older", "lost").unwrap());
    assert!(store.redefine_from(&a.name, "{}", "{}").unwrap());
    store.set_autostart(&a.name, true).unwrap();
    let edited = Definition { request: "{}".to_owned(), autostart: true, ..a.clone() };
    assert_eq!(store.definition(&a.name).unwrap(), Some(edited));

    store.undefine(&a.name).unwrap();
    assert_eq!(store.definition(&a.name).unwrap(), None);
    use EventKind::{Created, Edited, Removed};
    assert_eq!(kinds(&store), [Created, Created, Edited, Edited, Removed]);
}

#[test]
fn a_name_belongs_to_one_machine_whether_defined_or_live() {
    let (_directory, mut store) = store();
    store.define(&definition(1, "web")).unwrap();
    live(&mut store, &new_run(2, "db")).unwrap();
    for taken in ["web", "db"] {
        let refused = store.define(&definition(3, taken)).unwrap_err();
        assert!(matches!(refused, StoreError::NameInUse { .. }), "{refused}");
        live(&mut store, &new_run(4, taken)).unwrap_err();
    }
    let defined = live(&mut store, &new_run(4, "web")).unwrap_err();
    assert!(matches!(defined, StoreError::NameInUse { .. }), "{defined}");
    let lives = live(&mut store, &new_run(4, "db")).unwrap_err();
    assert!(matches!(lives, StoreError::Running { .. }), "{lives}");
    let mut own = new_run(1, "web");
    own.transient = false;
    live(&mut store, &own).unwrap();
    let twice = live(&mut store, &own).unwrap_err();
    assert_eq!(twice.to_string(), "machine web is running");
    let hint = twice.hint().unwrap();
    assert!(hint.contains("svirt ps") && hint.contains("svirt stop web"), "{hint}");
}

#[test]
fn an_identity_belongs_to_one_machine_whether_defined_or_live() {
    let (_directory, mut store) = store();
    store.define(&definition(1, "web")).unwrap();
    live(&mut store, &new_run(2, "db")).unwrap();
    for (id, owner) in [(1, "web"), (2, "db")] {
        let refused = store.define(&definition(id, "other")).unwrap_err().to_string();
        assert_eq!(
            refused,
            format!("the identity {} is that of machine {owner}", Uuid::from_u128(id))
        );
        let refused = live(&mut store, &new_run(id, "other")).unwrap_err();
        assert!(matches!(refused, StoreError::IdentityInUse { .. }), "{refused}");
    }
    // A passing machine cannot be in the place of one that is kept.
    let refused = live(&mut store, &new_run(1, "web")).unwrap_err();
    assert!(matches!(refused, StoreError::IdentityInUse { .. }), "{refused}");
}

#[test]
fn what_was_asked_for_is_kept_while_the_machine_lives() {
    let (_directory, mut store) = store();
    let mut run = new_run(1, "web");
    run.request = "what was asked".to_owned();
    live(&mut store, &run).unwrap();
    assert_eq!(store.request(run.id).unwrap().as_deref(), Some("what was asked"));
    end(&mut store, run.id).unwrap();
    assert_eq!(store.request(run.id).unwrap(), None);
}

#[test]
fn only_what_is_defined_can_be_changed_or_started() {
    let (_directory, mut store) = store();
    let nobody = name("nobody");
    let mut run = new_run(1, "nobody");
    run.transient = false;
    for refused in [
        store.redefine(&nobody, "{}"),
        store.redefine_from(&nobody, "{}", "{}").map(drop),
        store.set_autostart(&nobody, true),
        store.undefine(&nobody),
        live(&mut store, &run).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), "no machine nobody is defined");
    }
    assert!(kinds(&store).is_empty());
}

#[test]
fn a_definition_stays_while_its_machine_runs() {
    let (_directory, mut store) = store();
    store.define(&definition(1, "web")).unwrap();
    let mut run = new_run(1, "web");
    run.transient = false;
    live(&mut store, &run).unwrap();
    let refused = store.undefine(&run.name).unwrap_err();
    assert!(matches!(refused, StoreError::Running { .. }));
    assert_eq!(refused.hint().unwrap(), "`svirt ps` shows it, `svirt stop web` stops it");
    end(&mut store, run.id).unwrap();
    store.undefine(&run.name).unwrap();
}

#[test]
fn a_life_goes_from_starting_to_running_to_nothing() {
    let (directory, mut store) = store();
    let run = new_run(1, "web");
    let user = live(&mut store, &run).unwrap();

    let found = store.run(&run.name).unwrap().unwrap();
    assert_eq!((found.id, found.state, found.transient), (run.id, State::Starting, true));
    assert_eq!(found.supervisor, run.supervisor);
    assert_eq!(store.reserved_user(run.id).unwrap(), Some(user));
    assert!(store.evidence(run.id).unwrap().is_empty());
    let phases = |store: &Store| -> BTreeSet<String> {
        let open = store.open_entries(run.id).unwrap();
        open.iter().map(|entry| format!("{:?}", entry.phase)).collect()
    };
    assert_eq!(phases(&store), ["Intent".to_owned()].into());

    assert!(store.stands_still(run.id, true, "").is_err(), "it does not run yet");
    store.running(run.id, &[], &evidence(), "").unwrap();
    store.stands_still(run.id, true, "a disk failed").unwrap();
    assert_eq!(store.runs().unwrap()[0].state, State::Paused);
    assert!(store.stands_still(run.id, true, "").is_err(), "it stands still already");
    store.stands_still(run.id, false, "").unwrap();
    let told = store.events_since(0, 10).unwrap();
    let told: Vec<_> = told.iter().map(|event| (event.kind, event.detail.as_str())).collect();
    let last = [(EventKind::Paused, "a disk failed"), (EventKind::Resumed, "")];
    assert!(told.ends_with(&last), "{told:?}");
    drop(store);
    let mut store = Store::open(directory.path()).unwrap();
    assert_eq!(store.runs().unwrap()[0].state, State::Running);
    assert_eq!(store.evidence(run.id).unwrap(), evidence());
    assert_eq!(store.plan(run.id).unwrap(), Some(plan(&run, &common::objects(&run))));
    assert_eq!(phases(&store), ["Done".to_owned()].into());

    end(&mut store, run.id).unwrap();
    assert!(store.runs().unwrap().is_empty());
    assert!(store.wants().unwrap().is_empty());
    assert!(store.claims().unwrap().is_empty());
    assert!(store.open_entries(run.id).unwrap().is_empty());
    assert_eq!(store.reserved_user(run.id).unwrap(), None);
    assert_eq!(store.plan(run.id).unwrap(), None);
    assert!(store.evidence(run.id).unwrap().is_empty());
    assert_eq!(
        kinds(&store),
        [EventKind::Started, EventKind::Paused, EventKind::Resumed, EventKind::Stopped]
    );
}

#[test]
fn whoever_comes_late_is_told_that_the_machine_is_gone() {
    let (_directory, mut store) = store();
    let run = new_run(1, "web");
    live(&mut store, &run).unwrap();
    end(&mut store, run.id).unwrap();
    for late in [end(&mut store, run.id), store.running(run.id, &[], &evidence(), "")] {
        assert!(matches!(late.unwrap_err(), StoreError::NotLive { .. }));
    }
}

#[test]
fn a_machine_is_said_to_run_once() {
    let (_directory, mut store) = store();
    let run = new_run(1, "web");
    live(&mut store, &run).unwrap();
    store.running(run.id, &[], &evidence(), "").unwrap();
    let again = store.running(run.id, &[], &[], "").unwrap_err();
    assert!(matches!(again, StoreError::NotLive { .. }));
    assert_eq!(store.evidence(run.id).unwrap(), evidence());
}

#[test]
fn a_start_that_is_not_committed_leaves_nothing() {
    let (_directory, mut store) = store();
    let start = store.start(new_run(1, "web")).unwrap();
    assert_eq!(start.reserve_user(7..8, |_| true).unwrap(), 7);
    drop(start);
    assert!(store.runs().unwrap().is_empty());
    let start = store.start(new_run(2, "web")).unwrap();
    assert_eq!(start.reserve_user(7..8, |_| true).unwrap(), 7);
}

#[test]
fn a_path_that_cannot_be_written_down_stops_the_start() {
    use std::os::unix::ffi::OsStrExt;
    let (_directory, mut store) = store();
    let run = new_run(1, "web");
    let path = std::ffi::OsStr::from_bytes(b"/srv/\xff").into();
    let start = store.start(run.clone()).unwrap();
    let refused = start.commit(&plan(&run, &[]), &[], &[Claim { path, ..claim(&run) }]);
    assert!(refused.is_err());
    assert!(store.runs().unwrap().is_empty());
}

#[test]
fn a_start_sees_what_the_live_machines_use() {
    let (_directory, mut store) = store();
    let first = new_run(1, "first");
    live(&mut store, &first).unwrap();
    let second = new_run(2, "second");
    let start = store.start(second.clone()).unwrap();
    let held = start.claims_near(&[claim(&first)]).unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].machine, &held[0].name), (first.id, &first.name));
    assert_eq!(held[0].claim, claim(&first));

    let group: GroupName = "cluster".parse().unwrap();
    let shared = Claim { sharing: Sharing::Group(group), beneath: true, ..claim(&second) };
    start.commit(&plan(&second, &[]), &[], std::slice::from_ref(&shared)).unwrap();
    assert_eq!(store.claims().unwrap()[1].claim, shared);
}

#[test]
fn users_run_out_with_an_error_that_counts_them() {
    let (_directory, mut store) = store();
    for n in 0..3 {
        let run = new_run(n, &format!("m{n}"));
        let start = store.start(run.clone()).unwrap();
        start.reserve_user(500..503, |_| true).unwrap();
        commit(start, &run).unwrap();
    }
    let start = store.start(new_run(9, "m9")).unwrap();
    let refused = start.reserve_user(500..503, |_| true).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("500 to 502") && text.contains("3 are in use"), "{text}");
    assert!(refused.hint().is_some());
    assert_eq!(start.reserve_user(502..504, |_| true).unwrap(), 503);
}

/// A user that somebody else on the host has is passed over; where all are had, the error counts.
#[test]
fn a_user_that_the_caller_cannot_have_is_not_given() {
    let (_directory, mut store) = store();
    let start = store.start(new_run(9, "m9")).unwrap();
    let mut asked = Vec::new();
    let got = start.reserve_user(500..503, |user| {
        asked.push(user);
        asked.len() == 3
    });
    assert_eq!(asked.last(), Some(&got.unwrap()));
    asked.sort_unstable();
    assert_eq!(asked, [500, 501, 502]);
    drop(start);
    let start = store.start(new_run(9, "m9")).unwrap();
    let refused = start.reserve_user(500..503, |_| false).unwrap_err().to_string();
    assert!(refused.contains("0 are in use") && refused.contains("3 others"), "{refused}");
    let mut tries = 0;
    start
        .reserve_user(1000..66_000, |_| {
            tries += 1;
            false
        })
        .unwrap_err();
    assert_eq!(tries, 64, "nobody waits for a whole range");
}

#[test]
fn the_processes_of_a_machine_are_known_while_it_lives() {
    let (_directory, mut store) = store();
    let run = new_run(1, "web");
    live(&mut store, &run).unwrap();
    assert_eq!(store.processes(run.id).unwrap(), []);
    let all = [(7, u64::MAX), (5, 3)].map(|(pid, start_time)| ProcessId { pid, start_time });
    store.running(run.id, &all, &[], "").unwrap();
    assert_eq!(store.processes(run.id).unwrap(), all);
}

#[test]
fn a_machine_cannot_end_while_a_change_of_its_own_has_no_outcome() {
    let (_directory, mut store) = store();
    let run = new_run(1, "web");
    live(&mut store, &run).unwrap();
    let refused =
        store.finish(run.id, "boot").unwrap().commit(&[], EventKind::Stopped, "").unwrap_err();
    assert!(matches!(refused, StoreError::Unsettled { .. }), "{refused}");
    assert_eq!(store.runs().unwrap().len(), 1);
    let unknown = [(999, Outcome::Undone)];
    let finish = store.finish(run.id, "boot").unwrap();
    let refused = finish.commit(&unknown, EventKind::Stopped, "").unwrap_err();
    assert!(matches!(refused, StoreError::NotOpen { sequence: 999 }), "{refused}");
}

#[test]
fn the_ledger_remembers_what_was_left_and_why() {
    let (_directory, mut store) = store();
    let run = new_run(1, "web");
    live(&mut store, &run).unwrap();
    let newest = store.open_entries(run.id).unwrap()[0].clone();
    assert_eq!(newest.op, directory_op(common::objects(&run).last().unwrap()));
    store.settle(newest.sequence, &Outcome::Left("the owner changed".to_owned()), "boot").unwrap();
    let twice = store.settle(newest.sequence, &Outcome::Undone, "boot").unwrap_err();
    assert!(matches!(twice, StoreError::NotOpen { .. }));
    end(&mut store, run.id).unwrap();

    let history = store.history(10).unwrap();
    assert_eq!(history.len(), common::DIRECTORIES);
    assert_eq!((history[0].phase, &*history[0].reason), (Phase::Left, "the owner changed"));
    assert!(history[1..].iter().all(|e| e.phase == Phase::Undone && e.reason.is_empty()));
}

#[test]
fn a_format_is_pinned_by_the_first_use() {
    let (_directory, mut store) = store();
    assert_eq!(store.pinned_format("fs/1").unwrap(), None);
    let first = store.pin_format("fs/1", ImageFormat::Raw, "", "/srv/a".as_ref()).unwrap();
    let later = store.pin_format("fs/1", ImageFormat::Qcow2, "", "/srv/b".as_ref()).unwrap();
    assert_eq!((first.format, &*first.path), (ImageFormat::Raw, "/srv/a".as_ref()));
    assert_eq!(later, first);
    assert_eq!(store.pinned_format("fs/2").unwrap(), None);
    assert!(store.unpin_format("fs/1").unwrap());
    assert!(!store.unpin_format("fs/1").unwrap());
    let anew = store.pin_format("fs/1", ImageFormat::Qcow2, "", "/srv/b".as_ref()).unwrap();
    assert_eq!(anew.format, ImageFormat::Qcow2);
}

#[test]
fn the_facts_that_were_remembered_longest_ago_are_forgotten() {
    let (_directory, mut store) = store();
    store.set_retention(common::retention(100, 100, 3));
    for key in ["a", "b", "c", "a", "d"] {
        store.remember(key, &format!("value of {key}")).unwrap();
    }
    assert_eq!(store.recall("b").unwrap(), None);
    for key in ["c", "a", "d"] {
        assert_eq!(store.recall(key).unwrap(), Some(format!("value of {key}")));
    }
}

#[test]
fn events_are_numbered_without_gaps_and_the_newest_are_kept() {
    let (_directory, mut store) = store();
    store.set_retention(common::retention(100, 4, 4));
    for n in 0..10 {
        store.append_event(&name("web"), EventKind::Rebooted, &n.to_string()).unwrap();
    }
    let kept = store.events_since(0, 100).unwrap();
    let numbers: Vec<_> = kept.iter().map(|e| (e.sequence, e.detail.as_str())).collect();
    assert_eq!(numbers, [(7, "6"), (8, "7"), (9, "8"), (10, "9")]);
    assert_eq!(store.events_since(8, 1).unwrap(), kept[2..3]);
    assert!(store.events_since(10, 100).unwrap().is_empty());
    assert!(store.events_since(u64::MAX, 100).unwrap().is_empty());
}

#[test]
fn what_a_guest_says_cannot_fill_the_store() {
    let (_directory, mut store) = store();
    let long = "\u{e4}".repeat(100_000);
    store.append_event(&name("web"), EventKind::Panicked, &long).unwrap();
    assert_eq!(store.events_since(0, 1).unwrap()[0].detail, "\u{e4}".repeat(1_000));
}

/// A machine that starts with some of five objects, or that ends.
#[derive(Debug, Clone)]
enum Step {
    Start(u128, BTreeSet<u8>),
    End(u128),
}

fn step() -> impl Strategy<Value = Step> {
    let objects = prop::collection::btree_set(0u8..5, 0..4);
    prop_oneof![
        (0u128..4, objects).prop_map(|(id, objects)| Step::Start(id, objects)),
        (0u128..4).prop_map(Step::End),
    ]
}

/// The host as sVirt would change it: a start makes the objects that are missing, an end undoes
/// what the store says.
#[derive(Default)]
struct Host {
    present: BTreeSet<String>,
    live: BTreeMap<u128, BTreeSet<String>>,
}

impl Host {
    fn start(&mut self, store: &mut Store, id: u128, objects: &BTreeSet<u8>) {
        let objects: BTreeSet<String> = objects.iter().map(|n| format!("/o/{n}")).collect();
        let missing: Vec<_> = objects.difference(&self.present).cloned().collect();
        let all: Vec<_> = objects.iter().cloned().collect();
        let run = new_run(id, &format!("m{id}"));
        let start = store.start(run.clone()).unwrap();
        start.commit(&plan(&run, &missing), &wants(&run, &all), &[]).unwrap();
        self.present.extend(missing);
        self.live.insert(id, objects);
    }

    fn end(&mut self, store: &mut Store, id: u128) {
        let finish = store.finish(Uuid::from_u128(id), "boot").unwrap();
        let entries = finish.due().unwrap().entries;
        for entry in &entries {
            assert!(self.present.remove(entry.op.object.to_str().unwrap()), "undone twice");
        }
        let undone: Vec<_> = entries.iter().map(|e| (e.sequence, Outcome::Undone)).collect();
        finish.commit(&undone, EventKind::Stopped, "").unwrap();
        self.live.remove(&id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_object_is_on_the_host_exactly_while_a_live_machine_wants_it(
        steps in prop::collection::vec(step(), 1..16),
    ) {
        let (_directory, mut store) = store();
        let mut host = Host::default();
        for step in steps {
            match step {
                Step::Start(id, objects) if !host.live.contains_key(&id) => {
                    host.start(&mut store, id, &objects);
                }
                Step::End(id) if host.live.contains_key(&id) => host.end(&mut store, id),
                Step::Start(..) | Step::End(_) => {}
            }
            let wanted: BTreeSet<_> = host.live.values().flatten().cloned().collect();
            prop_assert_eq!(&host.present, &wanted);
        }
    }
}

#[test]
fn a_drill_has_changed_the_host_and_is_no_machine() {
    let (_directory, mut store) = store();
    let run = NewRun { drill: true, ..new_run(1, "drill-1") };
    let (id, none) = (run.id, plan(&run, &[]));
    store.start(run).unwrap().commit(&none, &[], &[]).unwrap();
    assert_eq!(store.run(&name("drill-1")).unwrap(), None);
    assert!(store.runs().unwrap().is_empty());
    let holders: Vec<_> = store.holders().unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(holders, [id]);
    // What it intends later is undone like what anybody intends at once.
    let ops = ["/sys/fs/cgroup/drill", "/tmp/drill"].map(directory_op);
    store.intend(id, &ops).unwrap();
    let entries = store.open_entries(id).unwrap();
    assert_eq!(
        entries.iter().map(|e| e.op.clone()).collect::<Vec<_>>(),
        [ops[1].clone(), ops[0].clone()]
    );
    store.settle(entries[0].sequence, &Outcome::Undone, "boot").unwrap();
    let end = store.finish(id, "boot").unwrap();
    assert_eq!(end.due().unwrap().entries.len(), 1);
    end.commit(&[(entries[1].sequence, Outcome::Undone)], EventKind::Drilled, "").unwrap();
    assert!(store.holders().unwrap().is_empty());
    assert!(matches!(store.intend(id, &ops), Err(StoreError::NotLive { .. })));
}
