//! A machine's process, started as a supervisor does it: by `svirt-launch`, held at its exec, compared
//! with what was planned, and let go. Its program is this one's child, which says what it can reach.

use crate::child::READY;
use rustix::fs::{Mode, OFlags};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::Command,
};
use svirt_host::{
    apply::{self, Means, Undone},
    evidence::{self, Handed},
    launch::{LaunchError, Launcher, Running},
    mac::{
        Lsm,
        attribute::{Attributes, Xattr},
        process,
    },
    pin::{Pin, Purpose},
    program,
    sources::{self, Supplies},
};
use svirt_model::{
    Attribute, Channel, Confinement, Descriptor, DescriptorSource, Ending, Entry, EntrySource,
    ExecutableMemory, Finding, Grant, Identity, Limit, Namespace, Object, Op, Role, SyscallProfile,
    Value,
    label::{ProcessLabel, SecurityModel},
};

/// Which user it is.
const USER: u32 = 70_001;
/// A file system and a node of its own, and a socket that it makes there.
pub(crate) const FRESH: &str = "/run/fresh";
pub(crate) const SOCKET: &str = "+/run/fresh/socket";
pub(crate) const NODE: &str = "/dev/null";
const GROUP: &str = "/sys/fs/cgroup/machine";

/// Where it is remembered which profiles were loaded.
const PROFILES: &str = "/run/lab/profiles";

pub(crate) fn means() -> Means<'static> {
    let watch = apply::Watcher::NONE;
    Means { contents: |_| &[], profiles: Path::new(PROFILES), watch }
}

fn object(path: &Path) -> Object {
    Pin::new(path, Purpose::Any).unwrap_or_else(|e| panic!("{path:?}: {e}")).object().clone()
}

fn entry(at: &Path, grant: Grant) -> Entry {
    Entry { at: at.to_owned(), source: EntrySource::Bind(object(at)), grant }
}

/// A machine with these files, which tries to reach these words besides.
pub(crate) fn planned(label: ProcessLabel, files: &[&str], words: &[&str]) -> Confinement {
    let this = std::env::current_exe().expect("this program has a path");
    let mut entries = vec![entry(&this, Grant::Execute)];
    let closure = program::closure(&[&this]).expect("it is a program");
    entries.extend(closure.libraries.iter().map(|(name, place)| {
        let source = EntrySource::Bind(object(place));
        Entry { at: name.clone(), source, grant: Grant::Execute }
    }));
    entries.extend(files.iter().map(|file| entry(Path::new(file), Grant::Read)));
    let node = EntrySource::Node(object(Path::new(NODE)));
    entries.push(Entry { at: NODE.into(), source: node, grant: Grant::Device });
    entries.push(Entry { at: FRESH.into(), source: EntrySource::Fresh, grant: Grant::Endpoint });
    let _ = fs::create_dir(GROUP);
    let program = object(&this);
    let words = [program.path.to_str().expect("text"), "child"].into_iter().chain(words.to_vec());
    let channel = |number, channel| {
        let source = DescriptorSource::Channel(channel);
        Descriptor { number, source }
    };
    Confinement {
        arguments: words.map(str::to_owned).collect(),
        program,
        environment: Vec::new(),
        directory: "/".into(),
        host_name: "machine".into(),
        identity: Identity {
            uid: USER,
            gid: USER,
            own: true,
            delegated: false,
            keeps_groups: false,
        },
        namespaces: Namespace::ALL.iter().copied().collect(),
        own_root: true,
        entries,
        links: Vec::new(),
        descriptors: vec![
            channel(0, Channel::Console),
            channel(1, Channel::Log),
            channel(2, Channel::Log),
        ],
        labels: vec![label],
        landlock: None,
        seccomp: Some(SyscallProfile::Generic),
        limits: vec![(Limit::Core, 0), (Limit::Files, 1024)],
        cgroups: vec![GROUP.into()],
        executable_memory: ExecutableMemory::Allowed,
        memory_files_no_exec: false,
        drop_privileges: true,
    }
}

/// Why a machine does not run.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// A step of the launch failed.
    Launch(LaunchError),
    /// What the kernel says of it is not what was planned.
    Unconfirmed(Vec<Finding>),
}

/// A machine that runs, and has said what it can reach.
pub(crate) struct Machine {
    running: Running,
    /// While it is open, the program waits.
    input: OwnedFd,
    pub(crate) said: Vec<String>,
}

impl Machine {
    /// Starts what was planned.
    pub(crate) fn start(planned: &Confinement) -> Self {
        Self::other(planned, planned).unwrap_or_else(|e| panic!("{e:#?}"))
    }

    /// Launches something, and compares it with what was planned.
    pub(crate) fn other(planned: &Confinement, launched: &Confinement) -> Result<Self, Stopped> {
        let pair = || sources::connection().expect("a connection");
        let ((input, console), (output, log)) = (pair(), pair());
        let channels = BTreeMap::from([(Channel::Console, console), (Channel::Log, log)]);
        let supplies = Supplies {
            channels,
            streams: Vec::new(),
            scratch: "/run/lab".into(),
            overlay: |_| Ok(Vec::new()),
        };
        let profiles = Path::new(PROFILES);
        let opened = sources::open(launched, &supplies).expect("everything can be opened");
        let look = || Handed::of(launched, &opened);
        let this = std::env::current_exe().expect("this program has a path");
        let launcher = Launcher { program: this.with_file_name("svirt-launch") };
        let launcher = launcher.prepare().expect("a launcher");
        let launcher = launcher.expect(&launched.namespaces).expect("it listens");
        let launcher = launcher.assign(launched).map_err(Stopped::Launch)?;
        let started = launcher.start(&sources::borrow(&opened), look);
        let (held, handed) = started.map_err(Stopped::Launch)?;
        drop((opened, supplies));
        let read = evidence::read(Role::Vmm, held.pid(), planned, &handed, profiles);
        let read = read.expect("it is there");
        if !read.holds() {
            held.kill();
            return Err(Stopped::Unconfirmed(read.failures().cloned().collect()));
        }
        let running = held.release().expect("it is let go");
        let lines = BufReader::new(UnixStream::from(output)).lines();
        let lines = lines.map(|line| line.expect("text"));
        let said = lines.take_while(|line| line != READY).collect();
        let again = evidence::threads(running.pid, planned, profiles);
        let again = again.expect("it runs");
        let failures: Vec<_> = again.into_iter().filter(|f| !f.holds()).collect();
        assert!(failures.is_empty(), "{failures:#?}");
        Ok(Self { running, input, said })
    }

    /// Each of its four threads has this label; its init has that one.
    pub(crate) fn is_labelled(&self, lsm: Lsm, label: &str, init: &str) {
        let pid = self.running.pid;
        let labels =
            |pid| process::threads(pid, lsm).expect("it runs").into_iter().map(|t| t.label);
        assert_eq!(labels(pid).collect::<Vec<_>>(), vec![label; 4]);
        let first = self.running.processes().next().expect("an init");
        assert_eq!(labels(first).collect::<BTreeSet<_>>(), BTreeSet::from([init.to_owned()]));
    }

    /// Another user reads its label.
    pub(crate) fn shows_others(&self, label: &str) {
        let pid = self.running.pid;
        let mut other = Command::new("/bin/cat");
        other.arg(format!("/proc/{pid}/attr/current")).uid(1000).gid(1000);
        let read = other.output().expect("it can be started");
        let text = String::from_utf8_lossy(&read.stdout);
        assert_eq!(text.trim_end_matches(['\n', '\0']), label, "{read:?}");
    }

    /// What was made for it to change has its label.
    pub(crate) fn has_marked(&self, attribute: Xattr, label: &str) {
        for path in [FRESH, NODE] {
            let path = format!("/proc/{}/root{path}", self.running.pid);
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let held = rustix::fs::open(&path, flags, Mode::empty()).expect("we are root");
            let found = Attributes::open().expect("procfs").read(held, attribute);
            let found = found.expect("a label").expect("a label");
            assert_eq!(String::from_utf8_lossy(&found).trim_end_matches('\0'), label, "{path}");
        }
    }

    pub(crate) fn end(self) {
        drop(self.input);
        assert_eq!(self.running.ended().expect("its init says so"), Ending::Exited(0));
    }
}

/// What is launched with another label is found, and is nothing but that.
pub(crate) fn another_label_is_found(planned: &Confinement, label: &str) {
    let mut launched = planned.clone();
    launched.labels[0].label = label.to_owned();
    let stopped = Machine::other(planned, &launched).err().expect("it was let go");
    let Stopped::Unconfirmed(found) = stopped else { panic!("{stopped:#?}") };
    let [one] = &found[..] else { panic!("{found:#?}") };
    assert!(one.what.ends_with("label of every thread"), "{found:#?}");
    let shown = one.observed.split(' ').next();
    assert_eq!(shown, Some(label), "{found:#?}");
}

/// A label with which nothing can be launched, and why.
pub(crate) fn a_label_is_refused(planned: &Confinement, label: &str) -> String {
    let mut launched = planned.clone();
    launched.labels[0].label = label.to_owned();
    match Machine::other(&launched, &launched).err().expect("it was let go") {
        Stopped::Launch(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", source.unwrap_or_default())
        }
        stopped @ Stopped::Unconfirmed(_) => panic!("{stopped:#?}"),
    }
}

/// The change of a file's label, as a plan has it.
pub(crate) fn labelling(path: &str, model: SecurityModel, label: &[u8]) -> Op {
    let held = crate::common::held(path);
    let attribute = Xattr::of(model).expect("it labels files");
    let before = Attributes::open().expect("procfs").read(&held, attribute).expect("a label");
    Op {
        object: path.into(),
        attribute: Attribute::Label {
            model,
            file: svirt_host::known::known(std::os::fd::AsFd::as_fd(&held)).expect("it is there"),
        },
        before: Value::Label(before),
        after: Value::Label(Some(label.to_vec())),
    }
}

/// Something that is made anew.
pub(crate) fn making(name: &str, after: Value) -> Op {
    Op { object: name.into(), attribute: Attribute::Presence, before: Value::Absent, after }
}

pub(crate) fn made(op: &Op) {
    apply::make(op, &means())
        .unwrap_or_else(|e| panic!("{e}: {:?}", std::error::Error::source(&e)));
}

pub(crate) fn undone(op: &Op) -> Undone {
    apply::undo(op, &means(), &Default::default())
        .unwrap_or_else(|e| panic!("{e}: {:?}", std::error::Error::source(&e)))
}
