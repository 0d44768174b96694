//! What all connections share: the machines, what is known of those that run, and who is to be told.

use crate::{client::Client, conditions::Condition, failure, jobs::Jobs};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use svirt_engine::{Engine, Failure, Inventory, Known, Machines, model::Event as Happening};
use svirt_rpc::{Code, Domain, Error, Event, Origin};
use tokio::sync::Notify;
use uuid::Uuid;

/// The daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// The use cases.
    pub(crate) engine: Engine,
    /// Whether it is root's and serves the whole host, or a user's own.
    pub(crate) system: bool,
    /// Wakes whoever looks for what has changed.
    pub(crate) changed: Notify,
    /// What takes long.
    pub(crate) jobs: Jobs,
    inventory: Mutex<Inventory>,
    conditions: Mutex<BTreeMap<Uuid, Condition>>,
    /// Wakes whoever waits for a machine to say how it is.
    pub(crate) noted: Notify,
    /// The lives of machines that were ended from here, by their supervisors, until they are told to be over.
    destroyed: Mutex<BTreeSet<(Uuid, u32)>>,
    clients: Mutex<Vec<Weak<Client>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Daemon {
    /// One that serves what this user's store has.
    pub(crate) fn new(engine: Engine, system: bool) -> Result<Self, Failure> {
        let inventory = Mutex::new(engine.inventory()?);
        Ok(Self {
            engine,
            system,
            changed: Notify::new(),
            jobs: Jobs::default(),
            inventory,
            conditions: Mutex::default(),
            noted: Notify::new(),
            destroyed: Mutex::default(),
            clients: Mutex::default(),
        })
    }

    /// The machines as they are now.
    pub(crate) fn machines(&self) -> Result<Machines, Error> {
        locked(&self.inventory).look().map_err(|failure| failure::error(&failure))
    }

    /// The machines as they are now, and what happened after the event of this number; without one, what
    /// happened last.
    pub(crate) fn happened_since(
        &self,
        number: Option<u64>,
    ) -> Result<(Machines, Vec<Happening>), Failure> {
        let mut inventory = locked(&self.inventory);
        let number = match number {
            Some(number) => number,
            None => inventory.last_event()?.saturating_sub(1),
        };
        inventory.happened_since(number)
    }

    /// The machine that a client means.
    pub(crate) fn machine(&self, domain: &Domain) -> Result<Arc<Known>, Error> {
        self.machines()?.get(&domain.uuid).cloned().ok_or_else(|| {
            let Domain { uuid, name, .. } = domain;
            no_domain(&format!("no domain with matching uuid '{uuid}' ({name})"))
        })
    }

    /// The machine that a client means, which must be running.
    pub(crate) fn running(&self, domain: &Domain) -> Result<Arc<Known>, Error> {
        let known = self.machine(domain)?;
        match known.is_running() {
            true => Ok(known),
            false => Err(failure::invalid("domain is not running").by(Origin::Domain)),
        }
    }

    /// The machine that a client means, which must be defined.
    pub(crate) fn defined(&self, domain: &Domain) -> Result<Arc<Known>, Error> {
        let known = self.machine(domain)?;
        match known.kept.is_some() {
            true => Ok(known),
            false => Err(failure::invalid("transient domains do not have any persistent config")),
        }
    }

    /// How a machine is.
    pub(crate) fn condition(&self, known: &Known) -> Condition {
        let seen = locked(&self.conditions).get(&known.id).copied();
        let usual = if known.is_running() { Condition::BOOTED } else { Condition::OFF };
        seen.filter(|condition| condition.is_alive() == known.is_running()).unwrap_or(usual)
    }

    /// Whether a machine has said how it is.
    pub(crate) fn is_noted(&self, known: &Known) -> bool {
        locked(&self.conditions).contains_key(&known.id)
    }

    /// What clients open.
    pub(crate) fn uri(&self) -> &'static str {
        if self.system { "qemu:///system" } else { "qemu:///session" }
    }

    /// Notes how a machine is.
    pub(crate) fn note(&self, machine: Uuid, condition: Condition) {
        locked(&self.conditions).insert(machine, condition);
        self.noted.notify_one();
    }

    /// Notes how a machine is that was started, unless it was seen standing still: one that is restored may be.
    pub(crate) fn note_begun(&self, machine: Uuid, condition: Condition) {
        let held = locked(&self.conditions).get(&machine).is_some_and(|seen| seen.is_held());
        if !held {
            self.note(machine, condition);
        }
    }

    /// A machine is ended from here, or not after all.
    pub(crate) fn destroys(&self, known: &Known, is_so: bool) {
        let Some(life) = &known.life else { return };
        let mut destroyed = locked(&self.destroyed);
        match is_so {
            true => destroyed.insert((known.id, life.supervisor)),
            false => destroyed.remove(&(known.id, life.supervisor)),
        };
    }

    /// Lives are over: nobody's connection keeps anything for them.
    fn unbind(&self, is_over: &dyn Fn(&(Uuid, u32)) -> bool) {
        let clients: Vec<_> = locked(&self.clients).iter().filter_map(Weak::upgrade).collect();
        clients.iter().for_each(|client| client.unbind(is_over));
    }

    /// This life of a machine is over; says whether it was ended from here.
    pub(crate) fn is_over(&self, known: &Known) -> bool {
        let destroyed = self.is_destroyed(known);
        self.destroys(known, false);
        let life = known.life.as_ref().map(|life| (known.id, life.supervisor));
        self.unbind(&|over| Some(*over) == life);
        destroyed
    }

    /// Whether this life of a machine was ended from here.
    pub(crate) fn is_destroyed(&self, known: &Known) -> bool {
        let life = known.life.as_ref().map(|life| (known.id, life.supervisor));
        life.is_some_and(|life| locked(&self.destroyed).contains(&life))
    }

    /// The same of an earlier life, that was over before anybody listened to it.
    pub(crate) fn was_over(&self, known: &Known) -> bool {
        let life = known.life.as_ref().map(|life| life.supervisor);
        let earlier = |&(id, supervisor): &_| id == known.id && life != Some(supervisor);
        self.unbind(&earlier);
        let mut destroyed = locked(&self.destroyed);
        let before = destroyed.len();
        destroyed.retain(|life| !earlier(life));
        destroyed.len() < before
    }

    /// Forgets how machines were that are no more.
    pub(crate) fn keep_only(&self, machines: &Machines) {
        locked(&self.conditions).retain(|id, _| machines.contains_key(id));
    }

    /// Serves one more connection.
    pub(crate) fn join(&self, client: &Arc<Client>) {
        locked(&self.clients).push(Arc::downgrade(client));
    }

    /// A connection is over: what was bound to it ends.
    pub(crate) fn leave(&self, client: &Client) {
        for (life, bond) in client.bound() {
            locked(&self.destroyed).insert(life);
            // Its supervisor hears that, and ends it.
            drop(bond);
        }
        client.close();
        locked(&self.clients).retain(|other| {
            other.upgrade().is_some_and(|other| !std::ptr::eq(other.as_ref(), client))
        });
    }

    /// Tells whoever asked for a kind of event (`virDomainEventID`).
    pub(crate) fn tell(&self, kind: i32, known: &Known, event: impl Fn(i32, Domain) -> Event) {
        let clients: Vec<_> = locked(&self.clients).iter().filter_map(Weak::upgrade).collect();
        for client in clients {
            client.tell(kind, known.id, &|callback| event(callback, domain(known)));
        }
    }
}

/// A machine as clients name it.
pub(crate) fn domain(known: &Known) -> Domain {
    let id = known.life.as_ref().and_then(|life| i32::try_from(life.supervisor).ok());
    Domain { name: known.name.to_string(), uuid: known.id, id: id.unwrap_or(-1) }
}

/// There is no such domain.
pub(crate) fn no_domain(why: &str) -> Error {
    Error::new(Code::NoDomain, format!("Domain not found: {why}"))
}
