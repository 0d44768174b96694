//! What a drill changes on the host goes the way of every change: it is in the ledger before it is made,
//! under a run of the drill's own, and whoever finds that the drill has died undoes it.
//!
//! It refuses to know what is changed, and how that is undone.

use crate::{
    Engine, Failure,
    long::Long,
    start::new_id,
    supervisor::{finish, lease, make, take_back, this_process},
};
use svirt_host::lease::Lease;
use svirt_model::{EventKind, MachineName, Op, Plan, Uuid};
use svirt_store::NewRun;

/// What a drill has to itself. Dropping it undoes whatever is still changed.
pub(super) struct Own<'a> {
    engine: &'a Engine,
    id: Uuid,
    what: String,
    /// By which others see that the drill lives, who cannot see its process.
    _lease: Lease,
}

impl<'a> Own<'a> {
    /// Makes a drill known; `what` is attacked.
    pub(super) fn begin(engine: &'a Engine, what: String) -> Result<Self, Failure> {
        let mut store = engine.store()?;
        engine.recover_some(&mut store)?;
        let (id, supervisor) = (new_id()?, this_process()?);
        let name: MachineName = format!("drill-{}", id.simple())
            .parse()
            .map_err(|e| Failure::from_error(crate::Code::Internal, &e))?;
        let lease = lease(engine, id, &supervisor)?;
        let request = String::new();
        let (transient, drill) = (true, true);
        let run = NewRun { id, name: name.clone(), supervisor, transient, drill, request };
        let plan = Plan { id, name, labels: vec![], ops: vec![], processes: vec![] };
        store.start(run)?.commit(&plan, &[], &[])?;
        Ok(Self { engine, id, what, _lease: lease })
    }

    /// By which what belongs to it is told from what belongs to another drill.
    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// Makes changes that stay as long as the drill lasts.
    pub(super) fn make(&self, ops: &[Op]) -> Result<(), Failure> {
        let mut store = self.engine.store()?;
        store.intend(self.id, ops)?;
        make(self.engine, ops, &Long::new(&|_| {}))?;
        Ok(store.mark_done(self.id)?)
    }

    /// Makes changes for as long as this runs.
    pub(super) fn during<T>(
        &self,
        ops: &[Op],
        run: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if ops.is_empty() {
            return run();
        }
        let ended = self.make(ops).and_then(|()| run());
        take_back(self.engine, &mut self.engine.store()?, self.id, ops)?;
        ended
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        // What could not be undone is in the ledger, and every command looks at that.
        let _ = self.engine.store().and_then(|mut store| {
            finish(self.engine, &mut store, self.id, EventKind::Drilled, &self.what)
        });
    }
}
