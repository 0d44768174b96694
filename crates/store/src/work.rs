//! What a start asks costs the same however many machines live: counted in the steps of SQLite's
//! own machine, which are the same on every host.

use crate::reservation::RESERVE_PAIR;
use crate::{Store, claim, group, label, ledger};
use rusqlite::{Connection, Params, StatementStatus, params};

/// So many live machines, each with its own user, pair, group and want, which all share a base.
fn live(c: &Connection, count: u32) {
    c.execute_batch(&format!(
        "CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS
           (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n;
         INSERT INTO runs SELECT i, 'm' || i, 1, 1, 'boot', 'running', 1, 1, 0 FROM numbers;
         INSERT INTO reservations SELECT 'user', i, i FROM numbers;
         INSERT INTO reservations SELECT 'selinux-pair', i, i FROM numbers;
         INSERT INTO sharing_groups SELECT 'g' || i, i FROM numbers;
         INSERT INTO members SELECT 'g' || i, 0, i FROM numbers;
         INSERT INTO wants SELECT i, 0, '/o' || i, 'label' || i, '1', 'f' || i, 0 FROM numbers;
         INSERT INTO ledger SELECT i, i, 'm' || i, '/o' || i, 'label' || i, '0', '1', 'done', '', 0,
           'f' || i, NULL, 0, NULL FROM numbers;
         INSERT INTO wants SELECT i, 1, '/base', 'shared', '1', 'base', 0 FROM numbers;
         INSERT INTO ledger VALUES ({count} + 1, 1, 'm1', '/base', 'shared', '0', '1', 'done', '', 0,
           'base', NULL, 0, NULL);
         INSERT INTO labels SELECT i, 'selinux', '{{}}' FROM numbers;
         INSERT INTO label_parts SELECT 'selinux', 'c' || i, 2, i FROM numbers;
         INSERT INTO label_parts SELECT 'selinux', 'shared', 2, i FROM numbers;
         DROP TABLE numbers;"
    ))
    .unwrap();
}

/// The rows that one query gives, and the steps that it takes.
fn work(c: &Connection, query: &str, values: impl Params) -> (usize, i32) {
    let mut statement = c.prepare(query).unwrap();
    let mut rows = statement.query(values).unwrap();
    let mut count = 0;
    while rows.next().unwrap().is_some() {
        count += 1;
    }
    drop(rows);
    assert_eq!(statement.get_status(StatementStatus::FullscanStep), 0, "{query}");
    (count, statement.get_status(StatementStatus::VmStep))
}

fn works(count: u32) -> Vec<(usize, i32)> {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let c = &store.connection;
    live(c, count);
    let earliest = format!("SELECT before FROM ledger AS l {}", ledger::EARLIEST);
    let to_undo = format!("SELECT before FROM ledger AS l {}", ledger::of_nobody_else());
    let all = [
        work(c, claim::HELD, ["f7", "label7", "new"]),
        work(c, claim::HELD, ["base", "shared", "new"]),
        work(c, &to_undo, ["1"]),
        work(c, &to_undo, ["7"]),
        work(c, ledger::INTEND, params!["n", "n", "/base", "shared", "0", "1", "base", 0, 0]),
        work(c, claim::HELD, ["f7", "nothing", "new"]),
        work(c, &earliest, ["f7", "label7"]),
        work(c, group::IS, params!["g7", 7]),
        work(c, group::SEATS, ["g7"]),
        work(c, label::BY_PART, params!["selinux", "c7", 2]),
        work(c, label::BY_PART, params!["selinux", "c7", 1]),
        work(c, label::BY_PART, params!["selinux", "shared", 1]),
        work(c, label::BY_PART, params!["selinux", "", 0]),
        work(c, RESERVE_PAIR, params!["selinux-pair", 7, "7"]),
        work(c, RESERVE_PAIR, params!["selinux-pair", 1 << 20, "7"]),
    ];
    assert_eq!(all.map(|(rows, _)| rows), [1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    all.to_vec()
}

#[test]
fn a_start_among_ten_thousand_machines_asks_no_more_than_among_ten() {
    let few = works(10);
    assert_eq!(works(10_000), few);
    assert!(few.iter().all(|(_, steps)| *steps < 400), "{few:?}");
}
