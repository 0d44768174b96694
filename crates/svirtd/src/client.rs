//! What is known of one connection, by all that serve it.

use crate::{access::Allowed, apart::Bond, outgoing::Outgoing, share::Share, streams::Streams};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use svirt_engine::peer::Peer;
use svirt_rpc::{Access, Event};
use uuid::Uuid;

/// The most callbacks of one connection.
const CALLBACKS_MAX: usize = 1024;

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// Who is at its other end.
    pub(crate) peer: Peer,
    /// What they may.
    pub(crate) allowed: Allowed,
    /// Where answers go.
    pub(crate) out: Outgoing,
    /// Streams that go on.
    pub(crate) streams: Streams,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether it was opened for a URI, and is not closed.
    opened: bool,
    /// Whether it was opened only to look, wherever it came.
    looks: bool,
    callbacks: BTreeMap<i32, Callback>,
    next: i32,
    /// Whether it is told of lives under the first of the calls for that, which knows no callbacks.
    first: bool,
    /// What machines end with that end with the connection: of each the life, by its supervisor.
    bound: BTreeMap<(Uuid, u32), Bond>,
}

/// What a connection wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Callback {
    /// Which kind of event (`virDomainEventID`).
    pub(crate) event: i32,
    /// Of which machine, or of all.
    pub(crate) machine: Option<Uuid>,
}

impl Client {
    /// One that has just connected.
    pub(crate) fn new(peer: Peer, allowed: Allowed, out: Outgoing, share: Share) -> Self {
        Self { peer, allowed, out, streams: Streams::new(share), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether calls are answered.
    pub(crate) fn is_open(&self) -> bool {
        self.state().opened
    }

    /// Whether a call of this kind may be made.
    pub(crate) fn may(&self, access: Access) -> bool {
        let here = access <= Access::Look || !self.state().looks;
        here && self.allowed.covers(access)
    }

    /// Opens it, only to look or for whatever may be done, if it is not open yet; says whether it was not.
    pub(crate) fn open(&self, looks: bool) -> bool {
        let mut state = self.state();
        let opens = !state.opened;
        if opens {
            (state.opened, state.looks) = (true, looks);
        }
        opens
    }

    /// Closes it: nothing but a greeting is answered any more. What is bound to it ends when it is gone.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let bound = std::mem::take(&mut state.bound);
        *state = State { bound, ..State::default() };
    }

    /// Tells it of lives under the first of the calls for that, or no longer; says whether that is new.
    pub(crate) fn register_first(&self, told: bool) -> bool {
        std::mem::replace(&mut self.state().first, told) != told
    }

    /// Tells it of a kind of event from now on; `None` when it has too many callbacks.
    pub(crate) fn register(&self, callback: Callback) -> Option<i32> {
        let mut state = self.state();
        let number = state.next;
        if state.callbacks.len() >= CALLBACKS_MAX {
            return None;
        }
        state.next = number.checked_add(1)?;
        state.callbacks.insert(number, callback);
        Some(number)
    }

    /// No longer; says whether it was told before.
    pub(crate) fn deregister(&self, number: i32) -> bool {
        self.state().callbacks.remove(&number).is_some()
    }

    /// Tells whoever asked for a kind of event of a machine.
    pub(crate) fn tell(&self, kind: i32, machine: Uuid, event: &dyn Fn(i32) -> Event) {
        let meant = |callback: &Callback| {
            callback.event == kind && callback.machine.is_none_or(|only| only == machine)
        };
        let state = self.state();
        let meant = state.callbacks.iter().filter(|(_, callback)| meant(callback));
        let events = meant.map(|(number, _)| event(*number));
        let first = state.first.then(|| event(0)).and_then(Event::first);
        for frame in events.chain(first).filter_map(|event| event.frame().ok()) {
            self.out.send_now(&frame);
        }
    }

    /// Ends a machine's life with this connection.
    pub(crate) fn bind(&self, machine: Uuid, supervisor: u32, bond: Bond) {
        self.state().bound.insert((machine, supervisor), bond);
    }

    /// Lives that are over are bound to nothing.
    pub(crate) fn unbind(&self, is_over: &dyn Fn(&(Uuid, u32)) -> bool) {
        self.state().bound.retain(|life, _| !is_over(life));
    }

    /// What the machines end with that end with this connection.
    pub(crate) fn bound(&self) -> BTreeMap<(Uuid, u32), Bond> {
        std::mem::take(&mut self.state().bound)
    }
}
