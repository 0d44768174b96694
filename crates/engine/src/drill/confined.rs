//! The probe in the place of a machine's VMM: its confinement with another program and nothing but
//! streams, launched as the VMM was.

use super::{
    attack::{Answers, Attack, Attacker, drive, hand_over},
    decoys::Decoys,
    own::Own,
};
use crate::{
    Engine, Failure, program,
    resolve::Pins,
    supervisor::{agree_before_running, hold, launcher},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use svirt_host::{Doing, launch::Assigned, sources::Supplies};
use svirt_model::{
    Confinement, Descriptor, DescriptorSource, Entry, EntrySource, Grant, Op, Plan, Process,
    Program, Role, Stream, Uuid, Value,
    label::{ProfileName, SecurityModel},
};
use svirt_plan::stand_in;
use svirt_probe::Order;
use svirt_store::Store;

/// A machine's confinement, with the probe in it.
pub(super) struct Cell<'a> {
    engine: &'a Engine,
    plan: &'a Plan,
    own: &'a Own<'a>,
    by: Attacker<'a>,
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
        (by, own): (Attacker<'a>, &'a Own<'a>),
    ) -> Result<Self, Failure> {
        let mut pins = Pins::default();
        let program = program::resolve(&mut pins, store, by.probe, &[], &[])?;
        let vmm = plan.vmm();
        let confinement = in_place_of_the_vmm(&vmm.confinement, &program);
        let process = Process { role: Role::Vmm, confinement, ..vmm.clone() };
        let library = program.libraries.first().map(|library| library.name.clone());
        Ok(Self { engine, plan, own, by, process, pins, library })
    }

    /// What there is for it to attack.
    pub(super) fn targets(&self, decoys: &Decoys) -> BTreeMap<&'static str, String> {
        decoys.targets_for(self.process.confinement.identity.own, self.library.clone())
    }

    /// Makes the tries of an order.
    pub(super) fn answers(&mut self, order: &Order) -> Result<Answers, Failure> {
        let mut process = self.process.clone();
        // What is undone first is what may still have processes in it.
        let mut ops: Vec<Op> = self.own_profile(&mut process)?.into_iter().collect();
        ops.extend(own_groups(self.plan, self.own.id(), &mut process.confinement));
        self.own.during(&ops, || {
            let mut next = None;
            let start = &mut |text: &str| self.start(&process, text, &mut next);
            drive(start, order.clone(), self.by.stop)
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

    /// An AppArmor profile names the program: so a copy that names the probe is loaded.
    fn own_profile(&self, process: &mut Process) -> Result<Option<Op>, Failure> {
        let name = ProfileName::of_drill(self.plan.id, self.own.id());
        let op = stand_in(self.engine.facts(), self.plan, process, name.clone())?;
        let labels = process.confinement.labels.iter_mut();
        labels
            .filter(|label| op.is_some() && label.model == SecurityModel::Apparmor)
            .for_each(|label| label.label = name.to_string());
        Ok(op)
    }
}

/// Control groups with the machine's limits, so that a drill takes nothing from the machine, and who
/// looks into the machine's finds nobody else there.
fn own_groups(plan: &Plan, drill: Uuid, confinement: &mut Confinement) -> Vec<Op> {
    let groups = plan.ops.iter().filter(|op| matches!(op.after, Value::Cgroup(_)));
    let own = |op: &Op| {
        let mut name = op.object.clone().into_os_string();
        name.push(format!("-drill-{}", drill.simple()));
        Op { object: name.into(), ..op.clone() }
    };
    for (group, its) in groups.clone().map(|op| (op, own(op))) {
        let joined = confinement.cgroups.iter_mut().filter(|joined| **joined == group.object);
        joined.for_each(|joined| joined.clone_from(&its.object));
    }
    groups.map(own).collect()
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
