//! A machine as libvirt describes it: its own document where it was defined by one, with what is
//! known while it runs; of any other one, the document that describes it.

use crate::{Code, Described, Engine, Failure, accelerator, emulator, program};
use serde_json::Value;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use svirt_formats::{
    capabilities::Emulator,
    domain::{
        self, Facts, Live, LiveLabel, Sockets, complete, describe, from_document, stand_in,
        without_secrets,
    },
    spec::{self, CommandSpec, DiskSpec, DisplaySpec, GuestSpec, Spec},
    xml::Document,
};
use svirt_model::{
    Board, Bytes, ImageFormat, MachineName, Plan, Uuid,
    label::{MachineLabel, SecurityModel},
};
use svirt_plan::label_obstacles;
use svirt_store::{Run, Store};

/// So long a VMM is waited for that is asked what its balloon has.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked of a machine's document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct XmlFlags {
    /// The definition, of a machine that runs too.
    pub inactive: bool,
    /// With passwords.
    pub secure: bool,
    /// For another host: the definition.
    pub migratable: bool,
}

/// What was asked for, and whose it is.
struct Kept {
    spec: Spec,
    id: Uuid,
}

impl Engine {
    /// A machine in libvirt's form.
    ///
    /// # Errors
    /// There is none of that name, or none of its form: it runs a command line of its user's own.
    pub fn domain(&self, name: &MachineName) -> Result<String, Failure> {
        self.recover()?;
        let mut store = self.store()?;
        let run = store.run(name)?;
        let kept = self.kept(&store, name, run.as_ref())?;
        let mut document = self.document(&mut store, name, &kept)?;
        if let Some(run) = &run {
            self.live(&store, run)?.add_to(&mut document).map_err(impossible)?;
        }
        Ok(document.write())
    }

    /// A machine as libvirt's clients are shown it: with what its author left open, and of one that runs
    /// as it is. A machine that runs a command line of its user's own is a domain of which nothing but
    /// its name is known.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn domain_xml(&self, name: &MachineName, how: XmlFlags) -> Result<String, Failure> {
        self.clear_up()?;
        let mut store = self.store()?;
        let (kept, live) = self.meant(&store, name, how)?;
        // Where QEMU is gone or does not answer, the rest is still known.
        let is_command = kept.spec.command.is_some();
        let emulator = if is_command { None } else { emulator::usual(self, &mut store).ok() };
        self.shown(&mut store, name, how, (&kept, live.as_ref(), emulator.as_ref()))
    }

    /// The same, where all that QEMU would have to be asked is known already: nothing is run for it, which a
    /// process with threads must not. `None` where that is not so.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn domain_xml_at_hand(
        &self,
        name: &MachineName,
        how: XmlFlags,
    ) -> Result<Option<String>, Failure> {
        self.clear_up()?;
        let mut store = self.store()?;
        let (kept, live) = self.meant(&store, name, how)?;
        // Where QEMU is gone, that is said elsewhere.
        let emulator = emulator::known(&store).ok().flatten();
        if kept.spec.domain.is_none() || emulator.is_none() {
            return Ok(None);
        }
        self.shown(&mut store, name, how, (&kept, live.as_ref(), emulator.as_ref())).map(Some)
    }

    /// What was asked for, and the life that is shown.
    fn meant(
        &self,
        store: &Store,
        name: &MachineName,
        how: XmlFlags,
    ) -> Result<(Kept, Option<Run>), Failure> {
        let run = store.run(name)?;
        let shown = |run: &&Run| run.transient || (!how.inactive && !how.migratable);
        let kept = self.kept(store, name, run.as_ref().filter(shown))?;
        Ok((kept, run.filter(|_| !how.inactive && !how.migratable)))
    }

    fn shown(
        &self,
        store: &mut Store,
        name: &MachineName,
        how: XmlFlags,
        (kept, live, emulator): (&Kept, Option<&Run>, Option<&Emulator>),
    ) -> Result<String, Failure> {
        let mut document = match &kept.spec.command {
            Some(command) => stand_in(name, kept.id, &program_of(command), command.memory())?,
            None => self.whole(store, name, (kept, emulator), live.is_some())?,
        };
        if let Some(run) = live {
            let sockets = self.sockets(run, &kept.spec)?;
            let memory = self.left_by_balloon(&run.name, &kept.spec)?;
            let live = Live { memory, ..self.live(store, run)? };
            live.add_whole(&mut document, &sockets).map_err(impossible)?;
        }
        if !how.secure {
            without_secrets(&mut document);
        }
        // Some clients take for the domain whatever comes first.
        document.begin_with_root();
        Ok(document.write())
    }

    /// The document that a machine is described by, if it is.
    pub(crate) fn own_document(
        &self,
        name: &MachineName,
        how: Described,
    ) -> Result<Option<Document>, Failure> {
        let store = self.store()?;
        let run = match how {
            Described::Running => Some(store.run(name)?.ok_or_else(|| self.not_running(name))?),
            Described::Defined => None,
        };
        let kept = self.kept(&store, name, run.as_ref())?;
        let document = kept.spec.domain.map(|domain| Document::read(domain.xml.as_bytes()));
        document.transpose().map_err(impossible)
    }

    /// What was asked for of a machine: by who started it, or by its definition.
    fn kept(&self, store: &Store, name: &MachineName, run: Option<&Run>) -> Result<Kept, Failure> {
        let (request, id) = match run {
            Some(run) => (self.request_of(store, run)?, run.id),
            None => self.defined(name).map(|defined| (defined.request, defined.id))?,
        };
        Ok(Kept { spec: spec::read(request.as_bytes())?, id })
    }

    /// Its own document, or the one that describes it.
    fn document(
        &self,
        store: &mut Store,
        name: &MachineName,
        kept: &Kept,
    ) -> Result<Document, Failure> {
        let spec = self.completed(store, kept.spec.clone(), kept.id)?;
        Self::document_of(&spec, name, kept.id)
    }

    fn document_of(spec: &Spec, name: &MachineName, id: Uuid) -> Result<Document, Failure> {
        match &spec.domain {
            Some(domain) => Document::read(domain.xml.as_bytes()).map_err(impossible),
            None => Ok(describe(spec, name, id)?),
        }
    }

    /// The same with what it leaves open; of a machine that runs, with what there is in the place of
    /// what was asked for.
    fn whole(
        &self,
        store: &mut Store,
        name: &MachineName,
        (kept, emulator): (&Kept, Option<&Emulator>),
        running: bool,
    ) -> Result<Document, Failure> {
        let spec = self.completed(store, kept.spec.clone(), kept.id)?;
        let mut document = Self::document_of(&spec, name, kept.id)?;
        let mut read = from_document(&document, name.as_str()).map_err(impossible)?;
        let places = places(&spec)?;
        if running {
            domain::running(&mut document, read.kind).map_err(impossible)?;
            read = from_document(&document, name.as_str()).map_err(impossible)?;
        }
        let board = emulator.and_then(|emulator| emulator.machine(None));
        let facts = Facts {
            uuid: kept.id,
            board: board.map(|board| board.name.as_str()),
            emulator: emulator.map(|emulator| emulator.path.as_path()),
            places: &places,
        };
        complete(&mut document, &read, facts).map_err(impossible)?;
        Ok(document)
    }

    /// What the balloon of a machine that runs leaves it; unknown of one that does not answer.
    fn left_by_balloon(&self, name: &MachineName, spec: &Spec) -> Result<Option<Bytes>, Failure> {
        if !spec.expanded()?.spec.guest.is_some_and(|guest| guest.balloon) {
            return Ok(None);
        }
        let asked = self.open_monitor(name).and_then(|mut monitor| {
            monitor.say("query-balloon", &Value::Null)?;
            monitor.hear_until(Instant::now() + PATIENCE)
        });
        Ok(asked.ok().and_then(|answer| answer["actual"].as_u64()).map(Bytes))
    }

    fn sockets(&self, run: &Run, spec: &Spec) -> Result<Sockets, Failure> {
        let guest = spec.expanded()?.spec.guest.unwrap_or_default();
        let directory = self.paths.place(&run.name, run.id).endpoints();
        let channels = 0..guest.channels.len();
        Ok(Sockets {
            screen: (guest.display == DisplaySpec::Vnc).then(|| directory.join("vnc")),
            channels: channels.map(|number| directory.join(format!("channel{number}"))).collect(),
        })
    }

    pub(crate) fn request_of(&self, store: &Store, run: &Run) -> Result<String, Failure> {
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
        if spec.command.is_some() || spec.domain.is_some() {
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
    pub(crate) fn made(&self, id: Uuid, index: usize, disk: DiskSpec) -> DiskSpec {
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
        Ok(Live { number: run.supervisor.pid, uuid: run.id, memory: None, labels, first })
    }
}

/// Where a machine's devices are. A new disk that is not made yet is not in its document.
fn places(spec: &Spec) -> Result<Board, Failure> {
    let guest = spec.expanded()?.spec.guest.unwrap_or_default();
    let shown = (0..).zip(&guest.disks).filter(|(_, disk)| disk.path.is_some());
    let disc = guest.cdrom.iter().filter_map(|_| u16::try_from(guest.disks.len()).ok());
    let shown: Vec<u16> = shown.map(|(number, _)| number).chain(disc).collect();
    Ok(guest.board().map_err(spec::SpecError::from)?.of_disks(&shown))
}

/// The program of a command, which may be gone.
fn program_of(command: &CommandSpec) -> PathBuf {
    let name = command.command.first().map_or("", String::as_str);
    program::find_from(&command.directory, name).unwrap_or_else(|_| command.directory.join(name))
}

/// What each security model calls the VMM.
pub(crate) fn labels(plan: &Plan) -> Vec<LiveLabel> {
    let of_module = |label: &MachineLabel| LiveLabel {
        model: label.model,
        label: label.label.clone(),
        image: label.image_label.clone(),
    };
    let dac = LiveLabel { model: SecurityModel::Dac, label: user(plan), image: None };
    plan.labels.iter().map(of_module).chain([dac]).collect()
}

/// The user and group of a machine's VMM, as libvirt writes them.
pub(crate) fn user(plan: &Plan) -> String {
    let identity = plan.vmm().confinement.identity;
    format!("+{}:+{}", identity.uid, identity.gid)
}

/// What was read when it was kept is read again.
pub(crate) fn impossible(error: impl std::error::Error + 'static) -> Failure {
    Failure::from_error(Code::Internal, &error)
}
