//! The job as it arrived: the confinement, later its descriptors, out of the way of the numbers that
//! the program will have, and what could be made of the confinement alone.

use crate::AHEAD;
use rustix::io::Errno;
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};
use svirt_host::{
    Doing, HostError,
    launch::{self, wire},
};
use svirt_model::{Confinement, Namespace};

/// Descriptors that the program will hold have lower numbers than this.
pub(crate) const RESERVED: i32 = 512;

/// The job.
pub(crate) struct Job {
    pub(crate) confinement: Confinement,
    pub(crate) filters: Option<Filters>,
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

/// The system call filters, as the kernel takes them.
pub(crate) struct Filters {
    pub(crate) program: Vec<u8>,
    pub(crate) init: Vec<u8>,
}

/// The namespaces that the job will most likely need, of those that can be made ahead of it.
pub(crate) fn likely(control: BorrowedFd<'_>) -> Result<Vec<Namespace>, HostError> {
    let received = wire::receive::<BTreeSet<Namespace>>(control)?;
    let likely = received.ok_or(Errno::PIPE).doing(|| "receive what is likely")?.message;
    Ok(AHEAD.iter().copied().filter(|namespace| likely.contains(namespace)).collect())
}

impl Job {
    /// The confinement alone: it names what is on the host, and reaches nothing there.
    pub(crate) fn receive(control: BorrowedFd<'_>) -> Result<Self, HostError> {
        // The same for every machine: made while the supervisor still plans.
        let init = launch::init_filter()?;
        let received = wire::receive::<Confinement>(control)?;
        let confinement = received.ok_or(Errno::PIPE).doing(|| "receive the job")?.message;
        if confinement.descriptors.iter().any(|d| !(0..RESERVED).contains(&d.number)) {
            return Err(Errno::MFILE).doing(|| "give a descriptor so high a number");
        }
        let memory = confinement.executable_memory;
        let program = confinement.seccomp.map(|profile| launch::filter(profile, memory));
        let filters = program.transpose()?.map(|program| Filters { program, init });
        let (entries, descriptors, control_groups) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { confinement, filters, entries, descriptors, control_groups })
    }

    /// Waits for the descriptors. That they come means that whatever is changed on the host from now
    /// on will be undone, whatever happens.
    pub(crate) fn receive_descriptors(&mut self, control: BorrowedFd<'_>) -> Result<(), HostError> {
        let count = wire::descriptors(&self.confinement);
        let received = wire::receive_descriptors(control, count)?;
        // There is at least the program.
        if received.is_empty() || received.len() != count {
            return Err(Errno::INVAL).doing(|| "match the descriptors with the job");
        }
        let moved = received.iter().map(|descriptor| out_of_the_way(descriptor.as_fd()));
        let mut all = moved.collect::<Result<Vec<_>, _>>()?;
        let (entries, held) = (self.confinement.entries.len(), self.confinement.descriptors.len());
        self.control_groups = all.split_off(entries + held);
        self.descriptors = all.split_off(entries);
        self.entries = all;
        Ok(())
    }

    pub(crate) fn has(&self, namespace: Namespace) -> bool {
        self.confinement.namespaces.contains(&namespace)
    }

    /// Whether this is root on the host, who makes mounts there rather than in the namespace.
    #[allow(clippy::unused_self, reason = "it is a question about the job's launcher")]
    pub(crate) fn as_root(&self) -> bool {
        self.confinement.own_root && rustix::process::geteuid().is_root()
    }

    /// Those of its namespaces that are among these.
    pub(crate) fn namespaces(&self, among: &[Namespace]) -> Vec<Namespace> {
        among.iter().copied().filter(|namespace| self.has(*namespace)).collect()
    }

    pub(crate) fn join_control_groups(&self) -> Result<(), HostError> {
        self.control_groups.iter().try_for_each(|group| {
            rustix::io::write(group, b"0").map(drop).doing(|| "join the machine's control group")
        })
    }
}
