//! Landlock at ABI 2 knows nothing of truncation, TCP, device controls, signals and sockets; other
//! layers close each of them.

use super::{ALL_NAMESPACES, Vmm, full, labs};
use svirt_model::{Enforced, Layer};
use svirt_testkit::lab::{Lab, Report};

const SCRIPT: &str = "
    for who in root user; do dd if=/dev/zero of=$who/d.raw bs=512 count=64; done
    chown 1000:1000 user/d.raw
    begin root r --append x --disk /run/lab/root/d.raw
    told r.status as root svirt inspect --json r
    told r.kernel the_vmm
    told r.tcp as root svirt drill r --attempt tcp --target 127.0.0.1:1
    ask 'write 0 1 by root'
    told r.signal as root svirt drill r --attempt signal --target 1
    finish
    begin user u --append x --disk /run/lab/user/d.raw
    ask 'write 0 1 by the user'
    told u.status as user svirt inspect --json u
    told u.kernel the_vmm
    told u.tcp as user svirt drill u --attempt tcp --target 127.0.0.1:1
    finish
    told r.disk grep -c 'by root' root/d.raw
    told u.disk grep -c 'by the user' user/d.raw
    exec_() { as root svirt exec --name x --rw /run/lab/root/d.raw \"$@\" -- /bin/true; }
    told foreign exec_
    told shared exec_ --weaken user
    told left ls /run/lab/root/run /run/lab/user/run
";

const HELD_BY: [Layer; 7] = [
    Layer::Landlock,
    Layer::Seccomp,
    Layer::Root,
    Layer::Namespaces,
    Layer::UserNamespace,
    Layer::Privileges,
    Layer::Limits,
];

fn boots_and_is_held(report: &Report, name: &str) {
    let ended = report.said(name).exits(0);
    assert!(ended.out.contains("svirt guest: ready"), "{ended:#?}");
    let status = format!("{name}.status");
    let landlock = report.layer(&status, Layer::Landlock);
    assert!(landlock.detail.starts_with("ABI 2, "), "{landlock:#?}");
    let full = full(report, &status);
    assert!(HELD_BY.iter().all(|layer| full.contains(layer)), "{full:?} of {report:#?}");
    let vmm = Vmm::told(report, &format!("{name}.kernel"));
    vmm.is_unprivileged_and_filtered();
    vmm.has_an_empty_bounding_set();
    assert_eq!(vmm.own_namespaces(), ALL_NAMESPACES);
    report.said(&format!("{name}.disk")).exits(0);
    // Landlock does not govern TCP there.
    report.said(&format!("{name}.tcp")).exits(0);
}

labs! {
    /// A guest boots for both callers, and what Landlock does not do there others do.
    fn what_landlock_2_leaves_open_others_close(host) {
        let report = Lab::with_landlock(host)?.run(SCRIPT);
        boots_and_is_held(&report, "r");
        boots_and_is_held(&report, "u");
        assert_eq!(report.layer("r.status", Layer::User).enforced, Enforced::Fully);
        report.said("r.signal").exits(0);
        let uid = Vmm::told(&report, "r.kernel").field("Uid");
        assert!(!uid.split('\t').any(|id| id == "0" || id == "1000"), "{uid}");
        // A tmpfs of this kernel cannot show a file to another user as theirs (6.3): the start says
        // so and what would do instead.
        report.said("foreign").exits(74).complains("--weaken user");
        report.said("shared").exits(0);
        // Nobody gave either of them control groups.
        for status in ["r.status", "u.status"] {
            assert_eq!(report.layer(status, Layer::Cgroup).enforced, Enforced::No);
        }
        assert_eq!(report.said("left").exits(0).out, "/run/lab/root/run:\n\n/run/lab/user/run:\n");
    }
}
