//! A user for a machine that nobody else on this host has, whichever state directory he uses: the
//! store knows only its own machines.

use crate::{Engine, Failure};
use std::{collections::BTreeSet, ops::Range};
use svirt_host::{
    processes,
    reserve::{Reservation, reserve},
};
use svirt_model::MachineUsers;
use svirt_store::Start;

/// The users that can be given to machines.
pub(crate) struct Users {
    range: Option<Range<u32>>,
    /// Those of them that something runs as.
    running: BTreeSet<u32>,
}

impl Users {
    /// Looks at the host: before the store is locked, because it takes a while.
    pub(crate) fn of_this_host(engine: &Engine) -> Result<Self, Failure> {
        let MachineUsers::Range { first, count, .. } = engine.facts.machine_users else {
            return Ok(Self { range: None, running: BTreeSet::new() });
        };
        let range = first..first.saturating_add(count);
        let running = processes::users()?.into_iter().filter(|u| range.contains(u)).collect();
        Ok(Self { range: Some(range), running })
    }

    /// One that is nobody else's as long as the reservation is held.
    pub(crate) fn reserve(self, start: &Start<'_>) -> Result<Option<(u32, Reservation)>, Failure> {
        let Self { range, running } = self;
        let Some(range) = range else { return Ok(None) };
        let (mut had, mut failed) = (None, None);
        let user = start.reserve_user(range, |user| {
            if running.contains(&user) || failed.is_some() {
                return false;
            }
            match reserve("uid", &user.to_string()) {
                Ok(reservation) => had = reservation,
                Err(error) => failed = Some(error),
            }
            had.is_some()
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        let user = user?;
        Ok(had.map(|reservation| (user, reservation)))
    }
}
