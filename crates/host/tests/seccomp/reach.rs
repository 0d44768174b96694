//! How much of the kernel is behind a filter: how many system calls, and how many requests of ioctl, it
//! lets through for some arguments. The same is asked of every filter, whoever made it.

use crate::{confined::filters_of, machine::QEMU};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};
use svirt_host::seccomp::compile;
use svirt_model::{ExecutableMemory::Allowed, SyscallProfile};
use svirt_policy::seccomp::profile;

/// The system calls that the C library's headers name, and their numbers.
const HEADER: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
/// What containers are given by default: the package golang-github-containers-common, whose file is
/// Docker's with a few calls more.
const CONTAINERS: &str = "/usr/share/containers/seccomp.json";
/// What Docker and others leave to a container.
const KEPT: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];
/// `AUDIT_ARCH_X86_64`.
const ARCHITECTURE: u32 = 0xc000_003e;
/// An ioctl's type and number, the lower half of its request (`_IOC` of `asm-generic/ioctl.h`).
const REQUESTS: u32 = 1 << 16;

/// Where a filter stands: the next instruction, and what it has loaded if that is known.
type Place = (usize, Option<u32>);

/// A filter's instructions, `struct sock_filter` each.
struct Filter(Vec<[u8; 8]>);

impl Filter {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.chunks_exact(8).map(|code| code.try_into().expect("eight bytes")).collect())
    }

    /// Whether it lets a call through, for any arguments but a given second one. It never jumps back.
    fn lets_through(&self, number: u32, second: Option<u32>) -> bool {
        let mut left: Vec<Place> = vec![(0, None)];
        while let Some(place) = left.pop() {
            match step(self.0[place.0], place, number, second) {
                Step::Ends(true) => return true,
                Step::Ends(false) => {}
                Step::Goes(to) => left.push(to),
                Step::Parts(one, other) => left.extend([one, other]),
            }
        }
        false
    }
}

enum Step {
    Ends(bool),
    Goes(Place),
    Parts(Place, Place),
}

/// One instruction of `struct sock_filter` (`linux/filter.h`).
fn step(code: [u8; 8], (at, loaded): Place, number: u32, second: Option<u32>) -> Step {
    let operation = u16::from_ne_bytes([code[0], code[1]]);
    let (when_true, when_false) = (usize::from(code[2]), usize::from(code[3]));
    let operand = u32::from_ne_bytes([code[4], code[5], code[6], code[7]]);
    let goes = |value| Step::Goes((at + 1, value));
    let jumps = |holds: fn(u32, u32) -> bool| match loaded.map(|value| holds(value, operand)) {
        Some(true) => Step::Goes((at + 1 + when_true, loaded)),
        Some(false) => Step::Goes((at + 1 + when_false, loaded)),
        None => Step::Parts((at + 1 + when_true, None), (at + 1 + when_false, None)),
    };
    match operation {
        // BPF_LD | BPF_W | BPF_ABS, of `struct seccomp_data`.
        0x20 => goes(match operand {
            0 => Some(number),
            4 => Some(ARCHITECTURE),
            24 => second,
            _ => None,
        }),
        0x54 => goes(loaded.map(|value| value & operand)),
        0x05 => Step::Goes((at + 1 + operand as usize, loaded)),
        0x15 => jumps(|value, operand| value == operand),
        0x25 => jumps(|value, operand| value > operand),
        0x35 => jumps(|value, operand| value >= operand),
        0x45 => jumps(|value, operand| value & operand != 0),
        // BPF_RET | BPF_K: SECCOMP_RET_ALLOW or SECCOMP_RET_LOG.
        0x06 => Step::Ends((0x7ffc_0000..0x8000_0000).contains(&operand)),
        other => panic!("an instruction {other:#x} that no filter here has"),
    }
}

/// What all of a process's filters let through.
struct Reach {
    calls: BTreeSet<String>,
    requests: usize,
}

fn reach(filters: &[Filter], calls: &BTreeMap<String, u32>) -> Reach {
    let through = |number, second| filters.iter().all(|f| f.lets_through(number, second));
    let reached = calls.iter().filter(|(_, number)| through(**number, None));
    let ioctl = calls["ioctl"];
    let requests = (0..REQUESTS).filter(|request| through(ioctl, Some(*request)));
    Reach { calls: reached.map(|(name, _)| name.clone()).collect(), requests: requests.count() }
}

fn calls() -> Option<BTreeMap<String, u32>> {
    let text = fs::read_to_string(HEADER).ok()?;
    let call = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    Some(text.lines().filter_map(call).collect())
}

fn ours(which: SyscallProfile) -> Vec<Filter> {
    vec![Filter::of(&compile(profile(which), Allowed).expect("it is compiled"))]
}

/// The filters that QEMU installs by itself, where this process may read them.
fn qemus_own() -> Option<Vec<Filter>> {
    let arguments = "-machine none -nodefaults -display none -qmp stdio \
                     -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
    let mut command = Command::new(QEMU);
    command.args(arguments.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("QEMU starts");
    let mut greeting = String::new();
    let said =
        BufReader::new(child.stdout.take().expect("it was asked for")).read_line(&mut greeting);
    let filters = filters_of(child.id());
    child.kill().expect("it runs");
    child.wait().expect("it can be waited for");
    assert!(said.is_ok() && greeting.contains("QMP"), "{greeting:?}");
    Some(filters.ok()?.iter().map(|filter| Filter::of(filter)).collect())
}

/// The names that the containers' file lets through for some arguments.
fn containers(calls: &BTreeMap<String, u32>) -> Option<BTreeSet<String>> {
    let text = fs::read_to_string(CONTAINERS).ok()?;
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let list = |value: &serde_json::Value| -> Vec<String> {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(|one| Some(one.as_str()?.to_owned())).collect()
    };
    let applies = |entry: &&serde_json::Value| {
        let kept = |caps: Vec<String>| caps.iter().all(|cap| KEPT.contains(&cap.as_str()));
        let arches = list(&entry["includes"]["arches"]);
        entry["action"] == "SCMP_ACT_ALLOW"
            && kept(list(&entry["includes"]["caps"]))
            && (arches.is_empty() || arches.iter().any(|arch| arch == "amd64"))
            && !list(&entry["excludes"]["caps"]).iter().any(|cap| KEPT.contains(&cap.as_str()))
            && !list(&entry["excludes"]["arches"]).iter().any(|arch| arch == "amd64")
    };
    let entries = file["syscalls"].as_array().into_iter().flatten().filter(applies);
    let names = entries.flat_map(|entry| list(&entry["names"]));
    Some(names.filter(|name| calls.contains_key(name)).collect())
}

/// What sVirt's filter of QEMU lets through is a part of what QEMU lets itself do, and less than half.
#[test]
fn a_machine_reaches_less_than_half_of_what_a_real_qemu_leaves_itself() {
    let (Some(calls), Some(theirs)) = (calls(), qemus_own()) else {
        return svirt_testkit::skipped("no header names the calls, or no filter can be read");
    };
    let ours = reach(&ours(SyscallProfile::Qemu), &calls);
    let theirs = reach(&theirs, &calls);
    assert!(
        ours.calls.len() * 2 < theirs.calls.len(),
        "{} {}",
        ours.calls.len(),
        theirs.calls.len()
    );
    assert!(ours.requests < 1000 && theirs.requests == REQUESTS as usize);
}

/// Every call that has a rule that may allow it is reached, and no other.
#[test]
fn what_a_filter_lets_through_is_what_its_profile_allows() {
    let Some(calls) = calls() else { return svirt_testkit::skipped("no header names the calls") };
    for which in [SyscallProfile::Qemu, SyscallProfile::Passt, SyscallProfile::Generic] {
        let rules = profile(which).rules_for(Allowed);
        let allowed = rules.filter(|rule| rule.answer == svirt_policy::seccomp::Answer::Allow);
        let named = |call: &str| calls.contains_key(call);
        let allowed: BTreeSet<String> =
            allowed.map(|rule| rule.call.to_owned()).filter(|call| named(call)).collect();
        assert_eq!(reach(&ours(which), &calls).calls, allowed, "{which:?}");
    }
}

/// For the measurements: so many calls and requests.
#[test]
#[ignore = "it is no test: cargo xtask bench --only reach"]
fn reached() {
    let Some(calls) = calls() else { return };
    let tell = |name: &str, found: &Reach| {
        println!("reached {} {} {name}", found.calls.len(), found.requests);
    };
    tell("QEMU in a machine", &reach(&ours(SyscallProfile::Qemu), &calls));
    tell("passt", &reach(&ours(SyscallProfile::Passt), &calls));
    tell("a program of one's own", &reach(&ours(SyscallProfile::Generic), &calls));
    if let Some(theirs) = qemus_own() {
        tell("QEMU -sandbox on", &reach(&theirs, &calls));
    }
    if let Some(names) = containers(&calls) {
        tell("containers' seccomp.json", &Reach { calls: names, requests: REQUESTS as usize });
    }
    tell("no filter", &reach(&[], &calls));
}
