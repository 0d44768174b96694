//! Who may a little and wants more, or wants others to have less: of the daemon's memory, its descriptors, its
//! threads, and of what supervisors do.

use crate::{
    domains::plain,
    faults::{memory_stays_bounded, others_are_served, own},
    wire::{
        CLOSE, CREATE, DEFINE_XML, DESTROY, GET_TYPE, OPEN, REGISTER_EVENTS, RESUME, SUSPEND, Wire,
    },
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{CWD, Mode, mkfifoat},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open},
};
use std::{
    io::{ErrorKind, Write},
    time::Duration,
};
use svirt_rpc::{
    Code, Domain, DomainStats, List, Opaque, Program,
    frame::{Frame, Header, Status},
};
use svirt_testkit::{Daemon, Host, Talk, claims};

/// `virConnectGetAllDomainStats` and others that are tried here.
const ALL_STATS: u32 = 344;
const VCPU_PINS: u32 = 230;
const CONSOLE: u32 = 201;
const SCREEN: u32 = 343;
const METADATA: u32 = 265;
/// The descriptor of its monitor that a VMM is given.
const MONITOR: i32 = 3;

/// A machine that is defined, and runs where it shall.
fn machine(host: &Host, wire: &mut Wire, document: &str, runs: bool) -> (String, Domain) {
    let name = host.name("attacked");
    let xml = document.replace("@", &name);
    let domain: Domain = wire.ask(DEFINE_XML, &(xml,)).unwrap();
    if runs {
        wire.ask::<()>(CREATE, &(domain.clone(),)).unwrap();
    }
    (name, domain)
}

/// How many descriptors the daemon has when what has ended is gone.
#[track_caller]
fn comes_back_to(daemon: &Daemon<'_>, most: usize) {
    let count = || daemon.process().descriptors().len();
    let back = (0..10_000).any(|_| {
        others_are_served(daemon);
        count() <= most
    });
    assert!(back, "{} descriptors, {most} before", count());
}

claims! {
    /// A small question has a small answer.
    fn nothing_is_multiplied(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let (name, domain) = machine(host, &mut wire, &plain("@"), false);
        let mut looks = Wire::open(&host.runtime().join("svirtd-ro.sock"));
        let maps = looks.ask::<(Opaque<8_388_608>, i32)>(VCPU_PINS, &(domain.clone(), 1_i32, 8_388_608_i32, 0_u32));
        assert_eq!(maps.unwrap_err().code, Code::InvalidArgument);
        let named: List<Domain, 16_384> = List(vec![domain; 3000]);
        let stats: List<DomainStats, 16_384> = looks.ask(ALL_STATS, &(named, 0_u32, 0_u32)).unwrap();
        assert_eq!(stats.len(), 1);
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// What many connections of one user leave unread stays within that user's share.
    fn many_who_do_not_read_cost_one_share(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let long = format!("<name>@</name><description>{}</description>", "x".repeat(1_000_000));
        let (name, domain) = machine(host, &mut wire, &plain("@").replace("<name>@</name>", &long), false);
        let asked = (domain, 0_i32, None::<String>, 0_u32);
        let mut deaf: Vec<Wire> = (0..30).map(|_| Wire::open(&daemon.socket())).collect();
        for wire in &mut deaf {
            for _ in 0..12 {
                // It may have been given up already.
                let _ = wire.call(METADATA, &asked);
            }
        }
        assert!(Wire::one_is_given_up(&deaf), "all are waited for");
        let mut other = Wire::open(&daemon.socket());
        assert_eq!(other.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        drop(deaf);
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// Who goes away while a stream is opened for him leaves nothing open.
    fn a_stream_ends_with_its_connection(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let (name, domain) = machine(host, &mut wire, &plain("@"), true);
        let before = daemon.process().descriptors().len();
        for _ in 0..8 {
            let mut gone = Wire::open(&daemon.socket());
            for _ in 0..7 {
                gone.call(CONSOLE, &(domain.clone(), None::<String>, 0_u32)).unwrap();
            }
            // By then the others are being done.
            assert_eq!(gone.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        }
        // Whoever follows the machine, and who has just asked, are beside those.
        comes_back_to(&daemon, before + 4);
        host.run(&["kill", &name]).exits(0);
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// However many sit at a machine's console, whoever is to end it reaches it; and what they say to a guest
    /// that does not listen is not kept for long.
    fn who_sits_at_a_console_keeps_nobody_out(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let (name, domain) = machine(host, &mut wire, &plain("@"), true);
        let mut sit: Vec<Wire> = (0..10).map(|_| Wire::open(&daemon.socket())).collect();
        let mut sits = Vec::new();
        for (number, wire) in sit.iter_mut().enumerate() {
            for _ in 0..8 {
                let serial = wire.call(CONSOLE, &(domain.clone(), None::<String>, 0_u32)).unwrap();
                if wire.answer_to::<()>(serial).is_ok() {
                    sits.push((number, serial));
                }
            }
        }
        assert!(sits.len() < 64, "{} sit at one console", sits.len());
        for (number, serial) in sits {
            let call = Header::call(Program::Remote as u32, CONSOLE, serial);
            let said = Frame::new(call.stream(Status::Continue), vec![b'x'; 200 << 10]);
            (0..10).for_each(|_| drop(sit[number].say(&said.bytes().unwrap())));
        }
        memory_stays_bounded(&daemon);
        wire.ask::<()>(DESTROY, &(domain,)).unwrap();
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// Descriptors for somebody who does not take them are few.
    fn descriptors_wait_for_nobody(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let (name, domain) = machine(host, &mut wire, &plain("@"), true);
        let before = daemon.process().descriptors().len();
        let mut deaf = Wire::open(&daemon.socket());
        deaf.wait_no_longer_than(Duration::from_secs(2));
        let mut most = 0;
        for _ in 0..2000 {
            if deaf.call(SCREEN, &(domain.clone(), 0_u32, 0_u32)).is_err() {
                break;
            }
            most = most.max(daemon.process().descriptors().len());
        }
        assert!(most < before + 64, "{before} became {most}");
        let mut other = Wire::open(&daemon.socket());
        assert_eq!(other.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        host.run(&["kill", &name]).exits(0);
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// A machine whose VMM says more than anybody can hear is let go for a moment, and followed again: nobody is
    /// told that it has ended.
    fn a_machine_that_says_too_much_is_still_followed(host) {
        host.needs_root("to speak in a VMM's place")?;
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let (name, domain) = machine(host, &mut wire, &plain("@"), true);
        let mut hears = Wire::open(&daemon.socket());
        hears.ask::<i32>(REGISTER_EVENTS, &(0_i32, None::<Domain>)).unwrap();
        // It is heard of when it is followed.
        wire.ask::<()>(SUSPEND, &(domain.clone(),)).unwrap();
        assert_eq!(hears.lifecycle(), [3, 0]);
        wire.ask::<()>(RESUME, &(domain.clone(),)).unwrap();
        assert_eq!(hears.lifecycle(), [4, 0]);
        let vmm = host.status(&name).evidence.last().expect("it runs").pid;
        let daemons = process(daemon.process().0);
        kill_process(daemons, Signal::STOP).unwrap();
        floods(vmm);
        kill_process(daemons, Signal::CONT).unwrap();
        wire.ask::<()>(SUSPEND, &(domain.clone(),)).unwrap();
        assert_eq!(hears.lifecycle(), [3, 0]);
        wire.ask::<()>(DESTROY, &(domain,)).unwrap();
        assert_eq!(hears.lifecycle(), [5, 1]);
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// Whoever opens a connection only to look changes nothing over it, wherever he came.
    fn who_says_that_he_only_looks_does(host) {
        let daemon = own(host)?;
        let mut wire = Wire::connect(&daemon.socket());
        wire.ask::<()>(OPEN, &(None::<String>, 1_u32)).unwrap();
        assert_eq!(wire.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        assert_eq!(wire.ask::<()>(DEFINE_XML, &9_u32).unwrap_err().code, Code::AccessDenied);
        wire.ask::<()>(CLOSE, &()).unwrap();
        wire.ask::<()>(OPEN, &(None::<String>, 0_u32)).unwrap();
        assert_eq!(wire.ask::<()>(DEFINE_XML, &9_u32).unwrap_err().code, Code::Rpc);
        daemon.end();
    }

    /// Whoever is on the list for some kinds of calls has no others by any way.
    fn the_list_says_who_may_what(host) {
        host.needs_root("to be somebody else")?;
        let list = b"group = 65534\n[[access]]\nuid = 65534\nmay = ['look', 'run']\n";
        let settings = host.file("svirtd.toml", list);
        let daemon = Daemon::start_with(host, &["--config", settings.to_str().unwrap()]);
        let name = host.name("listed");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
        let as_another = |words: &str| {
            let words = words.replace("@", &name);
            let who = ["--reuid=65534", "--regid=65534", "--clear-groups", "virsh", "-q"];
            let words: Vec<&str> = who.into_iter().chain(words.split(' ')).collect();
            Talk::start(daemon.client("setpriv", &words)).finish()
        };
        as_another("dominfo @").exits(0);
        for refused in [
            "undefine @", "setmem @ 32M --config", "setmaxmem @ 32M --config",
            "setvcpus @ 2 --config --maximum", "desc @ --config --new-desc x", "autostart @",
            "save-image-dumpxml /etc/shadow", "restore /etc/shadow", "managedsave-dumpxml @",
        ] {
            as_another(refused).exits(1).complains("access denied");
        }
        as_another("dumpxml @ --security-info").exits(1);
        as_another("start @").exits(0);
        for refused in ["screenshot @ /dev/null", "save @ /tmp/x", "qemu-monitor-command @ {}"] {
            as_another(refused).exits(1).complains("access denied");
        }
        as_another("destroy @").exits(0);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// As many connect as may, however few descriptors a shell gives to what it starts.
    fn few_descriptors_are_no_limit(host) {
        let mut few = host.command("sh");
        few.args(["-c", "ulimit -S -n 64 && exec \"$0\""]).arg(Daemon::program(host));
        let daemon = Daemon::start_by(host, few);
        let idle: Vec<Wire> = (0..100).map(|_| Wire::connect(&daemon.socket())).collect();
        daemon.virsh(&["list"]).exits(0);
        drop(idle);
        daemon.end();
    }

    /// What is no file with a machine in it is not waited for.
    fn a_pipe_is_no_saved_machine(host) {
        let daemon = own(host)?;
        let pipe = host.path("home").join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        daemon.virsh(&["restore", pipe.to_str().unwrap()]).exits(1);
        daemon.virsh(&["save-image-dumpxml", pipe.to_str().unwrap()]).exits(1);
        daemon.end();
    }
}

fn process(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed()).expect("a process")
}

/// Says 4 MiB to a machine's supervisor, as its VMM would: more than waits for anybody.
fn floods(vmm: u32) {
    let vmm = pidfd_open(process(vmm), PidfdFlags::empty()).expect("it runs");
    let monitor = pidfd_getfd(vmm, MONITOR, PidfdGetfdFlags::empty());
    let mut monitor = std::fs::File::from(monitor.expect("root may"));
    let event = format!("{{\"event\":\"X\",\"data\":\"{}\"}}\n", "x".repeat(64 << 10));
    for _ in 0..64 {
        let mut left = event.as_bytes();
        while !left.is_empty() {
            match monitor.write(left) {
                Ok(count) => left = &left[count..],
                // The VMM's own is told not to wait.
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&monitor, PollFlags::OUT)], None).expect("a socket");
                }
                Err(e) => panic!("the supervisor hears no more: {e}"),
            }
        }
    }
}
