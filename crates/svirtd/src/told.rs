//! What a supervisor tells of its machine, as those are told who asked libvirt's way.

use crate::{
    conditions::{Condition, lifecycle as events},
    daemon::Daemon,
};
use svirt_engine::{Happened, Known, RunState, ScreenEnd, Visit};
use svirt_rpc::{Event, GraphicsAddress, List};

/// Kinds of events (`virDomainEventID`).
mod kind {
    pub(super) const LIFECYCLE: i32 = 0;
    pub(super) const REBOOT: i32 = 1;
    pub(super) const CLOCK: i32 = 2;
    pub(super) const WATCHDOG: i32 = 3;
    pub(super) const DISK_ERROR: i32 = 4;
    pub(super) const GRAPHICS: i32 = 5;
    pub(super) const DISK_ERROR_REASON: i32 = 6;
    pub(super) const TRAY: i32 = 10;
    pub(super) const WOKEN: i32 = 11;
    pub(super) const ASLEEP: i32 = 12;
    pub(super) const BALLOON: i32 = 13;
}

/// Something happened to a machine's life.
pub(crate) fn lifecycle(daemon: &Daemon, known: &Known, event: i32, detail: i32) {
    daemon.tell(kind::LIFECYCLE, known, |callback, domain| Event::Lifecycle {
        callback,
        domain,
        event,
        detail,
    });
}

/// Something happened to a machine that runs.
pub(crate) fn happened(daemon: &Daemon, known: &Known, happened: &Happened) {
    match happened {
        Happened::Reset { .. } => {
            daemon.tell(kind::REBOOT, known, |callback, domain| Event::Reboot { callback, domain });
        }
        // It was ended from here, and its end says so.
        Happened::ShutDown { .. } if daemon.is_destroyed(known) => {}
        Happened::ShutDown { guest, .. } => {
            lifecycle(daemon, known, events::SHUT_DOWN, if *guest { 1 } else { 2 });
        }
        Happened::Panicked { .. } => {
            lifecycle(daemon, known, events::CRASHED.0, events::CRASHED.1);
        }
        Happened::Slept { disk } => slept(daemon, known, *disk),
        Happened::Woke => woke(daemon, known),
        Happened::Clock { seconds: offset } => {
            let offset = *offset;
            daemon.tell(kind::CLOCK, known, |callback, domain| Event::Clock {
                callback,
                domain,
                offset,
            });
        }
        Happened::Balloon(memory) => {
            let actual = memory.0 / 1024;
            daemon.tell(kind::BALLOON, known, |callback, domain| Event::Balloon {
                callback,
                domain,
                actual,
            });
        }
        Happened::Watchdog { action } => watchdog(daemon, known, action),
        Happened::DiskError { .. } => disk_error(daemon, known, happened),
        Happened::Tray { device, open } => {
            let (alias, reason) = (device.clone(), i32::from(!open));
            daemon.tell(kind::TRAY, known, |callback, domain| Event::Tray {
                callback,
                domain,
                alias: alias.clone(),
                reason,
            });
        }
        Happened::Screen { visit, auth, server, client } => {
            screen(daemon, known, *visit, auth, server, client);
        }
        // Said by `runs`.
        Happened::State(_) => {}
        // libvirt has no word for these.
        Happened::PowerButton | Happened::Migration(_) | Happened::Other { .. } => {}
        // These are its end.
        Happened::Ended(_) | Happened::NotPutBack(_) => {}
    }
}

/// A machine runs or stands still otherwise than before; what it was when it was first heard of is no news.
pub(crate) fn runs(daemon: &Daemon, known: &Known, before: Option<RunState>, now: RunState) {
    if daemon.is_destroyed(known) {
        return;
    }
    daemon.note(known.id, Condition::of_run(now, daemon.condition(known)));
    let Some(before) = before.filter(|before| *before != now) else { return };
    match (before.stands_still(), now.stands_still()) {
        // Of further reasons libvirt says that it is held.
        (false, true) => {
            let detail = match now {
                RunState::DiskError => 2,
                RunState::Watchdog => 3,
                _ => 0,
            };
            lifecycle(daemon, known, events::SUSPENDED, detail);
        }
        (true, false) => lifecycle(daemon, known, events::RESUMED.0, events::RESUMED.1),
        _ => {}
    }
}

/// A machine begins like this.
pub(crate) fn begins(daemon: &Daemon, known: &Known, restored: bool, state: RunState) {
    if restored && !state.stands_still() {
        daemon.note(known.id, Condition::RESTORED);
    }
    if state.stands_still() {
        // `VIR_DOMAIN_EVENT_SUSPENDED_RESTORED`, or `VIR_DOMAIN_EVENT_SUSPENDED_PAUSED`.
        lifecycle(daemon, known, events::SUSPENDED, if restored { 4 } else { 0 });
    }
}

/// A machine's life is over: ended from here, or else like this.
pub(crate) fn ended(daemon: &Daemon, known: &Known, destroyed: bool, end: Option<Condition>) {
    let end = if destroyed { Condition::DESTROYED } else { end.unwrap_or(Condition::FAILED) };
    daemon.note(known.id, end);
    let (event, detail) = end.stopped();
    lifecycle(daemon, known, event, detail);
}

fn slept(daemon: &Daemon, known: &Known, disk: bool) {
    lifecycle(daemon, known, events::ASLEEP, i32::from(disk));
    daemon.tell(kind::ASLEEP, known, |callback, domain| Event::Asleep {
        callback,
        reason: 0,
        domain,
    });
}

fn woke(daemon: &Daemon, known: &Known) {
    lifecycle(daemon, known, events::WOKEN.0, events::WOKEN.1);
    daemon.tell(kind::WOKEN, known, |callback, domain| Event::Woken {
        callback,
        reason: 0,
        domain,
    });
}

fn watchdog(daemon: &Daemon, known: &Known, action: &str) {
    // `virDomainEventWatchdogAction`.
    let words = ["none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi"];
    let action = words.iter().position(|word| *word == action).unwrap_or(0);
    let action = i32::try_from(action).unwrap_or(0);
    daemon.tell(kind::WATCHDOG, known, |callback, domain| Event::Watchdog {
        callback,
        domain,
        action,
    });
}

fn disk_error(daemon: &Daemon, known: &Known, happened: &Happened) {
    let Happened::DiskError { node, path, action, no_space, .. } = happened else { return };
    let path = path.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let alias = node.clone();
    // `virDomainEventIOErrorAction`.
    let words = ["ignore", "stop", "report"];
    let action = words.iter().position(|word| word == action).unwrap_or(0);
    let action = i32::try_from(action).unwrap_or(0);
    let reason = if *no_space { "enospc" } else { "" };
    daemon.tell(kind::DISK_ERROR, known, |callback, domain| {
        let (path, alias) = (path.clone(), alias.clone());
        Event::DiskError { callback, domain, path, alias, action }
    });
    daemon.tell(kind::DISK_ERROR_REASON, known, |callback, domain| {
        let (path, alias, reason) = (path.clone(), alias.clone(), reason.to_owned());
        Event::DiskErrorReason { callback, domain, path, alias, action, reason }
    });
}

fn screen(
    daemon: &Daemon,
    known: &Known,
    visit: Visit,
    auth: &str,
    server: &ScreenEnd,
    client: &ScreenEnd,
) {
    // `virDomainEventGraphicsPhase`.
    let phase = match visit {
        Visit::Connected => 0,
        Visit::Initialized => 1,
        Visit::Disconnected => 2,
    };
    daemon.tell(kind::GRAPHICS, known, |callback, domain| Event::Graphics {
        callback,
        domain,
        phase,
        local: address(server),
        remote: address(client),
        scheme: auth.to_owned(),
        subject: List::default(),
    });
}

fn address(end: &ScreenEnd) -> GraphicsAddress {
    // `virDomainEventGraphicsAddressType`.
    let family = match end.family.as_str() {
        "ipv4" => 0,
        "ipv6" => 1,
        _ => 2,
    };
    GraphicsAddress { family, node: end.host.clone(), service: end.service.clone() }
}
