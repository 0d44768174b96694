//! Machines that are defined: kept under a name, started again and again; and what is known of all.

use crate::{
    Code, Engine, Failure, Started,
    client::no_machine,
    disks::{self, Halfway},
    resolve::{self, Identity},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};
use svirt_formats::{
    image::qcow2_empty,
    spec::{self, Spec},
};
use svirt_model::{Beginning, Event, MachineName, Plan, State, Status, Uuid};
use svirt_store::{Definition, Run, Store, StoreError};

/// Where a machine's logs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// What the guest said on its console.
    pub console: PathBuf,
    /// What the VMM and its helpers said.
    pub vmm: PathBuf,
}

/// A machine, and what came of its start.
pub type Outcome = (MachineName, Result<Started, Failure>);

impl Engine {
    /// Defines a machine, after everything that it names was found to be usable, and says what a
    /// start would do now.
    ///
    /// # Errors
    /// The name or the identity is in use, or the machine could not be planned.
    pub fn create(&self, spec: &Spec, autostart: bool) -> Result<Plan, Failure> {
        let plan = self.plan(spec)?;
        let spec = named(spec, &plan.name);
        let created_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let definition = Definition {
            id: plan.id,
            name: plan.name.clone(),
            request: text(&spec)?,
            autostart,
            created_ms: u64::try_from(created_ms.as_millis()).unwrap_or(0),
        };
        let disks = disks::make(&self.paths, definition.id, &new_disks(&spec)?)?;
        match (self.store()?.define(&definition), disks) {
            (Ok(()), Some(disks)) => disks.in_place()?,
            (Err(refused), disks) => {
                disks.into_iter().for_each(Halfway::gone);
                return Err(refused.into());
            }
            (Ok(()), None) => {}
        }
        Ok(plan)
    }

    /// The specification of a defined machine, as its user gave it.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn definition(&self, name: &MachineName) -> Result<Spec, Failure> {
        Ok(spec::read(self.defined(name)?.request.as_bytes())?)
    }

    /// A definition, whose disks are in their places.
    pub(crate) fn defined(&self, name: &MachineName) -> Result<Definition, Failure> {
        let store = self.store()?;
        self.settle_disks(&store)?;
        store.definition(name)?.ok_or_else(|| no_machine(name))
    }

    /// Ends what somebody began with disks who died meanwhile.
    pub(crate) fn settle_disks(&self, store: &Store) -> Result<(), Failure> {
        disks::settle(&self.paths, |id| Ok(store.definitions()?.iter().any(|d| d.id == id)))
    }

    /// Changes a machine's definition; a running machine has it at its next start.
    ///
    /// # Errors
    /// There is none of that name, it would get another one, or it could not be planned.
    pub fn edit(&self, name: &MachineName, spec: &Spec) -> Result<(), Failure> {
        let Definition { id, .. } = self.defined(name)?;
        let expanded = spec.expanded()?.spec;
        let refuse = |what| {
            let message = format!("machine {name} cannot {what}");
            Failure::new(Code::Usage, message).hint("create another and remove this one")
        };
        if expanded.name.as_ref().is_some_and(|new| new != name) {
            return Err(refuse("be renamed"));
        }
        if expanded.uuid.is_some_and(|new| new != id) {
            return Err(refuse("get another identity"));
        }
        let request = text(&named(spec, name))?;
        let identity = Identity { id, name: name.clone() };
        let mut store = self.store()?;
        resolve::machine(self, &mut store, &expanded, identity, &[], Beginning::AtOnce)?;
        Ok(store.redefine(name, &request)?)
    }

    /// Says whether a machine is started with the host.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn set_autostart(&self, name: &MachineName, on: bool) -> Result<(), Failure> {
        Ok(self.store()?.set_autostart(name, on)?)
    }

    /// Starts every machine that is marked for it.
    ///
    /// # Errors
    /// The store cannot be read; what happens to one machine does not keep others from starting.
    pub fn autostart(&self) -> Result<Vec<Outcome>, Failure> {
        let definitions = self.store()?.definitions()?;
        let marked = definitions.into_iter().filter(|d| d.autostart);
        Ok(marked.map(|d| (d.name.clone(), self.start_defined(&d.name, None, &|_| {}))).collect())
    }

    /// Removes a machine's definition, its logs, and the disks that sVirt made for it.
    ///
    /// # Errors
    /// There is none of that name, or it runs.
    pub fn remove(&self, name: &MachineName) -> Result<(), Failure> {
        self.clear_up()?;
        let Definition { id, request, .. } = self.defined(name)?;
        let spec = spec::read(request.as_bytes())?;
        if self.store()?.run(name)?.is_some() {
            return Err(StoreError::Running { name: name.clone() }.into());
        }
        // The definition goes last: whoever dies before that can be asked again.
        let _ = fs::remove_dir_all(self.paths.logs(name)?);
        self.forget_managed_save(name)?;
        let count = spec.guest.map_or(0, |guest| guest.disks.len());
        let disks = disks::take(&self.paths, id, count)?;
        match (self.store()?.undefine(name), disks) {
            (removed, None) => removed?,
            (Ok(()), Some(disks)) => disks.gone(),
            (Err(refused), Some(disks)) => {
                disks.in_place()?;
                return Err(refused.into());
            }
        }
        Ok(())
    }

    /// Every machine, defined or running, in the order of their names.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self) -> Result<Vec<Status>, Failure> {
        self.clear_up()?;
        let store = self.store()?;
        let runs = store.runs()?;
        let mut all: Vec<Status> =
            runs.iter().map(|run| status_of(&store, run)).collect::<Result<_, _>>()?;
        let stopped =
            store.definitions()?.into_iter().filter(|d| runs.iter().all(|r| r.name != d.name));
        all.extend(stopped.map(|d| stopped_status(d.id, d.name)));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// One machine.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn status(&self, name: &MachineName) -> Result<Status, Failure> {
        self.clear_up()?;
        let store = self.store()?;
        match store.run(name)? {
            Some(run) => status_of(&store, &run),
            None => self.defined(name).map(|d| stopped_status(d.id, d.name)),
        }
    }

    /// Where a machine's logs are.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn logs(&self, name: &MachineName) -> Result<Logs, Failure> {
        let directory = match self.store()?.run(name)? {
            Some(run) => self.logs_of(&run)?,
            None => self.defined(name).and_then(|_| self.paths.logs(name))?,
        };
        Ok(Logs { console: directory.join("console.log"), vmm: directory.join("vmm.log") })
    }

    /// Where they are was decided when it started: it may have got or lost its definition since.
    fn logs_of(&self, run: &Run) -> Result<PathBuf, Failure> {
        let (own, kept) = (self.paths.place(&run.name, run.id).run, self.paths.logs(&run.name)?);
        let (likely, other) = if run.transient { (own, kept) } else { (kept, own) };
        let there = |directory: &PathBuf| directory.join("vmm.log").exists();
        Ok(if there(&likely) || !there(&other) { likely } else { other })
    }

    /// What happened after the event with this number; 0 for all that is kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn events(&self, since: u64, limit: u32) -> Result<Vec<Event>, Failure> {
        Ok(self.store()?.events_since(since, limit)?)
    }

    /// `svirt-launch`: beside this program, or where packages put such programs.
    pub(crate) fn launcher(&self) -> Result<PathBuf, Failure> {
        let beside =
            std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("svirt-launch")));
        let packaged = Some(PathBuf::from("/usr/libexec/svirt/svirt-launch"));
        let executable = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        };
        let found = [beside, packaged].into_iter().flatten().find(executable);
        found.ok_or_else(|| {
            Failure::new(Code::Unavailable, "svirt-launch is not installed")
                .hint("it belongs beside svirt, or into /usr/libexec/svirt; cargo build makes both")
        })
    }
}

/// The contents of a machine's new disks, each with its number.
fn new_disks(spec: &Spec) -> Result<Vec<(usize, Vec<u8>)>, Failure> {
    let disks = spec.guest.iter().flat_map(|guest| guest.disks.iter().enumerate());
    let sizes = disks.filter_map(|(index, disk)| Some((index, disk.new?)));
    sizes.map(|(index, size)| Ok((index, qcow2_empty(size.0)?))).collect()
}

/// A specification as it is kept under a name, which of a domain its document says.
fn named(spec: &Spec, name: &MachineName) -> Spec {
    let name = Some(name.clone()).filter(|_| spec.domain.is_none());
    Spec { name, version: spec::VERSION, ..spec.clone() }
}

/// A specification as it is kept, which must be one that is read again.
pub(crate) fn text(spec: &Spec) -> Result<String, Failure> {
    let text =
        serde_json::to_string_pretty(spec).map_err(|e| Failure::from_error(Code::Internal, &e))?;
    if text.len() > spec::SPEC_MAX {
        return Err(spec::SpecError::TooLarge.into());
    }
    Ok(text)
}

fn status_of(store: &Store, run: &Run) -> Result<Status, Failure> {
    Ok(Status {
        id: run.id,
        name: run.name.clone(),
        state: run.state,
        supervisor: Some(run.supervisor.pid),
        plan: store.plan(run.id)?,
        evidence: store.evidence(run.id)?,
    })
}

fn stopped_status(id: Uuid, name: MachineName) -> Status {
    Status { id, name, state: State::Stopped, supervisor: None, plan: None, evidence: Vec::new() }
}
