//! A user for a machine that nobody else on this host has, whichever state directory he uses: the
//! store knows only its own machines.

use crate::{Engine, Failure};
use svirt_host::{
    HostError, processes,
    reserve::{Reservation, reserve},
};
use svirt_model::MachineUsers;
use svirt_store::Start;

/// A user that is nobody else's as long as the reservation is held; none where there are none to
/// give.
pub(crate) fn reserve_user(
    engine: &Engine,
    start: &Start<'_>,
) -> Result<Option<(u32, Reservation)>, Failure> {
    let MachineUsers::Range { first, count, .. } = engine.facts().machine_users else {
        return Ok(None);
    };
    let (mut had, mut failed) = (None, None);
    let user = start.reserve_user(first..first.saturating_add(count), |user| {
        if failed.is_none() {
            match take(user) {
                Ok(reservation) => had = reservation,
                Err(error) => failed = Some(error),
            }
        }
        had.is_some()
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    let user = user?;
    Ok(had.map(|reservation| (user, reservation)))
}

/// The user, if it is reserved by nobody and nothing runs as it.
fn take(user: u32) -> Result<Option<Reservation>, HostError> {
    let reservation = reserve("uid", &user.to_string())?;
    Ok(if processes::run_as(user)? { None } else { reservation })
}
