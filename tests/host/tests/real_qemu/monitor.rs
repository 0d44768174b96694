//! A machine's monitor is for everybody who may stop the machine, at the same time, and for nobody at
//! the cost of the others.

use super::control::{Control, signal, stop_now};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use svirt_testkit::{Caller, Host, Outcome, Talk, check, claims};

const PLAIN: [&str; 4] = ["--net", "none", "--append", "plain"];

claims! {
    /// A guest stands still, goes on and begins anew as it is told.
    fn a_guest_is_paused_resumed_and_reset(host) {
        let mut machine = host.boot("told", &PLAIN);
        machine.ready();
        let name = machine.name().to_owned();
        let mut control = Control::of(host, &name);
        assert_eq!(control.run_state(), "running");
        for _ in 0..2 {
            host.run(&["pause", &name]).exits(0).complains(&format!("{name}: paused"));
            assert_eq!(control.run_state(), "paused");
        }
        host.run(&["resume", &name]).exits(0).complains(&format!("{name}: runs"));
        assert_eq!(control.run_state(), "running");
        assert_eq!(machine.ask("echo here"), "here");
        host.run(&["reset", &name]).exits(0).complains(&format!("{name}: reset"));
        machine.talk().wait_for("svirt guest: ready");
        machine.ready();
        machine.ends_after("poweroff").exits(0);
        assert_eq!(control.hear()["ended"]["exited"], 0);
        host.run(&["pause", &name]).exits(66).complains("there is no machine");
    }

    /// Every answer goes to whoever asked, in the order in which he asked; who does not wait for his
    /// keeps nobody from theirs.
    fn answers_go_to_whoever_asked(host) {
        let mut machine = host.boot("asked", &PLAIN);
        machine.ready();
        let name = machine.name();
        let mut clients: Vec<_> = (0..20).map(|_| Control::of(host, name)).collect();
        let node = |number| json!({ "driver": "null-co", "node-name": format!("n{number}") });
        for (number, client) in clients.iter_mut().enumerate() {
            client.tell_monitor("blockdev-add", &node(number));
            client.tell_monitor("blockdev-del", &json!({ "node-name": format!("x{number}") }));
            client.tell_monitor("query-name", &Value::Null);
        }
        drop(clients.drain(..5));
        for (number, client) in (5..).zip(&mut clients) {
            assert_eq!(client.hear()["returned"], json!({}));
            let failed = client.hear();
            let failed = &failed["failed"];
            assert_eq!(failed["code"], "host", "{failed}");
            assert!(failed["message"].as_str().unwrap().contains("blockdev-del failed"), "{failed}");
            let cause = failed["causes"][0].as_str().unwrap();
            assert!(cause.contains(&format!("'x{number}'")), "{failed}");
            assert_eq!(client.hear()["returned"]["name"], name);
        }
        let failed = clients[0].monitor("no-such-command", &Value::Null);
        assert_eq!(failed["failed"]["code"], "unavailable", "{failed}");
        machine.ends_after("poweroff").exits(0);
    }

    /// What is too long is refused, and nothing else is lost with it.
    fn requests_and_answers_are_bounded(host) {
        let mut machine = host.boot("long", &PLAIN);
        machine.ready();
        let mut control = Control::of(host, machine.name());
        let dump = json!({ "command-line": "xp /300000xb 0" });
        control.tell_monitor("human-monitor-command", &dump);
        let refused = control.hear();
        let why = refused["failed"]["causes"][0].as_str().unwrap_or_default();
        assert!(why.contains("longer than"), "{refused}");
        let within = json!({ "command-line": format!("print 1{}", " ".repeat(60 * 1024)) });
        assert_eq!(control.monitor("human-monitor-command", &within)["returned"], "0x1\r\n");
        control.tell_monitor("human-monitor-command", &json!({ "command-line": "x".repeat(70_000) }));
        let refused = control.hear();
        assert!(refused["refused"].as_str().unwrap().contains("too long"), "{refused}");
        let mut other = Control::of(host, machine.name());
        assert_eq!(other.run_state(), "running");
        machine.ends_after("poweroff").exits(0);
    }

    /// A program with a command line of the user's own has no monitor of sVirt's.
    fn a_program_of_the_users_own_has_no_monitor(host) {
        let name = host.name("own");
        let mut talk = Talk::start(host.svirt(&["exec", "--name", &name, "--", "cat"]));
        talk.send(b"here\n");
        talk.wait_for("here");
        host.run(&["pause", &name]).exits(69).complains(&format!("machine {name} has no monitor"));
        talk.finish().exits(0);
    }
}

/// A VMM that stands still holds up whoever asks it something, and nobody else: he is told so in the
/// end, and so is at once whoever asks when there are too many questions.
#[test]
fn a_vmm_that_does_not_answer_is_given_up() {
    check(Caller::User, "a_vmm_that_does_not_answer_is_given_up", given_up);
}

fn given_up(host: &Host) -> Outcome {
    let mut machine = host.boot("deaf", &PLAIN);
    machine.ready();
    let vmm = machine.vmm();
    stop_now(vmm);
    let began = Instant::now();
    let mut patient = Control::of(host, machine.name());
    patient.tell_monitor("query-status", &Value::Null);
    // Each is heard, and leaves; they are heard in the order in which they came.
    for _ in 1..128 {
        Control::of(host, machine.name()).tell_monitor("query-status", &Value::Null);
    }
    let mut late = Control::of(host, machine.name());
    let refused = late.monitor("query-status", &Value::Null);
    let why = refused["failed"]["message"].as_str().unwrap_or_default();
    assert!(why.contains("has not answered all that it was asked"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(20), "that is said at once");
    let mut waits = Control::of(host, machine.name());
    waits.say(&json!("wait"));
    assert_eq!(waits.hear(), "granted");
    let refused = patient.hear();
    let why = refused["failed"]["causes"][0].as_str().unwrap_or_default();
    assert!(why.contains("did not answer within 30 s"), "{refused}");
    assert!(began.elapsed() >= Duration::from_secs(30));
    signal(vmm, Signal::CONT);
    assert_eq!(patient.run_state(), "running");
    machine.ends_after("poweroff").exits(0);
    Ok(())
}
