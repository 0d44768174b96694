//! A machine that is saved goes on where it was, once; until all of it is kept it has not ended.

use super::control::{Control, signal, stop_now};
use rustix::process::Signal;
use serde_json::json;
use std::{
    fs::{self, File},
    io::Read,
    path::PathBuf,
};
use svirt_testkit::{Host, PROMPT, Process, Talk, claims};

/// A machine that is kept, with a disk, at whose console somebody has begun to say something.
fn begun(host: &Host) -> String {
    let name = host.name("kept");
    let disk = host.file("disk.raw", &[0; 64 * 512]);
    let words = ["create", "--name", &name, "--accel", "tcg", "--memory", "32M", "--net", "none"];
    let more = ["--append", "plain", "--disk", disk.to_str().unwrap()];
    host.run(&[&words[..], &more].concat()).exits(0);
    start(host, &name);
    name
}

fn start(host: &Host, name: &str) {
    host.run(&["start", name]).exits(0);
    let mut console = console(host, name);
    console.wait_for(PROMPT);
    console.send(b"write 0 1 kept\recho be");
    console.wait_for("echo be");
}

fn console(host: &Host, name: &str) -> Talk {
    Talk::start(host.svirt(&["console", name]))
}

/// It is the same guest, which was told a part of this before.
#[track_caller]
fn goes_on(host: &Host, name: &str) {
    let mut console = console(host, name);
    console.send(b"gun\r");
    console.wait_for("\nbegun");
}

fn vmm(host: &Host, name: &str) -> Process {
    Process(host.status(name).evidence.last().unwrap().pid)
}

fn state(host: &Host, name: &str) -> String {
    host.status(name).state.to_string()
}

fn gone(host: &Host, name: &str) {
    host.run(&["kill", name]);
    host.run(&["rm", name]).exits(0);
}

/// Asks for a machine's state, and gets the pipe that it comes from.
fn pipe(host: &Host, name: &str) -> (Control, File) {
    let mut control = Control::of(host, name);
    control.say(&json!("save"));
    let passed = control.hear_with_descriptors();
    assert_eq!(passed.0, "granted");
    (control, passed.1.into_iter().next().unwrap().into())
}

/// Whether a process has a pipe besides its standard streams.
fn has_pipe(process: u32) -> bool {
    let links = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let links = links.filter(|e| e.file_name().to_string_lossy().parse::<u32>().unwrap() > 2);
    let mut targets = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_string_lossy().starts_with("pipe:"))
}

claims! {
    /// It ends when it is saved, and is restored as often as somebody has the file.
    fn a_machine_goes_on_where_it_was_saved(host) {
        let name = begun(host);
        let mut watches = Control::watching(host, &name);
        let file = host.path("home").join("saved");
        let path = file.to_str().unwrap();
        host.run(&["save", &name, path]).exits(0).complains("saved");
        assert_eq!(watches.hear(), json!({ "state": "running" }));
        assert_eq!(watches.hear(), json!({ "state": "saving" }));
        watches.hears(&json!({ "migration": "completed" }));
        watches.hears(&json!({ "ended": "saved" }));
        assert_eq!(state(host, &name), "stopped");
        let disk = fs::read(host.path("disk.raw")).unwrap();
        assert!(disk[512..].starts_with(b"kept"), "what was written before is on the disk");
        host.run(&["restore", path]).exits(0);
        assert_eq!(state(host, &name), "running");
        host.run(&["verify", &name]).exits(0);
        goes_on(host, &name);
        host.run(&["kill", &name]).exits(0);
        host.run(&["restore", "--paused", path]).exits(0);
        assert_eq!(state(host, &name), "paused");
        host.run(&["resume", &name]).exits(0);
        goes_on(host, &name);
        gone(host, &name);
        // What it was is in the file.
        host.run(&["restore", path]).exits(0);
        goes_on(host, &name);
        host.run(&["kill", &name]).exits(0);
        host.run(&["inspect", &name]).exits(66);
    }

    /// The next start takes what was saved for it, and no other does.
    fn a_state_that_is_kept_with_a_machine_is_used_once(host) {
        let name = begun(host);
        host.run(&["pause", &name]).exits(0);
        host.run(&["save", &name]).exits(0);
        let kept: Vec<PathBuf> =
            fs::read_dir(host.state().join("saved")).unwrap().map(|e| e.unwrap().path()).collect();
        let [kept] = &kept[..] else { panic!("{kept:?}") };
        let whole = fs::read(kept).unwrap();
        let mut damaged = whole.clone();
        damaged[4096..8192].fill(0xff);
        fs::write(kept, &damaged).unwrap();
        host.run(&["start", &name]).exits(74).complains("did not take the state");
        assert_eq!(fs::read(kept).unwrap(), damaged, "a start that fails keeps it");
        fs::write(kept, &whole[..whole.len() - 1]).unwrap();
        host.run(&["start", &name]).exits(65).complains("bytes and had");
        fs::write(kept, &whole).unwrap();
        host.run(&["start", &name]).exits(0);
        assert!(!kept.exists());
        assert_eq!(state(host, &name), "paused", "as it was saved");
        host.run(&["resume", &name]).exits(0);
        goes_on(host, &name);
        host.run(&["kill", &name]).exits(0);
        start(host, &name);
        gone(host, &name);
    }

    /// Whoever saves it and dies has done nothing.
    fn a_machine_outlives_whoever_saves_it(host) {
        let name = begun(host);
        let vmm = vmm(host, &name);
        let mut watches = Control::watching(host, &name);
        stop_now(vmm);
        let file = host.path("home").join("saved");
        let saver = Talk::start(host.svirt(&["save", &name, file.to_str().unwrap()]));
        // It is heard, and nothing of it is done.
        while !has_pipe(saver.id()) {
            std::thread::yield_now();
        }
        saver.signal(Signal::KILL);
        drop(saver);
        signal(vmm, Signal::CONT);
        watches.hears(&json!({ "migration": "failed" }));
        watches.hears(&json!({ "state": "running" }));
        goes_on(host, &name);
        let said = host.run(&["restore", file.to_str().unwrap()]).exits(65);
        assert!(said.err.contains("not finished"), "{said:?}");
        gone(host, &name);
    }

    /// All of it was taken, and nobody says that it is kept.
    fn a_state_that_nobody_keeps_ends_nothing(host) {
        let name = begun(host);
        let (mut control, mut from) = pipe(host, &name);
        let mut state = Vec::new();
        from.read_to_end(&mut state).unwrap();
        assert!(state.len() > 100_000, "{}", state.len());
        assert_eq!(control.hear(), json!({ "returned": null }));
        let mut watches = Control::watching(host, &name);
        assert_ne!(watches.hear(), json!({ "state": "running" }));
        drop(control);
        watches.hears(&json!({ "state": "running" }));
        goes_on(host, &name);
        // What has run since is not what was taken.
        let (mut control, mut from) = pipe(host, &name);
        from.read_to_end(&mut state).unwrap();
        assert_eq!(control.hear(), json!({ "returned": null }));
        host.run(&["resume", &name]).exits(0);
        control.say(&json!({ "saved": { "managed": false } }));
        assert!(control.hear()["refused"].is_string());
        assert_eq!(Control::of(host, &name).run_state(), "running");
        gone(host, &name);
    }

    /// What is thrown away with a machine cannot be saved with it, and neither can a program.
    fn what_cannot_be_restored_is_not_saved(host) {
        let disk = host.file("disk.raw", &[0; 64 * 512]);
        let words = ["--net", "none", "--append", "plain", "--ephemeral", "--disk"];
        let mut machine = host.boot("thrown", &[&words[..], &[disk.to_str().unwrap()]].concat());
        machine.ready();
        let file = host.path("home").join("saved");
        let file = file.to_str().unwrap();
        host.run(&["save", machine.name(), file]).exits(75).complains("throws away");
        machine.ends_after("poweroff").exits(0);
        fs::write(host.path("home").join("other"), "no state").unwrap();
        let other = host.path("home").join("other");
        host.run(&["restore", other.to_str().unwrap()]).exits(65).complains("too short");
    }
}
