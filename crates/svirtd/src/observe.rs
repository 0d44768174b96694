//! What happens to machines, whoever did it: the store says which there are and which run, and each one's
//! supervisor tells what happens to it. Nothing is asked again and again.

use crate::{
    conditions::{Condition, lifecycle},
    daemon::Daemon,
    told,
};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::{
    collections::BTreeSet, io, mem::MaybeUninit, os::fd::OwnedFd, sync::Arc, time::Duration,
};
use svirt_engine::{Happened, Known, Machines, RunState, model::State};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, unix::AsyncFd},
    net::UnixStream,
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

/// The longest line that a supervisor says, in bytes.
const LINE_MAX: u64 = 2 << 20;
/// How long a supervisor is left alone that let its listener go.
const PAUSE: Duration = Duration::from_secs(1);
/// So many things happen to one machine in a second, at most.
const A_SECOND: u32 = 500;
const SECOND: Duration = Duration::from_secs(1);

/// Looks whenever something changed, and tells whoever asked for it.
pub(crate) async fn observe(daemon: Arc<Daemon>) {
    let store = Store::watched(&daemon);
    let mut before = machines(&daemon).await.unwrap_or_default();
    let running = before.values().filter(|known| runs(Some(known)));
    running.for_each(|known| follow(&daemon, known));
    loop {
        tokio::select! {
            () = daemon.changed.notified() => {}
            () = store.written() => {}
        }
        let Some(now) = machines(&daemon).await else { continue };
        tell(&daemon, &before, &now);
        daemon.keep_only(&now);
        before = now;
    }
}

async fn machines(daemon: &Arc<Daemon>) -> Option<Machines> {
    let daemon = daemon.clone();
    tokio::task::spawn_blocking(move || daemon.machines().ok()).await.ok()?
}

/// The store's files, which are written whenever anybody changes anything.
struct Store(Option<AsyncFd<OwnedFd>>);

impl Store {
    fn watched(daemon: &Daemon) -> Self {
        let watch = || -> io::Result<_> {
            let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            inotify::add_watch(&watch, &daemon.engine.paths().state, WatchFlags::MODIFY)?;
            registered(watch)
        };
        // Without it, what others do is seen when somebody asks.
        Self(watch().ok())
    }

    /// Waits until something was written.
    async fn written(&self) {
        let Some(watch) = &self.0 else { return std::future::pending().await };
        let Ok(mut ready) = watch.readable().await else { return std::future::pending().await };
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(watch, &mut space);
        while events.next().is_ok() {}
        ready.clear_ready();
    }
}

/// A descriptor that can be waited for.
#[expect(
    deprecated,
    reason = "unsound for types whose descriptor may change; an OwnedFd's does not"
)]
fn registered(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}

fn tell(daemon: &Arc<Daemon>, before: &Machines, now: &Machines) {
    let ids: BTreeSet<&Uuid> = before.keys().chain(now.keys()).collect();
    for id in ids {
        let (was, is) = (before.get(id), now.get(id));
        // What is not another one has not changed.
        if was.zip(is).is_some_and(|(was, is)| Arc::ptr_eq(was, is)) {
            continue;
        }
        let Some(known) = is.or(was) else { continue };
        for (event, detail) in changes(was, is) {
            told::lifecycle(daemon, known, event, detail);
        }
        if runs(is) && !runs(was) {
            follow(daemon, known);
        }
    }
}

fn runs(known: Option<&Arc<Known>>) -> bool {
    let life = known.and_then(|known| known.life.as_ref());
    life.is_some_and(|life| life.state != State::Starting)
}

/// What the store shows; that a machine stopped is told by whoever follows it, who knows why.
fn changes(was: Option<&Arc<Known>>, is: Option<&Arc<Known>>) -> Vec<(i32, i32)> {
    let kept = |known: Option<&Arc<Known>>| known.and_then(|known| known.kept.clone());
    let mut changes = Vec::new();
    match (kept(was), kept(is)) {
        (None, Some(_)) => changes.push(lifecycle::DEFINED),
        (Some(old), Some(new)) if !old.asks_the_same(&new) => changes.push(lifecycle::CHANGED),
        (Some(_), None) => changes.push(lifecycle::UNDEFINED),
        _ => {}
    }
    if runs(is) && !runs(was) {
        changes.push(lifecycle::STARTED);
    }
    changes
}

/// Hears what happens to a machine until it ends. A supervisor that was killed has not said so in the store:
/// what it left is undone then.
fn follow(daemon: &Arc<Daemon>, known: &Arc<Known>) {
    let (daemon, known) = (daemon.clone(), known.clone());
    tokio::spawn(async move {
        let end = to_the_end(&daemon, &known).await;
        let end = if daemon.is_destroyed(&known) { Condition::DESTROYED } else { end };
        daemon.destroys(&known, false);
        daemon.unbind(&known);
        daemon.note(known.id, end);
        let (event, detail) = end.stopped();
        told::lifecycle(&daemon, &known, event, detail);
        daemon.changed.notify_one();
    });
}

/// How it ended. Of a machine that says more than anybody hears its supervisor lets a listener go, and lets
/// nobody more listen while very many do: it is listened to again.
async fn to_the_end(daemon: &Arc<Daemon>, known: &Arc<Known>) -> Condition {
    let mut last = None;
    loop {
        let end = hear(daemon, known, &mut last).await;
        // A killed one is put back here; of any other there is nothing left.
        let again = daemon.clone();
        let _ = tokio::task::spawn_blocking(move || again.engine.recover()).await;
        if let Some(end) = end {
            return end;
        }
        if machines(daemon).await.is_some_and(|now| !lives_on(known, &now)) {
            return Condition::FAILED;
        }
        sleep(PAUSE).await;
    }
}

/// Whether this life of a machine goes on.
fn lives_on(known: &Known, now: &Machines) -> bool {
    let begun = |known: &Known| known.life.as_ref().map(|life| (life.supervisor, life.started_ms));
    now.get(&known.id).is_some_and(|now| begun(now) == begun(known))
}

/// How it ended, where its supervisor said so. What it says comes from a VMM: there is an end to how much of it
/// is told, and what cannot be understood is passed over.
async fn hear(
    daemon: &Arc<Daemon>,
    known: &Arc<Known>,
    last: &mut Option<RunState>,
) -> Option<Condition> {
    let (engine, name) = (daemon.clone(), known.name.clone());
    let watch = tokio::task::spawn_blocking(move || engine.engine.watch(&name)).await.ok()?.ok()?;
    let stream = watch.into_stream();
    stream.set_nonblocking(true).ok()?;
    let mut lines = BufReader::new(UnixStream::from_std(stream).ok()?);
    let (mut line, mut pace) = (Vec::new(), Pace::default());
    loop {
        line.clear();
        (&mut lines).take(LINE_MAX).read_until(b'\n', &mut line).await.ok().filter(|n| *n > 0)?;
        pace.keep().await;
        match Happened::parse(&line) {
            Ok(Happened::Ended(ending)) => return Some(Condition::of_ending(ending)),
            Ok(Happened::NotPutBack(_)) => return Some(Condition::FAILED),
            Ok(Happened::State(state)) => {
                told::runs(daemon, known, *last, state);
                *last = Some(state);
            }
            Ok(happened) => told::happened(daemon, known, &happened),
            Err(_) => {}
        }
    }
}

/// How fast things happen to one machine.
struct Pace {
    since: Instant,
    count: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { since: Instant::now(), count: 0 }
    }
}

impl Pace {
    /// One thing more; waits where it is too many for this second.
    async fn keep(&mut self) {
        let over = self.since + SECOND;
        self.count += 1;
        if self.count > A_SECOND {
            sleep_until(over).await;
        }
        if Instant::now() >= over {
            *self = Self::default();
        }
    }
}
