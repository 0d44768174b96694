//! The probe in the place of a machine's VMM: its confinement with another program and nothing but
//! streams, launched as the VMM was.

use super::{
    attack::{Answers, Attack, drive, hand_over},
    decoys::Decoys,
};
use crate::{
    Engine, Failure, program,
    resolve::Pins,
    supervisor::{agree_before_running, hold, launcher, means},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};
use svirt_host::{Doing, apply, known::Mounted, launch::Assigned, sources::Supplies};
use svirt_model::{
    Confinement, Descriptor, DescriptorSource, Entry, EntrySource, Grant, Plan, Process, Program,
    Role, Stream,
    label::{ProfileName, SecurityModel},
};
use svirt_plan::stand_in;
use svirt_probe::Order;
use svirt_store::Store;

/// A machine's confinement, with the probe in it.
pub(super) struct Cell<'a> {
    engine: &'a Engine,
    plan: &'a Plan,
    process: Process,
    /// For as long as the program may have been replaced.
    #[allow(dead_code, reason = "what was looked at is held until it was started")]
    pins: Pins,
    library: Option<PathBuf>,
}

impl<'a> Cell<'a> {
    pub(super) fn of(
        engine: &'a Engine,
        store: &mut Store,
        plan: &'a Plan,
        probe: &Path,
    ) -> Result<Self, Failure> {
        let mut pins = Pins::default();
        let program = program::resolve(&mut pins, store, probe, &[], &[])?;
        let vmm = plan.vmm();
        let confinement = in_place_of_the_vmm(&vmm.confinement, &program);
        let process = Process { role: Role::Vmm, confinement, ..vmm.clone() };
        let library = program.libraries.first().map(|library| library.name.clone());
        Ok(Self { engine, plan, process, pins, library })
    }

    /// What there is for it to attack.
    pub(super) fn targets(&self, decoys: &Decoys) -> BTreeMap<&'static str, String> {
        decoys.targets_for(self.process.confinement.identity.own, self.library.clone())
    }

    /// Makes the tries of an order.
    pub(super) fn answers(&mut self, order: &Order) -> Result<Answers, Failure> {
        let mut process = self.process.clone();
        self.with_profile(&mut process, |process| {
            let mut next = None;
            drive(&mut |text| self.start(process, text, &mut next), order.clone())
        })
    }

    /// Starts one, and makes ready what starts the next while this one runs.
    fn start(
        &self,
        process: &Process,
        order: &str,
        next: &mut Option<Assigned>,
    ) -> Result<Attack, Failure> {
        let ready = || Ok::<_, Failure>(launcher(self.engine)?.assign(&process.confinement)?);
        let (input, orders) = std::io::pipe().doing(|| "make a pipe for the probe")?;
        let (said, out) = std::io::pipe().doing(|| "make a pipe for the probe")?;
        hand_over(order, orders)?;
        let error = out.try_clone().doing(|| "make a pipe for the probe")?;
        let streams = vec![
            (Stream::Input, input.into()),
            (Stream::Output, out.into()),
            (Stream::Error, error.into()),
        ];
        let supplies = Supplies {
            channels: BTreeMap::new(),
            streams,
            scratch: self.engine.paths.state.clone(),
            overlay: |_| Err(std::io::Error::other("a probe has no disk")),
        };
        let assigned = next.take().map_or_else(ready, Ok)?;
        let (held, handed) = hold(assigned, process, &supplies)?;
        drop(supplies);
        let profiles = self.engine.paths.profiles();
        let (_, running) = agree_before_running(process, held, &handed, &profiles)?;
        *next = Some(ready()?);
        Ok(Attack::confined(running, said.into()))
    }

    /// Runs what takes a process's place with its AppArmor profile, which names the program: so a copy
    /// that names this one is loaded as long as that takes. What a drill left that was killed is
    /// removed by the next one; one drill is made at a time.
    fn with_profile<T>(
        &self,
        process: &mut Process,
        run: impl FnOnce(&Process) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (engine, plan) = (self.engine, self.plan);
        let name = ProfileName::of_drill(plan.id);
        let Some(op) = stand_in(engine.facts(), plan, process, name.clone())? else {
            return run(process);
        };
        let labels = &mut process.confinement.labels;
        let own = labels.iter_mut().find(|label| label.model == SecurityModel::Apparmor);
        own.into_iter().for_each(|label| label.label = name.to_string());
        let place = engine.paths.place(&plan.name, plan.id).run;
        let lock = File::open(&place).on("open", &place)?;
        flock(&lock, FlockOperation::LockExclusive).on("wait for another drill in", &place)?;
        let profiles = engine.paths.profiles();
        apply::undo(&op, &means(&profiles), &Mounted::default())?;
        apply::make(&op, &means(&profiles))?;
        let ended = run(process);
        apply::undo(&op, &means(&profiles), &Mounted::default())?;
        ended
    }
}

fn in_place_of_the_vmm(vmm: &Confinement, probe: &Program) -> Confinement {
    let path = probe.binary.path.to_string_lossy().into_owned();
    let code = |at: &Path, object: &svirt_model::Object| Entry {
        at: at.to_owned(),
        source: EntrySource::Bind(object.clone()),
        grant: Grant::Execute,
    };
    let mut entries: BTreeMap<_, _> =
        vmm.entries.iter().map(|e| (e.at.clone(), e.clone())).collect();
    let libraries = probe.libraries.iter().map(|l| code(&l.name, &l.object));
    for entry in libraries.chain([code(&probe.binary.path, &probe.binary)]) {
        entries.entry(entry.at.clone()).or_insert(entry);
    }
    let stream = |(number, stream)| Descriptor { number, source: DescriptorSource::Stream(stream) };
    use svirt_model::Stream::{Error, Input, Output};
    Confinement {
        program: probe.binary.clone(),
        arguments: vec![path, svirt_probe::WORD.to_owned()],
        directory: "/".into(),
        entries: entries.into_values().collect(),
        descriptors: [(0, Input), (1, Output), (2, Error)].map(stream).to_vec(),
        ..vmm.clone()
    }
}
