//! Which machines there are, for somebody who asks often: read again only after something changed.

use crate::{Code, Devices, Engine, Failure};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};
use svirt_formats::spec::{self, Spec};
use svirt_model::{Event, MachineName, Role, State, Uuid};
use svirt_store::{Definition, Run, Store};

/// The machines at one moment, by their identities.
pub type Machines = Arc<BTreeMap<Uuid, Arc<Known>>>;

/// So often somebody else may write between two looks: each takes a millisecond.
const TRIES: u32 = 64;

/// Keeps the machines at hand.
#[derive(Debug)]
pub struct Inventory {
    store: Store,
    version: Option<i64>,
    machines: Machines,
}

/// One machine, defined, running, or both.
#[derive(Debug)]
pub struct Known {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: MachineName,
    /// What is kept of it under its name.
    pub kept: Option<Kept>,
    /// How it lives.
    pub life: Option<Life>,
    spec: OnceLock<Option<Spec>>,
    pub(crate) devices: OnceLock<Devices>,
    /// The threads of its virtual processors, while it lives.
    pub(crate) threads: OnceLock<Vec<u32>>,
}

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whether it is started with the host.
    pub autostart: bool,
    request: String,
}

impl Kept {
    /// Whether the same is asked for, whenever it is started.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.request == other.request
    }
}

/// A machine's life, from its start on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The process of its supervisor: a number that no other machine has meanwhile.
    pub supervisor: u32,
    /// [`State::Starting`] or [`State::Running`].
    pub state: State,
    /// When its start began, in milliseconds since 1970 (UTC).
    pub started_ms: u64,
    /// The process of its VMM, once it runs.
    pub vmm: Option<u32>,
    request: Option<String>,
}

impl Engine {
    /// Keeps the machines at hand from now on.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn inventory(&self) -> Result<Inventory, Failure> {
        Ok(Inventory { store: self.store()?, version: None, machines: Machines::default() })
    }
}

impl Inventory {
    /// The machines as they are now. Those whose supervisors died stay among them until somebody recovers.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn look(&mut self) -> Result<Machines, Failure> {
        let version = self.store.version()?;
        if self.version != Some(version) {
            self.machines = self.read()?;
            self.version = Some(version);
        }
        Ok(self.machines.clone())
    }

    /// The same, and what happened after the event of this number, at one moment.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn happened_since(&mut self, number: u64) -> Result<(Machines, Vec<Event>), Failure> {
        for _ in 0..TRIES {
            let version = self.store.version()?;
            let events = self.store.events_since(number, u32::MAX)?;
            let machines = self.look()?;
            // Nobody else has written anything in between: not before the machines were read, nor meanwhile.
            if self.version == Some(version) && version == self.store.version()? {
                return Ok((machines, events));
            }
        }
        let message = "the store is written to all the time";
        Err(Failure::new(Code::InUse, message))
    }

    /// The number of the newest event.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_event(&self) -> Result<u64, Failure> {
        Ok(self.store.last_event()?)
    }

    fn read(&self) -> Result<Machines, Failure> {
        let mut all = BTreeMap::new();
        for Definition { id, name, request, autostart, .. } in self.store.definitions()? {
            let kept = Some(Kept { autostart, request });
            all.insert(id, Known::new(id, name, kept));
        }
        for run in self.store.runs()? {
            let life = Some(self.life(&run)?);
            let Run { id, name, .. } = run;
            all.entry(id).or_insert_with(|| Known::new(id, name, None)).life = life;
        }
        Ok(Arc::new(all.into_iter().map(|(id, known)| (id, self.again(known))).collect()))
    }

    /// Of a machine that runs, nothing of this changes.
    fn life(&self, run: &Run) -> Result<Life, Failure> {
        let before = self.machines.get(&run.id).and_then(|known| known.life.as_ref());
        let same = |life: &&Life| {
            (life.supervisor, life.started_ms, life.state)
                == (run.supervisor.pid, run.started_ms, State::Running)
        };
        if let Some(life) = before.filter(same) {
            return Ok(life.clone());
        }
        let evidence = self.store.evidence(run.id)?;
        let vmm = evidence.iter().find(|evidence| evidence.role == Role::Vmm);
        Ok(Life {
            supervisor: run.supervisor.pid,
            state: run.state,
            started_ms: run.started_ms,
            vmm: vmm.map(|evidence| evidence.pid),
            request: self.store.request(run.id)?,
        })
    }

    /// What was found out of a machine stays true as long as the machine does.
    fn again(&self, known: Known) -> Arc<Known> {
        match self.machines.get(&known.id) {
            Some(before) if before.is(&known) => before.clone(),
            _ => Arc::new(known),
        }
    }
}

impl Known {
    fn new(id: Uuid, name: MachineName, kept: Option<Kept>) -> Self {
        let (spec, devices, threads) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { id, name, kept, life: None, spec, devices, threads }
    }

    /// Whether it runs, paused or not.
    pub fn is_running(&self) -> bool {
        self.life.is_some()
    }

    /// What it was asked to be: while it lives, at its start. `None` where that cannot be read.
    pub fn spec(&self) -> Option<&Spec> {
        self.spec.get_or_init(|| self.read()).as_ref()
    }

    /// What it is kept as, which a life that began before a change does not know. `None` where nothing is
    /// kept, or that cannot be read.
    pub fn kept_spec(&self) -> Option<Spec> {
        let kept = spec::read(self.kept.as_ref()?.request.as_bytes()).ok()?;
        Some(kept.expanded().ok()?.spec)
    }

    fn read(&self) -> Option<Spec> {
        Some(self.asked()?.expanded().ok()?.spec)
    }

    /// The same as it was asked, a document as a document.
    pub(crate) fn asked(&self) -> Option<Spec> {
        let lives = self.life.as_ref().and_then(|life| life.request.as_ref());
        let request = lives.or(self.kept.as_ref().map(|kept| &kept.request))?;
        spec::read(request.as_bytes()).ok()
    }

    fn is(&self, other: &Self) -> bool {
        (&self.name, &self.kept, &self.life) == (&other.name, &other.kept, &other.life)
    }
}
