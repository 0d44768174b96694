//! Jobs: what takes so long that others ask how far it is, or end it. A machine has one at a time.

use crate::failure::invalid;
use rustix::event::{EventfdFlags, eventfd};
use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use svirt_engine::Progress;
use svirt_rpc::{Code, Error};
use uuid::Uuid;

/// The jobs that go on, by their machines.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<BTreeMap<Uuid, Arc<Job>>>);

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    began: Instant,
    written: AtomicU64,
    memory: AtomicU64,
    /// Readable once somebody has ended it.
    pub(crate) cancelled: OwnedFd,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// For how long it goes on, in milliseconds.
    pub(crate) elapsed: u64,
    /// What of the machine's memory is done, in bytes.
    pub(crate) written: u64,
    /// All of it.
    pub(crate) memory: u64,
}

impl Jobs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Uuid, Arc<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a job, which others see meanwhile.
    ///
    /// # Errors
    /// The machine has one already; whatever the job says.
    pub(crate) fn run<T>(
        &self,
        machine: Uuid,
        work: impl FnOnce(&Job) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let job = Arc::new(Job::begin()?);
        let mut all = self.all();
        if all.contains_key(&machine) {
            return Err(invalid("another job of the domain goes on"));
        }
        all.insert(machine, job.clone());
        drop(all);
        let _goes_on = GoesOn { jobs: self, machine };
        work(&job)
    }

    /// How far a machine's job is, where there is one.
    pub(crate) fn state(&self, machine: Uuid) -> Option<State> {
        self.all().get(&machine).map(|job| job.state())
    }

    /// Ends a machine's job, if it can still be; says whether there is one.
    pub(crate) fn cancel(&self, machine: Uuid) -> bool {
        let job = self.all().get(&machine).cloned();
        // It is full only when it was said often.
        job.as_ref().map(|job| rustix::io::write(&job.cancelled, &1_u64.to_ne_bytes())).is_some()
    }
}

/// A job is over when this is dropped, however it ended.
struct GoesOn<'j> {
    jobs: &'j Jobs,
    machine: Uuid,
}

impl Drop for GoesOn<'_> {
    fn drop(&mut self) {
        self.jobs.all().remove(&self.machine);
    }
}

impl Job {
    fn begin() -> Result<Self, Error> {
        let cancelled = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let cancelled =
            cancelled.map_err(|e| Error::new(Code::System, format!("cannot begin a job: {e}")))?;
        let (written, memory) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { began: Instant::now(), written, memory, cancelled })
    }

    /// It has come so far.
    pub(crate) fn goes_on(&self, progress: Progress) {
        self.written.store(progress.written.0, Ordering::Relaxed);
        self.memory.store(progress.memory.0, Ordering::Relaxed);
    }

    fn state(&self) -> State {
        State {
            elapsed: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            written: self.written.load(Ordering::Relaxed),
            memory: self.memory.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic;

    #[test]
    fn a_machine_has_one_job_at_a_time_and_then_none() {
        let (jobs, machine) = (Jobs::default(), Uuid::from_u128(1));
        jobs.run(machine, |job| {
            assert!(jobs.state(machine).is_some());
            assert!(jobs.run(machine, |_| Ok(())).is_err());
            assert!(jobs.run(Uuid::from_u128(2), |_| Ok(())).is_ok());
            let mut count = [0; 8];
            assert!(rustix::io::read(&job.cancelled, &mut count).is_err(), "nobody ended it");
            assert!(jobs.cancel(machine));
            assert_eq!(rustix::io::read(&job.cancelled, &mut count), Ok(8));
            Ok(())
        })
        .unwrap();
        assert!(jobs.state(machine).is_none() && !jobs.cancel(machine));
    }

    #[test]
    fn a_job_that_breaks_off_is_over() {
        let (jobs, machine) = (Jobs::default(), Uuid::from_u128(1));
        let broken = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            jobs.run::<()>(machine, |_| panic!("a defect"))
        }));
        assert!(broken.is_err() && jobs.state(machine).is_none());
    }
}
