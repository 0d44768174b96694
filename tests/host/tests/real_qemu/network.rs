//! `--net user`: a Linux guest whose packets a confined helper carries into the host's network.

use crate::watch::Watch;
use std::{
    io::{Read, Write},
    net::{IpAddr, TcpListener},
    thread,
};
use svirt_model::Role;
use svirt_testkit::{Caller, Host, Process, Skipped, claims, has_program, linux};

/// An address of documentation (RFC 5737), for a moment the host's own: its other addresses are the
/// guest's as well, so that the guest would find itself there.
const ADDRESS: &str = "203.0.113.7";
const ADDRESS_OF_USER: &str = "203.0.113.8";
const ADDRESS_OF_DELEGATED: &str = "203.0.113.9";

/// What the guest does: an address by DHCP, a connection to the host's address and one to its
/// loopback, through the address that the guest's router has.
fn script(address: &str, port: u16, loopback: u16) -> String {
    format!(
        r#"cat > /bin/lease <<'X'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/${{mask:-24}} dev $interface
ip route add $router dev $interface 2>/dev/null
ip route add default via $router dev $interface
echo "LEASE $ip"
echo $router > /router
X
chmod 755 /bin/lease
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -f -s /bin/lease
echo "SERVER: $(sleep 2 | timeout 20 nc -w 5 {address} {port})"
for there in $(cat /router) 127.0.0.1; do
echo "LOOPBACK: $(sleep 1 | timeout 5 nc -w 2 $there {loopback} 2>&1)"
done
echo DONE
read line
poweroff -f"#
    )
}

/// An address that is the host's as long as this lives.
struct Address(&'static str);

impl Address {
    fn add(host: &Host) -> Result<Self, Skipped> {
        // Each test has its own, so that none takes another's away.
        let address = match host.caller() {
            Caller::Root => ADDRESS,
            Caller::User => ADDRESS_OF_USER,
            Caller::Delegated => ADDRESS_OF_DELEGATED,
        };
        run_ip("add", address)
            .then_some(Self(address))
            .ok_or_else(|| Skipped::because("only root, with ip, gives the host another address"))
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        run_ip("del", self.0);
    }
}

/// One that is there already, of a test that was killed, is as good as new.
fn run_ip(what: &str, address: &str) -> bool {
    let cidr = format!("{address}/32");
    let mut ip = std::process::Command::new("ip");
    let output = ip.args(["address", what, &cidr, "dev", "lo"]).output();
    output
        .is_ok_and(|o| o.status.success() || String::from_utf8_lossy(&o.stderr).contains("exists"))
}

/// Answers every connection with a line.
fn serve(address: &str, answer: &'static str) -> u16 {
    let listener = TcpListener::bind((address.parse::<IpAddr>().unwrap(), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the test.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.write_all(answer.as_bytes());
            // The guest ends the conversation.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

claims! {
    delegated too:

    /// The guest gets an address, reaches the host's network and not its loopback; the VMM itself
    /// has no network, its helper has and is confined as tightly; both are refused nothing.
    fn a_linux_guest_reaches_the_network_and_not_the_loopback(host) {
        let linux = linux()?;
        if !has_program("passt") {
            return Err(Skipped::because("there is no passt"));
        }
        let address = Address::add(host)?;
        let watch = Watch::begin();
        let server = serve(address.0, "hello from the host");
        let loopback = serve("127.0.0.1", "the loopback is open");
        let initrd = host.path("initrd");
        linux.initrd(&initrd, &script(address.0, server, loopback));
        host.give(&initrd);
        let kernel = host.path("kernel");
        std::fs::copy(&linux.kernel, &kernel).unwrap();
        host.give(&kernel);
        let mut machine = host.boot_with("linux", &[
            "--accel", "tcg", "--memory", "256M", "--net", "user",
            "--kernel", kernel.to_str().unwrap(), "--initrd", initrd.to_str().unwrap(),
            "--append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on",
        ]);
        machine.talk().wait_for("LEASE ");
        machine.talk().wait_for("SERVER: hello from the host");
        let answers = machine.talk().wait_for("DONE");
        assert!(answers.contains("LOOPBACK: "), "{answers}");
        assert!(!answers.contains("the loopback is open"), "{answers}");
        let status = machine.status();
        let pid = |role| Process(status.evidence.iter().find(|e| e.role == role).unwrap().pid);
        let (vmm, helper, we) = (pid(Role::Vmm), pid(Role::Network), Process(std::process::id()));
        assert_ne!(vmm.link("ns/net"), we.link("ns/net"));
        assert_eq!(helper.link("ns/net"), we.link("ns/net"));
        for namespace in ["user", "mnt", "pid", "ipc", "uts", "cgroup"] {
            let file = format!("ns/{namespace}");
            assert_ne!(helper.link(&file), we.link(&file), "{file}");
        }
        for field in ["CapPrm", "CapEff", "CapBnd"] {
            let sets = helper.of_every_thread(field);
            assert!(sets.iter().all(|s| s.chars().all(|c| c == '0')), "{field} {sets:?}");
        }
        assert!(helper.of_every_thread("Seccomp").iter().all(|s| s == "2"));
        assert_eq!(helper.text("environ"), "");
        let processes = host.traces().processes();
        machine.talk().send(b"\n");
        machine.finish().exits(0);
        watch.nothing_was_refused_to(&processes);
    }
}
