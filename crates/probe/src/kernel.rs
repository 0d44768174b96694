//! Large or dangerous parts of the kernel.

use crate::{
    Attempt, Given, Group, Target,
    attempt::{Failed, Tried, call, returned},
};
use nix::errno::Errno;
use rustix::system::uname;
use std::{
    fs::{self, File, OpenOptions},
    io::Read,
};
use svirt_host::sys::{Try, foreign_entrance};

/// What no module, file or file system is called.
const NOTHING: &str = "svirt-drill-nothing";
const NO_FILE: &str = "/svirt-drill-nothing";

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Kernel, word, texts, make)
}

use Target::Directory;

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "bpf",
        [
            "give the kernel a program's memory (bpf)",
            "programs within the kernel, whose checker has had holes",
        ],
        |_| call(Try::BpfMap, ""),
    ),
    a(
        "io-uring",
        [
            "make a ring of requests (io_uring)",
            "calls that no filter sees, by a part with many holes in its past",
        ],
        |_| call(Try::IoUring, ""),
    ),
    a(
        "userfaultfd",
        ["stop the kernel in the middle of a copy (userfaultfd)", "it makes races easy to win"],
        |_| call(Try::UserFault, ""),
    ),
    a(
        "perf",
        [
            "count events of the processor (perf_event_open)",
            "what others compute, and a part with many holes in its past",
        ],
        |_| call(Try::Perf, ""),
    ),
    a(
        "load-kernel",
        ["load another kernel (kexec_load)", "whatever the host does from then on"],
        |_| call(Try::KexecLoad, ""),
    ),
    a(
        "load-module",
        ["load a module (init_module)", "whatever the host does from then on"],
        |_| call(Try::InitModule, ""),
    ),
    a(
        "load-module-file",
        ["load a module from a file (finit_module)", "whatever the host does from then on"],
        |_| call(Try::FinitModule, ""),
    ),
    a("remove-module", ["remove a module", "a driver or a security module of the host's"], |_| {
        call(Try::DeleteModule, NOTHING)
    }),
    a(
        "read-kernel-log",
        ["read the kernel's log (syslog)", "addresses within the kernel, and what others do"],
        |_| call(Try::KernelLog, ""),
    ),
    a(
        "accounting",
        ["have the host's processes accounted (acct)", "a file that the kernel writes to"],
        |_| call(Try::Account, NO_FILE),
    ),
    a("swap-on", ["have the host swap to a file", "the memory of every machine"], |_| {
        call(Try::SwapOn, NO_FILE)
    }),
    a(
        "swap-off",
        ["stop the host from swapping", "memory runs out, and a machine is killed"],
        |_| call(Try::SwapOff, NO_FILE),
    ),
    a("restart-host", ["restart the host", "all other machines of the host at once"], |_| {
        call(Try::Reboot, "")
    }),
    a(
        "set-clock",
        ["set the host's clock", "certificates, logs and other machines' clocks"],
        |_| call(Try::SetTime, ""),
    ),
    a("set-host-name", ["set the host's name, to what it is", "logs and certificates"], |_| {
        named(Try::SetHostName)
    }),
    a(
        "set-domain-name",
        [
            "set the host's domain, to what it is",
            "it stands in logs and certificates, as the name does",
        ],
        |_| named(Try::SetDomainName),
    ),
    a("ports", ["use the processor's ports (ioperm)", "every device, past its driver"], |_| {
        ports()
    }),
    a(
        "segments-table",
        [
            "read the processor's table of segments (modify_ldt)",
            "a part of the kernel with holes in its past",
        ],
        |_| call(Try::ReadLdt, ""),
    ),
    a("mount", ["mount a file system", "another root, with what it wants in it"], |_| {
        call(Try::Mount, NOTHING)
    }),
    a("unmount", ["unmount what lies over another", "what was hidden beneath"], |t| {
        call(Try::Unmount, t)
    })
    .on(Directory),
    a(
        "change-root",
        ["change to another root (pivot_root)", "what was outside its root is within again"],
        |t| call(Try::PivotRoot, t),
    )
    .on(Directory),
    a(
        "enter-root",
        ["make a directory the root (chroot)", "a root that is left by its own descriptors"],
        |_| call(Try::Chroot, "/"),
    ),
    a(
        "new-file-system",
        [
            "make a file system that is nowhere yet (fsopen)",
            "what mount does, in parts that a filter forgets",
        ],
        |_| call(Try::FsOpen, "tmpfs"),
    ),
    a(
        "change-file-system",
        ["change a file system that is there (fspick)", "what is read-only becomes writable"],
        |t| call(Try::FsPick, t),
    )
    .on(Directory),
    a("copy-mount", ["copy a mount (open_tree)", "a copy without the flags of the first"], |_| {
        call(Try::OpenTree, "/")
    }),
    a("move-mount", ["move a mount", "one thing in another's place"], |t| call(Try::MoveMount, t))
        .on(Directory),
    a(
        "change-mount",
        ["change a mount's flags (mount_setattr)", "what is read-only becomes writable"],
        |t| call(Try::MountAttributes, t),
    )
    .on(Directory),
    a("list-mounts", ["list mounts (listmount)", "where things lie on the host"], |_| {
        call(Try::ListMount, "")
    }),
    a("look-at-mount", ["look at a mount (statmount)", "where things lie on the host"], |_| {
        call(Try::StatMount, "")
    }),
    a(
        "list-security-modules",
        ["ask which security modules there are", "what is to be got past"],
        |_| call(Try::ListModules, ""),
    ),
    a(
        "filter-listener",
        ["ask how a filter asks another process", "a process that answers in the kernel's place"],
        |_| call(Try::NotificationSizes, ""),
    )
    .unless(Given::OwnObjects),
    a(
        "secret-memory",
        [
            "have memory that the kernel itself does not map (memfd_secret)",
            "the host does not sleep any more, and nobody can look",
        ],
        |_| call(Try::SecretMemory, ""),
    ),
    a(
        "unknown-call",
        ["make a system call that no kernel has", "the next kernel has it, and no filter knows it"],
        |_| call(Try::NoCall, ""),
    ),
    a(
        "other-numbers",
        [
            "make a system call by the numbers of another ABI (x32)",
            "a filter that looks at numbers alone is got past",
        ],
        |_| call(Try::X32, ""),
    ),
    a(
        "other-entrance",
        [
            "make a system call by the entrance for 32-bit programs",
            "a filter that looks at numbers alone is got past",
        ],
        |_| Ok(format!("done: {}", foreign_entrance()?)),
    ),
    a(
        "read-mounts",
        ["read the list of mounts (/proc/self/mountinfo)", "where things lie on the host"],
        |_| read("/proc/self/mountinfo"),
    ),
    a(
        "read-symbols",
        ["read the kernel's addresses (/proc/kallsyms)", "an attack on the kernel needs these"],
        |_| symbols(),
    ),
    a(
        "read-kernel-memory",
        ["read the kernel's memory (/proc/kcore)", "every secret of every machine"],
        |_| read("/proc/kcore"),
    ),
    a("read-command-line", ["read the kernel's command line", "passwords and settings"], |_| {
        read("/proc/cmdline")
    }),
    a(
        "read-configuration",
        ["read the kernel's settings (/proc/sys)", "which holes are open in this kernel"],
        |_| read("/proc/sys/kernel/osrelease"),
    ),
    a(
        "set-core-program",
        [
            "open the setting of what is started for a program that crashed",
            "the kernel starts it as root",
        ],
        |_| writable("/proc/sys/kernel/core_pattern"),
    ),
    a(
        "set-module-program",
        ["open the setting of what loads modules", "the kernel starts it as root"],
        |_| writable("/proc/sys/kernel/modprobe"),
    ),
    a(
        "press-key",
        [
            "open the emergency keyboard (/proc/sysrq-trigger)",
            "it restarts the host, or ends what it wants",
        ],
        |_| writable("/proc/sysrq-trigger"),
    ),
    a(
        "read-devices",
        ["look at the host's devices (/sys)", "which hardware there is, and its switches"],
        |_| listed("/sys/class"),
    ),
    a(
        "change-control-groups",
        ["look at the control groups", "its own limits, and those of others"],
        |_| listed("/sys/fs/cgroup"),
    ),
    a(
        "look-at-debugging",
        ["look at the kernel's debugging files", "switches that nobody guards"],
        |_| listed("/sys/kernel/debug"),
    ),
    a(
        "look-at-tracing",
        ["look at the kernel's tracing files", "what every process of the host does"],
        |_| listed("/sys/kernel/tracing"),
    ),
    a(
        "look-at-security",
        ["look at the security modules' files", "policies, and the switches that put them off"],
        |_| listed("/sys/kernel/security"),
    ),
];

fn named(which: Try) -> Tried {
    let name = uname();
    let text = match which {
        Try::SetDomainName => name.domainname(),
        _ => name.nodename(),
    };
    call(which, &text.to_string_lossy())
}

fn ports() -> Tried {
    let made = call(Try::PortOn, "")?;
    returned(Try::PortOff, 0, "")?;
    Ok(made)
}

fn read(path: &str) -> Tried {
    let count = File::open(path)?.read(&mut [0; 64])?;
    Ok(format!("read {count} bytes"))
}

/// To whom it hides them the kernel shows zeroes.
fn symbols() -> Tried {
    let mut text = [0; 16];
    File::open("/proc/kallsyms")?.read_exact(&mut text)?;
    if text == *b"0000000000000000" {
        Err(Failed::Refused(Errno::EPERM))
    } else {
        Ok("read".into())
    }
}

fn writable(path: &str) -> Tried {
    OpenOptions::new().write(true).open(path)?;
    Ok("opened for writing".into())
}

fn listed(path: &str) -> Tried {
    match fs::read_dir(path)?.count() {
        0 => Err(Failed::Refused(Errno::ENOENT)),
        count => Ok(format!("{count} names")),
    }
}
