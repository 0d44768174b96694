//! What is counted of a machine that runs: by the kernel of its VMM, and by the VMM of its devices.

mod counted;
mod devices;
mod size;

pub use counted::{Counted, DiskCount, Transfer, Trouble, Wanted};
pub use devices::{Card, Devices, Disk};
pub use size::DiskSize;

use crate::{Engine, Failure, Known, domain};
use serde_json::Value;
use std::time::Duration;
use svirt_host::{
    mac::{Lsm, process},
    processes::{self, ThreadUsage, Usage},
};
use svirt_model::{Bytes, Value as StateOf, label::SecurityModel};

impl Known {
    /// What the kernel counts of its VMM; nothing where it does not run.
    pub fn usage(&self) -> Usage {
        let vmm = self.life.as_ref().and_then(|life| life.vmm);
        vmm.and_then(processes::usage).unwrap_or_default()
    }

    /// Processor time that its VMM has used.
    pub fn processor_time(&self) -> Duration {
        let Usage { user, system, .. } = self.usage();
        user + system
    }
}

impl Known {
    /// What its virtual processors have used, where their threads were asked for.
    fn processors(&self) -> Vec<ThreadUsage> {
        let vmm = self.life.as_ref().and_then(|life| life.vmm);
        let (Some(vmm), Some(threads)) = (vmm, self.threads.get()) else { return Vec::new() };
        threads.iter().map_while(|thread| processes::thread_usage(vmm, *thread)).collect()
    }
}

/// The threads of virtual processors, as this host numbers them; QEMU knows the numbers of its own pid
/// namespace.
fn threads(known: &Known, answer: &Value) -> Vec<u32> {
    let vmm = known.life.as_ref().and_then(|life| life.vmm);
    let threads = vmm.map(processes::threads).unwrap_or_default();
    let all = answer.as_array().map_or(&[][..], Vec::as_slice);
    let inside = all.iter().map_while(|cpu| u32::try_from(cpu["thread-id"].as_u64()?).ok());
    inside.map_while(|number| threads.get(&number).copied()).collect()
}

impl Engine {
    /// What each security model of the host calls the VMM of a machine, in the order in which the host has
    /// them, and whether that holds it: the kernel's own words, now. A label that is not the machine's own
    /// holds it not.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn security_labels(&self, known: &Known) -> Result<Vec<(String, bool)>, Failure> {
        let vmm = known.life.as_ref().and_then(|life| life.vmm);
        let (Some(vmm), Some(plan)) = (vmm, self.store()?.plan(known.id)?) else {
            return Ok(Vec::new());
        };
        let is_its_own = |model| plan.labels.iter().any(|label| label.model == model);
        let of = |model| match Lsm::of(model) {
            // It may end meanwhile.
            Some(lsm) => process::in_force(vmm, lsm).map_or_else(
                |_| (String::new(), false),
                |(label, on)| (label, on && is_its_own(model)),
            ),
            None => (domain::user(&plan), true),
        };
        Ok(self.models().into_iter().map(of).collect())
    }

    /// What memory the processes of a machine that runs may have together on the host, where that is limited.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn memory_limit(&self, known: &Known) -> Result<Option<Bytes>, Failure> {
        let plan = self.store()?.plan(known.id)?;
        let written = plan.iter().flat_map(|plan| &plan.ops).find_map(|op| match &op.after {
            StateOf::Cgroup(limits) => limits.iter().find(|(file, _)| file.starts_with("memory.")),
            _ => None,
        });
        Ok(written.and_then(|(_, limit)| limit.parse().ok()).map(Bytes))
    }

    /// The host's first security model and its domain of interpretation; where there is no module, the users
    /// that keep machines apart.
    pub fn security_model(&self) -> (String, String) {
        let model = self.models().first().copied().unwrap_or(SecurityModel::Dac);
        (model.word().to_owned(), "0".to_owned())
    }

    /// The security models of this host, as its capabilities list them.
    fn models(&self) -> Vec<SecurityModel> {
        svirt_plan::base_labels(self.facts()).into_iter().map(|(model, _)| model).collect()
    }
}
