//! The daemon as a service of a host with Debian's whole policy.

use super::{CLIENT_WORDS, between, line};
use crate::{
    machines::{distribution::BEGIN, run},
    real_qemu::{debian, labs},
};
use std::time::Duration;
use svirt_testkit::{Daemon, lab::Lab};

/// What systemd is, and what it starts, says the policy: by what the kernel's first process executes, and by
/// what that one does.
const SERVICE: &str = r#"
    dd if=$BIN/policy of=/sys/fs/selinux/load bs=16M
    # becomes CONTEXT TYPE: what a process of this context becomes that executes a file of this type.
    becomes() {
        perl -e 'open(F, "+<", "/sys/fs/selinux/create") or die $!; syswrite(F, "@ARGV") or die $!;
            sysread(F, $_, 4096) or die $!; tr/\0//d; print' \
            "$1" system_u:object_r:$2:s0 $(cat /sys/fs/selinux/class/process/index)
    }
    init=$(becomes "$(tr -d '\0' </sys/fs/selinux/initial_contexts/kernel)" init_exec_t)
    service=$(becomes $init bin_t)

    # later CONTEXT COMMAND...: in this context, once the policy is enforced.
    later() {
        echo -n $1 >/proc/self/attr/current
        shift
        until [ "$(cat /sys/fs/selinux/enforce)" = 1 ]; do usleep 50000; done
        "$@"
    }
    later $service as root sh -c 'echo $$ >/run/lab/daemon; exec svirtd' >daemon.log 2>&1 &
    domain a
    begin_with policy
    told before labels disks/a.raw
    until client list >/dev/null 2>&1; do usleep 100000; done
    told service cat /proc/$(cat daemon)/attr/current
    told start client 'define documents/a; start a'
    running a
    told screen client 'screenshot a picture'
    told save client 'save a /run/lab/saved'
    told end labels disks/a.raw
    told denied denied
"#;

labs! {
    /// As systemd starts it, it has no categories, and gives machines some all the same, as the policy lets
    /// it; it is denied nothing.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn a_service_under_a_distributions_policy_labels_machines(host) {
        let policy = host.file("policy", &debian::with_our_module()?);
        let lab = Lab::with_module(host, "selinux")?.carrying(policy).carrying(Daemon::program(host));
        let lab = lab.patient(Duration::from_secs(300));
        let report = run(&lab, &format!("{BEGIN}{CLIENT_WORDS}{SERVICE}"));
        println!("{report:#?}");
        let service = report.said("service").exits(0).out;
        assert_eq!(service.trim_end_matches('\0'), "system_u:system_r:initrc_t:s0");
        for step in ["start", "screen", "save"] {
            report.said(step).exits(0);
        }
        let info = report.said("a.info").exits(0).out;
        let label = report.said("a.current").exits(0).out.trim().to_owned();
        assert!(label.starts_with("system_u:system_r:svirt_machine_tcg_t:s0:c"), "{label}");
        assert_eq!(line(&info, "Security label"), format!("{label} (enforcing)"));
        let document = report.said("a.document").exits(0).out;
        let image = between(&document, "<imagelabel>", "</imagelabel>");
        assert_eq!(report.said("a.labels").out, format!("disks/a.raw {image}\n"));
        assert_eq!(report.said("end").out, report.said("before").exits(0).out);
        assert_eq!(report.said("denied").out, "", "work was denied something");
    }
}
