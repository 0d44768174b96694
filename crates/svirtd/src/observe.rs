//! What happens to machines, whoever did it: the store says it in one order for all of them, and nothing of it
//! is missed, however fast it follows. Nothing is asked again and again.

use crate::{
    conditions::{Condition, lifecycle},
    daemon::Daemon,
    story::{News, Stories},
};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};
use svirt_engine::{
    Known, Machines, SUPERVISOR_DIED,
    model::{Ending, Event, EventKind, MachineName, State},
};
use tokio::{
    io::unix::AsyncFd,
    time::{sleep, timeout},
};

/// How long machines may take to say how they are, which run already when the daemon starts.
const FIRST_WORDS: Duration = Duration::from_secs(2);
/// When the store is looked at again that could not be read.
const AGAIN: Duration = Duration::from_millis(500);

/// Looks whenever something changed, and tells whoever asked for it.
pub(crate) async fn observe(daemon: Arc<Daemon>) {
    let store = Store::watched(&daemon);
    let mut stories = Stories::new(daemon.clone());
    let (mut before, mut last) = (Machines::default(), None);
    loop {
        let looked = look(&daemon, last).await;
        let again = looked.is_none();
        if let Some((now, events)) = looked {
            match last {
                Some(_) if events.is_empty() => {}
                Some(_) => tell(&mut stories, &before, &now, &events),
                None => now.values().filter(runs).for_each(|known| stories.found(known)),
            }
            daemon.keep_only(&now);
            stories.tidy();
            before = now;
            last = events.last().map(|event| event.sequence).or(last).or(Some(0));
        }
        tokio::select! {
            () = daemon.changed.notified() => {}
            () = store.written() => {}
            // What could not be read has not been told.
            () = sleep(AGAIN), if again => {}
        }
    }
}

/// Waits until all machines that run have said how they are: who is answered before would hear that one goes on
/// which is held. One that says nothing is not waited for long.
pub(crate) async fn found(daemon: &Daemon) {
    let Ok(machines) = daemon.machines() else { return };
    let all_noted = async {
        while machines.values().filter(runs).any(|known| !daemon.is_noted(known)) {
            daemon.noted.notified().await;
        }
    };
    let _ = timeout(FIRST_WORDS, all_noted).await;
}

/// The machines, and what happened since; at first, only what happened last.
async fn look(daemon: &Arc<Daemon>, last: Option<u64>) -> Option<(Machines, Vec<Event>)> {
    let daemon = daemon.clone();
    let look = move || daemon.happened_since(last).ok();
    tokio::task::spawn_blocking(look).await.ok()?
}

fn runs(known: &&Arc<Known>) -> bool {
    known.life.as_ref().is_some_and(|life| life.state != State::Starting)
}

/// The store's files, which are written whenever anybody changes anything.
struct Store(Option<AsyncFd<OwnedFd>>);

impl Store {
    fn watched(daemon: &Daemon) -> Self {
        let watch = || -> io::Result<_> {
            let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // A change is written a moment before readers see it, and whoever made it closes the file after that.
            let changes = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
            inotify::add_watch(&watch, &daemon.engine.paths().state, changes)?;
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

/// Tells each machine's story on.
fn tell(stories: &mut Stories, before: &Machines, now: &Machines, events: &[Event]) {
    let (before, now) = (named(before, events), named(now, events));
    let mut gone = BTreeSet::new();
    let starts = events.iter().filter(|event| event.kind == EventKind::Started);
    let starts: BTreeMap<_, _> = starts.map(|event| (&event.machine, event.sequence)).collect();
    for event in events {
        let name = &event.machine;
        let Some(known) = whose(before.get(name), now.get(name), gone.contains(name)) else {
            continue;
        };
        // The last of several lives may go on.
        let lives = || starts.get(name) == Some(&event.sequence) && runs(&known);
        let news = match event.kind {
            EventKind::Created => News::Defined(lifecycle::DEFINED),
            EventKind::Edited => News::Defined(lifecycle::CHANGED),
            EventKind::Removed => News::Defined(lifecycle::UNDEFINED),
            EventKind::Started => {
                News::Began { restored: !event.detail.is_empty(), lives: lives() }
            }
            _ => match Condition::of_event(event) {
                Some(condition) => News::Ended(condition),
                None => continue,
            },
        };
        let ended = matches!(news, News::Ended(_)) && known.kept.is_none();
        if event.kind == EventKind::Removed || ended {
            gone.insert(name);
        }
        stories.tell(known, news);
    }
}

/// The machines of which something is told.
fn named<'m>(
    machines: &'m Machines,
    events: &[Event],
) -> BTreeMap<&'m MachineName, &'m Arc<Known>> {
    let told: BTreeSet<&MachineName> = events.iter().map(|event| &event.machine).collect();
    let named = machines.values().map(|known| (&known.name, known));
    named.filter(|(name, _)| told.contains(name)).collect()
}

/// Which of two that had a name one after the other is meant.
fn whose<'m>(
    before: Option<&&'m Arc<Known>>,
    now: Option<&&'m Arc<Known>>,
    gone: bool,
) -> Option<&'m Arc<Known>> {
    let another = before.zip(now).is_some_and(|(before, now)| before.id != now.id);
    if another && !gone { before.copied() } else { now.or(before).copied() }
}

impl Condition {
    /// How a machine is after an event of the store's that is its end, or that of a start which failed.
    fn of_event(event: &Event) -> Option<Self> {
        match event.kind {
            EventKind::Stopped => {
                Some(Ending::from_words(&event.detail).map_or(Self::FAILED, Self::of_ending))
            }
            EventKind::Refused => Some(Self::FAILED),
            EventKind::Recovered if event.detail.starts_with(SUPERVISOR_DIED) => Some(Self::FAILED),
            _ => None,
        }
    }
}
