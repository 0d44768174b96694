//! A store whose pages are damaged or cut: nothing is changed that it does not say for certain.

use crate::{
    census::Census,
    lives,
    stage::{SERVED, Stage, tried},
};
use std::{fs, path::Path};
use svirt_testkit::{Caller, Outcome};

const PAGE: usize = 4096;

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// Every bit of a page is another.
    Flipped(usize),
    /// A page is empty.
    Zeroed(usize),
    /// The file ends there.
    Cut(usize),
}

impl Damage {
    fn of(bytes: &[u8]) -> Vec<Self> {
        let pages = 0..bytes.len().div_ceil(PAGE);
        pages.flat_map(|p| [Self::Flipped(p), Self::Zeroed(p), Self::Cut(p)]).collect()
    }

    fn done_to(self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        let (Self::Flipped(page) | Self::Zeroed(page) | Self::Cut(page)) = self;
        let from = page * PAGE;
        let to = (from + PAGE).min(bytes.len());
        match self {
            Self::Flipped(_) => damaged[from..to].iter_mut().for_each(|b| *b = !*b),
            Self::Zeroed(_) => damaged[from..to].fill(0),
            Self::Cut(_) => damaged.truncate(from),
        }
        damaged
    }
}

fn copied(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.expect("cp runs").success());
}

/// A machine that the store takes for alive: its supervisor is said to be this process.
fn taken_for_alive(store: &Path) {
    let stat = fs::read_to_string("/proc/self/stat").expect("procfs");
    // The 22nd field; the second ends with the last parenthesis.
    let start =
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)).expect("a time");
    let start: i64 = start.parse().expect("a number");
    let store = rusqlite::Connection::open(store).expect("a store");
    let set = "UPDATE runs SET pid = ?1, start_time = ?2";
    assert_eq!(store.execute(set, (std::process::id(), start)), Ok(1));
    // The last to close it brings all into the one file, as on a host that was shut down in order.
    store.close().expect("alone");
}

fn damaged(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    assert!(stage.kill_at(&life, &(SERVED.to_owned(), 0), None));
    let (state, store) = (stage.host.state(), stage.host.state().join("svirt.db"));
    let (dead, alive) = (stage.host.path("dead"), stage.host.path("alive"));
    copied(&state, &dead);
    taken_for_alive(&store);
    copied(&state, &alive);
    let bytes = fs::read(&store).expect("a store");
    let objects = Census::objects(&stage.host);
    let (mut told, mut done) = (0, 0);
    for damage in Damage::of(&bytes) {
        fs::write(&store, damage.done_to(&bytes)).expect("a store");
        for words in [&["ps"][..], &["recover"]] {
            let said = stage.host.run(words);
            match said.code {
                Some(0) => done += 1,
                Some(_) if said.err.contains("svirt.db") && said.err.contains("hint:") => told += 1,
                _ => panic!("{damage:?}, {words:?}: {said:#?}"),
            }
        }
        let changed = Census::objects(&stage.host).differences(&objects);
        assert!(changed.is_empty(), "{damage:?}: {changed:#?}");
        copied(&alive, &state);
    }
    assert!(told > 60, "{told} commands told of damage, {done} did not meet it");
    copied(&dead, &state);
    fs::remove_dir_all(dead).and_then(|()| fs::remove_dir_all(alive)).expect("ours");
    stage.recovers(&before, &life, "the store was put back");
    Ok(())
}

#[test]
fn a_store_whose_pages_are_damaged_changes_nothing_wrongly() {
    tried(damaged(Caller::Root));
}

/// The path of a directory that a dead machine made has one bit that is another, and there is such a
/// directory.
fn led_astray(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    assert!(stage.kill_at(&life, &(SERVED.to_owned(), 0), None));
    let store = rusqlite::Connection::open(stage.host.state().join("svirt.db")).expect("a store");
    let of = "SELECT sequence, object FROM ledger
              WHERE phase = 'done' AND after LIKE '%directory%' ORDER BY sequence DESC LIMIT 1";
    let (sequence, made): (i64, String) =
        store.query_row(of, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("it made one");
    let mut astray = made.clone().into_bytes();
    astray.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
    let astray = String::from_utf8(astray).expect("a letter is another");
    fs::create_dir(&astray).expect("nothing is there");
    let precious = Path::new(&astray).join("precious");
    fs::write(&precious, "precious").expect("ours");
    let set = "UPDATE ledger SET object = ?2 WHERE sequence = ?1";
    assert_eq!(store.execute(set, rusqlite::params![sequence, astray]), Ok(1));
    drop(store);
    let pending = stage.host.run(&["recover", "--dry-run"]).exits(0).out;
    assert!(pending.contains("damaged"), "{pending}");
    stage.host.run(&["recover"]).exits(1).complains(&astray).complains("is damaged");
    assert!(precious.exists() && Path::new(&made).exists());
    stage.host.run(&["recover"]).exits(0);
    let ledger = stage.host.run(&["ledger"]).exits(0).out;
    assert!(ledger.lines().any(|line| line.contains("damaged: left")), "{ledger}");
    let json = stage.host.run(&["ledger", "--json"]).exits(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let entries = json["entries"].as_array().expect("a list");
    let damaged: Vec<_> = entries.iter().filter(|entry| entry["damaged"] == true).collect();
    assert!(damaged.len() == 1 && damaged[0]["object"] == astray, "{entries:#?}");
    // What was left is the user's to remove.
    fs::remove_dir_all(astray).and_then(|()| fs::remove_dir_all(made)).expect("ours");
    stage.recovers(&before, &life, "what was left is removed");
    Ok(())
}

#[test]
fn a_path_that_lost_a_bit_leads_nobody_astray() {
    tried(led_astray(Caller::Root));
}

/// The index by which a dead machine's changes are found has another machine in their place.
fn hidden(caller: Caller) -> Outcome {
    let mut stage = Stage::new(caller)?;
    let life = lives::program(&stage);
    let before = stage.before(&life);
    assert!(stage.kill_at(&life, &(SERVED.to_owned(), 0), None));
    let path = stage.host.state().join("svirt.db");
    let store = rusqlite::Connection::open(&path).expect("a store");
    let text = |query: &str| -> String {
        store.query_row(query, [], |row| row.get(0)).expect("there is one")
    };
    let machine = text("SELECT id FROM runs").into_bytes();
    let page = text("SELECT CAST(rootpage AS TEXT) FROM sqlite_schema WHERE name = 'ledger_open'");
    let page: usize = page.parse().expect("a number");
    store.close().expect("alone");
    let mut bytes = fs::read(&path).expect("a store");
    let index = &mut bytes[(page - 1) * PAGE..page * PAGE];
    let places: Vec<usize> =
        (0..PAGE - machine.len()).filter(|at| index[*at..].starts_with(&machine)).collect();
    assert!(!places.is_empty(), "the index leads to what the machine made");
    for at in places {
        index[at] ^= 1;
    }
    fs::write(&path, bytes).expect("a store");
    stage.recovers(&before, &life, "an index was made anew");
    Ok(())
}

#[test]
fn what_a_damaged_index_hides_is_put_back() {
    tried(hidden(Caller::Root));
}
