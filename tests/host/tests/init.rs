//! Least privilege of the process that every machine has as its first: each rule of its filter is taken
//! away in turn, and machines live once more, in a pid namespace and without one.

use crate::probe::{BUSYBOX, needs_busybox};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};
use std::{
    env,
    process::{Command, Stdio},
};
use svirt_policy::seccomp::init;
use svirt_testkit::{Host, Process, Said, claims};

/// Without a pid namespace what detaches from the program is the init's to end.
const LOOSE: [&str; 4] = ["--weaken", "namespaces", "--weaken", "cgroup"];
const BOUND: [&str; 0] = [];

fn lives(host: &Host, flags: &[&str], script: &str) -> Said {
    let name = host.name("life");
    let words = [&["exec", "--name", &name], flags, &["--", BUSYBOX, "sh", "-c", script]].concat();
    host.run(&words)
}

/// Machines that sleep.
fn asleep(host: &Host, flags: &[&str]) -> String {
    let name = host.name("life");
    let start = ["exec", "--detach", "--name", &name];
    host.run(&[&start[..], flags, &["--", BUSYBOX, "sleep", "600"]].concat()).exits(0);
    name
}

/// Whether no other test is in this process, to which what others leave would come.
fn is_alone() -> bool {
    env::var_os(svirt_fault::LEFT_OUT).is_some()
}

fn inherit_orphans() {
    if is_alone() {
        set_child_subreaper(Some(getpid())).expect("the kernel has subreapers");
    }
}

fn pid(process: Process) -> Pid {
    i32::try_from(process.0).ok().and_then(Pid::from_raw).expect("a number")
}

claims! {
    /// It tells how the program ended, whatever of that one's was left to it.
    fn an_end_is_told(host) {
        needs_busybox()?;
        for flags in [&LOOSE[..], &BOUND] {
            lives(host, flags, "exit 7").exits(7);
            let orphans = "for n in 1 2 3; do (sleep 0 &); done; sleep 0.1; kill -9 $$";
            lives(host, flags, orphans).exits(137);
        }
        lives(host, &LOOSE, "setsid sleep 600 & exit 3").exits(3);
    }

    /// It passes the wish to end on.
    fn a_wish_to_end_is_passed_on(host) {
        needs_busybox()?;
        for flags in [&LOOSE[..], &BOUND] {
            let name = asleep(host, flags);
            let supervisor = Process(host.status(&name).supervisor.expect("it runs"));
            host.run(&["stop", "--timeout", "20", &name]).exits(0);
            supervisor.ends();
        }
    }

    /// It does not outlive whoever supervises it, and ends all that was there.
    fn nothing_goes_on_unsupervised(host) {
        needs_busybox()?;
        inherit_orphans();
        for flags in [&LOOSE[..], &BOUND] {
            let name = asleep(host, flags);
            let status = host.status(&name);
            let vmm = Process(status.evidence.last().expect("evidence").pid);
            let init = vmm.parent().expect("it has one");
            for signal in [Signal::STOP, Signal::CONT] {
                kill_process(pid(init), signal).expect("it is there");
            }
            Process(status.supervisor.expect("it runs")).kill();
            init.ends();
            vmm.ends();
            // One that is the first of a namespace dies with its supervisor; this one may end in peace.
            if flags == LOOSE && is_alone() {
                let how = waitpid(Some(pid(init)), WaitOptions::empty()).expect("it was left here");
                assert_eq!(how.and_then(|(_, how)| how.exit_status()), Some(1), "{how:?}");
            }
            host.run(&["recover"]).exits(0);
        }
    }
}

/// Whether the claims above hold in another process, without a rule.
fn goes_well(test: &str, without: &str) -> bool {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args(["--exact", test]).env(svirt_fault::LEFT_OUT, without);
    command.stdin(Stdio::null()).output().expect("it starts").status.success()
}

/// `cargo xtask soak --privileges` runs this.
#[test]
#[ignore = "it lasts: cargo xtask soak --privileges"]
fn every_rule_of_the_init_is_missed_or_unseen() {
    let claims = ["an_end_is_told", "a_wish_to_end_is_passed_on", "nothing_goes_on_unsupervised"];
    let mut tests = claims.map(|claim| format!("init::{claim}::as_root"));
    assert!(tests.iter().all(|test| goes_well(test, "")), "it does not go well");
    let mut wrong = Vec::new();
    for (number, rule) in init().rules.iter().enumerate() {
        let without = format!("init:{number}");
        let at = tests.iter().position(|test| !goes_well(test, &without));
        match (at, rule.unseen) {
            (Some(at), None) => tests[..=at].rotate_right(1),
            (None, Some(_)) => {}
            (Some(_), Some(_)) => wrong.push(format!("{} is missed, and says not", rule.call)),
            (None, None) => wrong.push(format!("nothing misses {}: {}", rule.call, rule.why)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
