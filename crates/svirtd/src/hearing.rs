//! Listening to a machine's supervisor. What it says comes from a VMM: there is an end to how much of it is
//! told, and what cannot be understood is passed over.

use crate::{conditions::Condition, daemon::Daemon, told};
use std::{sync::Arc, time::Duration};
use svirt_engine::{Happened, Known, RunState};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::UnixStream,
    time::{Instant, sleep, sleep_until},
};

/// The longest line that a supervisor says, in bytes.
const LINE_MAX: u64 = 2 << 20;
/// How long a supervisor is left alone that let its listener go.
const PAUSE: Duration = Duration::from_secs(1);
/// So many things happen to one machine in a second, at most.
const A_SECOND: u32 = 500;
const SECOND: Duration = Duration::from_secs(1);

/// Listens to a machine until its end, and says how that was where its supervisor said so: one that was killed
/// has not, and what it left is undone. Of a machine that says more than anybody hears its supervisor lets a
/// listener go, and lets nobody more listen while very many do: it is listened to again.
///
/// Of one that `begins`, restored or not, it is told that it does so standing still.
pub(crate) async fn listen(
    daemon: Arc<Daemon>,
    known: Arc<Known>,
    mut begins: Option<bool>,
) -> Option<Condition> {
    let mut last = None;
    loop {
        if let Some(end) = hear(&daemon, &known, &mut last, &mut begins).await {
            return Some(end);
        }
        let (again, its) = (daemon.clone(), known.clone());
        let look = move || {
            let _ = again.engine.recover();
            again.changed.notify_one();
            again
                .machines()
                .is_ok_and(|now| !now.get(&its.id).is_some_and(|now| goes_on(&its, now)))
        };
        let is_over = tokio::task::spawn_blocking(look).await;
        if is_over.unwrap_or(false) {
            return None;
        }
        sleep(PAUSE).await;
    }
}

/// Whether this life of a machine goes on.
fn goes_on(its: &Known, now: &Known) -> bool {
    let begun = |known: &Known| known.life.as_ref().map(|life| (life.supervisor, life.started_ms));
    begun(its) == begun(now)
}

/// How it ended, where its supervisor said so.
async fn hear(
    daemon: &Arc<Daemon>,
    known: &Arc<Known>,
    last: &mut Option<RunState>,
    begins: &mut Option<bool>,
) -> Option<Condition> {
    let (engine, its) = (daemon.clone(), known.clone());
    let watch = move || engine.engine.watch_life(&its);
    let stream = tokio::task::spawn_blocking(watch).await.ok()?.ok()?.into_stream();
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
                if let Some(restored) = begins.take() {
                    told::begins(daemon, known, restored, state);
                }
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
