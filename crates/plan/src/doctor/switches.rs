//! The kernel's switches that make the host harder or softer for machines and for whoever leaves one.
//! Of each: what it says where it is well, and what follows where it is not (`Documentation/
//! admin-guide/sysctl` of the kernel).

use super::condition;
use std::collections::BTreeMap;
use svirt_model::{Condition, Grade};

/// One file of the kernel's.
struct Switch {
    path: &'static str,
    what: &'static str,
    well: fn(&str) -> bool,
    /// How it is where it is not well.
    otherwise: Grade,
    consequence: &'static str,
    remedy: &'static str,
}

pub(super) const PTRACE_SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";

const SWITCHES: &[Switch] = &[
    Switch {
        path: "/proc/sys/kernel/randomize_va_space",
        what: "kernel.randomize_va_space",
        well: |says| at_least(says, 2),
        otherwise: Grade::Bad,
        consequence: "a hole in a VMM is easier to use: its memory lies where everybody knows",
        remedy: "sysctl -w kernel.randomize_va_space=2",
    },
    Switch {
        path: "/proc/sys/kernel/kptr_restrict",
        what: "kernel.kptr_restrict",
        well: |says| at_least(says, 1),
        otherwise: Grade::Fair,
        consequence: "programs on the host may learn where the kernel's memory lies; machines see no /proc",
        remedy: "sysctl -w kernel.kptr_restrict=1",
    },
    Switch {
        path: "/proc/sys/kernel/dmesg_restrict",
        what: "kernel.dmesg_restrict",
        well: |says| at_least(says, 1),
        otherwise: Grade::Fair,
        consequence: "programs on the host may read the kernel's log, with its addresses; machines may not",
        remedy: "sysctl -w kernel.dmesg_restrict=1",
    },
    Switch {
        path: "/proc/sys/kernel/unprivileged_bpf_disabled",
        what: "kernel.unprivileged_bpf_disabled",
        well: |says| at_least(says, 1),
        otherwise: Grade::Fair,
        consequence: "every program may load BPF into the kernel; machines may not make the call",
        remedy: "sysctl -w kernel.unprivileged_bpf_disabled=1",
    },
    Switch {
        path: "/proc/sys/vm/unprivileged_userfaultfd",
        what: "vm.unprivileged_userfaultfd",
        well: |says| says == "0",
        otherwise: Grade::Fair,
        consequence: "every program may stop the kernel while it reads memory; machines may not make the call",
        remedy: "sysctl -w vm.unprivileged_userfaultfd=0",
    },
    Switch {
        path: "/proc/sys/kernel/io_uring_disabled",
        what: "kernel.io_uring_disabled",
        well: |says| at_least(says, 1),
        otherwise: Grade::Note,
        consequence: "every program may use io_uring; machines may not make the call",
        remedy: "sysctl -w kernel.io_uring_disabled=1",
    },
    Switch {
        path: "/proc/sys/kernel/perf_event_paranoid",
        what: "kernel.perf_event_paranoid",
        well: |says| at_least(says, 2),
        otherwise: Grade::Fair,
        consequence: "programs on the host may measure the kernel, and with it machines; machines may not",
        remedy: "sysctl -w kernel.perf_event_paranoid=2",
    },
    Switch {
        path: PTRACE_SCOPE,
        what: "kernel.yama.ptrace_scope",
        well: |says| at_least(says, 1),
        otherwise: Grade::Note,
        consequence: "a program may look into every other of its user",
        remedy: "sysctl -w kernel.yama.ptrace_scope=1",
    },
    Switch {
        path: "/proc/sys/fs/protected_symlinks",
        what: "fs.protected_symlinks",
        well: |says| at_least(says, 1),
        otherwise: Grade::Fair,
        consequence: "links that another user planted are followed by other programs; sVirt follows none",
        remedy: "sysctl -w fs.protected_symlinks=1",
    },
    Switch {
        path: "/proc/sys/fs/protected_hardlinks",
        what: "fs.protected_hardlinks",
        well: |says| at_least(says, 1),
        otherwise: Grade::Fair,
        consequence: "a user may give another's file a second name; sVirt labels no file that has two",
        remedy: "sysctl -w fs.protected_hardlinks=1",
    },
    Switch {
        path: "/proc/sys/fs/suid_dumpable",
        what: "fs.suid_dumpable",
        well: |says| says == "0",
        otherwise: Grade::Fair,
        consequence: "programs that changed their user leave their memory on the disk; machines never do",
        remedy: "sysctl -w fs.suid_dumpable=0",
    },
    Switch {
        path: "/proc/sys/vm/mmap_min_addr",
        what: "vm.mmap_min_addr",
        well: |says| at_least(says, 4096),
        otherwise: Grade::Fair,
        consequence: "a null pointer in the kernel can be used",
        remedy: "sysctl -w vm.mmap_min_addr=65536",
    },
    Switch {
        path: "/sys/kernel/security/lockdown",
        what: "lockdown",
        well: |says| !says.contains("[none]"),
        otherwise: Grade::Note,
        consequence: "root on the host may change the running kernel; machines have no root on the host",
        remedy: "boot with lockdown=integrity",
    },
    Switch {
        path: "/sys/kernel/mm/ksm/run",
        what: "kernel same-page merging",
        well: |says| says != "1",
        otherwise: Grade::Bad,
        consequence: "machines share pages that are alike, and can tell which: a way from one to another",
        remedy: "echo 2 > /sys/kernel/mm/ksm/run",
    },
    Switch {
        path: "/sys/devices/system/cpu/smt/active",
        what: "threads of one core (SMT)",
        well: |says| says == "0",
        otherwise: Grade::Note,
        consequence: "two machines may run on one core at once, and measure each other",
        remedy: "echo off > /sys/devices/system/cpu/smt/control",
    },
    Switch {
        path: "/sys/module/kvm_intel/parameters/nested",
        what: "nested virtualization (kvm_intel)",
        well: off,
        otherwise: Grade::Fair,
        consequence: "guests reach the kernel's code for machines in machines, which has had holes",
        remedy: "load kvm_intel with nested=0",
    },
    Switch {
        path: "/sys/module/kvm_amd/parameters/nested",
        what: "nested virtualization (kvm_amd)",
        well: off,
        otherwise: Grade::Fair,
        consequence: "guests reach the kernel's code for machines in machines, which has had holes",
        remedy: "load kvm_amd with nested=0",
    },
    Switch {
        path: "/sys/fs/selinux/disable",
        what: "SELinux can be switched off while it runs",
        well: |_| false,
        otherwise: Grade::Fair,
        consequence: "whoever becomes root before a policy is loaded needs no reboot to be rid of it",
        remedy: "a kernel without CONFIG_SECURITY_SELINUX_DISABLE (Linux 6.4)",
    },
];

/// The files that are judged.
pub fn files() -> Vec<&'static str> {
    SWITCHES.iter().map(|switch| switch.path).collect()
}

/// One condition for each switch that the host has.
pub(super) fn conditions(files: &BTreeMap<String, String>) -> Vec<Condition> {
    let one = |switch: &Switch| {
        let says = files.get(switch.path)?;
        Some(match (switch.well)(says) {
            true => condition(switch.what, says, Grade::Good, "", ""),
            false => {
                let Switch { what, otherwise, consequence, remedy, .. } = switch;
                condition(*what, says, *otherwise, *consequence, *remedy)
            }
        })
    };
    SWITCHES.iter().filter_map(one).collect()
}

/// The number that a file says.
pub(super) fn number(files: &BTreeMap<String, String>, path: &str) -> Option<i64> {
    files.get(path)?.parse().ok()
}

fn at_least(says: &str, least: i64) -> bool {
    says.parse().is_ok_and(|number: i64| number >= least)
}

fn off(says: &str) -> bool {
    matches!(says, "0" | "N")
}
