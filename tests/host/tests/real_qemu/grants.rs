//! Least privilege: each thing that a machine may open by name is left out in turn, from its plan on, and
//! machines live once more: one of them must miss it, or it says here what needs it.

use std::{
    collections::BTreeSet,
    env, fs,
    process::{Command, Stdio},
};
use svirt_model::{Grant, Plan};
use svirt_testkit::{Caller, Host, Outcome, Skipped, check, claims, has_program, linux};

/// What no machine of these tests misses, and what needs it.
const IDLE: &[(&str, &str)] = &[(
    "VMM:/dev/null",
    "QEMU tries on it whether the kernel has locks of open files: without it its disks have the older kind, \
     which whoever closes another descriptor of the file ends",
)];

/// The linker once more, under the name by which the C library needs it. glibc's knows itself by that
/// name and opens nothing; others look for it.
const LINKER: &str = "ld-linux";

/// What a shell opens whose script says so.
const DEVICES: &str = ": < /dev/null && : < /dev/zero && : < /dev/urandom";

/// A machine's life.
struct Life {
    /// The claim in which it is lived.
    claim: &'static str,
    /// What `svirt plan` shows of it.
    words: fn(&Host) -> Result<Vec<String>, Skipped>,
}

const PROGRAMS: [Life; 2] = [
    Life { claim: "a_program_runs", words: no_words },
    Life { claim: "a_shell_runs", words: shell },
];
const MACHINES: [Life; 2] = [
    Life { claim: "a_guest_reads_its_disk", words: guest },
    Life { claim: "a_linux_guest_has_disks_and_a_network", words: linux_guest },
];

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn no_words(_: &Host) -> Result<Vec<String>, Skipped> {
    Ok(owned(&["exec", "--", "/bin/true"]))
}

fn shell(_: &Host) -> Result<Vec<String>, Skipped> {
    Ok(owned(&["exec", "--", "/bin/dash", "-c", DEVICES]))
}

fn disk(host: &Host, name: &str) -> String {
    let mut bytes = vec![0; 64 * 512];
    bytes[..13].copy_from_slice(b"from the host");
    host.file(name, &bytes).to_string_lossy().into_owned()
}

fn guest(host: &Host) -> Result<Vec<String>, Skipped> {
    let disk = disk(host, "disk.raw");
    Ok(owned(&["run", "--accel", "tcg", "--net", "none", "--append", "plain", "--disk", &disk]))
}

/// It says what is on its disks, and that somebody has given it an address.
const SCRIPT: &str = r#"head -c 13 /dev/vda; echo
echo "from the guest" | dd of=/dev/vda bs=512 seek=1 conv=fsync 2> /dev/null
head -c 13 /dev/vdb; echo
printf '#!/bin/sh\n[ "$1" = bound ] && echo "LEASE $ip $dns"\n' > /bin/lease
chmod 755 /bin/lease
ip link set eth0 up
udhcpc -i eth0 -n -q -f -s /bin/lease
echo DONE
poweroff -f"#;

fn linux_guest(host: &Host) -> Result<Vec<String>, Skipped> {
    let linux = linux()?;
    if !has_program("passt") {
        return Err(Skipped::because("there is no passt"));
    }
    let (kernel, initrd) = (host.path("kernel"), host.path("initrd"));
    linux.initrd(&initrd, SCRIPT);
    fs::copy(&linux.kernel, &kernel).expect("a file of ours");
    host.give(&initrd);
    host.give(&kernel);
    let (one, other) = (disk(host, "one.raw"), disk(host, "other.raw"));
    let (kernel, initrd) = (kernel.to_str().expect("UTF-8"), initrd.to_str().expect("UTF-8"));
    let machine = ["run", "--accel", "tcg", "--memory", "256M", "--net", "user"];
    let boots = ["--kernel", kernel, "--initrd", initrd, "--disk", &one, "--disk", &other];
    let says = ["--append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on"];
    Ok(owned(&[&machine[..], &boots, &says].concat()))
}

fn lived(host: &Host, words: &[String]) -> svirt_testkit::Said {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    host.run(&words)
}

claims! {
    /// A program that does nothing.
    fn a_program_runs(host) {
        lived(host, &no_words(host)?).exits(0);
    }

    /// A shell, and what every program may open.
    fn a_shell_runs(host) {
        lived(host, &shell(host)?).exits(0);
    }

    /// sVirt's own guest, without a network.
    fn a_guest_reads_its_disk(host) {
        let words = guest(host)?;
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let mut machine = host.boot_with("granted", &words);
        machine.ready();
        assert!(machine.ask("read 0 0").contains("from the host"));
        machine.ends_after("poweroff").exits(0);
    }

    /// A guest of Debian's kernel.
    fn a_linux_guest_has_disks_and_a_network(host) {
        let words = linux_guest(host)?;
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let mut machine = host.boot_with("granted", &words);
        let said = machine.talk().wait_for("DONE");
        assert_eq!(said.matches("from the host").count(), 2, "{said}");
        let lease = said.lines().find_map(|line| line.split_once("LEASE ")).expect("a lease").1;
        // How the host resolves names is passed on, where it does.
        let resolves = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let resolves = resolves.lines().any(|line| line.starts_with("nameserver"));
        assert_eq!(lease.split_whitespace().count() > 1, resolves, "{lease}");
        machine.finish().exits(0);
        let disk = fs::read(host.path("one.raw")).expect("ours");
        assert!(disk[512..].starts_with(b"from the guest"));
    }
}

/// What a machine's processes may open, each with whose it is; but for what its user named, and its own
/// directory, which are elsewhere in each test.
fn granted(host: &Host, life: &Life, which: fn(Grant) -> bool) -> Result<Vec<String>, Skipped> {
    let words = (life.words)(host)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = host.run(&[&["plan", words[0], "--json"], &words[1..]].concat()).exits(0).out;
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let plan: Plan = serde_json::from_value(said["plan"].clone()).expect("a plan");
    let mut all = Vec::new();
    for process in plan.processes {
        let (role, program) = (process.role, process.confinement.program.path);
        let entries = process.confinement.entries.into_iter();
        let own = host.path("");
        let entries = entries.filter(|e| which(e.grant) && e.at != program);
        let entries = entries.filter(|e| !e.at.starts_with(&own));
        all.extend(entries.map(|entry| format!("{role}:{}", entry.at.display())));
    }
    Ok(all)
}

/// Whether a life is lived in another process, without one thing.
fn goes_well(life: &Life, without: &str) -> bool {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    let claim = format!("real_qemu::grants::{}::as_root", life.claim);
    command.args(["--exact", &claim]).env(svirt_fault::LEFT_OUT, without);
    command.stdin(Stdio::null()).output().expect("it starts").status.success()
}

/// What each of these lives is lived without.
fn missed_by_none(host: &Host, lives: &[Life], which: fn(Grant) -> bool) -> Outcome {
    let mut idle = BTreeSet::new();
    let mut missed = BTreeSet::new();
    for life in lives {
        assert!(goes_well(life, ""), "{} does not go well", life.claim);
        for name in granted(host, life, which)? {
            if !missed.contains(&name) && goes_well(life, &name) {
                idle.insert(name);
            } else {
                idle.remove(&name);
                missed.insert(name);
            }
        }
    }
    idle.retain(|name| !name.contains(LINKER));
    let known: BTreeSet<_> = IDLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let unknown: Vec<_> = idle.difference(&known).collect();
    assert!(unknown.is_empty(), "nothing misses these, and they do not say so: {unknown:?}");
    Ok(())
}

fn every_grant(host: &Host) -> Outcome {
    missed_by_none(host, &PROGRAMS, |_| true)?;
    missed_by_none(host, &MACHINES, |_| true)
}

/// `cargo xtask soak --privileges` runs this.
#[test]
#[ignore = "it lasts: cargo xtask soak --privileges"]
fn every_grant_is_missed() {
    check(Caller::Root, "real_qemu::grants::every_grant_is_missed", every_grant);
}

fn what_is_no_code(host: &Host) -> Outcome {
    let no_code = |grant| grant != Grant::Execute;
    missed_by_none(host, &PROGRAMS, no_code)
}

#[test]
fn what_a_program_is_given_it_needs() {
    let name = "real_qemu::grants::what_a_program_is_given_it_needs";
    check(Caller::Root, name, what_is_no_code);
}
