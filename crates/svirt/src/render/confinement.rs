//! A process's confinement, a fact a line.

use super::{
    resources::{channel, stream},
    table::facts,
};
use crate::quote;
use svirt_model::{
    Confinement, Descriptor, DescriptorSource, ExecutableMemory, Identity, Landlock, Limit,
    Namespace, SyscallProfile,
};

/// The facts that are not a layer's or a resource's.
pub(crate) fn text(confinement: &Confinement) -> String {
    let Confinement { arguments, namespaces, limits, cgroups, descriptors, entries, .. } =
        confinement;
    let namespaces: Vec<_> = namespaces.iter().map(|n| namespace(*n)).collect();
    let limits: Vec<_> = limits.iter().map(|(what, value)| limit(*what, *value)).collect();
    let cgroups: Vec<_> = cgroups.iter().map(|path| path.display().to_string()).collect();
    let descriptors: Vec<_> = descriptors.iter().map(descriptor).collect();
    let root = if confinement.own_root { "its own" } else { "the host's" };
    facts(&[
        ("program", confinement.program.path.display().to_string()),
        ("arguments", quote::command(arguments.get(1..).unwrap_or_default())),
        ("environment", or_none(&confinement.environment.join(" "))),
        ("user", identity(confinement.identity)),
        ("namespaces", or_none(&namespaces.join(", "))),
        ("root", format!("{root}, with {} entries", entries.len())),
        ("descriptors", or_none(&descriptors.join(", "))),
        ("landlock", confinement.landlock.as_ref().map_or("none".into(), landlock)),
        ("system calls", confinement.seccomp.map_or("all", profile).into()),
        ("memory", memory(confinement.executable_memory).into()),
        ("limits", or_none(&limits.join(", "))),
        ("control groups", or_none(&cgroups.join(", "))),
    ])
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".into() } else { text.into() }
}

fn identity(Identity { uid, gid, own, keeps_groups, .. }: Identity) -> String {
    let own = if own { "which nothing else has" } else { "which other processes have too" };
    let groups = if keeps_groups { "; the groups of its user stay" } else { "" };
    format!("{uid}:{gid}, {own}{groups}")
}

fn namespace(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::User => "user",
        Namespace::Mount => "mount",
        Namespace::Pid => "pid",
        Namespace::Ipc => "ipc",
        Namespace::Net => "net",
        Namespace::Uts => "uts",
        Namespace::Cgroup => "cgroup",
    }
}

fn landlock(Landlock { abi, connect_tcp }: &Landlock) -> String {
    match (abi, connect_tcp) {
        // Before its fourth ABI, Landlock does not govern TCP.
        (..4, _) => format!("ABI {abi}"),
        (_, true) => format!("ABI {abi}, TCP left to the process"),
        (_, false) => format!("ABI {abi}, no TCP"),
    }
}

fn profile(profile: SyscallProfile) -> &'static str {
    match profile {
        SyscallProfile::Qemu => "those that QEMU needs",
        SyscallProfile::Passt => "those that passt needs",
        SyscallProfile::Generic => "a wide list, since the program is not known",
    }
}

fn memory(memory: ExecutableMemory) -> &'static str {
    match memory {
        ExecutableMemory::Allowed => "what was written may be executed",
        ExecutableMemory::Denied => "what was written is never executed",
    }
}

fn limit(limit: Limit, value: u64) -> String {
    let what = match limit {
        Limit::Core => "core dumps",
        Limit::Processes => "processes and threads",
        Limit::Files => "descriptors",
        Limit::LockedMemory => "locked bytes",
        Limit::FileSize => "bytes in a file",
        Limit::MessageQueues => "bytes in message queues",
    };
    if value == u64::MAX { format!("no limit on {what}") } else { format!("{value} {what}") }
}

fn descriptor(descriptor: &Descriptor) -> String {
    let what = match &descriptor.source {
        DescriptorSource::Read(object) => format!("{} (read)", object.path.display()),
        DescriptorSource::ReadWrite(object) => format!("{} (read, write)", object.path.display()),
        DescriptorSource::Scratch(_) => "scratch".into(),
        DescriptorSource::Channel(which) => channel(*which).into(),
        DescriptorSource::Stream(which) => stream(*which).into(),
        DescriptorSource::Null => "/dev/null".into(),
    };
    format!("{} {what}", descriptor.number)
}
