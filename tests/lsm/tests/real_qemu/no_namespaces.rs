//! A host that lets nobody make user namespaces, with Landlock at ABI 2: root loses nothing else,
//! and an ordinary user's machine is held by what is left, which the status describes.

use super::{Vmm, full, labs};
use svirt_model::{Enforced, Layer};
use svirt_testkit::lab::Lab;

/// What Landlock at ABI 2 does not govern, in the words of the status.
const OPEN: &str = "it leaves open: truncating files, TCP, device controls, signals to this user's \
                    processes, abstract sockets, sockets at paths";

const SCRIPT: &str = "
    echo 0 >/proc/sys/user/max_user_namespaces
    begin root r
    told r.status as root svirt inspect --json r
    told r.kernel the_vmm
    finish
    echo secret >/run/lab/user/secret
    chown 1000:1000 /run/lab/user/secret
    ln -s /usr/bin/busybox sleep
    as user /run/lab/sleep 1000 &
    until bystander=$(pidof sleep); do usleep 20000; done
    begin user u
    told u.status as user svirt inspect --json u
    told u.kernel the_vmm
    drill() { told u.$1 as user svirt drill u --attempt $2 --target $3; }
    drill read read-file /run/lab/user/secret
    drill write write-file /run/lab/user/secret
    drill signal signal $bystander
    drill ptrace ptrace $bystander
    drill tcp tcp 127.0.0.1:1
    told u.processes as user svirt drill u --attempt list-processes
    finish
    kill $bystander
    told root-required as user svirt run --name n --accel tcg --net none --require root
    told nothing-holds as user svirt run --name n --accel tcg --net none --weaken landlock
    told left ls /run/lab/root/run /run/lab/user/run
";

labs! {
    /// What the status of each machine says is so; what a drill finds open, the status names.
    fn without_user_namespaces_the_status_is_honest(host) {
        let report = Lab::with_landlock(host)?.run(SCRIPT);
        report.said("r").exits(0);
        let vmm = Vmm::told(&report, "r.kernel");
        vmm.is_unprivileged_and_filtered();
        vmm.has_an_empty_bounding_set();
        assert_eq!(vmm.own_namespaces(), ["mnt", "pid", "ipc", "net", "uts", "cgroup"]);
        let held = full(&report, "r.status");
        for layer in [Layer::Landlock, Layer::Root, Layer::Namespaces, Layer::User] {
            assert!(held.contains(&layer), "{layer} is missing: {report:#?}");
        }
        let missing = report.layer("r.status", Layer::UserNamespace);
        assert_eq!(missing.enforced, Enforced::No);
        assert!(missing.why_not.contains("max_user_namespaces"), "{missing:#?}");

        let ended = report.said("u").exits(0);
        assert!(ended.out.contains("svirt guest: ready"), "{ended:#?}");
        let vmm = Vmm::told(&report, "u.kernel");
        vmm.is_unprivileged_and_filtered();
        assert!(vmm.own_namespaces().is_empty(), "{:?}", vmm.own_namespaces());
        for layer in [Layer::Root, Layer::Namespaces, Layer::UserNamespace, Layer::User] {
            assert_eq!(report.layer("u.status", layer).enforced, Enforced::No, "{layer}");
        }
        let landlock = report.layer("u.status", Layer::Landlock);
        assert_eq!(landlock.enforced, Enforced::Partly);
        for drill in ["read", "write", "signal", "ptrace", "tcp", "processes"] {
            report.said(&format!("u.{drill}")).exits(0);
        }
        // The filter refuses this user's VMM some of it; a drill that found more open would fail.
        assert_eq!(landlock.why_not, OPEN);
        report.said("root-required").exits(78).complains("the layer root is required");
        report.said("nothing-holds").exits(78).complains("nothing would hold the machine");
        assert_eq!(report.said("left").exits(0).out, "/run/lab/root/run:\n\n/run/lab/user/run:\n");
    }
}
