//! Which layers refuse an attempt: the machine is planned anew with each layer alone and with each left
//! out, by the planning that any start goes through, and the probe takes its place in each.

use super::{
    Drill,
    attack::{Answers, Attacker},
    confined::Cell,
    decoys::Decoys,
    neighbour::Neighbour,
    of_a_machine, on_a_machine,
    outcome::{self, Outcome, Prey, Refusing, Row},
    own::Own,
    whole, without,
};
use crate::{
    Engine, Failure,
    resolve::{self, Identity, Pins},
    supervisor::rehearse,
};
use std::collections::BTreeSet;
use svirt_formats::spec;
use svirt_model::{Beginning, Enforced, Layer, Machine, MachineName, Plan, Stream};
use svirt_probe::Answer;
use svirt_store::Store;

/// One part of a drill with layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// With the machine's layers as they are.
    All,
    /// With none of them: what the launch itself leaves.
    Nothing,
    /// With this one alone, and what it takes to be made.
    Alone(Layer),
    /// With all but this one.
    Without(Layer),
}

/// How often something is tried, and what came of it each time.
struct Tries {
    step: Step,
    of_decoys: Answers,
    of_machine: Answers,
}

impl Tries {
    fn of(&self, row: &Row) -> Answer {
        let answers = match row.prey {
            Prey::Decoy => &self.of_decoys,
            Prey::Machine => &self.of_machine,
        };
        answers.of(row.attempt)
    }
}

pub(super) fn drill(
    engine: &Engine,
    store: &mut Store,
    (name, plan): (&MachineName, &Plan),
    (by, decoys, machine): ((Attacker<'_>, &Own<'_>), &Decoys, &Neighbour),
    step: &mut dyn FnMut(&Step),
) -> Result<Drill, Failure> {
    step(&Step::All);
    let mut cell = Cell::of(engine, store, plan, by)?;
    let order = whole(cell.targets(decoys));
    let outside = without(by.0, &order)?;
    let inside = cell.answers(&order)?;
    let vmm = plan.vmm();
    let mut rows = outcome::rows(&vmm.confinement, &inside, &outside);
    let there = in_force(plan);
    rows.extend(on_a_machine(&mut cell, by.0, machine, &inside)?);
    let again = Again::of(engine, store, (name, plan))?;
    let each = there.iter().flat_map(|layer| [Step::Alone(*layer), Step::Without(*layer)]);
    let mut tries = Vec::new();
    for next in [Step::Nothing].into_iter().chain(each) {
        step(&next);
        let plan = again.planned(engine, &there, next)?;
        let mut cell = Cell::of(engine, store, &plan, by)?;
        let of_decoys = cell.answers(&whole(cell.targets(decoys)))?;
        let of_machine = of_a_machine(&mut cell, machine, &of_decoys)?;
        tries.push(Tries { step: next, of_decoys, of_machine });
    }
    let root = engine.facts().is_root();
    for row in rows.iter_mut().filter(|row| row.outcome == Outcome::Blocked) {
        row.layers = Some(refusing(row, &tries, root));
    }
    Ok(Drill { name: name.clone(), layers: vmm.layers.clone(), rows })
}

/// The layers of which a machine has anything.
pub(super) fn in_force(plan: &Plan) -> BTreeSet<Layer> {
    let all = plan.vmm().layers.iter();
    all.filter(|status| status.enforced != Enforced::No).map(|status| status.layer).collect()
}

/// What a layer takes to be there: an ordinary user makes every namespace within one of users.
fn taken(layer: Layer, root: bool) -> Option<Layer> {
    let takes = matches!(layer, Layer::Root | Layer::Namespaces | Layer::User | Layer::Limits);
    (takes && !root).then_some(Layer::UserNamespace)
}

fn refusing(row: &Row, tries: &[Tries], root: bool) -> Refusing {
    let mut found = Refusing::default();
    for tried in tries {
        match (&tried.step, tried.of(row)) {
            (Step::Nothing, Answer::Refused { .. } | Answer::Killed) => found.launch = true,
            (Step::Alone(layer), Answer::Refused { .. } | Answer::Killed) => {
                found.alone.push(*layer);
            }
            (Step::Without(layer), Answer::Open(_)) => found.needed.push(*layer),
            _ => {}
        }
    }
    // What is refused without any layer tells nothing of one, nor does what another one refuses that
    // it takes.
    let all = found.alone.clone();
    let told = |layer: &Layer| taken(*layer, root).is_none_or(|other| !all.contains(&other));
    found.alone.retain(|layer| !found.launch && told(layer));
    found
}

/// A machine that can be planned again.
pub(super) struct Again {
    machine: Machine,
    pins: Pins,
    user: Option<u32>,
}

impl Again {
    pub(super) fn of(
        engine: &Engine,
        store: &mut Store,
        (name, plan): (&MachineName, &Plan),
    ) -> Result<Self, Failure> {
        let gone = || engine.not_running(name);
        let request = store.request(plan.id)?.ok_or_else(gone)?;
        let spec = spec::read(request.as_bytes())?.expanded()?.spec;
        let streams: &[_] = match spec.command {
            Some(_) => &[(Stream::Input, None), (Stream::Output, None), (Stream::Error, None)],
            None => &[],
        };
        let identity = Identity { id: plan.id, name: name.clone() };
        let (machine, pins) =
            resolve::machine(engine, store, &spec, identity, streams, Beginning::AtOnce)?;
        let own = plan.vmm().confinement.identity;
        Ok(Self { machine, pins, user: own.own.then_some(own.uid) })
    }

    pub(super) fn planned(
        &self,
        engine: &Engine,
        there: &BTreeSet<Layer>,
        step: Step,
    ) -> Result<Plan, Failure> {
        let kept = |layer: &Layer| match step {
            Step::All => there.contains(layer),
            Step::Nothing => false,
            Step::Alone(only) => {
                let with =
                    taken(only, engine.facts().is_root()).filter(|with| there.contains(with));
                *layer == only || with == Some(*layer)
            }
            Step::Without(left_out) => there.contains(layer) && *layer != left_out,
        };
        let mut machine = self.machine.clone();
        machine.demands.require.clear();
        machine.demands.weaken = Layer::ALL.iter().copied().filter(|layer| !kept(layer)).collect();
        rehearse(engine, &machine, &self.pins, self.user)
    }
}
