//! What all connections of one user may take together: calls at the same time, and the daemon's memory.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls of one user's connections at the same time.
const CALLS: usize = 16;
/// What may be held for a user beyond what each connection may have for itself, in bytes.
const MEMORY: usize = 32 << 20;

/// One user's share.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    calls: Arc<Semaphore>,
    /// Those of all users who are not the daemon's own.
    others: Option<Arc<Semaphore>>,
    memory: Arc<Semaphore>,
}

/// What a call takes while it is done.
#[derive(Debug)]
pub(crate) struct Turn {
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _permit: OwnedSemaphorePermit,
}

impl Share {
    /// Of a user whose calls are also among those of all of `others`, where it is not the daemon's own.
    pub(crate) fn of_a_user(others: Option<Arc<Semaphore>>) -> Self {
        let [calls, memory] = [CALLS, MEMORY].map(|most| Arc::new(Semaphore::new(most)));
        Self { calls, others, memory }
    }

    /// Waits for a turn; `None` never comes, for nobody closes what is waited for.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        let own = self.calls.clone().acquire_owned().await.ok()?;
        let others = match &self.others {
            Some(others) => Some(others.clone().acquire_owned().await.ok()?),
            None => None,
        };
        Some(Turn { _permits: [Some(own), others] })
    }

    /// Room for so many bytes, if there is.
    pub(crate) fn hold(&self, bytes: usize) -> Option<Held> {
        take(&self.memory, bytes)
    }
}

/// So much of a room that counts bytes, if it is there.
pub(crate) fn take(room: &Arc<Semaphore>, bytes: usize) -> Option<Held> {
    let permit = room.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?);
    permit.ok().map(|_permit| Held { _permit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let share = Share::of_a_user(None);
        let most = share.hold(MEMORY).expect("nothing is held");
        assert!(share.hold(1).is_none());
        drop(most);
        assert!(share.hold(1).is_some());
    }
}
