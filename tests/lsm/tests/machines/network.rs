//! A Linux guest whose packets the helper carries, under AppArmor, where the helper has a profile of
//! its own, and under Smack, where it has no label.

use super::{apparmor, run};
use crate::real_qemu::labs;
use svirt_model::{Enforced, Evidence, Layer, LayerStatus, Role};
use svirt_testkit::{
    Host, Skipped, has_program,
    lab::{Lab, Report},
    linux,
};

/// The guest gets an address and hears from a server on the kernel's.
const GUEST: &str = r#"cat >/bin/lease <<'X'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/${mask:-24} dev $interface
ip route add $router dev $interface 2>/dev/null
ip route add default via $router dev $interface
echo "LEASE $ip"
X
chmod 755 /bin/lease
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -f -s /bin/lease
echo "SERVER: $(sleep 1 | timeout 20 nc -w 5 203.0.113.7 8000)"
echo "> DONE"
read line
poweroff -f"#;

/// The kernel's own network is its loopback, with an address that the guest gets as well and one of
/// the server's (RFC 5737). passt wants a card to have an address of its own.
const SCRIPT: &str = r#"
    cp $BIN/kernel $BIN/initrd .
    ip link set lo address 02:00:00:00:00:01
    ip link set lo up
    ip addr del 127.0.0.1/8 dev lo
    ip addr add 198.51.100.2/24 dev lo
    ip addr add 203.0.113.7/32 dev lo
    ip route add default via 198.51.100.1 dev lo
    /usr/bin/perl -e 'use Socket; socket(S, 2, 1, 0) or die $!;
        bind(S, sockaddr_in(8000, INADDR_ANY)) or die $!; listen(S, 5);
        while (accept(C, S)) { syswrite(C, "hello from the host\n"); close(C) }' &
    server=$!
    records >/dev/null
    NETWORK=user MEMORY=128M
    begin root n --kernel /run/lab/kernel --initrd /run/lab/initrd \
        --append 'console=ttyS0 quiet panic=-1 random.trust_cpu=on'
    told inspect as root svirt inspect --json n
    told helper helper n
    told records records
    finish
    told end records
    kill $server
"#;

/// helper NAME: what each thread of a machine's network helper is called.
const HELPER: &str = r#"
    helper() {
        pid=$(as root svirt inspect --json $1 | grep -o '"pid":[0-9]*' | head -1 | cut -d : -f 2)
        for task in /proc/$pid/task/*; do tr -d '\0' <$task/attr/$CURRENT; echo; done | sort -u
    }
"#;

fn tried(host: &Host, lab: Lab<'_>, words: &str) -> Result<Report, Skipped> {
    if !has_program("passt") {
        return Err(Skipped::because("there is no passt"));
    }
    let (linux, place) = (linux()?, host.directory("files", 0o755));
    linux.initrd(&place.join("initrd"), GUEST);
    std::fs::copy(&linux.kernel, place.join("kernel")).expect("a file of ours");
    let lab = lab.carrying(place.join("initrd")).carrying(place.join("kernel"));
    Ok(run(&lab, &format!("{words}{HELPER}{SCRIPT}")))
}

/// The guest heard the server, and the kernel refused nothing; what the helper's status says.
#[track_caller]
fn works(report: &Report, layer: Layer, denial: &str) -> LayerStatus {
    for name in ["records", "end"] {
        let records = report.said(name).out;
        assert!(!records.contains(denial) && !records.contains("type=1326"), "{records}");
    }
    let said = report.said("n").exits(0).out;
    assert!(said.contains("SERVER: hello from the host"), "{said}");
    let status = report.status("inspect");
    assert!(status.evidence.iter().all(Evidence::holds));
    let plan = status.plan.expect("it runs");
    let helper = plan.processes.iter().find(|p| p.role == Role::Network).expect("it has one");
    helper.layers.iter().find(|status| status.layer == layer).expect("it is active").clone()
}

labs! {
    /// The helper has a profile of its own, and the guest a network.
    fn a_guest_has_a_network_under_apparmor(host) {
        let lab = apparmor::with_parser(Lab::with_module(host, "apparmor")?)?;
        let words = format!("{}\nCURRENT=apparmor/current\n", apparmor::WORDS);
        let report = tried(host, lab, &words)?;
        let status = works(&report, Layer::Apparmor, "DENIED");
        assert_eq!(status.enforced, Enforced::Fully, "{status:#?}");
        let called = format!("{} (enforce)", status.detail);
        assert!(called.contains("-network"), "{called}");
        assert_eq!(report.said("helper").out.trim(), called);
    }

    /// The helper has no label, because networks drop labelled packets, and its status says so.
    fn a_guest_has_a_network_under_smack(host) {
        let lab = Lab::with_module(host, "smack")?;
        let report = tried(host, lab, "ATTRIBUTE=security.SMACK64\nCURRENT=current\n")?;
        let status = works(&report, Layer::Smack, "action=denied");
        assert_eq!(status.enforced, Enforced::No, "{status:#?}");
        assert!(status.why_not.contains("networks drop"), "{status:#?}");
        assert_eq!(report.said("helper").out, "_\n");
    }
}
