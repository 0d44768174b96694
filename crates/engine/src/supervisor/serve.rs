//! A machine's life between its start and its end: one loop that waits for whatever happens next.

mod anew;
mod asked;
mod client;
mod clients;
mod news;
mod save;

use super::{
    Live, Reply,
    console::{Console, LogFile},
    live::timespec,
    monitor::Monitor,
};
use crate::Happened;
use crate::{Engine, start::Starter};
use anew::Anew;
use asked::Asked;
use client::{Client, Role};
use news::News;
use rustix::event::{PollFd, PollFlags, poll};
use save::Saving;
use serde_json::json;
use std::{
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};
use svirt_host::sys;
use svirt_model::Ending;
use svirt_store::Store;

/// How long a guest may seem not to have felt the power button.
const PRESS_AGAIN: Duration = Duration::from_secs(1);
/// How often the monitor is read after the end; more than its socket holds.
const LAST_READS: usize = 256;
/// No step of a stop takes longer, whatever was asked.
const STEP_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What a supervisor allows a guest that it must end because it was told to end itself.
const OWN_END: Duration = Duration::from_secs(10);

/// How long a VMM may take to end whose guest is off. QEMU 7.2 waits for ever for what it was asked in the moment in
/// which it ends (`monitor_cleanup`); what its disks hold is on them long before.
const OFF_TIME: Duration = Duration::from_secs(30);

/// Serves until the VMM ends, then puts everything back and answers those who wait: `starter`, who
/// started the machine, first of all. It is ended when the other end of `bond` is closed.
pub(crate) fn until_it_ends(engine: &Engine, live: Live, bond: Option<OwnedFd>, starter: Starter) {
    let log = LogFile::open(&live.logs, "vmm.log").ok();
    let signals = sys::signal_descriptor(&[15, 2]).ok();
    let mut clients = vec![Client::new(starter.report, Role::Waiting)];
    if let Some(console) = &live.console {
        let mut listener = Client::new(starter.console, Role::Attached);
        listener.say(&console.replay());
        clients.push(listener);
    }
    let (asked, news) = (Asked::default(), News::of(live.begins));
    let mut service = Service {
        live,
        bond,
        clients,
        asked,
        news,
        saving: None,
        saved: false,
        anew: Anew::default(),
        stopping: None,
        over_at: None,
        log,
        signals,
    };
    while service.turn() {}
    service.end(engine);
}

struct Service {
    live: Live,
    /// What it ends with.
    bond: Option<OwnedFd>,
    clients: Vec<Client>,
    asked: Asked,
    news: News,
    saving: Option<Saving>,
    /// Whether it ends because it is saved.
    saved: bool,
    anew: Anew,
    stopping: Option<Stopping>,
    /// When it is killed, whose guest is off.
    over_at: Option<Instant>,
    log: Option<LogFile>,
    signals: Option<OwnedFd>,
}

/// What is to be done when, to a machine that was asked to stop.
struct Stopping {
    /// When the power button is pressed next: a guest that is still booting does not feel it.
    press_at: Option<Instant>,
    /// When the VMM is asked to end.
    terminate_at: Option<Instant>,
    /// When it is killed, if it is.
    kill_at: Option<Instant>,
}

/// Something that was waited for.
enum Ready {
    Vmm,
    Monitor,
    /// The monitor takes again what it did not take before.
    Unsent,
    Console,
    /// The console takes again what it did not take before.
    Deaf,
    Log,
    Signals,
    /// What it ends with has ended.
    Bond,
    Listener,
    Client(usize),
}

impl Service {
    /// Waits for the next thing and does it; false when the VMM has ended.
    fn turn(&mut self) -> bool {
        let mut goes_on = true;
        for ready in self.wait() {
            match ready {
                Ready::Vmm => goes_on = false,
                Ready::Monitor => self.monitor(),
                Ready::Unsent => self.unsent(),
                Ready::Console => self.console(),
                Ready::Deaf => self.live.console.iter_mut().for_each(Console::flush),
                Ready::Log => self.said(),
                Ready::Signals => self.stop(OWN_END, Some(OWN_END)),
                Ready::Bond => {
                    self.bond = None;
                    self.stop(Duration::ZERO, Some(OWN_END));
                }
                Ready::Listener => self.accept(),
                Ready::Client(index) => self.client(index),
            }
        }
        let now = Instant::now();
        self.give_up(now);
        if self.news.deadline().is_some_and(|at| at <= now) {
            self.tell_store();
        }
        self.clients.retain(|client| !matches!(client.role, Role::Gone) && !client.is_late(now));
        self.clients.iter_mut().for_each(Client::flush);
        self.look_after_saver();
        goes_on && self.press_on()
    }

    fn wait(&self) -> Vec<Ready> {
        let watched = self.watched();
        let mut polled: Vec<PollFd<'_>> =
            watched.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        // An interruption is as good as nothing: the next turn waits again.
        let timeout = self.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let _ = poll(&mut polled, timeout.map(timespec).as_ref());
        let happened: Vec<bool> = polled.iter().map(|p| !p.revents().is_empty()).collect();
        watched.into_iter().zip(happened).filter(|(_, yes)| *yes).map(|((r, _, _), _)| r).collect()
    }

    fn watched(&self) -> Vec<(Ready, BorrowedFd<'_>, PollFlags)> {
        let live = &self.live;
        let one = [
            (Ready::Vmm, live.vmm().map(AsFd::as_fd)),
            (Ready::Monitor, live.monitor.as_ref().map(AsFd::as_fd)),
            (Ready::Console, live.console.as_ref().map(AsFd::as_fd)),
            (Ready::Log, live.log.as_ref().map(AsFd::as_fd)),
            (Ready::Signals, self.signals.as_ref().map(AsFd::as_fd)),
            (Ready::Bond, self.bond.as_ref().map(AsFd::as_fd)),
            (Ready::Listener, live.listener.as_ref().map(AsFd::as_fd)),
        ];
        let mut all: Vec<_> =
            one.into_iter().filter_map(|(r, fd)| Some((r, fd?, PollFlags::IN))).collect();
        // What the guest has not taken yet waits, and so does whoever says more.
        let unheard = live.console.as_ref().is_some_and(Console::has_pending);
        if let Some(console) = live.console.as_ref().filter(|_| unheard) {
            all.push((Ready::Deaf, console.as_fd(), PollFlags::OUT));
        }
        if let Some(monitor) = live.monitor.as_ref().filter(|m| m.has_unsent()) {
            all.push((Ready::Unsent, monitor.as_fd(), PollFlags::OUT));
        }
        for (index, client) in self.clients.iter().enumerate() {
            // Nobody asks two things at once.
            let waits = client.is_busy() || (unheard && matches!(client.role, Role::Attached));
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !waits);
            flags.set(PollFlags::OUT, client.has_pending());
            all.push((Ready::Client(index), client.as_fd(), flags));
        }
        all
    }

    fn deadline(&self) -> Option<Instant> {
        let stopping = self.stopping.as_ref();
        let steps = stopping.map(|s| [s.press_at, s.terminate_at, s.kill_at]);
        let requests = self.clients.iter().filter_map(Client::deadline);
        let others = [self.asked.deadline(), self.news.deadline(), self.over_at];
        let others = others.into_iter().flatten();
        steps.into_iter().flatten().flatten().chain(requests).chain(others).min()
    }

    /// The next step towards the end, if its time has come; false when nothing is left but to kill.
    fn press_on(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        let Some(stopping) = &mut self.stopping else { return true };
        let now = Instant::now();
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if due(&mut stopping.terminate_at) {
            stopping.press_at = None;
            // If its init is gone, so is the VMM.
            let _ = self.live.vmm().map(svirt_host::launch::Running::terminate);
        }
        if due(&mut stopping.press_at) {
            let button = self.live.monitor.as_mut();
            let pressed = button.map(|monitor| monitor.send("system_powerdown", &json!({})));
            stopping.press_at = pressed.and_then(Result::ok).map(|_| now + PRESS_AGAIN);
        }
        stopping.kill_at.is_none_or(|at| at > now)
    }

    /// Whether its guest is off for so long that it will not end.
    fn is_over(&self) -> bool {
        self.over_at.is_some_and(|at| at <= Instant::now())
    }

    /// `terminate` is how long it may take to end that was told to, before it is killed; none is for ever.
    fn stop(&mut self, acpi: Duration, terminate: Option<Duration>) {
        self.drain_signals();
        let (acpi, terminate) = (acpi.min(STEP_MAX), terminate.map(|time| time.min(STEP_MAX)));
        let now = Instant::now();
        // What has no monitor has no power button.
        let button = self.live.monitor.is_some() && !acpi.is_zero();
        let terminate_at = if button { now + acpi } else { now };
        self.end_when_off();
        // Who asks again may hasten the end, never put it off.
        let before = self.stopping.take();
        let kill_at = [terminate.map(|time| terminate_at + time), before.and_then(|s| s.kill_at)];
        let kill_at = kill_at.into_iter().flatten().min();
        let terminate_at = kill_at.map_or(terminate_at, |kill_at| kill_at.min(terminate_at));
        self.stopping = Some(Stopping {
            press_at: button.then_some(now),
            terminate_at: Some(terminate_at),
            kill_at,
        });
    }

    fn drain_signals(&self) {
        let mut record = [0; 128];
        if let Some(signals) = &self.signals {
            while rustix::io::read(signals, &mut record).is_ok_and(|n| n > 0) {}
        }
    }

    fn monitor(&mut self) {
        let Some(monitor) = &mut self.live.monitor else { return };
        match monitor.read() {
            Ok(messages) => messages.into_iter().for_each(|message| self.heard(message)),
            Err(_) => self.hung_up(),
        }
    }

    fn unsent(&mut self) {
        // One that hung up is heard to have done so.
        let _ = self.live.monitor.as_mut().map(Monitor::flush);
    }

    fn console(&mut self) {
        let Some(console) = &mut self.live.console else { return };
        let said = console.read();
        if said.is_empty() {
            self.live.console = None;
            return;
        }
        for client in self.clients.iter_mut().filter(|c| matches!(c.role, Role::Attached)) {
            client.say(&said);
        }
    }

    fn said(&mut self) {
        let mut bytes = [0; 4096];
        let count = self.live.log.as_mut().map_or(0, |log| log.read(&mut bytes).unwrap_or(0));
        if count == 0 {
            self.live.log = None;
        }
        if let (Some(file), Some(said)) = (&mut self.log, bytes.get(..count)) {
            file.append(said);
        }
    }

    fn end(mut self, engine: &Engine) {
        let kill_at = self.stopping.as_ref().and_then(|stopping| stopping.kill_at);
        let over = self.is_over();
        let killed = over || kill_at.is_some_and(|at| at <= Instant::now());
        if killed {
            // First of all: what is still on its way from a VMM that is gone is finite.
            self.live.kill();
        }
        // What the guest said last is still on its way.
        self.monitor_to_the_end();
        let ending = match killed {
            true if self.saved => Ending::Saved,
            // It had switched itself off.
            true if over => Ending::Exited(0),
            true => Ending::Killed(9),
            false => self.live.ending(),
        };
        self.console();
        let Self { live, clients, .. } = self;
        // An error leaves the machine in the ledger, and the next command of sVirt tries again.
        let finished = live.finish(engine, &ending.to_string());
        let (farewell, end) = match &finished {
            Ok(_) => (Reply::Ended(ending), Happened::Ended(ending)),
            Err(failure) => {
                let why = format!(
                    "the machine {ending}, but what it had changed was not put back: {failure}; \
                     svirt recover tries again"
                );
                (Reply::Refused(why.clone()), Happened::NotPutBack(why))
            }
        };
        clients.into_iter().for_each(|client| client.bid_farewell(&farewell, &end));
        // Nobody waits for this, and what is not done is done by a later commit.
        let _ = finished.map(Store::tidy);
    }

    fn monitor_to_the_end(&mut self) {
        let speaks = |monitor: &Monitor| {
            let mut watched = [PollFd::new(monitor, PollFlags::IN)];
            poll(&mut watched, Some(&timespec(Duration::ZERO))).is_ok_and(|n| n > 0)
        };
        for _ in 0..LAST_READS {
            if !self.live.monitor.as_ref().is_some_and(speaks) {
                return;
            }
            self.monitor();
        }
    }
}
