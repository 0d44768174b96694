//! What dies or is missing, and what is left of it: nothing, after the next command at the latest.

use rustix::process::Signal;
use std::{os::unix::fs::symlink, process::Command};
use svirt_testkit::{Host, Process, Talk, Trace, claims, program};

const PLAIN: [&str; 4] = ["--net", "none", "--append", "plain"];

/// A small machine whose command does not stay with it.
fn detached(host: &Host, name: &str) -> Command {
    let name = host.name(name);
    let flags = ["run", "--detach", "--name", &name, "--accel", "tcg", "--memory", "32M"];
    host.svirt(&[&flags[..], &PLAIN].concat())
}

claims! {
    delegated too:

    /// When the supervisor is killed its machine dies with it, and the next command puts everything
    /// back, object by object; the image is free again.
    fn a_killed_supervisor_takes_its_machine_along(host) {
        let image = host.file("disk.raw", &[0; 4096]);
        let image = image.to_str().unwrap();
        let with_disk = [&PLAIN[..], &["--disk", image]].concat();
        let mut machine = host.boot("orphan", &with_disk);
        machine.ready();
        let status = machine.status();
        let (before, vmm) = (host.traces(), machine.vmm());
        let supervisor = Process(status.supervisor.unwrap());
        supervisor.kill();
        vmm.ends();
        let said = machine.finish();
        assert_eq!(said.code, Some(74), "the command says that its supervisor is gone: {said:#?}");
        let dead = host.traces();
        let files = |t: &Trace| matches!(t, Trace::File(_) | Trace::Cgroup(_));
        let left: Vec<_> = before.0.iter().filter(|t| files(t)).cloned().collect();
        assert!(!left.is_empty());
        let still: Vec<_> = dead.0.iter().filter(|t| files(t)).cloned().collect();
        assert_eq!(still, left, "nobody was there to put it back");
        let recovered = host.run(&["recover"]).exits(0).out;
        assert!(recovered.contains(&host.name("orphan")), "{recovered:?}");
        assert!(host.traces().is_empty(), "{:#?}", host.traces());
        let mut machine = host.boot("orphan", &with_disk);
        machine.ready();
        machine.ends_after("poweroff").exits(0);
    }

    /// Any other command recovers too.
    fn any_command_recovers(host) {
        let mut machine = host.boot("orphan", &PLAIN);
        machine.ready();
        let vmm = machine.vmm();
        Process(machine.status().supervisor.unwrap()).kill();
        vmm.ends();
        drop(machine);
        assert!(host.running().is_empty());
        assert!(host.traces().is_empty(), "{:#?}", host.traces());
    }

    /// A VMM that is killed is a machine that ended by that signal, and everything is put back.
    fn a_killed_vmm_is_an_ended_machine(host) {
        let mut machine = host.boot("killed", &PLAIN);
        machine.ready();
        machine.vmm().kill();
        machine.finish().exits(137);
        let events = host.run(&["events"]).exits(0).out;
        assert!(events.contains("killed by signal 9"), "{events}");
    }

    /// A VMM that ends at once is told of in its own words, and leaves nothing.
    fn a_vmm_that_ends_at_once_is_explained(host) {
        // It begins like a kernel, and QEMU finds out that it is none.
        let junk = host.file("junk", b"\x7fELF, and far too short to be a kernel");
        let flags = ["--net", "none", "--kernel", junk.to_str().unwrap()];
        let said = host.boot("junk", &flags).finish().exits(74);
        assert!(said.err.contains("ended at once") && said.err.contains("elfboot"), "{said:#?}");
    }

    /// The machine does not need the command that started it.
    fn a_killed_command_leaves_its_machine_running(host) {
        let mut machine = host.boot("alone", &PLAIN);
        machine.ready();
        let (name, vmm) = (machine.name().to_owned(), machine.vmm());
        machine.talk().signal(Signal::KILL);
        assert_eq!(machine.finish().signal, Some(9));
        assert!(vmm.runs());
        assert_eq!(host.running(), std::slice::from_ref(&name));
        host.run(&["stop", &name]).exits(0);
        assert!(!vmm.runs());
    }

    /// A signal while a start is under way ends the start, however far it is: nothing runs and
    /// nothing is left, and the command ends by that signal.
    fn a_signal_ends_a_start_that_is_not_done(host) {
        let begun = |host: &Host, talk: &Talk, sign: fn(&Trace) -> bool| {
            let supervised = !Process(talk.id()).children().is_empty();
            supervised && host.traces().0.iter().any(sign)
        };
        let signs: [fn(&Trace) -> bool; 4] = [
            |_| true,
            |trace| matches!(trace, Trace::File(_)),
            |trace| matches!(trace, Trace::Process(_, line) if line.contains("svirt-launch")),
            |trace| matches!(trace, Trace::Process(_, line) if line.starts_with("qemu-system")),
        ];
        let mut given_up = 0;
        for sign in signs {
            let talk = Talk::start(detached(host, "soon"));
            while Process(talk.id()).runs() && !begun(host, &talk, sign) {}
            talk.signal(Signal::INT);
            let said = talk.finish();
            if said.code == Some(0) {
                // It was done a moment before.
                host.run(&["kill", &host.name("soon")]).exits(0);
            } else {
                assert_eq!((said.code, said.signal), (None, Some(2)), "{said:#?}");
                assert!(said.err.contains("given up"), "{said:#?}");
                given_up += 1;
            }
            host.assert_nothing_left();
        }
        assert!(given_up > 0, "no start was under way");
    }

    /// A start whose command dies without a word ends too, and the next command puts it back.
    fn a_start_does_not_outlive_its_command(host) {
        let talk = Talk::start(detached(host, "orphan"));
        // Its supervisor is there, and begins.
        let supervisor = loop {
            if let Some(child) = Process(talk.id()).children().pop() {
                break child;
            }
        };
        talk.signal(Signal::KILL);
        supervisor.ends();
        assert_eq!(talk.finish().signal, Some(9));
        host.run(&["recover"]).exits(0);
        assert!(host.running().is_empty());
    }

    /// A helper that is not installed is named, with what to do about it.
    fn a_missing_helper_is_named(host) {
        let programs = host.directory("programs", 0o755);
        let qemu = program("qemu-system-x86_64").unwrap();
        symlink(qemu, programs.join("qemu-system-x86_64")).unwrap();
        let mut command: Command = host.svirt(&["run", "--net", "user", "--append", "x"]);
        command.env("PATH", &programs);
        Talk::start(command).finish().exits(69).complains("passt").complains("--net none");
    }

    /// A name belongs to one machine at a time.
    fn a_name_is_not_given_twice(host) {
        let mut first = host.boot("twin", &PLAIN);
        first.ready();
        let second = host.boot("twin", &PLAIN).finish();
        second.exits(75).complains(first.name());
        first.ends_after("poweroff").exits(0);
    }

    /// A disk without room for the state stops the start, in words, and leaves nothing.
    fn a_full_disk_stops_the_start(host) {
        host.needs_root("mount a small file system")?;
        let state = host.state();
        let state = state.to_str().unwrap();
        let small = "size=256k,mode=0700";
        host.run_program("mount", &["-t", "tmpfs", "-o", small, "svirt-test", state]).exits(0);
        host.run_program("dd", &["if=/dev/zero", &format!("of={state}/full"), "bs=4k"]).exits(1);
        let said = host.boot("full", &PLAIN).finish();
        host.run_program("umount", &[state]).exits(0);
        assert_ne!(said.code, Some(0));
        assert!(said.err.contains("space") || said.err.contains("full"), "{said:#?}");
    }
}
