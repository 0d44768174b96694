//! Root and two users at once, each with a state directory, on files that all of them may use, while
//! labels, owners, modes and names of these change under them: whatever a start says is an answer, the files
//! end with what was last done to them by hand, and nothing is left of any machine.

use crate::{
    census::attributes,
    lives::{self, Life},
    stage::{Stage, tried},
};
use rustix::fs::XattrFlags;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::PathBuf,
    time::{Duration, Instant},
};
use svirt_testkit::{
    Caller, Host, Outcome, Talk,
    soak::{Chance, asked},
};

/// What somebody does to a file by hand.
const LABELS: [&str; 3] =
    ["system_u:object_r:virt_image_t:s0", "unconfined_u:object_r:user_home_t:s0", "nonsense"];
/// `svirt` says so: done, not acceptable, not there, the host could not, in use, not allowed.
const ANSWERS: [i32; 6] = [0, 65, 66, 74, 75, 77];

/// A file, by its inode, and what it is to be at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct By {
    owner: u32,
    mode: u32,
    label: Vec<u8>,
}

struct Users {
    stage: Stage,
    others: Vec<Host>,
    names: Vec<PathBuf>,
    files: BTreeMap<u64, By>,
}

impl Users {
    fn new(stage: Stage, others: Vec<Host>) -> Self {
        let place = stage.host.directory("shared", 0o777);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).expect("ours");
        let names: Vec<PathBuf> = (0..6).map(|n| place.join(format!("f{n}.raw"))).collect();
        let mut users = Self { stage, others, names, files: BTreeMap::new() };
        for name in users.names.clone() {
            fs::write(&name, vec![5; 8192]).expect("a directory of ours");
            label(&name, LABELS[0]);
            fs::set_permissions(&name, fs::Permissions::from_mode(0o666)).expect("ours");
            users.note(&name);
        }
        users
    }

    /// What was done by hand is what is to be.
    fn note(&mut self, name: &PathBuf) {
        let (inode, by) = seen(name);
        self.files.insert(inode, by);
    }

    fn host(&self, who: usize) -> &Host {
        who.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.stage.host)
    }

    /// Somebody starts a machine with two of the files.
    fn start(&self, chance: &mut Chance, number: usize) -> Talk {
        let host = self.host(chance.below(self.others.len() + 1));
        let (one, other) = (chance.of(&self.names), chance.of(&self.names));
        let (one, other) = (one.to_string_lossy(), other.to_string_lossy());
        let name = host.name(&format!("u{number}"));
        let ways = [["--rw", "--ro"], ["--ro", "--ro"], ["--rw", "--rw"]];
        let [first, second] = *chance.of(&ways);
        let last = *chance.of(&[["/bin/sleep", "0.05"], ["/bin/sleep", "1000"]]);
        let words = ["exec", "--detach", "--name", &name, first, &one, second, &other, "--"];
        Talk::start(host.svirt(&[&words[..], &last].concat()))
    }

    /// Somebody with the right to it does something to a file by hand.
    fn touch(&mut self, chance: &mut Chance) {
        let (name, other) = (chance.of(&self.names).clone(), chance.of(&self.names).clone());
        match chance.below(5) {
            0 => label(&name, LABELS[chance.below(LABELS.len())]),
            1 => {
                let owner = self.host(chance.below(self.others.len() + 1)).uid();
                chown(&name, Some(owner), None).expect("root may");
            }
            2 => {
                let mode = *chance.of(&[0o666, 0o644, 0o600, 0o660]);
                fs::set_permissions(&name, fs::Permissions::from_mode(mode)).expect("root may");
            }
            3 => {
                // Each takes the other's name.
                let aside = name.with_extension("aside");
                fs::rename(&name, &aside)
                    .and_then(|()| fs::rename(&other, &name).or_else(|_| fs::rename(&aside, &name)))
                    .expect("a directory of ours");
                if aside.exists() {
                    fs::rename(&aside, &other).expect("a directory of ours");
                }
                return;
            }
            // As `restorecon` does: what a file of that name there is to have.
            _ => self.names.clone().iter().for_each(|name| {
                label(name, LABELS[0]);
                self.note(name);
            }),
        }
        self.note(&name);
    }

    /// Ends machines, by order or by killing their supervisors.
    fn end(&self, chance: &mut Chance, all: bool) {
        for who in 0..=self.others.len() {
            let host = self.host(who);
            for name in host.running() {
                match chance.below(3) {
                    0 if !all => {}
                    1 => {
                        // It may have ended by itself meanwhile.
                        let said = host.run(&["inspect", &name, "--json"]).out;
                        let status: Option<serde_json::Value> = serde_json::from_str(&said).ok();
                        let pid = status.and_then(|s| s["machine"]["supervisor"].as_u64());
                        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
                        pid.into_iter().for_each(|pid| svirt_tests_crash::kill(pid, true));
                    }
                    _ => {
                        let said = host.run(&["kill", &name]);
                        assert!(matches!(said.code, Some(0 | 66 | 75)), "{said:#?}");
                    }
                }
            }
        }
    }

    fn is_as_by_hand(&self, seed: u64) {
        for name in &self.names {
            let (inode, is) = seen(name);
            let by = self.files.get(&inode).expect("no file was made");
            assert_eq!(&is, by, "seed {seed}: {}", name.display());
            assert_eq!(fs::read(name).expect("root may").len(), 8192);
        }
        assert_eq!(self.files.len(), self.names.len(), "seed {seed}: a file is another");
    }
}

fn label(name: &PathBuf, label: &str) {
    let value = format!("{label}\0");
    rustix::fs::lsetxattr(name, "security.selinux", value.as_bytes(), XattrFlags::empty())
        .expect("root may label a file of its own");
}

fn seen(name: &PathBuf) -> (u64, By) {
    let metadata = fs::symlink_metadata(name).expect("it is there");
    let label = attributes(name).remove("security.selinux").unwrap_or_default();
    let by = By { owner: metadata.uid(), mode: metadata.mode(), label };
    (metadata.ino(), by)
}

fn at_once(lasts: Duration, seed: u64) -> Outcome {
    let others: Vec<Host> =
        [Caller::User, Caller::Delegated].into_iter().map(Host::new).collect::<Result<_, _>>()?;
    let mut stage = Stage::new(Caller::Root)?;
    let life: Life = lives::program(&stage);
    stage.record(&life);
    let (mut users, mut chance) = (Users::new(stage, others), Chance::new(seed));
    let end = Instant::now() + lasts;
    eprintln!("seed {seed}");
    let (mut number, mut done) = (0, 0);
    while Instant::now() < end || number < 12 {
        let starts: Vec<Talk> = (0..3).map(|n| users.start(&mut chance, number + n)).collect();
        number += starts.len();
        users.touch(&mut chance);
        for said in starts.into_iter().map(Talk::finish) {
            let is_answer = said.code.is_some_and(|code| ANSWERS.contains(&code));
            assert!(is_answer, "seed {seed}: {said:#?}");
            assert!(said.code == Some(0) || said.err.contains("svirt: "), "seed {seed}: {said:#?}");
            done += usize::from(said.code == Some(0));
        }
        users.touch(&mut chance);
        users.end(&mut chance, false);
    }
    users.end(&mut chance, true);
    for who in 0..=users.others.len() {
        users.host(who).run(&["recover"]).exits(0);
        assert!(users.host(who).running().is_empty(), "seed {seed}");
    }
    users.stage.settle(None);
    users.is_as_by_hand(seed);
    assert!(done > 0, "seed {seed}: nothing was started");
    let left: Vec<_> = users.others.iter().flat_map(|host| host.traces().0).collect();
    assert!(left.is_empty(), "seed {seed}: {left:#?}");
    users.stage.host.assert_nothing_left();
    Ok(())
}

#[test]
fn users_and_root_at_once_end_with_what_was_done_by_hand() {
    tried(at_once(Duration::from_secs(4), 11));
}

#[test]
#[ignore = "it lasts: cargo xtask soak --minutes N"]
fn soak_of_several_users() {
    let (lasts, seed) = asked();
    tried(at_once(lasts, seed));
}
