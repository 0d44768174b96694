//! Many processes at once, and processes that are killed.
//!
//! The workers are this test program, started again for its one ignored test with a task in its
//! environment.

mod common;

use common::{commit, new_run, number, objects, plan, raw, wants};
use rusqlite::Connection;
use std::{
    env, fs,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};
use svirt_model::{EventKind, Uuid};
use svirt_store::{NewRun, Outcome, Store, StoreError};

const TASK: &str = "SVIRT_TEST_STORE_TASK";

/// A worker's life: `task directory number`.
#[test]
#[ignore = "it is no test: the other tests here run it, in processes of its own"]
fn worker() {
    let task = env::var(TASK).expect("a task");
    let mut words = task.splitn(3, ' ');
    let mut word = || words.next().expect("three words");
    let (task, number) = (word(), word().parse().unwrap());
    let directory = PathBuf::from(word());
    match task {
        "compete" => compete(&directory, number),
        "live" => live_on(&directory, number),
        "hold-start" => hold_start(&directory, number),
        "hold-finish" => hold_finish(&directory, number),
        other => panic!("no task {other}"),
    }
}

struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(task: &str, number: u32, directory: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["worker", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(TASK, format!("{task} {number} {}", directory.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits until the worker has said this so many times.
    fn wait_for(&mut self, text: &str, times: usize) {
        let said = self.lines.by_ref().filter(|line| line.as_ref().unwrap() == text);
        assert_eq!(said.take(times).count(), times, "the worker ended early");
    }

    fn kill(mut self) -> u32 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child.id()
    }

    fn succeeds(mut self) {
        self.lines.by_ref().for_each(drop);
        assert!(self.child.wait().unwrap().success());
    }
}

const WORKERS: u32 = 20;
const STARTS: u32 = 20;
/// Two for three workers: there is always one that is free, and often one that is not.
const NAMES: u32 = 30;

/// Starts and ends machines whose names and users others want as well. What the store grants is
/// checked against files that only one can make.
fn compete(directory: &Path, number: u32) {
    for n in 0..STARTS {
        let id = Uuid::from_u128(u128::from(number) << 64 | u128::from(n));
        let (run, user) = win_a_name(directory, id, number * 7 + n);
        let mut witnesses = vec![directory.join(format!("user-{user}"))];
        witnesses.push(directory.join(format!("name-{}", run.name)));
        for witness in &witnesses {
            fs::File::create_new(witness).expect("two machines have the same");
        }
        Store::open(directory).unwrap().running(id, &[], &[], "").unwrap();
        let mut store = Store::open(directory).unwrap();
        let finish = store.finish(id, "boot").unwrap();
        let entries = finish.due().unwrap().entries;
        assert_eq!(entries.len(), common::DIRECTORIES);
        for witness in &witnesses {
            fs::remove_file(witness).unwrap();
        }
        let undone: Vec<_> = entries.iter().map(|e| (e.sequence, Outcome::Undone)).collect();
        finish.commit(&undone, EventKind::Stopped, "").unwrap();
    }
}

/// Tries one name after the other until one is free. There are exactly as many users as workers.
fn win_a_name(directory: &Path, id: Uuid, first: u32) -> (NewRun, u32) {
    for attempt in 0..10_000 {
        let run = new_run(id.as_u128(), &format!("m{}", (first + attempt) % NAMES));
        let mut store = Store::open(directory).unwrap();
        let start = match store.start(run.clone()) {
            Err(StoreError::Running { .. }) => continue,
            other => other.unwrap(),
        };
        let user = start.reserve_user(100..100 + WORKERS, |_| true).unwrap();
        commit(start, &run).unwrap();
        return (run, user);
    }
    panic!("no name was ever free");
}

#[test]
fn no_two_live_machines_have_the_same_name_or_user() {
    let above = tempfile::tempdir().unwrap();
    // The store does not exist yet: its making is part of the competition.
    let directory = above.path().join("state");
    let workers: Vec<_> = (0..WORKERS).map(|n| Worker::start("compete", n, &directory)).collect();
    workers.into_iter().for_each(Worker::succeeds);

    let c = raw(&directory);
    assert_consistent(&c);
    assert_eq!(number(&c, "SELECT count(*) FROM runs"), 0);
    let lives = i64::from(WORKERS * STARTS);
    assert_eq!(number(&c, "SELECT count(*) FROM events"), 2 * lives, "started and stopped");
    assert_eq!(number(&c, "SELECT max(sequence) FROM events"), 2 * lives, "without gaps");
    let witness = |e: &fs::DirEntry| !e.file_name().to_str().unwrap().starts_with("svirt.db");
    let left = fs::read_dir(&directory).unwrap().filter(|e| witness(e.as_ref().unwrap()));
    assert_eq!(left.count(), 0);
}

/// Starts and ends machines until it is killed, and says each one.
fn live_on(directory: &Path, number: u32) {
    for n in 0.. {
        let run = new_run(u128::from(std::process::id()) << 64 | n, &format!("m{number}-{n}"));
        let mut store = Store::open(directory).unwrap();
        common::live(&mut store, &run).unwrap();
        store.running(run.id, &[], &[], "").unwrap();
        drop(store);
        common::end(&mut Store::open(directory).unwrap(), run.id).unwrap();
        say("lived");
    }
}

#[test]
fn a_process_killed_anywhere_leaves_a_consistent_store() {
    let directory = common::fast_directory();
    let mut others: Vec<_> = (1..3).map(|n| Worker::start("live", n, directory.path())).collect();
    for round in 0..40_u64 {
        let mut victim = Worker::start("live", 0, directory.path());
        victim.wait_for("lived", 1);
        // Not to wait for anything: to be somewhere else in the victim's next life each time.
        thread::sleep(Duration::from_micros(round * 97));
        let pid = victim.kill();
        assert_consistent(&raw(directory.path()));
        recover(directory.path(), pid);
        others.iter_mut().for_each(|other| other.wait_for("lived", 1));
    }
    // All of them first: what one of them was just writing, unseen by the other, may be read from
    // the log by whoever opens the store when nobody else has it open.
    let dead: Vec<_> = others.into_iter().map(Worker::kill).collect();
    dead.into_iter().for_each(|pid| recover(directory.path(), pid));
    let c = raw(directory.path());
    assert_consistent(&c);
    assert_eq!(number(&c, "SELECT count(*) FROM runs"), 0);
}

/// Ends what a dead process left, from the ledger alone.
fn recover(directory: &Path, pid: u32) {
    let mut store = Store::open(directory).unwrap();
    for run in store.runs().unwrap().iter().filter(|run| run.supervisor.pid == pid) {
        common::end(&mut store, run.id).unwrap();
    }
}

/// What holds between any two commits of machines that [`common::live`] started.
fn assert_consistent(c: &Connection) {
    let check: String = c.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let each = common::DIRECTORIES;
    for wrong in [
        "SELECT count(*) FROM pragma_foreign_key_check".to_owned(),
        "SELECT count(*) FROM runs WHERE 1 <> (SELECT count(*) FROM plans WHERE run = id)".into(),
        "SELECT count(*) FROM runs
           WHERE 1 <> (SELECT count(*) FROM reservations WHERE run = id)"
            .into(),
        format!(
            "SELECT count(*) FROM runs
               WHERE {each} <> (SELECT count(*) FROM wants WHERE run = id)"
        ),
        format!(
            "SELECT count(*) FROM runs
               WHERE {each} <> (SELECT count(*) FROM ledger WHERE machine = id AND phase =
                 CASE state WHEN 'starting' THEN 'intent' ELSE 'done' END)"
        ),
        "SELECT count(*) FROM runs
           WHERE (state = 'running') <> (SELECT count(*) FROM evidence WHERE run = id)"
            .into(),
        "SELECT count(*) FROM ledger
           WHERE phase IN ('intent', 'done') AND machine NOT IN (SELECT id FROM runs)"
            .into(),
        "SELECT max(sequence) - min(sequence) + 1 - count(*) FROM events HAVING count(*) > 0
           UNION ALL SELECT 0"
            .into(),
    ] {
        assert_eq!(number(c, &wrong), 0, "{wrong}");
    }
}

/// Says something to the test that started the worker; on a line of its own, since the harness
/// begins one.
fn say(text: &str) {
    println!("\n{text}");
}

/// Says that it holds the store, and does not let go until the test does: it ends with its input.
fn hold() {
    say("holding");
    std::io::stdin().lines().for_each(drop);
}

/// Has written everything of a start but the commit.
fn hold_start(directory: &Path, _: u32) {
    let mut store = Store::open(directory).unwrap();
    let start = store.start(new_run(7, "held")).unwrap();
    start.reserve_user(5..6, |_| true).unwrap();
    hold();
    drop(start);
}

/// Is undoing a machine's changes.
fn hold_finish(directory: &Path, _: u32) {
    let mut store = Store::open(directory).unwrap();
    let finish = store.finish(Uuid::from_u128(7), "boot").unwrap();
    assert_eq!(finish.due().unwrap().entries.len(), common::DIRECTORIES);
    hold();
    drop(finish);
}

#[test]
fn a_start_that_was_killed_never_was() {
    let directory = common::fast_directory();
    let mut worker = Worker::start("hold-start", 0, directory.path());
    worker.wait_for("holding", 1);
    assert!(Store::open(directory.path()).unwrap().runs().unwrap().is_empty());
    worker.kill();
    let mut store = Store::open(directory.path()).unwrap();
    let start = store.start(new_run(8, "held")).unwrap();
    assert_eq!(start.reserve_user(5..6, |_| true).unwrap(), 5);
}

#[test]
fn an_end_that_was_killed_is_made_by_the_next() {
    let directory = common::fast_directory();
    let run = new_run(7, "held");
    let mut store = Store::open(directory.path()).unwrap();
    common::live(&mut store, &run).unwrap();
    let mut worker = Worker::start("hold-finish", 0, directory.path());
    worker.wait_for("holding", 1);
    worker.kill();
    assert_eq!(store.open_entries(run.id).unwrap().len(), common::DIRECTORIES);
    common::end(&mut store, run.id).unwrap();
}

#[test]
fn whoever_waits_gets_the_store_when_it_is_let_go() {
    let directory = common::fast_directory();
    let mut worker = Worker::start("hold-start", 0, directory.path());
    worker.wait_for("holding", 1);
    let place = directory.path().to_owned();
    let waiting = thread::spawn(move || {
        let run = new_run(9, "waiting");
        let mut store = Store::open(&place).unwrap();
        let start = store.start(run.clone()).unwrap();
        start.commit(&plan(&run, &objects(&run)), &wants(&run, &objects(&run)), &[]).unwrap();
    });
    worker.kill();
    waiting.join().unwrap();
}

#[test]
fn a_store_that_nobody_lets_go_is_an_error_that_says_so() {
    let directory = common::fast_directory();
    let mut worker = Worker::start("hold-start", 0, directory.path());
    worker.wait_for("holding", 1);
    let mut store = Store::open(directory.path()).unwrap();
    assert!(store.runs().unwrap().is_empty(), "readers do not wait");
    let busy = store.append_event(&common::name("web"), EventKind::Rebooted, "").unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy}");
    assert!(busy.hint().unwrap().contains("fuser"));
    worker.kill();
}
