//! What is counted of a machine that runs: by the kernel of its VMM, and by the VMM of its devices.

mod counted;
mod devices;
mod size;

pub use counted::{Counted, DiskCount, Transfer, Wanted};
pub use devices::{Card, Devices, Disk};
pub use size::DiskSize;

use crate::{Engine, Failure, Known, domain};
use serde_json::Value;
use std::time::Duration;
use svirt_host::processes::{self, ThreadUsage, Usage};

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
    /// What each security model calls a machine that runs, the host's first model first, and whether that
    /// is enforced.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn security_labels(&self, known: &Known) -> Result<Vec<(String, bool)>, Failure> {
        let plan = self.store()?.plan(known.id)?;
        let labels = plan.iter().flat_map(|plan| {
            let complains = plan.unenforced().next().is_some();
            domain::labels(plan).into_iter().map(move |label| (label.label, !complains))
        });
        Ok(labels.collect())
    }

    /// The host's first security model and its domain of interpretation; where there is no module, the users
    /// that keep machines apart.
    pub fn security_model(&self) -> (String, String) {
        let mut models = svirt_plan::label_obstacles(self.facts()).into_iter();
        let first = models.find(|(_, there, _)| *there).map(|(model, ..)| model);
        let model = first.unwrap_or(svirt_model::label::SecurityModel::Dac);
        (model.word().to_owned(), "0".to_owned())
    }
}
