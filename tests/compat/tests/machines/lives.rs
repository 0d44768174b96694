//! What guests are asked, and what is done to them.

use crate::{
    domains::{full, plain},
    told::until_heard,
};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use svirt_testkit::{Daemon, Host, Process, Talk, claims};

/// A guest that answers at its console, and that console.
fn guest(daemon: &Daemon<'_>, host: &Host, name: &str) -> Talk {
    host.run(&["create", "--name", name, "--memory", "32M", "--accel", "tcg"]).exits(0);
    daemon.virsh(&["start", name]).exits(0);
    let console = format!("virsh -q console {name}");
    let mut console = Talk::start(daemon.client("script", &["-qefc", &console, "/dev/null"]));
    console.wait_for("svirt guest: ready");
    console
}

claims! {
    /// The guest switches itself off and begins anew in the same confined process, also when the daemon that
    /// was told so is no more; whoever wants its end afterwards gets that.
    fn a_guest_that_is_asked_to_begin_anew_does(host) {
        let daemon = Daemon::start(host);
        let name = host.name("anew");
        let mut console = guest(&daemon, host, &name);
        let number = daemon.virsh(&["domid", &name]).exits(0).out;
        let mut ears = Talk::start(daemon.virsh_command(&["event", "--all", "--loop"]));
        until_heard(&daemon, &mut ears, host);
        daemon.virsh(&["reboot", &name, "--mode", "agent"]).exits(1).complains("guest agent");
        daemon.virsh(&["reboot", &name]).exits(0);
        console.wait_for("power button, powering off");
        console.wait_for("svirt guest: ready");
        let before = ears.wait_for(&format!("event 'reboot' for domain '{name}'"));
        assert!(!before.contains("Shutdown") && !before.contains("Suspended"), "{before}");
        assert_eq!(daemon.virsh(&["domid", &name]).exits(0).out, number);
        host.run(&["verify", &name]).exits(0);
        // What was wanted last counts.
        daemon.virsh(&["suspend", &name]).exits(0);
        daemon.virsh(&["reboot", &name, "--mode", "acpi"]).exits(0);
        daemon.process().kill();
        drop(daemon);
        host.run(&["resume", &name]).exits(0);
        let mut console = Talk::start(host.svirt(&["console", &name]));
        for said in ["powering off", "powering off", "svirt guest: ready"] {
            console.wait_for(said);
        }
        let daemon = Daemon::start(host);
        assert_eq!(daemon.virsh(&["domid", &name]).exits(0).out, number);
        for order in ["suspend", "reboot", "shutdown", "resume"] {
            daemon.virsh(&[order, &name]).exits(0);
        }
        console.wait_for("powering off");
        // A domain's number is its supervisor's.
        Process(number.trim().parse().unwrap()).ends();
        let state = daemon.virsh(&["domstate", &name]).exits(0).out;
        assert_eq!(state.trim(), "shut off");
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// From the command line as well; a guest that does not heed the button goes on, until it is ended.
    fn svirt_asks_a_guest_to_begin_anew(host) {
        let mut machine = host.boot("asked", &["--net", "none", "--append", "plain"]);
        machine.ready();
        let name = machine.name().to_owned();
        host.run(&["reboot", &name]).exits(0).complains("asked to begin anew");
        machine.talk().wait_for("power button");
        machine.talk().wait_for("svirt guest: ready");
        machine.ready();
        machine.talk().send(b"hang\r");
        host.run(&["reboot", &name]).exits(0);
        host.run(&["stop", "--timeout", "1", &name]).exits(0);
        machine.finish();
        assert_eq!(host.running(), Vec::<String>::new());
    }

    /// However the daemon ends, so does what was to end with a connection; nothing else does.
    fn what_is_bound_ends_with_the_daemon(host) {
        let (bound, free) = (host.name("bound"), host.name("free"));
        for orderly in [false, true] {
            let daemon = Daemon::start(host);
            let documents = [&bound, &free].map(|name| host.file(name, plain(name).as_bytes()));
            let [bound_document, free_document] = documents.each_ref().map(|path| path.to_str().unwrap());
            daemon.virsh(&["create", free_document]).exits(0);
            let mut session = Talk::start(daemon.client("virsh", &[]));
            session.send(format!("create {bound_document} --autodestroy\n").as_bytes());
            session.wait_for("created from");
            let number = daemon.virsh(&["domid", &bound]).exits(0).out;
            match orderly {
                true => daemon.end(),
                false => daemon.process().kill(),
            }
            Process(number.trim().parse().unwrap()).ends();
            assert_eq!(host.running(), std::slice::from_ref(&free));
            drop(session);
            host.run(&["kill", &free]).exits(0);
        }
    }

    /// QEMU may wait for ever for what it was asked when its guest was off already: then it is killed, and the guest
    /// has switched itself off all the same.
    fn a_machine_that_is_asked_while_it_ends_ends(host) {
        let daemon = Daemon::start(host);
        let name = host.name("asked");
        drop(guest(&daemon, host, &name));
        let number = daemon.virsh(&["domid", &name]).exits(0).out;
        let question = format!("qemu-monitor-command {name} '{{\"execute\":\"query-status\"}}'\n");
        let mut asking: Vec<_> = (0..3).map(|_| Talk::start(daemon.virsh_command(&[]))).collect();
        asking.iter_mut().for_each(|talk| talk.send(question.repeat(1000).as_bytes()));
        asking.iter_mut().for_each(|talk| drop(talk.wait_for("running")));
        daemon.virsh(&["shutdown", &name]).exits(0);
        Process(number.trim().parse().unwrap()).ends_within(Duration::from_secs(45));
        let state = daemon.virsh(&["domstate", &name, "--reason"]).exits(0).out;
        assert_eq!(state.trim(), "shut off (shutdown)");
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// A guest that would begin anew ends the machine, where its document says so; as an installer's does.
    fn a_machine_may_end_where_its_guest_begins_anew(host) {
        let daemon = Daemon::start(host);
        let name = host.name("once");
        let once = plain(&name).replace("<devices>", "<on_reboot>destroy</on_reboot><devices>");
        let document = host.file("domain.xml", once.as_bytes());
        daemon.virsh(&["create", document.to_str().unwrap()]).exits(0);
        let number = daemon.virsh(&["domid", &name]).exits(0).out;
        daemon.virsh(&["reset", &name]).exits(0);
        Process(number.trim().parse().unwrap()).ends();
        assert!(host.running().is_empty());
        daemon.end();
    }

    /// Who asks politely is told that it did not help.
    fn a_machine_that_does_not_hear_is_not_killed_politely(host) {
        let daemon = Daemon::start(host);
        let name = host.name("deaf");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        daemon.virsh(&["create", document.to_str().unwrap()]).exits(0);
        let vmm = Process(host.status(&name).evidence.last().unwrap().pid);
        let signal = |signal| {
            let pid = Pid::from_raw(i32::try_from(vmm.0).unwrap()).unwrap();
            kill_process(pid, signal).unwrap();
        };
        let number = daemon.virsh(&["domid", &name]).exits(0).out;
        signal(Signal::STOP);
        let polite = daemon.virsh(&["destroy", "--graceful", &name]).exits(1);
        polite.complains("with SIGTERM: Device or resource busy");
        assert_eq!(host.running(), std::slice::from_ref(&name));
        signal(Signal::CONT);
        vmm.ends();
        Process(number.trim().parse().unwrap()).ends();
        daemon.virsh(&["create", document.to_str().unwrap()]).exits(0);
        daemon.virsh(&["destroy", "--graceful", &name]).exits(0);
        daemon.end();
    }

    /// The firmware hears three keys at once, and begins anew.
    fn keys_are_pressed(host) {
        let daemon = Daemon::start(host);
        let name = host.name("typed");
        let image = host.file("empty.img", &[0; 1 << 20]);
        let document = host.file("domain.xml", full(&name, &image).as_bytes());
        let mut ears = Talk::start(daemon.virsh_command(&["event", "--all", "--loop"]));
        until_heard(&daemon, &mut ears, host);
        daemon.virsh(&["create", document.to_str().unwrap()]).exits(0);
        daemon.virsh(&["inject-nmi", &name]).exits(0);
        daemon.virsh(&["send-key", &name, "--codeset", "usb", "4"]).exits(1).complains("codeset usb");
        // While it looks for its keyboard, it hears nothing.
        let console = format!("virsh -q console {name}");
        let mut console = Talk::start(daemon.client("script", &["-qefc", &console, "/dev/null"]));
        console.wait_for("No bootable device");
        daemon.virsh(&["send-key", &name, "KEY_LEFTCTRL", "KEY_LEFTALT", "KEY_DELETE"]).exits(0);
        ears.wait_for(&format!("event 'reboot' for domain '{name}'"));
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.end();
    }
}
