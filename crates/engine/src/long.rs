//! What takes long in a start, said to whoever waits for it: from whichever thread does it, not sooner than
//! after a second and not more often than every two.

use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use svirt_host::mac::tree::Progress;

/// So long nothing is said.
const PATIENCE: Duration = Duration::from_secs(1);
/// And so long nothing more.
const PAUSE: Duration = Duration::from_secs(2);

/// How far a directory that a machine is given was looked through, or labelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelling {
    /// The directory, as text.
    pub directory: String,
    /// How many objects were looked at.
    pub done: u64,
    /// How many there are; none while they are looked for.
    pub of: Option<u64>,
}

/// Is told of it.
pub(crate) type Tell<'a> = &'a (dyn Fn(&Labelling) + Sync);

/// Tells of what takes long.
pub(crate) struct Long<'a> {
    tell: Tell<'a>,
    begun: Instant,
    last: Mutex<Option<Instant>>,
}

impl<'a> Long<'a> {
    /// From now on.
    pub(crate) fn new(tell: Tell<'a>) -> Self {
        Self { tell, begun: Instant::now(), last: Mutex::new(None) }
    }

    /// Tells it, if it is time.
    pub(crate) fn say(&self, directory: &Path, of: Option<u64>, progress: Progress) {
        if self.begun.elapsed() < PATIENCE || !self.is_time() {
            return;
        }
        let directory = directory.display().to_string();
        (self.tell)(&Labelling { directory, done: progress.seen, of });
    }

    fn is_time(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn what_takes_long_is_told_and_not_too_often() {
        let told = AtomicU64::new(0);
        let tell = |labelling: &Labelling| {
            told.fetch_add(labelling.done, Ordering::Relaxed);
        };
        let long = Long::new(&tell);
        let say = |long: &Long<'_>| {
            (0..5)
                .for_each(|_| long.say(Path::new("/srv"), None, Progress { seen: 7, changed: 0 }));
        };
        say(&long);
        assert_eq!(told.load(Ordering::Relaxed), 0);
        let begun = long.begun.checked_sub(PATIENCE).expect("the host is older");
        say(&Long { begun, ..long });
        assert_eq!(told.load(Ordering::Relaxed), 7);
    }
}
