//! What clients are told while it happens, and what they say to a guest's console.

use crate::domains::{full, plain};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use svirt_testkit::{Daemon, Host, Talk, claims};

/// Has something happen until it is told: whoever listens does not say when he begins.
pub(crate) fn until_heard(daemon: &Daemon<'_>, ears: &mut Talk, host: &Host) {
    let name = host.name("first");
    let document = host.file("first.xml", plain(&name).as_bytes());
    let heard = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !heard.load(Ordering::Relaxed) {
                daemon.virsh(&["define", document.to_str().unwrap()]);
                daemon.virsh(&["undefine", &name]);
            }
        });
        ears.wait_for(&format!("event 'lifecycle' for domain '{name}'"));
        heard.store(true, Ordering::Relaxed);
    });
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
