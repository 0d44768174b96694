//! Rights that it gives itself.

use crate::{
    Attempt, Given, Group,
    attempt::{Failed, Tried, call, made, returned},
};
use nix::errno::Errno;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CapabilitySet, capabilities, set_capabilities},
};
use svirt_host::sys::Try;

/// `clone(2)`: the kinds of namespaces.
const MOUNT: i64 = 0x0002_0000;
const CGROUP: i64 = 0x0200_0000;
const UTS: i64 = 0x0400_0000;
const IPC: i64 = 0x0800_0000;
const USER: i64 = 0x1000_0000;
const PID: i64 = 0x2000_0000;
const NET: i64 = 0x4000_0000;
/// The lowest that `setpriority(2)` knows.
const NICEST: i64 = -20;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Privileges, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a("have-capabilities", ["find a capability that it has", "each is a part of root"], |_| have()),
    a(
        "raise-capabilities",
        ["give itself every capability (capset)", "each is a part of root"],
        |_| raise_sets(),
    )
    .spends(),
    a(
        "raise-ambient",
        ["keep a capability across the next program", "a program without a mark gets it"],
        |_| raise_ambient(),
    )
    .spends(),
    a(
        "set-securebits",
        ["set the rules by which root has capabilities", "whoever becomes root has them all again"],
        |_| securebits(),
    ),
    a(
        "become-root",
        ["become root (setuid)", "the whole host, or what a namespace leaves of it"],
        |_| become_other(Try::SetUser, 0),
    )
    .spends(),
    a("become-another", ["become another user", "the machines and files of that user"], |_| {
        become_another()
    })
    .spends(),
    a(
        "become-roots-group",
        ["take the group of root (setgid)", "files that the group may read"],
        |_| become_other(Try::SetGroup, 0),
    )
    .spends(),
    a(
        "take-groups",
        ["take further groups (setgroups)", "disks, KVM and logs belong to groups"],
        |_| call(Try::SetGroups, ""),
    )
    .spends(),
    a(
        "new-user-namespace",
        [
            "make a user namespace (unshare)",
            "every capability, within parts of the kernel that seldom meet a stranger",
        ],
        |_| unshare(USER),
    )
    .spends(),
    a(
        "new-mount-namespace",
        ["make a mount namespace", "mounts of its own, over what the kernel shows"],
        |_| unshare(MOUNT),
    )
    .spends(),
    a(
        "new-network",
        ["make a network namespace", "the kernel's whole network to configure"],
        |_| unshare(NET),
    )
    .spends(),
    a("new-pid-namespace", ["make a pid namespace", "processes that nobody sees"], |_| {
        unshare(PID)
    })
    .spends(),
    a("new-ipc-namespace", ["make an ipc namespace", "objects that nobody counts"], |_| {
        unshare(IPC)
    })
    .spends(),
    a(
        "new-host-name",
        ["make a namespace of host names", "memory of the kernel, of which nobody keeps count"],
        |_| unshare(UTS),
    )
    .spends(),
    a(
        "new-control-groups",
        ["make a namespace of control groups", "another view of its limits"],
        |_| unshare(CGROUP),
    )
    .spends(),
    a(
        "forget-parent",
        ["live on when its parent dies (PR_SET_PDEATHSIG)", "it outlives whoever supervises it"],
        |_| call(Try::ForgetParent, ""),
    ),
    a(
        "adopt-descendants",
        [
            "keep the processes that its descendants leave behind",
            "they are not left to whoever would end them",
        ],
        |_| call(Try::Subreaper, ""),
    )
    .unless(Given::OwnProcesses),
    a(
        "allow-tracers",
        ["let every process trace it", "what reaches it reaches what it holds"],
        |_| call(Try::AllowTracers, ""),
    ),
    a(
        "real-time",
        ["be scheduled before everybody else", "nobody else on the host runs any more"],
        |_| call(Try::RealTime, ""),
    )
    .spends(),
    a("nicer", ["be nicer to itself than to others", "all others on the host wait for it"], |_| {
        made(Try::PriorityOfItself, NICEST, "")
    })
    .spends(),
    a(
        "raise-limit",
        ["raise the limit on its descriptors", "more than its share of the host's table"],
        |_| raise(),
    ),
    a(
        "take-label",
        ["take another label (lsm_set_self_attr)", "a label that reaches more"],
        |_| call(Try::SetLabel, ""),
    ),
    a("keep-groups", ["have groups beside its own", "what they may read, it may"], |_| groups())
        .unless(Given::Groups),
];

fn have() -> Tried {
    let sets = capabilities(None)?;
    let all = sets.effective | sets.permitted | sets.inheritable;
    if all.is_empty() { Err(Failed::Refused(Errno::EPERM)) } else { Ok(format!("{all:?}")) }
}

/// One more than it has, which who has all of them has already.
fn raise_sets() -> Tried {
    let mut sets = capabilities(None)?;
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        *set |= CapabilitySet::DAC_OVERRIDE;
    }
    set_capabilities(None, sets)?;
    Ok("raised".into())
}

/// It has to be one that a program could inherit, which who has it may decide.
fn raise_ambient() -> Tried {
    // Where that is refused, so is what follows.
    let _ = raise_sets();
    call(Try::RaiseAmbient, "")
}

/// Sets them as they are, which takes a capability.
fn securebits() -> Tried {
    let now = returned(Try::ReadSecurebits, 0, "")?;
    made(Try::SetSecurebits, i64::try_from(now).unwrap_or(0), "")
}

/// Whoever it is, there is another.
fn become_another() -> Tried {
    let nobody = 65534;
    let own = i64::from(rustix::process::getuid().as_raw());
    become_other(Try::SetUser, if own == nobody { nobody - 1 } else { nobody })
}

/// To become who it is would be no change.
fn become_other(which: Try, id: i64) -> Tried {
    let own = match which {
        Try::SetUser => rustix::process::getuid().as_raw(),
        _ => rustix::process::getgid().as_raw(),
    };
    match made(which, id, "") {
        Ok(_) if i64::from(own) == id => Ok("it is already".into()),
        other => other,
    }
}

fn unshare(kind: i64) -> Tried {
    made(Try::Unshare, kind, "")
}

fn raise() -> Tried {
    let now = getrlimit(Resource::Nofile);
    let Some(limit) = now.maximum else { return Ok("there is no limit".into()) };
    let more = Some(limit + 1);
    setrlimit(Resource::Nofile, Rlimit { current: now.current, maximum: more })?;
    Ok("raised".into())
}

fn groups() -> Tried {
    let groups = rustix::process::getgroups()?;
    let own = rustix::process::getgid();
    match groups.iter().filter(|group| **group != own).count() {
        0 => Err(Failed::Refused(Errno::EPERM)),
        count => Ok(format!("{count} groups")),
    }
}
