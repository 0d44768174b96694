//! However many machines come and go, each a whole one of a program that ends at once, the host and the
//! store are as they were after the first of them.

use crate::{
    census::Census,
    stage::{Stage, tried},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use svirt_testkit::{Caller, Host, Outcome};

/// Set by `cargo xtask soak --programs N`: how many each caller has.
const PROGRAMS: &str = "SVIRT_SOAK_PROGRAMS";

/// The ledger of so many changes at most is kept; a program has some ten.
const KEPT: u32 = 1_000;

/// What may grow for ever without being anything that a census counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    /// Bytes of the store and its log.
    store: u64,
    /// Pages of the database, and those of them that are free.
    pages: (i64, i64),
    /// Rows of the ledger, the events, the facts and the objects.
    rows: [i64; 4],
    /// Files and directories below the state and run-time directories.
    files: usize,
    /// Mounts in the namespace of the host.
    mounts: usize,
}

impl Sizes {
    fn of(host: &Host) -> Self {
        let store = host.state().join("svirt.db");
        let bytes = |name: &str| fs::metadata(host.state().join(name)).map_or(0, |m| m.len());
        let connection = rusqlite::Connection::open(&store).expect("a store");
        let number = |query: &str| -> i64 {
            connection.query_row(query, [], |row| row.get(0)).expect("a number")
        };
        let rows = ["ledger", "events", "facts", "objects"];
        Self {
            store: bytes("svirt.db") + bytes("svirt.db-wal"),
            pages: (number("PRAGMA page_count"), number("PRAGMA freelist_count")),
            rows: rows.map(|table| number(&format!("SELECT count(*) FROM {table}"))),
            files: below(&host.state()) + below(&host.runtime()),
            mounts: mounts(host),
        }
    }
}

fn below(directory: &Path) -> usize {
    let all = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths: Vec<PathBuf> = all.map(|entry| entry.path()).collect();
    paths.iter().map(|path| 1 + if path.is_dir() { below(path) } else { 0 }).sum()
}

/// Those of the test's machines: others of the host come and go meanwhile.
fn mounts(host: &Host) -> usize {
    let place = host.path("").to_string_lossy().into_owned();
    let all = fs::read_to_string("/proc/self/mountinfo").expect("procfs");
    all.lines().filter(|line| line.contains(&place) || line.contains("svirt")).count()
}

/// What the whole host has, to be read by people: it is not ours alone.
fn of_the_host() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let slab =
        file("/proc/meminfo").lines().find(|l| l.starts_with("SUnreclaim")).map(str::to_owned);
    let keys = file("/proc/key-users").lines().count();
    let groups: u32 = file("/proc/cgroups")
        .lines()
        .filter_map(|line| line.split('\t').nth(2)?.parse::<u32>().ok())
        .sum();
    let open = file("/proc/sys/fs/file-nr");
    let open = open.split('\t').next().unwrap_or_default();
    format!(
        "{groups} cgroups, {open} open files, {keys} users of keys, {}",
        slab.unwrap_or_default()
    )
}

/// So many machines, one after the other; what there is after the first `full` of them is there after each further
/// `every` as well.
fn lives(caller: Caller, count: u32, full: u32, every: u32) -> Outcome {
    let stage = Stage::new(caller)?;
    let host = &stage.host;
    host.run(&["ledger", "keep", &KEPT.to_string()]).exits(0);
    let own = stage.image("disk.raw");
    let mut first: Option<(Census, Sizes)> = None;
    for n in 1..=count {
        host.run(&["exec", "--rw", &own, "--", "/bin/true"]).exits(0);
        if n < full || n % every != 0 {
            continue;
        }
        host.assert_nothing_left();
        let (census, sizes) = (Census::take(host), Sizes::of(host));
        eprintln!("{caller:?}, {n}: {sizes:?}; {}", of_the_host());
        let (was, early) = first.get_or_insert_with(|| (census.clone(), sizes));
        assert_eq!(census.differences(was), [""; 0], "after {n}");
        assert_eq!((sizes.files, sizes.mounts), (early.files, early.mounts), "after {n}");
        assert!(sizes.rows[0] <= i64::from(KEPT) + 20, "after {n}: {:?}", sizes.rows);
        // The events are kept as long again.
        assert!(sizes.rows[1] == 2 * i64::from(n.min(5_000)), "after {n}: {:?}", sizes.rows);
        assert_eq!(sizes.rows[2..], early.rows[2..], "after {n}");
    }
    host.run(&["verify"]).exits(0);
    Ok(())
}

#[test]
fn forty_programs_that_come_and_go_leave_the_host_as_it_was() {
    tried(lives(Caller::Root, 40, 20, 20));
}

#[test]
#[ignore = "it lasts: cargo xtask soak --programs N"]
fn as_many_programs_as_are_asked_for_leave_the_host_as_it_was() {
    let asked = env::var(PROGRAMS).ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    for caller in [Caller::Root, Caller::User] {
        tried(lives(caller, asked, 500, 500));
    }
}
