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
