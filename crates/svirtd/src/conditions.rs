//! How machines are, and what happens to them, in libvirt's numbers.

use svirt_engine::{RunState, model::Ending};

/// How a machine is (`virDomainState`, and the reasons of each).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Its state.
    pub(crate) state: i32,
    /// Why.
    pub(crate) reason: i32,
}

const fn condition(state: i32, reason: i32) -> Condition {
    Condition { state, reason }
}

impl Condition {
    /// It runs since it was started.
    pub(crate) const BOOTED: Self = condition(1, 1);
    /// It runs since it was restored.
    pub(crate) const RESTORED: Self = condition(1, 3);
    /// It runs since it was let go on.
    pub(crate) const RESUMED: Self = condition(1, 5);
    /// It is held because somebody said so.
    pub(crate) const HELD: Self = condition(3, 1);
    /// It was started to be held.
    pub(crate) const STARTED_HELD: Self = condition(3, 11);
    /// It does not run; since when, nobody has seen.
    pub(crate) const OFF: Self = condition(5, 0);
    /// It switched itself off.
    pub(crate) const SHUT_DOWN: Self = condition(5, 1);
    /// It was ended from here.
    pub(crate) const DESTROYED: Self = condition(5, 2);
    /// Its guest crashed, and it ended.
    pub(crate) const CRASHED: Self = condition(5, 3);
    /// It was saved.
    pub(crate) const SAVED: Self = condition(5, 5);
    /// Its VMM or its supervisor failed.
    pub(crate) const FAILED: Self = condition(5, 6);

    /// Whether its VMM is there.
    pub(crate) fn is_alive(self) -> bool {
        self.state != Self::OFF.state
    }

    /// Whether somebody must let it go on.
    pub(crate) fn is_held(self) -> bool {
        self.state == Self::HELD.state
    }

    /// Of a guest that is there, whose condition was this before.
    pub(crate) fn of_run(state: RunState, before: Self) -> Self {
        match state {
            RunState::Running if before.is_held() => Self::RESUMED,
            RunState::Running => condition(1, before.reason.max(1)),
            RunState::Paused if before == Self::STARTED_HELD => before,
            RunState::Paused => Self::HELD,
            RunState::NotBegun | RunState::Restoring => Self::STARTED_HELD,
            RunState::DiskError => condition(3, 5),
            RunState::Watchdog => condition(3, 6),
            RunState::Panicked => condition(3, 10),
            RunState::Saving | RunState::Saved => condition(3, 3),
            RunState::VmmError | RunState::Debugged => condition(3, 0),
            RunState::Asleep => condition(7, 0),
            RunState::Off => condition(4, 0),
        }
    }

    /// After its VMM's end.
    pub(crate) fn of_ending(ending: Ending) -> Self {
        match ending {
            Ending::Exited(_) => Self::SHUT_DOWN,
            Ending::Killed(9) => Self::DESTROYED,
            Ending::Panicked => Self::CRASHED,
            Ending::Saved => Self::SAVED,
            Ending::Killed(_) | Ending::Failed(_) => Self::FAILED,
        }
    }

    /// What is told of a machine that ended so (`VIR_DOMAIN_EVENT_STOPPED` and its details).
    pub(crate) fn stopped(self) -> (i32, i32) {
        let detail = match self {
            Self::DESTROYED => 1,
            Self::CRASHED => 2,
            Self::SAVED => 4,
            Self::FAILED => 5,
            _ => 0,
        };
        (5, detail)
    }
}

/// What happened, and why (`virDomainEventType`, and the details of each).
pub(crate) mod lifecycle {
    /// A machine is defined that was not.
    pub(crate) const DEFINED: (i32, i32) = (0, 0);
    /// Its definition is another.
    pub(crate) const CHANGED: (i32, i32) = (0, 1);
    /// Its definition is no more.
    pub(crate) const UNDEFINED: (i32, i32) = (1, 0);
    /// It started.
    pub(crate) const STARTED: (i32, i32) = (2, 0);
    /// It started where it was when it was saved.
    pub(crate) const RESTORED: (i32, i32) = (2, 2);
    /// It was let go on.
    pub(crate) const RESUMED: (i32, i32) = (4, 0);
    /// It woke.
    pub(crate) const WOKEN: (i32, i32) = (2, 4);
    /// It is held; the details say why.
    pub(crate) const SUSPENDED: i32 = 3;
    /// Its guest switched it off, or somebody else did.
    pub(crate) const SHUT_DOWN: i32 = 6;
    /// It sleeps: in its memory, or on its disk.
    pub(crate) const ASLEEP: i32 = 7;
    /// Its guest panicked.
    pub(crate) const CRASHED: (i32, i32) = (8, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_goes_on_says_so() {
        let of = Condition::of_run;
        assert_eq!(of(RunState::Running, Condition::BOOTED), Condition::BOOTED);
        assert_eq!(of(RunState::Running, Condition::HELD), Condition::RESUMED);
        assert_eq!(of(RunState::Paused, Condition::STARTED_HELD), Condition::STARTED_HELD);
        assert_eq!(of(RunState::Paused, Condition::BOOTED), Condition::HELD);
    }

    #[test]
    fn what_was_killed_did_not_switch_itself_off() {
        assert_eq!(Condition::of_ending(Ending::Exited(0)).stopped(), (5, 0));
        assert_eq!(Condition::of_ending(Ending::Killed(9)).stopped(), (5, 1));
        assert_eq!(Condition::of_ending(Ending::Panicked).stopped(), (5, 2));
        assert_eq!(Condition::of_ending(Ending::Failed(1)).stopped(), (5, 5));
    }
}
