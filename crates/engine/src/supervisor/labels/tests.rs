//! Machines in several stores and processes: whoever lives has categories that nobody else has, and
//! shares those of its groups with its own group alone.
//!
//! The host's names are the real ones. The categories are such as no policy has, others for each run
//! of the tests, so that neither machines that run nor another run of the tests is met.

use super::*;
use crate::supervisor::alive::this_process;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};
use svirt_model::{
    EventKind, Plan, Uuid,
    label::{CATEGORY_MAX, Pool},
};
use svirt_store::{NewRun, Store};

/// The first category of this test's own, of which it has 64.
fn window() -> u16 {
    let windows = u32::from((CATEGORY_MAX + 1 - 1024) / 64);
    // Tests of one process have neighbouring threads, and each its own.
    let id = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    1024 + 64 * u16::try_from(id % windows).unwrap()
}

/// So many categories for machines from this one on, and so many after them for groups.
fn pool(first: u16, own: u16, groups: u16) -> Pool {
    let (block, last) = (first + own, first + own + groups - 1);
    let range = format!("s0-s0:{}", CategorySet::span(first, last)).parse().unwrap();
    Pool::with_groups(&range, &CategorySet::span(block, last), CATEGORY_MAX + 1).unwrap()
}

fn needs(pool: &Pool, groups: &[&str]) -> Needs {
    let groups = groups.iter().map(|name| name.parse().unwrap()).collect();
    Needs { pool: Some(pool.clone()), groups, ..Needs::default() }
}

/// In memory where the host has such a place: a commit costs milliseconds on a busy disk.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A child has its parent's sockets from its fork to its exec, so that what is let go meanwhile is not
/// free at once.
static FORKS: RwLock<()> = RwLock::new(());

/// As long as this is there, nobody forks.
fn without_forks() -> RwLockReadGuard<'static, ()> {
    FORKS.read().unwrap_or_else(PoisonError::into_inner)
}

struct Stored {
    store: Store,
    #[allow(dead_code, reason = "it goes when this goes")]
    directory: tempfile::TempDir,
}

impl Stored {
    fn new() -> Self {
        let directory = directory();
        Self { store: Store::open(directory.path()).unwrap(), directory }
    }

    fn live(&mut self, id: u128, needs: &Needs) -> Result<Labels, Failure> {
        live(&mut self.store, id, needs, &[])
    }

    fn end(&mut self, id: u128) {
        let finish = self.store.finish(Uuid::from_u128(id), "boot").unwrap();
        finish.commit(&[], EventKind::Stopped, "").unwrap();
    }
}

fn live(
    store: &mut Store,
    id: u128,
    needs: &Needs,
    aliens: &[CategorySet],
) -> Result<Labels, Failure> {
    let (id, supervisor) = (Uuid::from_u128(id), this_process()?);
    let name: svirt_model::MachineName = format!("m{}", id.simple()).parse().unwrap();
    let run = NewRun {
        id,
        name: name.clone(),
        supervisor,
        transient: true,
        drill: false,
        request: String::new(),
    };
    let start = store.start(run)?;
    let labels = reserve_labels(&start, needs, aliens)?;
    let plan = Plan { id, name, labels: vec![], ops: vec![], processes: vec![] };
    start.commit(&plan, &[], &[])?;
    Ok(labels)
}

/// As many descriptors as this process may have: whoever holds much needs many.
fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

fn category(labels: &Labels, group: &str) -> u16 {
    labels.1[&group.parse::<GroupName>().unwrap()]
}

#[test]
fn a_machine_without_categories_gets_none() {
    let (pair, groups, held) = Stored::new().live(1, &Needs::default()).unwrap();
    assert!(pair.is_none() && groups.is_empty() && held.is_empty());
}

#[test]
fn pairs_run_out_with_an_error_that_counts_and_come_back_when_a_machine_ends() {
    let _whole = without_forks();
    let (mut one, mut other) = (Stored::new(), Stored::new());
    let pool = pool(window(), 5, 2);
    let alone = needs(&pool, &[]);
    let mut given = BTreeMap::new();
    for id in 0..5 {
        given.insert(id, one.live(id, &alone).unwrap());
        given.insert(5 + id, other.live(5 + id, &alone).unwrap());
    }
    let pairs: BTreeSet<_> = given.values().map(|labels| labels.0.unwrap()).collect();
    assert_eq!(pairs.len(), 10);
    for store in [&mut one, &mut other] {
        let none = store.live(99, &alone).unwrap_err();
        assert_eq!(none.code, Code::InUse);
        assert_eq!(
            none.message,
            format!("all 10 pairs of the categories {} are in use", pool.own())
        );
        assert!(none.hint.unwrap().contains("stop a machine"));
    }
    // Dead, and not cleared up: its names are free, and its store knows better.
    let freed = given.remove(&0).unwrap().0;
    one.live(99, &alone).unwrap_err();
    one.end(0);
    assert_eq!(other.live(99, &alone).unwrap().0, freed);
}

#[test]
fn what_runs_and_is_none_of_ours_is_left_alone() {
    let first = window();
    let pool = pool(first, 3, 2);
    let aliens =
        [[first, first + 1].into_iter().collect(), CategorySet::span(first + 3, first + 3)];
    let mut stored = Stored::new();
    let mut given = Vec::new();
    for id in 0..2 {
        given.push(live(&mut stored.store, id, &needs(&pool, &["g"]), &aliens).unwrap());
    }
    assert!(given.iter().all(|labels| category(labels, "g") == first + 4));
    assert!(given.iter().all(|labels| labels.0 != Pair::new(first, first + 1).ok()));
    live(&mut stored.store, 2, &needs(&pool, &["g"]), &aliens).unwrap_err();
}

#[test]
fn a_group_has_one_category_in_a_store_and_no_other_store_has_it() {
    let _whole = without_forks();
    let (mut one, mut other) = (Stored::new(), Stored::new());
    let pool = pool(window(), 20, 2);
    let member = needs(&pool, &["g"]);
    let first = one.live(1, &member).unwrap();
    let second = one.live(2, &member).unwrap();
    let theirs = other.live(3, &member).unwrap();
    assert_eq!(category(&first, "g"), category(&second, "g"));
    assert_ne!(category(&first, "g"), category(&theirs, "g"));
    let none = one.live(4, &needs(&pool, &["g", "h"])).unwrap_err();
    assert_eq!(none.message, "there is no category for the group h: 2 of 2 are in use");
    assert!(none.hint.unwrap().contains("stop the machines of a group"));

    // It is the group's as long as any machine is in it, whoever began.
    let freed = category(&first, "g");
    one.end(1);
    drop(first);
    other.live(5, &needs(&pool, &["h"])).unwrap_err();
    let third = one.live(6, &member).unwrap();
    one.end(2);
    drop(second);
    other.live(5, &needs(&pool, &["h"])).unwrap_err();
    one.end(6);
    drop(third);
    assert_eq!(category(&other.live(5, &needs(&pool, &["h"])).unwrap(), "h"), freed);
}

#[test]
fn a_squatter_makes_categories_unusable_and_none_shared() {
    let _whole = without_forks();
    let first = window();
    let pool = pool(first, 5, 3);
    let block = first + 5;
    let _begin = reserve(GROUP, &seat(block, 0)).unwrap().unwrap();
    let _end = reserve(GROUP, &seat(block + 1, SEATS - 1)).unwrap().unwrap();
    let mut stored = Stored::new();
    let given = stored.live(1, &needs(&pool, &["g"])).unwrap();
    assert_eq!(category(&given, "g"), block + 2);
    let none = stored.live(2, &needs(&pool, &["h"])).unwrap_err();
    assert!(none.message.contains("3 of 3 are in use"), "{none}");
    // Seats beside a machine's are skipped, until none is left.
    let squatted: Vec<_> =
        (1..9).map(|number| reserve(GROUP, &seat(block + 2, number)).unwrap().unwrap()).collect();
    let _second = stored.live(3, &needs(&pool, &["g"])).unwrap();
    assert!(any_held(GROUP, [seat(block + 2, 9)]).unwrap());
    drop(squatted);
}

#[test]
fn a_full_group_says_so() {
    many_descriptors();
    let first = window();
    let pool = pool(first, 5, 1);
    let mut stored = Stored::new();
    let _given = stored.live(1, &needs(&pool, &["g"])).unwrap();
    let _squatted: Vec<_> =
        (1..SEATS).map(|number| reserve(GROUP, &seat(first + 5, number)).unwrap()).collect();
    let full = stored.live(2, &needs(&pool, &["g"])).unwrap_err();
    assert!(full.message.contains("the group g is full: 1 of its 384 seats"), "{full}");
}

#[test]
fn a_group_whose_machines_have_died_is_not_joined() {
    let _whole = without_forks();
    let pool = pool(window(), 5, 1);
    let mut stored = Stored::new();
    drop(stored.live(1, &needs(&pool, &["g"])).unwrap());
    let dead = stored.live(2, &needs(&pool, &["g"])).unwrap_err();
    assert_eq!(dead.message, "the machines of the group g have died");
    stored.end(1);
    stored.live(2, &needs(&pool, &["g"])).unwrap();
}

#[test]
fn a_category_out_of_this_range_is_refused() {
    let first = window();
    let mut stored = Stored::new();
    let _given = stored.live(1, &needs(&pool(first, 5, 1), &["g"])).unwrap();
    let refused = stored.live(2, &needs(&pool(first, 4, 1), &["g"])).unwrap_err();
    assert_eq!(refused.code, Code::Denied);
    assert!(refused.message.contains(&format!("the category c{}", first + 5)), "{refused}");
}

fn called(labels: &[(SecurityModel, &str)]) -> Plan {
    let label = |(model, label): &(SecurityModel, &str)| MachineLabel {
        model: *model,
        label: (*label).to_owned(),
        image_label: None,
        doi: 0,
        enforcing: true,
    };
    let (id, name) = (Uuid::from_u128(1), "m".parse().unwrap());
    Plan { id, name, labels: labels.iter().map(label).collect(), ops: vec![], processes: vec![] }
}

#[test]
fn what_a_machine_is_called_is_its_own_on_the_host() {
    let _whole = without_forks();
    let first = window();
    let (low, high) = (first, first + 1);
    let context = format!("u:r:t:s0:c{low},c{high}");
    let own = format!("chosen-{first}");
    let long = format!("{own}-{}", "é".repeat(LABEL));
    let models = [SecurityModel::Selinux, SecurityModel::Apparmor, SecurityModel::Smack];
    let names = |plan: &Plan| reserve_names(plan, &Reserved::default());
    let all = called(&[(models[0], &context), (models[1], &own), (models[2], &long)]);
    let held = names(&all).unwrap();
    assert_eq!(held.len(), 3);
    for label in [(models[0], &*context), (models[1], &*own), (models[2], &*long)] {
        let refused = names(&called(&[label])).unwrap_err();
        assert_eq!(refused.code, Code::InUse);
        assert!(refused.message.contains(label.1), "{refused}");
    }
    // Another type's, and nobody is given it as his own pair either.
    let other_type = format!("u:r:other:s0:c{low},c{high}");
    names(&called(&[(models[0], &other_type)])).unwrap_err();
    let pair = Pair::new(low, high).unwrap();
    assert!(reserve(PAIR, &pair.set().to_string()).unwrap().is_none());
    // The same word of another model is another label.
    names(&called(&[(models[2], &own)])).unwrap();
    drop(held);
    let pair = Reserved { pair: Some(pair), ..Reserved::default() };
    assert!(reserve_names(&called(&[(models[0], &context)]), &pair).unwrap().is_empty());
    names(&all).unwrap();
}

const TASK: &str = "SVIRT_TEST_LABELS_TASK";
const PROCESSES: u128 = 500;

/// One machine, which lives until its input ends: `id user first-category directory`.
#[test]
#[ignore = "it is no test: `processes_of_two_users` and others here run it, as processes"]
fn worker() {
    let task = env::var(TASK).expect("a task");
    let mut words = task.splitn(4, ' ');
    let mut word = || words.next().expect("four words");
    let id: u128 = word().parse().unwrap();
    let user: u32 = word().parse().unwrap();
    let pool = pool(word().parse().unwrap(), 34, 16);
    if user != 0 {
        rustix::thread::set_thread_uid(rustix::fs::Uid::from_raw(user)).unwrap();
    }
    let mut store = Store::open(Path::new(word())).unwrap();
    let own = format!("g{}", id % 3);
    let labels = live(&mut store, id, &needs(&pool, &["all", &own]), &[]).unwrap();
    let [low, high] = labels.0.unwrap().both();
    let [all, own] = ["all", &own].map(|group| category(&labels, group));
    // One write, so that no other process's line is in it.
    io::stderr().write_all(format!("{id} {low} {high} {all} {own}\n").as_bytes()).unwrap();
    io::stdin().lines().for_each(drop);
}

struct Crowd {
    children: Vec<Child>,
    /// What each has: its pair, and the categories of its two groups.
    given: BTreeMap<u128, [u16; 4]>,
    /// They live as long as this is open.
    #[allow(dead_code, reason = "closing it ends them")]
    input: io::PipeWriter,
}

/// All of them at once, those with even numbers in one store, the others in the other.
fn crowd(first: u16, stores: [(&Path, u32); 2]) -> Crowd {
    let ((end, input), (output, said)) = (io::pipe().unwrap(), io::pipe().unwrap());
    let start = |id: u128| {
        let (directory, user) = stores[usize::from(id % 2 == 1)];
        Command::new(env::current_exe().unwrap())
            .args(["supervisor::labels::tests::worker", "--exact", "--ignored", "--nocapture"])
            .env(TASK, format!("{id} {user} {first} {}", directory.display()))
            .stdin(end.try_clone().unwrap())
            .stdout(Stdio::null())
            .stderr(said.try_clone().unwrap())
            .spawn()
            .unwrap()
    };
    let forking = FORKS.write();
    let children: Vec<_> = (0..PROCESSES).map(start).collect();
    drop(forking);
    drop((end, said));
    let mut given = BTreeMap::new();
    for line in BufReader::new(output).lines().take(children.len()) {
        let line = line.unwrap();
        let numbers: Result<Vec<u128>, _> = line.split(' ').map(str::parse).collect();
        let Ok([id, rest @ ..]) = numbers.as_deref() else { panic!("{line}") };
        let rest: Vec<u16> = rest.iter().map(|n| u16::try_from(*n).unwrap()).collect();
        given.insert(*id, rest.try_into().unwrap());
    }
    Crowd { children, given, input }
}

#[test]
fn five_hundred_processes_of_two_users_at_once_get_what_is_theirs() {
    let directories = [directory(), directory()];
    // Only root can be somebody else as well.
    let root = rustix::process::geteuid().is_root();
    let other = if root { 65_534 } else { 0 };
    if root {
        chown(directories[1].path(), Some(other), Some(other)).unwrap();
    }
    let first = window();
    let mut crowd = crowd(first, [(directories[0].path(), 0), (directories[1].path(), other)]);
    assert_eq!(crowd.given.len(), crowd.children.len());
    if root {
        assert_eq!(fs::metadata(directories[1].path().join("svirt.db")).unwrap().uid(), other);
    }
    let pairs: BTreeSet<_> = crowd.given.values().map(|[a, b, ..]| (a, b)).collect();
    assert_eq!(pairs.len(), crowd.given.len(), "of 561 that there are");
    let mut groups: BTreeMap<u16, BTreeSet<(u128, String)>> = BTreeMap::new();
    for (id, [_, _, all, own]) in &crowd.given {
        groups.entry(*all).or_default().insert((id % 2, "all".to_owned()));
        groups.entry(*own).or_default().insert((id % 2, format!("g{}", id % 3)));
    }
    assert_eq!(groups.len(), 8, "four in each store: {groups:?}");
    assert!(groups.values().all(|one| one.len() == 1), "{groups:?}");

    let [low, high, ..] = crowd.given[&0];
    let name = Pair::new(low, high).unwrap().set().to_string();
    assert!(reserve(PAIR, &name).unwrap().is_none());
    crowd.children[0].kill().unwrap();
    crowd.children[0].wait().unwrap();
    assert!(reserve(PAIR, &name).unwrap().is_some());
    drop(crowd.input);
    for mut child in crowd.children.drain(1..) {
        assert!(child.wait().unwrap().success());
    }
    let seats = || groups.keys().flat_map(|c| (0..SEATS).map(|number| seat(*c, number)));
    assert!(!any_held(GROUP, seats()).unwrap());
}

/// What a reservation costs where few live, and where ten thousand do, in milliseconds; `cargo xtask
/// bench --only reserve` reads this and says what the samples come to.
#[test]
#[ignore = "it measures, which depends on the host: `cargo xtask bench --only reserve` runs it"]
fn ten_thousand_live() {
    many_descriptors();
    let mut stored = Stored::new();
    let range = "s0-s0:c0.c1023".parse().unwrap();
    let pool = Pool::new(&range, 1024).unwrap();
    let (alone, member) = (needs(&pool, &[]), needs(&pool, &["g"]));
    let mut held = Vec::new();
    for live in [10, 10_000] {
        for id in held.len()..live {
            let needs = if id % 40 == 0 { &member } else { &alone };
            held.push(stored.live(id as u128, needs).unwrap());
        }
        let own = needs(&pool, &["new"]);
        for (what, needs) in [("pair", &alone), ("pair+place", &member), ("pair+group", &own)] {
            let took = (0..100).map(|n| one(&mut stored, n, needs).as_secs_f64() * 1000.0);
            let took: Vec<String> = took.map(|ms| format!("{ms:.4}")).collect();
            println!("{what} {live} {}", took.join(" "));
        }
    }
}

/// One reservation that is dropped.
fn one(stored: &mut Stored, n: u128, needs: &Needs) -> Duration {
    let id = Uuid::from_u128(1 << 64 | n);
    let (supervisor, name) = (this_process().unwrap(), "new".parse().unwrap());
    let run =
        NewRun { id, name, supervisor, transient: true, drill: false, request: String::new() };
    let start = stored.store.start(run).unwrap();
    let begin = Instant::now();
    let labels = reserve_labels(&start, needs, &[]).unwrap();
    let took = begin.elapsed();
    drop(labels);
    took
}

/// Two state directories know nothing of each other's machines, and their images' labels tell.
#[test]
fn an_image_of_a_live_machine_of_another_state_directory_is_not_taken() {
    let _forks = without_forks();
    let first = window();
    let (pair, group) = (Pair::new(first, first + 1).unwrap(), first + 2);
    let found = |range: &str| {
        let label = format!("system_u:object_r:svirt_image_t:s0:{range}\0");
        Op {
            object: "/srv/disk".into(),
            attribute: Attribute::Label { model: SecurityModel::Selinux, file: None },
            before: Value::Label(Some(label.into())),
            after: Value::Absent,
        }
    };
    let (own, shared) = (found(&pair.set().to_string()), found(&format!("c{group}")));
    let taken = |op: &Op, image: &str, reserved: &Reserved| {
        taken_from_nobody(std::slice::from_ref(op), image, reserved).err()
    };
    let nothing = Reserved::default();
    for op in [&own, &shared] {
        assert!(taken(op, "svirt_image_t", &nothing).is_none(), "it was left by one that died");
    }
    let _pair = reserve(PAIR, &pair.set().to_string()).unwrap().unwrap();
    let _seat = reserve(GROUP, &seat(group, 7)).unwrap().unwrap();
    for op in [&own, &shared] {
        let failure = taken(op, "svirt_image_t", &nothing).unwrap();
        assert!(failure.code == Code::InUse && failure.message.contains("/srv/disk"));
        assert!(taken(op, "other_t", &nothing).is_none());
    }
    let groups = [("g".parse().unwrap(), group)].into();
    let reserved = Reserved { user: None, pair: Some(pair), groups };
    for op in [&own, &shared] {
        assert!(taken(op, "svirt_image_t", &reserved).is_none(), "they are this machine's");
    }
}
