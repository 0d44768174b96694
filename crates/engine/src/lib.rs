//! The use cases, in one place: every front end calls only this.
//!
//! A start forks a supervisor, which does everything and reports once; what else there is to do with
//! a machine that runs is asked of its supervisor, through a socket in the machine's run-time
//! directory.
#![forbid(unsafe_code)]

mod accelerator;
mod amend;
mod capabilities;
mod client;
mod convert;
mod definitions;
mod disks;
mod doctor;
mod document;
mod domain;
pub mod drill;
mod emulator;
mod failure;
mod figures;
mod happened;
mod hardware;
mod image;
mod inventory;
mod keeping;
mod long;
mod monitor;
mod paths;
pub mod policy;
mod program;
mod qmp;
mod reading;
mod recovery;
mod repair;
mod resolve;
mod rfb;
mod rules;
mod save;
mod screen;
mod start;
mod supervisor;
mod verify;
mod watch;

pub use amend::Described;
pub use client::{StopLimits, Waiter};
pub use definitions::{Logs, Outcome};
pub use doctor::Diagnosis;
pub use document::{Refused, Why};
pub use domain::XmlFlags;
pub use failure::{Code, Failure};
pub use figures::{Card, Counted, Devices, Disk, DiskCount, DiskSize, Transfer, Trouble, Wanted};
pub use happened::{Happened, RunState, ScreenEnd, Visit};
pub use hardware::HostInfo;
pub use inventory::{Inventory, Kept, Known, Life, Machines};
pub use long::Labelling;
pub use monitor::Monitor;
pub use paths::Paths;
pub use recovery::{History, Pending, Recovery, Rest};
pub use repair::Repair;
pub use save::{Progress, Saved, Then};
pub use start::{StartOptions, Started, Streams, new_id};
pub use supervisor::SUPERVISOR_DIED;
pub use watch::Watch;

pub use svirt_formats::{
    command_line::quoted,
    domain::{Amendment, Note},
    spec,
};
pub use svirt_host::{
    peer,
    processes::{ThreadUsage, Usage, processors_of},
    sys::passed_sockets,
};
pub use svirt_model as model;
pub use svirt_probe as probe;
pub use svirt_store::{DamagedEntry, LedgerEntry, Phase, Recorded};

use std::sync::OnceLock;
use svirt_host::facts;
use svirt_model::HostFacts;
use svirt_store::Store;

/// The use cases for one user of this host.
#[derive(Debug)]
pub struct Engine {
    paths: Paths,
    facts: OnceLock<HostFacts>,
}

impl Engine {
    /// Finds the user's state. Nothing is made yet.
    ///
    /// # Errors
    /// There is no place for an ordinary user's state: neither `HOME` nor `XDG_STATE_HOME` is set.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { paths: Paths::of_this_user()?, facts: OnceLock::new() })
    }

    /// What this host offers; looked at when it is first asked for.
    pub fn facts(&self) -> &HostFacts {
        self.facts.get_or_init(facts::gather)
    }

    /// What was found out already, by who has just asked.
    pub(crate) fn learn(&self, facts: HostFacts) {
        // What this process has seen itself stands.
        let _ = self.facts.set(facts);
    }

    /// Where the user's state is.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    fn store(&self) -> Result<Store, Failure> {
        self.paths.make_state()?;
        let mut store = Store::open(&self.paths.state)?;
        store.keep_at_least(rules::ledger_keeps());
        Ok(store)
    }
}
