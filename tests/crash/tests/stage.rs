//! A place in which machines are started and killed, and what is done there again and again.

use crate::{census::Census, lives::Life, remains::Remains};
use rustix::fs::XattrFlags;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use svirt_testkit::{Caller, Host, Outcome, Skipped, Talk, skipped, svirt};
use svirt_tests_crash::{Director, Role, descendants, kill, reap_orphans, roles};
use tempfile::TempDir;

/// How long whatever is left of a machine may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whatever descends from this process belongs to the one test that holds this.
static ALONE: Mutex<()> = Mutex::new(());

/// A place, alone.
pub(crate) struct Stage {
    pub(crate) host: Host,
    pub(crate) director: Director,
    remains: Remains,
    _place: TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// A point by its name, and by how often somebody was at one of that name before.
pub(crate) type Key = (String, usize);

/// A point, and who is there when somebody comes to it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) key: Key,
    pub(crate) held: Option<Role>,
    pub(crate) there: Vec<Role>,
    /// Whether the machine may live without its command by then.
    pub(crate) served: bool,
}

/// From here on a supervisor needs no command.
pub(crate) const SERVED: &str = "outlive the command";

/// Without them there is no machine.
const FATAL: [Role; 3] = [Role::Supervisor, Role::Init, Role::Vmm];

impl Stage {
    /// A place with files that have every kind of attribute.
    pub(crate) fn new(caller: Caller) -> Result<Self, Skipped> {
        let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bytes = fs::read(svirt()).expect("it was built");
        if !bytes.windows(11).any(|w| w == b"SVIRT_FAULT") {
            return Err(Skipped::because("a release build holds at no point"));
        }
        let host = Host::new(caller)?;
        let this = Some(rustix::process::getpid());
        rustix::process::set_child_subreaper(this).expect("the kernel has subreapers");
        let place = tempfile::Builder::new().prefix("svf").tempdir().expect("a directory");
        let open = fs::Permissions::from_mode(0o711);
        fs::set_permissions(place.path(), open).expect("a directory of ours");
        let director = Director::at(&place.path().join("points"));
        let remains = Remains::begin();
        let stage = Self { host, director, remains, _place: place, _alone: alone };
        stage.furnish();
        Ok(stage)
    }

    /// A disk, and a base that is only read, as a host's administrator may have left them.
    fn furnish(&self) {
        let images = self.host.directory("images", 0o755);
        for name in ["disk.raw", "base.raw"] {
            let path = images.join(name);
            fs::write(&path, vec![7; 8192]).expect("a directory of ours");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
            self.host.give(&path);
            mark(&path, "user.note", b"a remark");
            if self.host.is_root() {
                mark(&path, "security.selinux", b"system_u:object_r:virt_image_t:s0\0");
                mark(&path, "trusted.note", b"root's");
            }
            mark(&path, "system.posix_acl_access", &access_list());
        }
    }

    pub(crate) fn image(&self, name: &str) -> String {
        self.host.path("images").join(name).to_string_lossy().into_owned()
    }

    /// Goes once through a life, so that all is there that is kept, and counts everything.
    #[track_caller]
    pub(crate) fn before(&mut self, life: &Life) -> Census {
        self.record(life);
        self.census(life)
    }

    /// Goes through a life and sees every point that anybody comes to.
    #[track_caller]
    pub(crate) fn record(&mut self, life: &Life) -> Vec<Seen> {
        let mut talk = self.start(&life.words());
        let (mut all, mut served) = (Vec::new(), false);
        while let Some(point) = self.director.next(talk.id()) {
            let there = roles(talk.id());
            let held = there.iter().find(|(_, pid)| *pid == point.pid).map(|(role, _)| *role);
            let there = there.iter().map(|(role, _)| *role).collect();
            if point.name == SERVED {
                served = true;
                end(&mut talk, life);
            }
            all.push(Seen { key: (point.name.clone(), point.nth), held, there, served });
        }
        talk.finish().exits(0);
        self.settle(None);
        all
    }

    /// Starts a command of `svirt` that tells of its points.
    pub(crate) fn start(&mut self, arguments: &[&str]) -> Talk {
        self.director.begin();
        let mut command = self.host.svirt(arguments);
        self.director.direct(&mut command);
        Talk::start(command)
    }

    /// Goes through a life and kills somebody when anybody comes to a point: him, or all who have a
    /// role. Whether anybody was hit. Nothing runs then, or this panics: the machine is not told to
    /// end but where it may live on without whoever was killed.
    #[track_caller]
    pub(crate) fn kill_at(&mut self, life: &Life, key: &Key, victim: Option<Role>) -> bool {
        self.forget(life);
        self.remains = Remains::begin();
        let mut talk = self.start(&life.words());
        let (mut hit, mut served, mut fatal) = (false, false, false);
        // Whoever would tell a machine to end may be the one who was killed.
        let (mut orphaned, mut ender) = (false, None);
        while let Some(point) = self.director.next(talk.id()) {
            let first = !served && point.name == SERVED;
            served |= first;
            if !hit && (&point.name, point.nth) == (&key.0, key.1) {
                self.remains.note();
                let there = roles(talk.id());
                let is_meant = |(role, pid): &&(Role, u32)| match victim {
                    None => *pid == point.pid,
                    Some(victim) => *role == victim,
                };
                let all: Vec<_> = there.iter().filter(is_meant).collect();
                hit = !all.is_empty();
                fatal = all.iter().any(|(role, _)| FATAL.contains(role));
                orphaned = all.iter().any(|(role, _)| *role == Role::Command);
                all.into_iter().for_each(|(role, pid)| kill(*pid, *role == Role::Vmm));
            }
            if first && !fatal {
                end(&mut talk, life);
            }
            drop(point);
            if served && orphaned && ender.is_none() {
                ender = Some(Talk::start(self.host.svirt(&["kill", &life.name])));
            }
        }
        drop(ender.map(Talk::finish));
        // Nothing has told it to end.
        self.settle(Some(talk.id()));
        talk.finish();
        self.settle(None);
        hit
    }

    /// Removes what lives leave because their user asked for it: it is his to remove.
    fn forget(&self, life: &Life) {
        for name in life.leaves {
            let _ = fs::remove_file(self.host.path(name));
        }
    }

    /// Waits until nothing runs any more but the command: whatever does is supervised by nobody.
    #[track_caller]
    pub(crate) fn settle(&mut self, command: Option<u32>) {
        self.settle_beside(&command.into_iter().collect::<Vec<_>>());
    }

    /// The same, but for these.
    #[track_caller]
    pub(crate) fn settle_beside(&mut self, staying: &[u32]) {
        loop {
            reap_orphans(staying);
            let mut others = descendants().into_iter().filter(|pid| !staying.contains(pid));
            let Some(one) = others.next() else { return };
            if !self.director.pass_until_end_of(one, PATIENCE) {
                let line = |file| fs::read_to_string(format!("/proc/{one}/{file}"));
                panic!("{one} runs on: {:?} {:?}", line("cmdline"), line("status"));
            }
        }
    }

    pub(crate) fn census(&self, life: &Life) -> Census {
        self.forget(life);
        Census::take(&self.host)
    }

    /// Goes on only where everything is as it was.
    #[track_caller]
    pub(crate) fn is_as(&self, before: &Census, life: &Life, after: &str) {
        let left = self.census(life).differences(before);
        assert!(left.is_empty(), "after {after}: {left:#?}");
        let left = self.remains.left(self.host.uid());
        assert!(left.is_empty(), "after {after}: {left:#?}");
    }

    /// Recovers, and goes on only where everything is as it was.
    #[track_caller]
    pub(crate) fn recovers(&mut self, before: &Census, life: &Life, after: &str) {
        self.host.run(&["recover"]).exits(0);
        self.settle(None);
        self.is_as(before, life, after);
    }
}

/// What was not tried is told.
pub(crate) fn tried(outcome: Outcome) {
    if let Err(Skipped(reason)) = outcome {
        skipped(reason);
    }
}

/// Tells a machine to end.
fn end(talk: &mut Talk, life: &Life) {
    // It may have ended by itself, for somebody was killed.
    talk.try_send(life.end.as_bytes());
    // What a guest is told it takes when it is up, for which the command must go on.
    if !life.end.ends_with('\r') {
        talk.close_input();
    }
}

fn mark(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|e| panic!("{name} of {}: {e}", path.display()));
}

/// `u::rw,u:4242:r,g::r,m::r,o::-` as the kernel keeps it (`struct posix_acl_xattr_entry`).
fn access_list() -> Vec<u8> {
    let none = u32::MAX;
    let entries =
        [(0x01, 6, none), (0x02, 4, 4242), (0x04, 4, none), (0x10, 4, none), (0x20, 0, none)];
    let one = |(tag, rights, id): (u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    [2_u32.to_le_bytes().to_vec(), entries.map(one).concat()].concat()
}
