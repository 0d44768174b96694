//! What happens to the machine: told to whoever watches it, and as far as others ask for it, to the
//! store. How the guest is follows from what the monitor says, in the order in which it says it.

use super::{Client, OFF_TIME, Role, Service, asked::Purpose};
use crate::{Happened, RunState, supervisor::live::PATIENCE};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use svirt_model::{Delivery, Plan, Target};
use svirt_store::StoreError;

/// How long the store is waited for; what it could not be told then it is told a little later.
const STORE_TIME: Duration = Duration::from_millis(20);
/// A little later.
const STORE_AGAIN: Duration = Duration::from_millis(500);

/// How the guest is, as far as it is known.
pub(super) struct News {
    pub(super) state: RunState,
    /// Why it will stand still in a moment.
    cause: Option<RunState>,
    /// Whether the store knows it as standing still.
    stored: bool,
    /// When the store is to be told, if it is.
    tell_at: Option<Instant>,
}

impl News {
    pub(super) fn of(state: RunState) -> Self {
        Self { state, cause: None, stored: state.stands_still(), tell_at: None }
    }

    /// It will stand still in a moment, for this reason.
    pub(super) fn stops_for(&mut self, cause: RunState) {
        self.cause = Some(cause);
    }

    /// When the store is to be told something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.tell_at
    }
}

impl Service {
    /// Something happened in the VMM.
    pub(super) fn event(&mut self, name: &str, data: &Value) {
        match name {
            // It was told to stand still when its guest is off, instead of ending.
            "STOP" if self.news.state == RunState::Off => self.over_at = None,
            "STOP" if self.anew.is_on() => {}
            "STOP" => {
                let state = self.news.cause.take().unwrap_or(RunState::Paused);
                self.is_now(state);
                self.ask_for_state();
            }
            "RESUME" => {
                self.over_at = None;
                self.is_now(RunState::Running);
            }
            _ => {
                let happened = with_path(Happened::from_event(name, data), &self.live.plan);
                if self.begins_anew(&happened) {
                    return;
                }
                self.news.cause = happened.stops_it().or(self.news.cause);
                self.tell(&happened);
                self.follow(&happened);
            }
        }
    }

    fn follow(&mut self, happened: &Happened) {
        match happened {
            Happened::Panicked { .. } => self.live.note_panic(),
            Happened::ShutDown { .. } => {
                self.over_at = Some(Instant::now() + OFF_TIME);
                self.is_now(RunState::Off);
            }
            Happened::Migration(status) => self.migration(status),
            Happened::Slept { disk: false } => self.is_now(RunState::Asleep),
            Happened::Woke | Happened::Reset { .. } if !self.news.state.stands_still() => {
                self.is_now(RunState::Running);
            }
            _ => {}
        }
    }

    /// Has QEMU say how the guest is: of what stops it not everything is told.
    fn ask_for_state(&mut self) {
        // One that does not take this has said what it had to say.
        let _ = self.ask_for(Purpose::State, "query-status", &json!({}), None);
    }

    /// QEMU said how the guest is.
    pub(super) fn learned(&mut self, status: &Value) {
        if let Some(state) = status["status"].as_str().and_then(RunState::from_word) {
            self.is_now(state);
        }
    }

    fn is_now(&mut self, state: RunState) {
        if state != self.news.state {
            self.news.state = state;
            self.tell(&Happened::State(state));
            self.tell_store();
        }
    }

    /// Tells everybody who watches.
    pub(super) fn tell(&mut self, happened: &Happened) {
        let watches = |client: &&mut Client| matches!(client.role, Role::Watching);
        self.clients.iter_mut().filter(watches).for_each(|client| client.tell(happened));
    }

    /// Tells the store whether the guest stands still, if it is told anything else, without waiting
    /// long for whoever else is at it.
    pub(super) fn tell_store(&mut self) {
        let (state, stored) = (self.news.state, self.news.stored);
        self.news.tell_at = None;
        if state.stands_still() == stored {
            return;
        }
        let (id, still) = (self.live.id, !stored);
        let Some(store) = &mut self.live.store else { return };
        let told = store
            .wait_at_most(STORE_TIME)
            .and_then(|()| store.stands_still(id, still, state.reason()));
        // The end waits longer for the store than this may.
        let _ = store.wait_at_most(PATIENCE);
        match told {
            Err(StoreError::Busy { .. }) => self.news.tell_at = Some(Instant::now() + STORE_AGAIN),
            // What cannot be told now cannot be told later.
            Ok(()) | Err(_) => self.news.stored = still,
        }
    }
}

/// With the image that a disk is on.
fn with_path(mut happened: Happened, plan: &Plan) -> Happened {
    if let Happened::DiskError { node, path, .. } = &mut happened {
        *path = image(plan, node);
    }
    happened
}

/// The image that a node is on: its descriptor stands on the command line.
fn image(plan: &Plan, node: &str) -> Option<PathBuf> {
    let vmm = plan.vmm();
    let file = format!(",node-name={node}-file,filename=/dev/fdset/");
    let argument = |text: &String| text.split_once(&file)?.1.split(',').next()?.parse().ok();
    let fd: i32 = vmm.confinement.arguments.iter().find_map(argument)?;
    let its = vmm.manifest.resources.iter().find(|r| r.delivery == Delivery::Descriptor(fd))?;
    match &its.target {
        Target::Object(object) => Some(object.path.clone()),
        _ => None,
    }
}
