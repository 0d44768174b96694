//! What happens to one machine, told in its order: what the store says of its definition and its lives, and in
//! each life what its supervisor says.
//!
//! ```text
//!   (off) -- began --> alive -- its supervisor said how it ended, or died --> told -- ended --> (off)
//!     |                  +-------- ended: what its supervisor said last is waited for ----------^
//!     +----- began, and ended before anybody could listen --> unheard -- ended ------------------^
//! ```

use crate::{
    conditions::{Condition, lifecycle},
    daemon::Daemon,
    hearing::listen,
    told,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use svirt_engine::Known;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

/// How long a supervisor may take to say how its machine ended, when the store knows that it has.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Something that the store says.
#[derive(Debug)]
pub(crate) enum News {
    /// It runs, and did before anybody looked.
    Found,
    /// Its definition is there, is another, or is no more: an event and its detail.
    Defined((i32, i32)),
    /// It began to run.
    Began {
        /// From where it was saved.
        restored: bool,
        /// Whether it still does.
        lives: bool,
    },
    /// It ended.
    Ended(Condition),
}

/// The stories that go on.
pub(crate) struct Stories {
    daemon: Arc<Daemon>,
    all: BTreeMap<Uuid, Story>,
}

struct Story {
    news: UnboundedSender<(Arc<Known>, News)>,
    /// How much of it is not told yet; a life counts as long as it lasts.
    open: Arc<AtomicUsize>,
}

impl Stories {
    /// None yet.
    pub(crate) fn new(daemon: Arc<Daemon>) -> Self {
        Self { daemon, all: BTreeMap::new() }
    }

    /// A machine runs already.
    pub(crate) fn found(&mut self, known: &Arc<Known>) {
        self.tell(known, News::Found);
    }

    /// Tells a machine's story on.
    pub(crate) fn tell(&mut self, known: &Arc<Known>, news: News) {
        let daemon = &self.daemon;
        let story = self.all.entry(known.id).or_insert_with(|| Story::begin(daemon.clone()));
        story.open.fetch_add(1, Ordering::Relaxed);
        // It listens as long as this has its end.
        let _ = story.news.send((known.clone(), news));
    }

    /// Forgets those of which all is told.
    pub(crate) fn tidy(&mut self) {
        self.all.retain(|_, story| story.open.load(Ordering::Relaxed) > 0);
    }
}

impl Story {
    fn begin(daemon: Arc<Daemon>) -> Self {
        let (news, listener) = unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let teller = Teller { daemon, open: open.clone(), life: Life::Off };
        tokio::spawn(teller.tell(listener));
        Self { news, open }
    }
}

/// Tells one machine's story.
struct Teller {
    daemon: Arc<Daemon>,
    open: Arc<AtomicUsize>,
    life: Life,
}

/// Where a machine's life is, as far as it is told.
enum Life {
    Off,
    /// It lives, and is listened to.
    Alive(Arc<Known>, JoinHandle<Option<Condition>>),
    /// It ended before anybody could listen.
    Unheard,
    /// Its end was told before the store said so.
    Told,
}

impl Teller {
    async fn tell(mut self, mut news: UnboundedReceiver<(Arc<Known>, News)>) {
        loop {
            tokio::select! {
                end = heard(&mut self.life) => self.over(end),
                next = news.recv() => {
                    let Some((known, news)) = next else { return };
                    self.hear(&known, news).await;
                    self.open.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    async fn hear(&mut self, known: &Arc<Known>, news: News) {
        match news {
            News::Defined((event, detail)) => told::lifecycle(&self.daemon, known, event, detail),
            News::Found => self.listen(known, None),
            News::Began { restored, lives } => {
                self.end(known, None).await;
                let (event, detail) =
                    if restored { lifecycle::RESTORED } else { lifecycle::STARTED };
                told::lifecycle(&self.daemon, known, event, detail);
                match lives {
                    true => self.listen(known, Some(restored)),
                    false => self.life = Life::Unheard,
                }
            }
            News::Ended(condition) => self.end(known, Some(condition)).await,
        }
    }

    fn listen(&mut self, known: &Arc<Known>, begins: Option<bool>) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let listening = tokio::spawn(listen(self.daemon.clone(), known.clone(), begins));
        self.life = Life::Alive(known.clone(), listening);
    }

    /// The store says that a life is over, in this way where it knows.
    async fn end(&mut self, known: &Arc<Known>, condition: Option<Condition>) {
        match &mut self.life {
            Life::Alive(_, listening) => {
                let said = timeout(LAST_WORDS, &mut *listening).await;
                // Nothing follows its end.
                listening.abort();
                self.over(said.ok().and_then(Result::ok).flatten().or(condition));
                self.life = Life::Off;
            }
            Life::Unheard => {
                self.life = Life::Off;
                let destroyed = self.daemon.was_over(known);
                told::ended(&self.daemon, known, destroyed, condition);
            }
            Life::Off | Life::Told => self.life = Life::Off,
        }
    }

    /// A life is over.
    fn over(&mut self, end: Option<Condition>) {
        if let Life::Alive(known, _) = std::mem::replace(&mut self.life, Life::Told) {
            let destroyed = self.daemon.is_over(&known);
            told::ended(&self.daemon, &known, destroyed, end);
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// How the life that goes on ends; never, where none does.
async fn heard(life: &mut Life) -> Option<Condition> {
    match life {
        Life::Alive(_, listening) => listening.await.ok().flatten(),
        _ => std::future::pending().await,
    }
}
