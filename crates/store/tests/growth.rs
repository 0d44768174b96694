//! However long a host runs, the store stays as large as what it has to remember.

mod common;

use common::{end, live, new_run, number, raw};
use std::{fs, path::Path};
use svirt_store::{Phase, Store};

const KEPT: u32 = 300;

fn size(directory: &Path) -> u64 {
    let file = |name| fs::metadata(directory.join(name)).unwrap().len();
    file("svirt.db") + file("svirt.db-wal")
}

#[test]
fn two_thousand_lives_leave_no_more_than_six_hundred() {
    lives_leave_no_more_than_six_hundred(2_000);
}

/// A host of years: `cargo xtask soak --cycles N`.
#[test]
#[ignore = "it takes minutes: `cargo xtask soak --cycles N` runs it"]
fn as_many_lives_as_are_asked_for_leave_no_more_than_six_hundred() {
    let asked = std::env::var("SVIRT_SOAK_CYCLES").ok().and_then(|text| text.parse().ok());
    lives_leave_no_more_than_six_hundred(asked.unwrap_or(100_000));
}

fn lives_leave_no_more_than_six_hundred(cycles: u128) {
    let directory = common::fast_directory();
    let mut store = Store::open(directory.path()).unwrap();
    store.set_retention(common::retention(KEPT, KEPT, 8));
    let old = new_run(u128::MAX, "old");
    live(&mut store, &old).unwrap();

    let mut early = 0;
    for n in 0..cycles {
        let run = new_run(n, &format!("m{n}"));
        live(&mut store, &run).unwrap();
        store.running(run.id, &[], &[], "").unwrap();
        end(&mut store, run.id).unwrap();
        store.remember(&n.to_string(), "a fact").unwrap();
        if n == 600 {
            early = size(directory.path());
        }
        if n % (cycles / 10).max(1) == 0 {
            eprintln!("{n} lives: {} KiB", size(directory.path()) >> 10);
        }
    }
    let late = size(directory.path());
    assert!(late <= early + (64 << 10), "{early} bytes grew to {late}");

    let open = store.open_entries(old.id).unwrap();
    assert_eq!(open.len(), common::DIRECTORIES, "what is open is never dropped");
    assert!(open.iter().all(|entry| entry.phase == Phase::Intent));
    let c = raw(directory.path());
    let kept = i64::from(KEPT);
    assert_eq!(number(&c, "SELECT count(*) FROM ledger"), kept + open.len() as i64);
    assert_eq!(number(&c, "SELECT count(*) FROM events"), kept);
    assert_eq!(number(&c, "SELECT count(*) FROM facts"), 8);
    for held in ["runs", "plans", "reservations", "claims"] {
        assert_eq!(number(&c, &format!("SELECT count(*) FROM {held}")), 1, "{held}");
    }
    assert_eq!(number(&c, "SELECT count(*) FROM evidence"), 0);
    assert!(
        number(&c, "SELECT count(*) FROM objects") <= 513,
        "those of the last machines, and one"
    );
}
