//! What clients are told while it happens, and what they say to a guest's console.

use crate::{
    bindings::has,
    domains::{full, plain},
    wire::Wire,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use svirt_rpc::{Code, Domain, from_bytes};
use svirt_testkit::{Daemon, Host, Skipped, Talk, claims};

/// The first of the calls for events, and the event that they lead to.
const REGISTER_FIRST: u32 = 105;
const DEREGISTER_FIRST: u32 = 106;
const FIRST: u32 = 107;
/// `domain_lookup_by_name`, `domain_screenshot`.
const LOOKUP: u32 = 23;
const SCREENSHOT: u32 = 211;

/// Has something happen until it is told: whoever listens does not say when he begins.
pub(crate) fn until_heard(daemon: &Daemon<'_>, ears: &mut Talk, host: &Host) {
    let name = host.name("first");
    let document = host.file("first.xml", plain(&name).as_bytes());
    let heard = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also where it is not told in time.
        let _over = Over(&heard);
        scope.spawn(|| {
            while !heard.load(Ordering::Relaxed) {
                daemon.virsh(&["define", document.to_str().unwrap()]);
                daemon.virsh(&["undefine", &name]);
            }
        });
        ears.wait_for(&format!("event 'lifecycle' for domain '{name}'"));
    });
}

/// Says that something is over when it is.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

claims! {
    /// Whatever a machine goes through, in the order in which it does.
    fn virsh_hears_what_happens(host) {
        let daemon = Daemon::start(host);
        let name = host.name("heard");
        let image = host.file("a.img", &[0; 1 << 20]);
        let document = host.file("domain.xml", full(&name, &image).as_bytes());
        let mut ears = Talk::start(daemon.virsh_command(&["event", "--all", "--loop"]));
        until_heard(&daemon, &mut ears, host);
        let step = |command: &[&str]| daemon.virsh(command).exits(0);
        // QEMU is asked in a machine, which is nobody's.
        step(&["version"]);
        step(&["define", document.to_str().unwrap()]);
        let before =
            ears.wait_for(&format!("event 'lifecycle' for domain '{name}': Defined Added"));
        assert!(!before.contains("Started"), "{before}");
        for (command, event, told) in [
            (&["start", "--paused"][..], "lifecycle", "Started Booted"),
            (&["resume"], "lifecycle", "Resumed Unpaused"),
            (&["suspend"], "lifecycle", "Suspended Paused"),
            (&["resume"], "lifecycle", "Resumed Unpaused"),
            (&["reset"], "reboot", ""),
            (&["desc", "--config", "--new-desc", "words"], "metadata-change", "type"),
            (&["destroy"], "lifecycle", "Stopped Destroyed"),
            (&["undefine"], "lifecycle", "Undefined Removed"),
        ] {
            let (verb, options) = command.split_first().unwrap();
            step(&[&[*verb, &name], options].concat());
            let before = ears.wait_for(&format!("event '{event}' for domain '{name}'"));
            assert!(!before.contains("Shutdown"), "{before}");
            ears.wait_for(told);
        }
        daemon.end();
    }

    /// Whoever makes them, and whatever else is changed meanwhile.
    fn each_change_is_told(host) {
        let daemon = Daemon::start(host);
        let mut ears = Talk::start(daemon.virsh_command(&["event", "--event", "lifecycle", "--loop"]));
        until_heard(&daemon, &mut ears, host);
        let by_svirt = |name: &str| {
            host.run(&["create", "--name", name, "--memory", "32M"]).exits(0);
            host.run(&["rm", name]).exits(0);
        };
        let by_virsh = |name: &str| {
            let document = host.file(&format!("{name}.xml"), plain(name).as_bytes());
            daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
            daemon.virsh(&["undefine", name]).exits(0);
        };
        let makers: [&(dyn Fn(&str) + Sync); 3] = [&by_svirt, &by_virsh, &by_virsh];
        thread::scope(|scope| {
            for (number, make) in makers.into_iter().enumerate() {
                let name = host.name(&format!("storm{number}"));
                scope.spawn(move || (0..20).for_each(|_| make(&name)));
            }
        });
        for _ in 0..makers.len() * 20 * 2 {
            ears.wait_for("event 'lifecycle' for domain 'storm");
        }
        daemon.end();
    }

    /// However fast it follows: all of it, in its order, to a daemon that could not look meanwhile.
    fn nothing_that_happened_is_left_out(host) {
        let daemon = Daemon::start(host);
        let name = host.name("fast");
        let define = ["create", "--name", &name, "--memory", "32M", "--net", "none"];
        let mut ears = Talk::start(daemon.virsh_command(&["event", "--event", "lifecycle", "--loop"]));
        until_heard(&daemon, &mut ears, host);
        let pid = Pid::from_raw(i32::try_from(daemon.process().0).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        host.run(&define).exits(0);
        for _ in 0..2 {
            host.run(&["start", &name]).exits(0);
            host.run(&["kill", &name]).exits(0);
        }
        host.run(&["rm", &name]).exits(0);
        host.run(&define).exits(0);
        host.run(&["start", "--paused", &name]).exits(0);
        kill_process(pid, Signal::CONT).unwrap();
        let life = ["Started Booted", "Stopped Destroyed"];
        let lives = [life, life].concat();
        let all = [&["Defined Added"], &lives[..], &["Undefined Removed", "Defined Added", "Started Booted", "Suspended Paused"]];
        for told in all.concat() {
            let before = ears.wait_for(&format!("event 'lifecycle' for domain '{name}': {told}"));
            assert!(!before.contains(&name), "{told}: {before}");
        }
        // Who lives at last is listened to.
        daemon.virsh(&["resume", &name]).exits(0);
        ears.wait_for("Resumed Unpaused");
        let file = host.path("home").join("memory");
        daemon.virsh(&["save", &name, file.to_str().unwrap()]).exits(0);
        ears.wait_for("Stopped Saved");
        daemon.virsh(&["restore", file.to_str().unwrap()]).exits(0);
        ears.wait_for("Started Restored");
        let state = daemon.virsh(&["domstate", "--reason", &name]).exits(0).out;
        assert_eq!(state.trim(), "running (restored)");
        daemon.virsh(&["destroy", &name]).exits(0);
        ears.wait_for("Stopped Destroyed");
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// The first of the calls for that knows no callbacks.
    fn events_are_told_the_old_way(host) {
        let daemon = Daemon::start(host);
        if host.uid() != rustix::process::getuid().as_raw() {
            daemon.end();
            return Err(Skipped::because("this user's daemon talks to nobody else, as it should"));
        }
        let mut wire = Wire::open(&daemon.socket());
        assert_eq!(wire.ask::<i32>(REGISTER_FIRST, &()).unwrap(), 1);
        assert_eq!(wire.ask::<i32>(REGISTER_FIRST, &()).unwrap_err().code, Code::Internal);
        let name = host.name("old");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
        let told = std::iter::from_fn(|| wire.hear()).find(|frame| frame.header.procedure == FIRST).unwrap();
        let (domain, event, detail): (Domain, i32, i32) = from_bytes(&told.payload).unwrap();
        assert_eq!((domain.name, event, detail), (name.clone(), 0, 0));
        assert_eq!(wire.ask::<i32>(DEREGISTER_FIRST, &()).unwrap(), 0);
        assert_eq!(wire.ask::<i32>(DEREGISTER_FIRST, &()).unwrap_err().code, Code::Internal);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// A picture that nobody reads keeps no thread, and a screen is there for whoever wants it as it is.
    fn a_screen_is_seen(host) {
        has("/usr/bin/python3", &["-c", "import libvirt"])?;
        let daemon = Daemon::start(host);
        let name = host.name("seen");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        daemon.virsh(&["create", document.to_str().unwrap()]).exits(0);
        let python = "import libvirt, os, socket, sys\n\
            d = libvirt.open().lookupByName(sys.argv[1])\n\
            fd = d.openGraphicsFD(0, 0)\n\
            s = socket.socket(fileno=fd)\n\
            s.settimeout(30)\n\
            assert s.recv(12) == b'RFB 003.008\\n'\n\
            ours, theirs = socket.socketpair()\n\
            try:\n    \
                d.openGraphics(0, theirs.fileno(), libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)\n\
            except libvirt.libvirtError as error:\n    \
                assert error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT, error\n\
            else:\n    \
                ours.settimeout(30)\n    \
                assert ours.recv(12) == b'RFB 003.008\\n'\n";
        Talk::start(daemon.client("/usr/bin/python3", &["-c", python, &name])).finish().exits(0);
        if host.uid() == rustix::process::getuid().as_raw() {
            let mut deaf = Wire::open(&daemon.socket());
            let seen: Domain = deaf.ask(LOOKUP, &name).unwrap();
            for _ in 0..25 {
                deaf.call(SCREENSHOT, &(seen.clone(), 0_u32, 0_u32)).unwrap();
            }
            let picture = host.path("home").join("picture");
            daemon.virsh(&["screenshot", &name, picture.to_str().unwrap()]).exits(0);
            assert!(daemon.process().threads() < 20, "{}", daemon.process().threads());
        }
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.end();
    }

    /// The guest hears what is typed, and what it says is seen, also what it said before.
    fn virsh_sits_at_a_console(host) {
        let daemon = Daemon::start(host);
        let name = host.name("spoken");
        host.run(&["create", "--name", &name, "--memory", "32M", "--accel", "tcg"]).exits(0);
        daemon.virsh(&["start", &name]).exits(0);
        let console = format!("virsh -q console {name}");
        let arguments = ["-qefc", &console, "/dev/null"];
        let mut first = Talk::start(daemon.client("script", &arguments));
        first.wait_for("svirt guest: ready");
        first.wait_for("> ");
        first.send(b"echo hello\r");
        first.wait_for("hello");
        drop(first);
        let mut again = Talk::start(daemon.client("script", &arguments));
        again.wait_for("svirt guest: ready");
        again.send(b"poweroff\r");
        again.finish().exits(0);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }
}
