//! Definitions as libvirt's clients keep them: a document is taken as it is, whether or not what it names is
//! there yet; a machine that runs can be given a definition, and can lose it.

use crate::{Code, Engine, Failure, definitions};
use std::time::{SystemTime, UNIX_EPOCH};
use svirt_formats::spec::{self, Spec};
use svirt_model::{MachineName, Uuid};
use svirt_store::Definition;

impl Engine {
    /// Keeps a machine under its name, or says anew what the one of this name and identity is.
    /// Says whether it is new.
    ///
    /// # Errors
    /// Another machine has the name, or the identity under another name.
    pub fn keep(&self, name: &MachineName, id: Uuid, spec: &Spec) -> Result<bool, Failure> {
        let created_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let definition = Definition {
            id,
            name: name.clone(),
            request: definitions::text(spec)?,
            autostart: false,
            created_ms: u64::try_from(created_ms.as_millis()).unwrap_or(0),
        };
        Ok(self.store()?.keep(&definition)?)
    }

    /// Forgets a machine's definition. One that runs goes on, and is forgotten when it ends.
    ///
    /// # Errors
    /// There is none of that name, or disks that sVirt made would be lost sight of.
    pub fn forget(&self, name: &MachineName) -> Result<(), Failure> {
        let request = self.defined(name)?.request;
        // Whoever forgets a definition this way does not expect disks to go with it.
        if makes_disks(&spec::read(request.as_bytes())?) {
            let message = format!("machine {name} has disks that sVirt made for it");
            let hint = format!("svirt rm {name} removes it together with them");
            return Err(Failure::new(Code::InUse, message).hint(hint));
        }
        if self.store()?.run(name)?.is_none() {
            return self.remove(name);
        }
        Ok(self.store()?.forget(name)?)
    }
}

fn makes_disks(spec: &Spec) -> bool {
    spec.guest.iter().any(|guest| guest.disks.iter().any(|disk| disk.new.is_some()))
}
