//! A machine as libvirt describes it: its own document where it was defined by one, with what is
//! known while it runs; of any other one, the document that describes it.

use crate::{Code, Engine, Failure, accelerator};
use svirt_formats::{
    domain::{Live, LiveLabel, describe},
    spec::{self, DiskSpec, GuestSpec, Spec},
    xml::Document,
};
use svirt_model::{
    ImageFormat, MachineName, Plan, Uuid,
    label::{MachineLabel, SecurityModel},
};
use svirt_plan::label_obstacles;
use svirt_store::{Run, Store};

impl Engine {
    /// A machine in libvirt's form.
    ///
    /// # Errors
    /// There is none of that name, or none of its form: it runs a command line of its user's own.
    pub fn domain(&self, name: &MachineName) -> Result<String, Failure> {
        self.clear_up()?;
        let mut store = self.store()?;
        let run = store.run(name)?;
        let (request, id) = match &run {
            Some(run) => (self.request_of(&store, run)?, run.id),
            None => self.defined(name).map(|defined| (defined.request, defined.id))?,
        };
        let spec = spec::read(request.as_bytes())?;
        let mut document = match &spec.domain {
            Some(domain) => Document::read(domain.xml.as_bytes()).map_err(impossible)?,
            None => describe(&self.completed(&mut store, spec, id)?, name, id)?,
        };
        if let Some(run) = &run {
            self.live(&store, run)?.add_to(&mut document).map_err(impossible)?;
        }
        Ok(document.write())
    }

    fn request_of(&self, store: &Store, run: &Run) -> Result<String, Failure> {
        match store.request(run.id)? {
            Some(request) => Ok(request),
            None if run.transient => {
                let message = format!("machine {} was started by an older sVirt", run.name);
                Err(Failure::new(Code::Unavailable, message))
            }
            None => self.defined(&run.name).map(|defined| defined.request),
        }
    }

    /// With what libvirt's form states and sVirt's leaves open.
    fn completed(&self, store: &mut Store, spec: Spec, id: Uuid) -> Result<Spec, Failure> {
        if spec.command.is_some() {
            return Ok(spec);
        }
        let mut guest = spec.guest.clone().unwrap_or_default();
        if guest.accelerator.is_none() {
            guest.accelerator = Some(accelerator::choose(self, store)?);
        }
        let disks = guest.disks.into_iter().enumerate();
        let disks = disks.map(|(index, disk)| self.made(id, index, disk)).collect();
        Ok(Spec { guest: Some(GuestSpec { disks, ..guest }), ..spec })
    }

    /// A new disk is, once it was made, one with a path.
    fn made(&self, id: Uuid, index: usize, disk: DiskSpec) -> DiskSpec {
        let path = self.paths.made_disk(id, index);
        if disk.new.is_none() || !path.exists() {
            return disk;
        }
        let (path, format) = (Some(path), Some(ImageFormat::Qcow2));
        DiskSpec { path, format, new: None, ..disk }
    }

    /// What the kernel was told of a machine that runs. Its number is its supervisor's.
    fn live(&self, store: &Store, run: &Run) -> Result<Live, Failure> {
        let plan = store.plan(run.id)?;
        let labels = plan.iter().flat_map(labels).collect();
        let mut models = label_obstacles(self.facts()).into_iter();
        let first = models.find(|(_, there, _)| *there).map(|(model, ..)| model);
        Ok(Live { number: run.supervisor.pid, uuid: run.id, labels, first })
    }
}

/// What each security model calls the VMM.
pub(crate) fn labels(plan: &Plan) -> Vec<LiveLabel> {
    let identity = plan.vmm().confinement.identity;
    let label = format!("+{}:+{}", identity.uid, identity.gid);
    let of_module = |label: &MachineLabel| LiveLabel {
        model: label.model,
        label: label.label.clone(),
        image: label.image_label.clone(),
    };
    let dac = LiveLabel { model: SecurityModel::Dac, label, image: None };
    plan.labels.iter().map(of_module).chain([dac]).collect()
}

/// What was read when it was kept is read again.
pub(crate) fn impossible(error: impl std::error::Error + 'static) -> Failure {
    Failure::from_error(Code::Internal, &error)
}
