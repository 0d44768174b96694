//! The connections between a machine's processes and its supervisor.

use crate::Failure;
use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
};
use svirt_host::sources::connection;
use svirt_model::{Channel, DescriptorSource, Plan, Process, Role};

/// Both ends of the connections of a machine's processes.
pub(crate) struct Ends {
    ours: BTreeMap<Channel, OwnedFd>,
    vmm: BTreeMap<Channel, OwnedFd>,
    helper: BTreeMap<Channel, OwnedFd>,
}

impl Ends {
    pub(crate) fn make(plan: &Plan) -> Result<Self, Failure> {
        let mut ends =
            Self { ours: BTreeMap::new(), vmm: BTreeMap::new(), helper: BTreeMap::new() };
        let descriptors = plan.processes.iter().flat_map(|p| &p.confinement.descriptors);
        for descriptor in descriptors {
            let DescriptorSource::Channel(channel) = descriptor.source else { continue };
            if ends.vmm.contains_key(&channel) {
                continue;
            }
            let (one, other) = connection()?;
            let known = if channel == Channel::Network { &mut ends.helper } else { &mut ends.ours };
            known.insert(channel, one);
            ends.vmm.insert(channel, other);
        }
        Ok(ends)
    }

    pub(crate) fn ours(&mut self, channel: Channel) -> Option<OwnedFd> {
        self.ours.remove(&channel)
    }

    /// What a process gets. The VMM is the last, so what remains is its own; of the log every
    /// process has a copy.
    pub(crate) fn theirs(&mut self, process: &Process) -> BTreeMap<Channel, OwnedFd> {
        if process.role == Role::Vmm {
            return std::mem::take(&mut self.vmm);
        }
        let mut ends = std::mem::take(&mut self.helper);
        let log = self.vmm.get(&Channel::Log).and_then(|l| l.as_fd().try_clone_to_owned().ok());
        ends.extend(log.map(|log| (Channel::Log, log)));
        ends
    }
}
