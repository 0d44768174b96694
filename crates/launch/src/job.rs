//! The job as it arrived: the confinement and its descriptors, out of the way of the numbers that
//! the program will have.

use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use svirt_host::{Doing, HostError, launch::wire};
use svirt_model::{Confinement, Namespace};

/// Descriptors that the program will hold have lower numbers than this.
pub(crate) const RESERVED: i32 = 512;

/// The job.
pub(crate) struct Job {
    pub(crate) confinement: Confinement,
    /// One for each of the confinement's entries.
    pub(crate) entries: Vec<OwnedFd>,
    /// One for each of the confinement's descriptors.
    pub(crate) descriptors: Vec<OwnedFd>,
    control_groups: Vec<OwnedFd>,
}

/// Takes the control socket from standard input's place, which the program will need.
pub(crate) fn take_control() -> Result<OwnedFd, HostError> {
    raise_descriptor_limit()?;
    let input = rustix::stdio::stdin();
    rustix::net::sockopt::socket_type(input).doing(|| "find a socket as standard input")?;
    out_of_the_way(input)
}

/// A copy whose number no descriptor of the program will have.
pub(crate) fn out_of_the_way(descriptor: BorrowedFd<'_>) -> Result<OwnedFd, HostError> {
    rustix::io::fcntl_dupfd_cloexec(descriptor, RESERVED).doing(|| "move a descriptor")
}

fn raise_descriptor_limit() -> Result<(), HostError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .doing(|| "raise the limit on descriptors")
}

impl Job {
    pub(crate) fn receive(control: BorrowedFd<'_>) -> Result<Self, HostError> {
        let received = wire::receive::<wire::Job>(control)?;
        let job = received.ok_or(Errno::PIPE).doing(|| "receive the job")?.message;
        let mut descriptors = Vec::with_capacity(job.descriptors);
        for descriptor in wire::receive_descriptors(control, job.descriptors)? {
            descriptors.push(out_of_the_way(descriptor.as_fd())?);
        }
        Self::sort(job.confinement, descriptors)
    }

    fn sort(confinement: Confinement, mut all: Vec<OwnedFd>) -> Result<Self, HostError> {
        let (entries, held) = (confinement.entries.len(), confinement.descriptors.len());
        if all.len() != entries + held + confinement.cgroups.len() {
            return Err(Errno::INVAL).doing(|| "match the descriptors with the job");
        }
        if confinement.descriptors.iter().any(|d| !(0..RESERVED).contains(&d.number)) {
            return Err(Errno::MFILE).doing(|| "give a descriptor so high a number");
        }
        let control_groups = all.split_off(entries + held);
        let descriptors = all.split_off(entries);
        Ok(Self { confinement, entries: all, descriptors, control_groups })
    }

    pub(crate) fn has(&self, namespace: Namespace) -> bool {
        self.confinement.namespaces.contains(&namespace)
    }

    /// Whether this is root on the host, who makes mounts there rather than in the namespace.
    #[allow(clippy::unused_self, reason = "it is a question about the job's launcher")]
    pub(crate) fn as_root(&self) -> bool {
        self.confinement.own_root && rustix::process::geteuid().is_root()
    }

    pub(crate) fn namespace_flags(&self) -> u64 {
        self.confinement.namespaces.iter().map(|n| clone_flag(*n)).fold(0, |all, flag| all | flag)
    }

    pub(crate) fn join_control_groups(&self) -> Result<(), HostError> {
        self.control_groups.iter().try_for_each(|group| {
            rustix::io::write(group, b"0").map(drop).doing(|| "join the machine's control group")
        })
    }
}

/// The flags of `clone(2)`.
fn clone_flag(namespace: Namespace) -> u64 {
    match namespace {
        Namespace::User => 0x1000_0000,
        Namespace::Mount => 0x0002_0000,
        Namespace::Pid => 0x2000_0000,
        Namespace::Ipc => 0x0800_0000,
        Namespace::Net => 0x4000_0000,
        Namespace::Uts => 0x0400_0000,
        Namespace::Cgroup => 0x0200_0000,
    }
}
