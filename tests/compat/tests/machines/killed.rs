//! A daemon that is killed in the middle of whatever it does.

use crate::domains::plain;
use rustix::process::{Pid, Signal, kill_process};
use std::{collections::BTreeSet, fs, thread::sleep, time::Duration};
use svirt_testkit::{Daemon, Host, Talk, claims};

/// Into what is being done the daemon is killed.
const INTO: [Duration; 2] = [Duration::from_millis(8), Duration::from_millis(40)];

/// Has a call made, and kills the daemon while it does that. What it had others do is over when this returns.
fn killed_while(host: &Host, daemon: Daemon<'_>, call: &[&str], into: Duration) {
    let client = Talk::start(daemon.virsh_command(call));
    // The moments differ with the host's load, and any will do.
    sleep(into);
    let process = daemon.process();
    let pid = Pid::from_raw(i32::try_from(process.0).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let others = process.children();
    process.kill();
    drop(daemon);
    others.into_iter().for_each(svirt_testkit::Process::ends);
    client.finish();
    host.run(&["recover"]);
}

/// What both say that runs; the one that has nothing to do with it does, confined as ever.
fn running(host: &Host, daemon: &Daemon<'_>, stays: &str) -> BTreeSet<String> {
    let listed = daemon.virsh(&["list", "--name"]).exits(0).out;
    let listed: BTreeSet<String> = listed.split_whitespace().map(str::to_owned).collect();
    assert_eq!(listed, host.running().into_iter().collect());
    assert!(listed.contains(stays), "{listed:?}");
    listed.iter().for_each(|name| drop(host.run(&["verify", name]).exits(0)));
    let info = daemon.virsh(&["dominfo", stays]).exits(0).out;
    assert!(info.contains("Security label:"), "{info}");
    listed
}

claims! {
    /// Machines that run go on; what was begun is done, or was never.
    fn a_daemon_that_is_killed_leaves_nothing_half_done(host) {
        let (stays, name) = (host.name("stays"), host.name("half"));
        let [other, document, changed] = [
            plain(&stays),
            plain(&name),
            plain(&name).replace("<vcpu>1", "<vcpu>2"),
        ]
        .map(|text| text.replace("<graphics type='vnc' autoport='yes'/>", ""));
        let other = host.file("stays.xml", other.as_bytes());
        let document = host.file("half.xml", document.as_bytes());
        let changed = host.file("changed.xml", changed.as_bytes());
        let [other, document, changed] = [&other, &document, &changed].map(|path| path.to_str().unwrap());
        let file = host.path("home").join("memory");
        let memory = file.to_str().unwrap();
        let mut daemon = Daemon::start(host);
        daemon.virsh(&["create", other]).exits(0);
        for into in INTO {
            for call in [
                &["define", document][..],
                &["start", &name],
                &["desc", &name, "--config", "--new-desc", "words"],
                &["destroy", &name],
                &["autostart", &name],
                &["setmem", &name, "32M", "--config"],
                &["define", changed],
                &["save", &name, memory],
                &["restore", memory],
                &["undefine", &name],
            ] {
                let (verb, lives) = (call[0], running(host, &daemon, &stays).contains(&name));
                // Each finds what it needs.
                match verb {
                    "destroy" | "save" if !lives => drop(daemon.virsh(&["start", &name]).exits(0)),
                    "start" | "restore" | "undefine" if lives => drop(daemon.virsh(&["destroy", &name]).exits(0)),
                    _ => {}
                }
                if verb == "save" {
                    let _ = fs::remove_file(&file);
                }
                killed_while(host, daemon, call, into);
                daemon = Daemon::start(host);
                let lives = running(host, &daemon, &stays).contains(&name);
                let defined = daemon.virsh(&["list", "--all", "--name"]).exits(0).out.contains(&name);
                // A state is kept of what does not run any more.
                if verb == "save" && !lives {
                    daemon.virsh(&["restore", memory]).exits(0);
                    daemon.virsh(&["destroy", &name]).exits(0);
                }
                match verb {
                    "define" if !defined => drop(daemon.virsh(&["define", document]).exits(0)),
                    "undefine" if defined => drop(daemon.virsh(&["undefine", &name]).exits(0)),
                    "define" | "undefine" => {}
                    _ => assert!(defined, "{verb}"),
                }
                // Whatever was said of it can be read.
                if verb != "undefine" {
                    daemon.virsh(&["dumpxml", &name, "--inactive"]).exits(0);
                }
                // There is something to restore.
                if verb == "save" {
                    let _ = fs::remove_file(&file);
                    if !host.running().contains(&name) {
                        daemon.virsh(&["start", &name]).exits(0);
                    }
                    daemon.virsh(&["save", &name, memory]).exits(0);
                }
            }
        }
        daemon.virsh(&["destroy", &stays]).exits(0);
        daemon.end();
    }
}
