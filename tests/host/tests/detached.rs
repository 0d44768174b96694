//! A process that detaches from its machine ends with it, also where no pid namespace and no control
//! group hold it.

use crate::probe::{BUSYBOX, needs_busybox};
use svirt_testkit::{Host, Process, Talk, claims};

/// No namespace but those of a root of its own, and no control group.
const LOOSE: [&str; 6] = ["--weaken", "namespaces", "--weaken", "cgroup", "--weaken", "seccomp"];

/// Starts a program that leaves a process behind which nobody of its line knows any more, and gives
/// that process. The program itself goes on for some seconds.
fn detach(host: &Host, seconds: &str) -> (Talk, Process) {
    let busybox = svirt_testkit::program(BUSYBOX).unwrap().to_string_lossy().into_owned();
    let detached = format!("{busybox} sleep 600 & echo it is $! now");
    let script =
        format!("{busybox} setsid {busybox} sh -c '{detached}'; {busybox} sleep {seconds}");
    let mut svirt = host.svirt(&["exec", "--name", &host.name("loose")]);
    svirt.args(LOOSE).args(["--", BUSYBOX, "sh", "-c", &script]);
    let mut talk = Talk::start(svirt);
    talk.wait_for("it is ");
    // Without a pid namespace it has one number for everybody.
    let number = talk.wait_for(" now").parse().unwrap();
    assert!(Process(number).runs());
    (talk, Process(number))
}

claims! {
    /// The machine's end is its end.
    fn a_detached_process_ends_with_its_machine(host) {
        needs_busybox()?;
        let (talk, detached) = detach(host, "1");
        talk.finish().exits(0);
        assert!(!detached.runs(), "it outlives its machine");
    }

    /// So is the supervisor's.
    fn a_detached_process_ends_with_the_supervisor(host) {
        needs_busybox()?;
        let (talk, detached) = detach(host, "50");
        let status = host.status(&host.name("loose"));
        Process(status.supervisor.unwrap()).kill();
        detached.ends();
        Process(status.evidence.last().unwrap().pid).ends();
        drop(talk);
        host.run(&["recover"]).exits(0);
    }

    /// So is the init's, which only the supervisor can see then.
    fn a_detached_process_ends_with_the_init(host) {
        needs_busybox()?;
        let (talk, detached) = detach(host, "50");
        let vmm = Process(host.status(&host.name("loose")).evidence.last().unwrap().pid);
        vmm.parent().unwrap().kill();
        detached.ends();
        vmm.ends();
        talk.finish();
    }
}
