//! Whoever watches a machine is told what happens to it, in its order, and nobody else pays for that.

use super::control::{Control, place};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use std::{fs, os::unix::net::UnixStream};
use svirt_testkit::{Talk, claims};

const PLAIN: [&str; 4] = ["--net", "none", "--append", "plain"];

claims! {
    /// From how it is to how it ended.
    fn watchers_are_told_what_happens(host) {
        let mut machine = host.boot("seen", &PLAIN);
        machine.ready();
        let name = machine.name().to_owned();
        let state = || host.status(&name).state.to_string();
        let mut watches = Control::watching(host, &name);
        assert_eq!(watches.hear(), json!({ "state": "running" }));
        host.run(&["pause", &name]).exits(0);
        assert_eq!(state(), "paused");
        assert_eq!(watches.hear(), json!({ "state": "paused" }));
        let mut late = Control::watching(host, &name);
        assert_eq!(late.hear(), json!({ "state": "paused" }));
        assert!(host.run(&["ps"]).exits(0).out.contains("paused"));
        host.run(&["verify", &name]).exits(0);
        host.run(&["resume", &name]).exits(0);
        assert_eq!(state(), "running");
        host.run(&["reset", &name]).exits(0);
        machine.talk().wait_for("svirt guest: ready");
        machine.ready();
        machine.talk().send(b"reboot\r");
        machine.talk().wait_for("svirt guest: ready");
        machine.ready();
        machine.ends_after("poweroff").exits(0);
        for watcher in [&mut watches, &mut late] {
            assert_eq!(watcher.hear(), json!({ "state": "running" }));
            assert_eq!(watcher.hear(), json!({ "reset": { "guest": false } }));
            assert_eq!(watcher.hear(), json!({ "reset": { "guest": true } }));
            let off = json!({ "shut-down": { "guest": true, "reason": "guest-shutdown" } });
            // One guest may need more than one try.
            watcher.hears(&off);
            assert_eq!(watcher.hear(), json!({ "state": "off" }));
            assert_eq!(watcher.hear(), json!({ "ended": { "exited": 0 } }));
            assert_eq!(watcher.hear(), Value::Null);
        }
        let events = host.run(&["events"]).exits(0).out;
        let kinds = ["started", "paused", "resumed", "stopped: exited with code 0"];
        let told: Vec<_> = events.lines().zip(kinds).collect();
        assert!(told.len() == 4 && told.iter().all(|(line, kind)| line.ends_with(kind)), "{events}");
    }

    /// Nothing of a guest runs before it is told to, and everything of it afterwards.
    fn a_guest_that_waits_has_not_begun(host) {
        let name = host.name("waits");
        let words = [&["create", "--name", &name, "--accel", "tcg", "--memory", "32M"], &PLAIN[..]];
        host.run(&words.concat()).exits(0);
        host.run(&["start", "--paused", &name]).exits(0);
        assert_eq!(host.status(&name).state.to_string(), "paused");
        let mut watches = Control::watching(host, &name);
        assert_eq!(watches.hear(), json!({ "state": "not-begun" }));
        assert_eq!(Control::of(host, &name).run_state(), "prelaunch");
        host.run(&["verify", &name]).exits(0);
        host.run(&["resume", &name]).exits(0);
        assert_eq!(watches.hear(), json!({ "state": "running" }));
        assert_eq!(host.status(&name).state.to_string(), "running");
        let mut console = Talk::start(host.svirt(&["console", &name]));
        assert!(console.wait_for("svirt guest: ready").is_empty(), "it says that once");
        host.run(&["kill", &name]).exits(0);
        console.finish();
        host.run(&["rm", &name]).exits(0);
    }

    /// Of a power button that the guest heeds, and of a panic, is told before the end.
    fn a_guest_that_ends_is_said_to_end(host) {
        let mut machine = host.boot("pressed", &PLAIN);
        machine.ready();
        let mut watches = Control::watching(host, machine.name());
        host.run(&["stop", machine.name()]).exits(0);
        machine.finish().exits(0);
        watches.hears(&json!("power-button"));
        watches.hears(&json!({ "ended": { "exited": 0 } }));
        let mut machine = host.boot("panics", &PLAIN);
        machine.ready();
        let mut watches = Control::watching(host, machine.name());
        machine.ends_after("panic").exits(101);
        watches.hears(&json!({ "panicked": { "action": "poweroff" } }));
        watches.hears(&json!({ "ended": "panicked" }));
    }

    /// Which image failed is said, and how.
    fn a_disk_that_fails_is_named(host) {
        host.needs_root("have a write of a machine's fail")?;
        let image = host.file("disk.raw", &[0; 64 * 512]);
        let disk = image.to_str().unwrap();
        let mut machine = host.boot("failing", &[&PLAIN[..], &["--disk", disk]].concat());
        machine.ready();
        let mut watches = Control::watching(host, machine.name());
        let vmm = i32::try_from(machine.vmm().0).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: Some(4096), maximum: Some(4096) };
        prlimit(vmm, Resource::Fsize, limit).unwrap();
        assert_ne!(machine.ask("write 0 32 lost"), "ok");
        watches.hear();
        let failed = &watches.hear()["disk-error"];
        assert_eq!(failed["path"], disk, "{failed}");
        assert_eq!((&failed["write"], &failed["action"]), (&json!(true), &json!("report")), "{failed}");
        assert_eq!(failed["reason"], "File too large", "{failed}");
        machine.ends_after("poweroff").exits(0);
    }

    /// Whoever looks at the screen is seen.
    fn visitors_of_a_screen_are_told_of(host) {
        let mut machine = host.boot("looked-at", &[&PLAIN[..], &["--display", "vnc"]].concat());
        machine.ready();
        let mut watches = Control::watching(host, machine.name());
        watches.hear();
        let place = place(host, machine.name());
        let screen = UnixStream::connect(place.join("sockets/vnc")).unwrap();
        let visit = watches.hear()["screen"].take();
        assert_eq!((&visit["visit"], &visit["server"]["family"]), (&json!("connected"), &json!("unix")));
        drop(screen);
        assert_eq!(watches.hear()["screen"]["visit"], "disconnected");
        machine.ends_after("poweroff").exits(0);
    }

    /// A picture of the screen is whole, and nothing of its taking is left in the machine.
    fn a_picture_is_taken_without_a_trace(host) {
        let mut machine = host.boot("shown", &[&PLAIN[..], &["--display", "vnc"]].concat());
        machine.ready();
        let name = machine.name().to_owned();
        let mut watches = Control::watching(host, &name);
        for picture in ["one.ppm", "two.ppm"] {
            let picture = host.path("home").join(picture);
            host.run(&["screenshot", &name, picture.to_str().unwrap()]).exits(0);
            let bytes = fs::read(&picture).unwrap();
            let text = String::from_utf8_lossy(&bytes[..20]).into_owned();
            let mut words = text.split_whitespace();
            assert_eq!(words.next(), Some("P6"), "{text:?}");
            let mut number = || words.next().unwrap().parse::<usize>().unwrap();
            let (width, height) = (number(), number());
            assert_eq!(number(), 255);
            let dots = &bytes[bytes.len() - width * height * 3..];
            assert!(dots.iter().any(|dot| *dot != dots[0]), "something is written on the screen");
            watches.hears_of_screen("disconnected");
        }
        host.run(&["verify", &name]).exits(0);
        machine.ends_after("poweroff").exits(0);
        let mut machine = host.boot("dark", &PLAIN);
        machine.ready();
        let name = machine.name().to_owned();
        host.run(&["screenshot", &name, "-"]).exits(66).complains("has no screen");
        machine.ends_after("poweroff").exits(0);
    }

    /// Whoever does not listen is let go before he costs much, and the others hear everything.
    fn a_watcher_that_does_not_listen_is_let_go(host) {
        let mut machine = host.boot("told", &PLAIN);
        machine.ready();
        let mut deaf = Control::watching(host, machine.name());
        let mut watches = Control::watching(host, machine.name());
        let mut control = Control::of(host, machine.name());
        let node = json!({ "driver": "null-co", "node-name": "n" });
        assert_eq!(control.monitor("blockdev-add", &node)["returned"], json!({}));
        let mut heard = 0;
        for number in 0..10 {
            // Each state of a job is told with its name.
            let job = format!("j{number}{}", "x".repeat(60_000));
            let options = json!({ "driver": "qcow2", "file": "n", "size": 65536 });
            let create = json!({ "job-id": job, "options": options });
            assert_eq!(control.monitor("blockdev-create", &create)["returned"], json!({}));
            loop {
                let happened = watches.hear();
                heard += happened.to_string().len();
                if happened["other"]["data"]["status"] == "concluded" {
                    break;
                }
            }
        }
        assert!(heard > 2_000_000, "{heard}");
        assert_eq!(deaf.hear(), json!({ "state": "running" }));
        let kept = deaf.rest().len();
        assert!(kept < heard, "{kept} of {heard}");
        machine.ends_after("poweroff").exits(0);
    }
}
