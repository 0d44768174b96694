//! Many clients at once and many calls: each is answered, and nothing of them stays behind in the daemon.

use crate::{
    domains::plain,
    faults::own,
    wire::{CLOSE, DEFINE_XML, GET_LIB_VERSION, GET_TYPE, LOOKUP_BY_NAME, REGISTER_EVENTS, Wire},
};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use svirt_rpc::{Code, Domain, DomainStats, List, Param, Value, frame::Status};
use svirt_testkit::{Caller, Daemon, Host, Skipped, claims, soak::Chance};

/// Calls that the tests of other areas do not make.
const GET_XML_DESC: u32 = 14;
const GET_INFO: u32 = 16;
const SET_AUTOSTART: u32 = 29;
const OPEN_CONSOLE: u32 = 201;
const UNDEFINE: u32 = 231;
const LIST_ALL: u32 = 273;
const DEREGISTER_EVENTS: u32 = 317;
const ALL_STATS: u32 = 344;
const NO_CALL: u32 = 999;

type Domains = (List<Domain, 16_384>, u32);
type Stats = List<DomainStats, 16_384>;

/// By how much its memory may differ, in KiB: as much as an allocator with an arena for each processor and thread
/// does without anything being left behind.
const MEMORY_SLACK: u64 = 16 << 10;

/// Set by `cargo xtask soak --calls`.
const CALLS: &str = "SVIRT_SOAK_CALLS";

/// How long idle threads may stay.
const SETTLED: Duration = Duration::from_secs(60);

/// How large the daemon is.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Its memory, in KiB.
    memory: u64,
    /// But for the store's: SQLite keeps as many as were open at once, for whoever opens it next
    /// (`os_unix.c`, "Posix Advisory Locking").
    descriptors: usize,
    threads: usize,
}

impl Size {
    fn of(daemon: &Daemon<'_>) -> Self {
        let status = daemon.process().text("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let memory = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let descriptors = daemon.process().descriptors();
        let is_store = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "svirt.db");
        let descriptors = descriptors.values().filter(|path| !is_store(path)).count();
        Self { memory, descriptors, threads: daemon.process().threads() }
    }

    /// When what waits for another call has ended.
    fn settled(daemon: &Daemon<'_>) -> Self {
        let deadline = Instant::now() + SETTLED;
        loop {
            let size = Self::of(daemon);
            if size.threads <= 3 || Instant::now() > deadline {
                return size;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// One client among many. Whatever it is answered must be an answer to what it asked.
struct Client<'d> {
    socket: &'d Path,
    wire: Wire,
    chance: Chance,
    /// The machine that runs, for all.
    runs: &'d Domain,
    /// Its own.
    name: String,
    own: Option<Domain>,
}

impl<'d> Client<'d> {
    fn new(socket: &'d Path, number: usize, runs: &'d Domain) -> Self {
        let name = format!("{}-{number}", runs.name);
        let chance = Chance::new(number as u64);
        Self { socket, wire: Wire::open(socket), chance, runs, name, own: None }
    }

    fn does(&mut self) {
        match self.chance.below(40) {
            0 => self.defines(),
            1 => self.undefines(),
            2 => self.leaves(),
            3 => self.lists(),
            4 => self.reads(),
            5 => self.counts(),
            6 | 7 => self.hears(),
            8 | 9 => self.errs(),
            10 => self.speaks(),
            11 => self.marks(),
            12..16 => self.looks_up(),
            _ => {
                let version: u64 = self.wire.ask(GET_LIB_VERSION, &()).unwrap();
                assert_eq!(version, 9_000_000);
            }
        }
    }

    fn defines(&mut self) {
        let memory = 1 + self.chance.below(64);
        let xml = plain(&self.name).replace("'MiB'>64<", &format!("'MiB'>{memory}<"));
        let own: Domain = self.wire.ask(DEFINE_XML, &(xml,)).unwrap();
        assert_eq!(own.name, self.name);
        self.own = Some(own);
    }

    fn undefines(&mut self) {
        if let Some(own) = self.own.take() {
            self.wire.ask::<()>(UNDEFINE, &(own, 0_u32)).unwrap();
        }
    }

    fn leaves(&mut self) {
        // Some say so, others go.
        if self.chance.below(2) == 0 {
            self.wire.ask::<()>(CLOSE, &()).unwrap();
        }
        self.wire = Wire::open(self.socket);
    }

    fn lists(&mut self) {
        let (domains, count): Domains = self.wire.ask(LIST_ALL, &(1_i32, 3_u32)).unwrap();
        assert_eq!(domains.len() as u32, count);
        assert!(domains.contains(self.runs), "{domains:?}");
        let is_there = domains.iter().any(|domain| domain.name == self.name);
        assert_eq!(is_there, self.own.is_some());
    }

    fn looks_up(&mut self) {
        let found: Domain = self.wire.ask(LOOKUP_BY_NAME, &(self.runs.name.clone(),)).unwrap();
        assert_eq!(&found, self.runs);
    }

    fn reads(&mut self) {
        let domain = self.own.as_ref().unwrap_or(self.runs).clone();
        let name = format!("<name>{}</name>", domain.name);
        let text: String = self.wire.ask(GET_XML_DESC, &(domain, 0_u32)).unwrap();
        assert!(text.contains(&name), "{text}");
    }

    fn counts(&mut self) {
        let all = (List::<Domain, 16_384>::default(), 0_u32, 0_u32);
        let stats: Stats = self.wire.ask(ALL_STATS, &all).unwrap();
        let one = stats.iter().find(|one| &one.domain == self.runs).expect("it runs");
        assert!(one.params.contains(&Param::new("state.state", Value::Int(1))), "{one:?}");
        let info = self.wire.ask::<svirt_rpc::DomainInfo>(GET_INFO, &(self.runs.clone(),)).unwrap();
        assert_eq!((info.state, info.vcpus), (1, 1));
    }

    fn hears(&mut self) {
        let number: i32 = self.wire.ask(REGISTER_EVENTS, &(0_i32, None::<Domain>)).unwrap();
        if self.chance.below(4) > 0 {
            self.wire.ask::<()>(DEREGISTER_EVENTS, &(number,)).unwrap();
        }
    }

    fn errs(&mut self) {
        let error = match self.chance.below(4) {
            0 => self.wire.ask::<()>(NO_CALL, &()).unwrap_err(),
            1 => self.wire.ask::<()>(DEFINE_XML, &7_u32).unwrap_err(),
            2 => self.wire.ask::<Domain>(DEFINE_XML, &("<domain".to_owned(),)).unwrap_err(),
            _ => self.wire.ask::<Domain>(LOOKUP_BY_NAME, &("nobody".to_owned(),)).unwrap_err(),
        };
        assert!(
            [Code::Rpc, Code::Xml, Code::XmlDetail, Code::NoDomain].contains(&error.code),
            "{error:?}"
        );
    }

    /// Sits at the console for a moment, and leaves it in one of two ways.
    fn speaks(&mut self) {
        let asked = (self.runs.clone(), None::<String>, 0_u32);
        let serial = self.wire.call(OPEN_CONSOLE, &asked).unwrap();
        self.wire.answer_to::<()>(serial).unwrap();
        self.wire.stream(OPEN_CONSOLE, serial, Status::Continue, b"x");
        let status = [Status::Ok, Status::Error][self.chance.below(2)];
        self.wire.stream(OPEN_CONSOLE, serial, status, b"");
    }

    fn marks(&mut self) {
        if let Some(own) = self.own.clone() {
            let set = self.chance.below(2) as i32;
            self.wire.ask::<()>(SET_AUTOSTART, &(own, set)).unwrap();
        }
    }
}

/// So many clients at once, until they have made so many calls together.
fn call(daemon: &Daemon<'_>, runs: &Domain, clients: usize, calls: usize) {
    let socket = daemon.socket();
    std::thread::scope(|scope| {
        for number in 0..clients {
            let socket = socket.as_path();
            scope.spawn(move || {
                let mut client = Client::new(socket, number, runs);
                (0..calls / clients).for_each(|_| client.does());
                client.undefines();
            });
        }
    });
}

/// Some calls, then ten times as many: what the daemon has is what it had.
fn nothing_grows(host: &Host, clients: usize, calls: usize) -> Result<(), Skipped> {
    let daemon = own(host)?;
    let name = host.name("many");
    let document = host.file("domain.xml", plain(&name).as_bytes());
    daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
    daemon.virsh(&["start", &name]).exits(0);
    let runs: Domain = Wire::open(&daemon.socket()).ask(LOOKUP_BY_NAME, &(name.clone(),)).unwrap();
    call(&daemon, &runs, clients, calls / 10);
    let before = Size::settled(&daemon);
    let began = Instant::now();
    call(&daemon, &runs, clients, calls);
    eprintln!("{calls} calls of {clients} clients in {:?}", began.elapsed());
    let after = Size::settled(&daemon);
    eprintln!("{before:?} became {after:?}");
    assert!(after.memory <= before.memory + MEMORY_SLACK, "{before:?} became {after:?}");
    assert!(after.descriptors <= before.descriptors + 2, "{before:?} became {after:?}");
    assert!(after.threads <= before.threads.max(3), "{before:?} became {after:?}");
    daemon.virsh(&["destroy", &name]).exits(0);
    daemon.virsh(&["undefine", &name]).exits(0);
    daemon.end();
    Ok(())
}

#[test]
#[ignore = "it lasts: cargo xtask soak --calls N"]
fn as_many_calls_as_are_asked_for_leave_nothing_behind() {
    let asked = std::env::var(CALLS).ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let host = Host::new(Caller::Root).expect("root runs this");
    nothing_grows(&host, 100, asked).expect("root's daemon talks to root");
    host.assert_nothing_left();
}

claims! {
    /// A hundred at once, reading and changing, each with what it has defined itself.
    fn many_clients_leave_nothing_behind(host) {
        nothing_grows(host, 100, 4_000)?;
    }

    /// While somebody's slow calls go on, others, and his own quick ones, are answered.
    fn who_asks_much_keeps_nobody_waiting(host) {
        let daemon = own(host)?;
        let socket = daemon.socket();
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut wire = Wire::open(&socket);
                    while !ended.load(Ordering::Relaxed) {
                        // Capabilities are asked in a process of its own.
                        wire.ask::<String>(7, &()).unwrap();
                    }
                });
            }
            let mut other = Wire::open(&socket);
            let slowest = (0..200).map(|_| {
                let began = Instant::now();
                assert_eq!(other.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
                began.elapsed()
            });
            let slowest = slowest.max();
            ended.store(true, Ordering::Relaxed);
            assert!(slowest < Some(Duration::from_secs(5)), "{slowest:?}");
        });
        daemon.end();
    }
}
