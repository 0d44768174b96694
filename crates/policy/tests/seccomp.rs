//! What the profiles never contain, and which data files do not build.

#[path = "../build/check.rs"]
mod check;
#[path = "../build/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{
    ExecutableMemory::{Allowed, Denied},
    SyscallProfile,
};
use svirt_policy::seccomp::{Answer, Profile, init, profile};

fn profiles() -> [&'static Profile; 4] {
    let programs = [SyscallProfile::Qemu, SyscallProfile::Passt, SyscallProfile::Generic];
    let [qemu, passt, generic] = programs.map(profile);
    [init(), qemu, passt, generic]
}

fn made(profile: &Profile) -> BTreeSet<&'static str> {
    profile.rules.iter().filter(|r| r.answer == Answer::Allow).map(|r| r.call).collect()
}

#[test]
fn no_profile_changes_owners_modes_attributes_or_times_of_files() {
    let open_in_landlock = [
        "chmod",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "chown",
        "fchown",
        "lchown",
        "fchownat",
        "setxattr",
        "lsetxattr",
        "fsetxattr",
        "setxattrat",
        "removexattr",
        "lremovexattr",
        "fremovexattr",
        "removexattrat",
        "utime",
        "utimes",
        "futimesat",
        "utimensat",
        "file_setattr",
    ];
    none_is_made(&open_in_landlock);
}

#[test]
fn no_profile_reaches_past_the_confinement() {
    let past = [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "move_mount",
        "open_tree",
        "fsopen",
        "mount_setattr",
        "unshare",
        "setns",
        "clone3",
        "open_by_handle_at",
        "name_to_handle_at",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "process_madvise",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "keyctl",
        "add_key",
        "request_key",
        "init_module",
        "finit_module",
        "kexec_load",
        "kexec_file_load",
        "reboot",
        "swapon",
        "quotactl",
        "acct",
        "settimeofday",
        "clock_settime",
        "syslog",
        "lookup_dcookie",
        "uselib",
        "iopl",
        "ioperm",
        "fanotify_init",
        "remap_file_pages",
        "lsm_set_self_attr",
    ];
    none_is_made(&past);
}

fn none_is_made(calls: &[&str]) {
    for profile in profiles() {
        let made = made(profile);
        for call in calls {
            assert!(!made.contains(call), "{} makes {call}", profile.name);
        }
    }
}

#[test]
fn only_the_generic_profile_makes_processes_and_names_files_to_change() {
    let changing = [
        "fork",
        "vfork",
        "execve",
        "kill",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "mkdir",
        "mkdirat",
        "mknod",
        "mknodat",
        "rmdir",
        "truncate",
    ];
    for profile in profiles().into_iter().filter(|p| !["generic", "init"].contains(&p.name)) {
        let made = made(profile);
        assert!(changing.iter().all(|call| !made.contains(call)), "{}", profile.name);
    }
}

#[test]
fn every_rule_has_a_reason_and_only_what_is_allowed_has_conditions() {
    for profile in profiles() {
        for rule in profile.rules {
            assert!(!rule.why.is_empty(), "{}: {}", profile.name, rule.call);
            assert!(rule.answer == Answer::Allow || rule.when.is_empty(), "{}", rule.call);
        }
    }
}

#[test]
fn memory_that_may_become_executable_widens_a_profile_and_nothing_else_does() {
    for profile in profiles() {
        let names = |memory| -> BTreeSet<_> { profile.rules_for(memory).map(|r| r.call).collect() };
        assert_eq!(names(Allowed), names(Denied), "{}: the same calls have rules", profile.name);
    }
}

/// Where the table of rules is that no run of the tests needs.
#[cfg(target_arch = "x86_64")]
const UNSEEN: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/unseen-system-calls.md");

#[cfg(target_arch = "x86_64")]
fn unseen() -> String {
    let mut text = String::from(
        "# What the filters have that no run of the tests needs\n\n\
         Each rule of each system call filter was taken away in turn, and what is done under it in the tests was \
         done once more:\nby QEMU, by passt, by programs that sVirt does not know (shells, the tools of a Debian, \
         Python, another sandbox, a QEMU that\nnobody knows), and by the first process of machines (Debian 12, \
         x86_64; `cargo xtask soak --privileges`). All others are\nmissed; these say what needs them.\nMade from `crates/policy/seccomp` by its test, with \
         `SVIRT_WRITE=1`; not to be edited.\n\n\
         | filter | call | answer | why it is there | what needs it |\n|---|---|---|---|---|\n",
    );
    let mut seen = Vec::new();
    for profile in profiles() {
        for rule in profile.rules.iter().filter(|rule| rule.unseen.is_some()) {
            if seen.contains(&rule) {
                continue;
            }
            let (answer, needs) = (format!("{:?}", rule.answer), rule.unseen.unwrap_or_default());
            let of = profiles().into_iter().filter(|other| other.rules.contains(rule));
            let of: Vec<_> = of.map(|profile| profile.name).collect();
            let row = [&of.join(", "), rule.call, &answer.to_lowercase(), rule.why, needs];
            text.push_str(&format!("| {} |\n", row.join(" | ")));
            seen.push(rule);
        }
    }
    text
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_table_of_what_is_unseen_is_current() {
    if std::env::var_os("SVIRT_WRITE").is_some() {
        std::fs::write(UNSEEN, unseen()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(UNSEEN).unwrap(), unseen(), "SVIRT_WRITE=1 writes it anew");
}

/// What is wrong with a data file, alone or with one that it includes.
fn fault(text: &str) -> String {
    let common = "[[allow]]\ncalls = [\"read\"]\nwhy = \"It reads.\"\n";
    let files = [("common", common), ("it", text)];
    let parse = |(name, text): (&str, &str)| Ok((name.to_owned(), source::parse(name, text)?));
    let files: Result<BTreeMap<_, _>, String> = files.into_iter().map(parse).collect();
    match files.and_then(|files| check::profile(&files, "it")) {
        Err(fault) => fault,
        Ok(rules) => panic!("accepted: {rules:?}"),
    }
}

fn assert_fault(text: &str, expected: &str) {
    let fault = fault(text);
    assert!(fault.contains(expected), "{text}\n{fault}");
}

#[test]
fn an_entry_without_a_reason_does_not_build() {
    assert_fault("[[allow]]\ncalls = [\"write\"]", "missing field `why`");
    assert_fault("[[allow]]\ncalls = [\"write\"]\nwhy = \" \"", "the reason is empty");
    let unseen = "[[allow]]\ncalls = [\"write\"]\nwhy = \"x\"\nunseen = \"\"";
    assert_fault(unseen, "what needs it, unseen, is empty");
    let by = "[[allow]]\ncalls = [\"write\"]\nwhy = \"x\"\nunseen-by = [\"it\"]";
    assert_fault(by, "and not what does");
    let by = "[[allow]]\ncalls = [\"write\"]\nwhy = \"x\"\nunseen = \"y\"\nunseen-by = [\"other\"]";
    assert_fault(by, "write: there is no other.toml");
}

#[test]
fn an_entry_that_names_nothing_does_not_build() {
    assert_fault("[[allow]]\ncalls = []\nwhy = \"x\"", "there is no call");
    assert_fault("[[allow]]\ncalls = [\"Write\"]\nwhy = \"x\"", "not the name of a system call");
    assert_fault("[[deny]]\ncalls = [\"write\"]\nwhy = \"x\"", "unknown field `deny`");
    assert_fault("include = [\"nothing\"]", "there is no nothing.toml");
    let arch = "[[allow]]\ncalls = [\"write\"]\nwhy = \"x\"\narch = [\"mips\"]";
    assert_fault(arch, "there is no architecture \"mips\"");
}

#[test]
fn what_an_include_decides_is_not_decided_again() {
    for section in ["allow", "enosys", "eperm", "pretend"] {
        let text =
            format!("include = [\"common\"]\n[[{section}]]\ncalls = [\"read\"]\nwhy = \"x\"");
        assert_fault(&text, "read: common.toml already decides this");
    }
    let twice = "[[allow]]\ncalls = [\"write\", \"write\"]\nwhy = \"x\"";
    assert_fault(twice, "write: it.toml already decides this");
}

#[test]
fn a_condition_is_well_formed() {
    let faults = [
        ("{ arg = 1 }", "needs exactly one form"),
        ("{ arg = 1, among = [1], not = [2] }", "needs exactly one form"),
        ("{ arg = 1, among = [1, 1] }", "stands there twice"),
        ("{ arg = 1, has = [\"X\"], lacks = [\"X\"] }", "stands there twice"),
        ("{ arg = 1, among = [\"tiocsti\"] }", "not the name of a constant"),
        ("{ arg = 1, among = [4294967296] }", "when"),
        ("{ arg = 2, among = [1] }", "not one that can be compared"),
        ("{ arg = 1, amongst = [1] }", "amongst"),
    ];
    for (condition, expected) in faults {
        let entry = format!("calls = [\"ioctl\"]\nwhen = [{condition}]\nwhy = \"x\"");
        assert_fault(&format!("[[allow]]\n{entry}"), expected);
    }
    let socket = "calls = [\"socket\"]\nwhen = [{ arg = 0, ioctl-type = 1 }]\nwhy = \"x\"";
    assert_fault(&format!("[[allow]]\n{socket}"), "only ioctls have a type");
    let socket = "calls = [\"socket\"]\nwhen = [{ arg = 0, among = [1] }]\nwhy = \"x\"";
    assert_fault(&format!("[[enosys]]\n{socket}"), "only what is allowed has conditions");
}

#[test]
fn alternatives_of_one_call_do_not_repeat_each_other() {
    let entry =
        |when: &str| format!("[[allow]]\ncalls = [\"ioctl\"]\nwhen = [{when}]\nwhy = \"x\"\n");
    let [a, b] = ["{ arg = 1, among = [1, 2] }", "{ arg = 1, among = [2, 3] }"].map(entry);
    assert_fault(&(a.clone() + &b), "ioctl: it.toml already decides this");
    assert_fault(&(a.clone() + &a), "ioctl: it.toml already decides this");
    let always = "[[allow]]\ncalls = [\"ioctl\"]\nwhy = \"x\"\n";
    assert_fault(&(a + always), "ioctl: it.toml already decides this");
}
