//! An attack on one's own walls: a probe takes the place of a running machine's VMM, in exactly its
//! confinement, by the same launch, and tries what a guest in control of its VMM would try; and once
//! more without any confinement, so that what could not succeed anyway is not taken for refused.
//!
//! What is tried is [`svirt_probe`]'s to know. It is tried on decoys that are made for it, one of them a
//! machine, and never on anything of a machine of the user's.

mod attack;
mod confined;
mod decoys;
mod layers;
mod neighbour;
mod outcome;
mod own;
mod self_test;

pub use attack::Attacker;
pub use layers::Step;
pub use outcome::{Outcome, Prey, Refusing, Row, Score};
pub use self_test::{SelfTest, Shown, Trial};

use crate::{Code, Engine, Failure};
use attack::{Answers, Attack, drive};
use confined::Cell;
use decoys::Decoys;
use neighbour::Neighbour;
use own::Own;
use std::collections::BTreeMap;
use svirt_model::{LayerStatus, MachineName, Plan};
use svirt_probe::{ATTEMPTS, Answer, Attempt, Order};

/// A drill on one machine.
#[derive(Debug)]
pub struct Drill {
    /// The machine.
    pub name: MachineName,
    /// Its layers: what was asked of each, and what is in force.
    pub layers: Vec<LayerStatus>,
    /// Each attempt, in the order of the table.
    pub rows: Vec<Row>,
}

impl Drill {
    /// How many came out how.
    pub fn score(&self) -> Score {
        Score::of(&self.rows)
    }
}

impl Engine {
    /// Makes every attempt from within a running machine's confinement. The machine is not touched.
    ///
    /// # Errors
    /// There is no such machine, it does not run, the probe could not be started, or the drill was to
    /// end before it was over.
    pub fn drill(&self, name: &MachineName, by: Attacker<'_>) -> Result<Drill, Failure> {
        let machine = self.neighbour_of(name, by)?;
        let (mut store, plan) = self.drilled(name)?;
        let own = Own::begin(self, on_machine(name))?;
        let decoys = Decoys::make(&own, by.probe, Some(&plan.vmm().confinement))?;
        let mut cell = Cell::of(self, &mut store, &plan, (by, &own))?;
        let order = whole(cell.targets(&decoys));
        let outside = without(by, &order)?;
        let inside = cell.answers(&order)?;
        let vmm = plan.vmm();
        let mut rows = outcome::rows(&vmm.confinement, &inside, &outside);
        rows.extend(on_a_machine(&mut cell, by, &machine, &inside)?);
        Ok(Drill { name: name.clone(), layers: vmm.layers.clone(), rows })
    }

    /// The same, and which layers refuse each attempt: with each layer that is in force alone, and with
    /// each left out. `step` is told what comes next.
    ///
    /// # Errors
    /// Those of [`Engine::drill`], and those of planning the machine anew.
    pub fn drill_layers(
        &self,
        name: &MachineName,
        by: Attacker<'_>,
        step: &mut dyn FnMut(&Step),
    ) -> Result<Drill, Failure> {
        let machine = self.neighbour_of(name, by)?;
        let (mut store, plan) = self.drilled(name)?;
        let own = Own::begin(self, on_machine(name))?;
        let decoys = Decoys::make(&own, by.probe, Some(&plan.vmm().confinement))?;
        layers::drill(self, &mut store, (name, &plan), ((by, &own), &decoys, &machine), step)
    }

    /// Makes every attempt as whoever calls this, without any confinement.
    ///
    /// # Errors
    /// The probe could not be started, or the drill was to end before it was over.
    pub fn drill_baseline(&self, by: Attacker<'_>) -> Result<Vec<Row>, Failure> {
        let own = Own::begin(self, "no confinement".into())?;
        let decoys = Decoys::make(&own, by.probe, None)?;
        let order = whole(decoys.targets());
        Ok(outcome::alone(&without(by, &order)?))
    }

    /// Makes every attempt within somebody else's sandbox: `command` is the shell's, in which `{}` is
    /// the probe's own command, or which is followed by it.
    ///
    /// # Errors
    /// The probe could not be started, with or without the sandbox, or the drill was to end before it
    /// was over.
    pub fn drill_against(&self, by: Attacker<'_>, command: &str) -> Result<Vec<Row>, Failure> {
        let own = Own::begin(self, "a sandbox of somebody else's".into())?;
        let decoys = Decoys::make(&own, by.probe, None)?;
        let order = whole(decoys.targets());
        let outside = without(by, &order)?;
        let start = &mut |text: &str| Attack::sandboxed(by.probe, command, text);
        Ok(outcome::compared(&drive(start, order, by.stop)?, &outside))
    }

    /// Makes one attempt, on a decoy unless the target is given: from within a machine's confinement,
    /// or, without a name, as whoever calls this.
    ///
    /// # Errors
    /// Those of [`Engine::drill`].
    pub fn drill_one(
        &self,
        name: Option<&MachineName>,
        by: Attacker<'_>,
        (attempt, target): (&'static Attempt, Option<&str>),
    ) -> Result<Answer, Failure> {
        let machine = name.map(|name| self.drilled(name)).transpose()?;
        let vmm = machine.as_ref().map(|(_, plan)| &plan.vmm().confinement);
        let what = name.map_or_else(|| "no confinement".into(), on_machine);
        let own = Own::begin(self, format!("{what}, by {}", attempt.word))?;
        let needed = attempt.target.filter(|_| target.is_none());
        let decoys = needed.map(|_| Decoys::make(&own, by.probe, vmm)).transpose()?;
        let mut order = whole(decoys.as_ref().map(Decoys::targets).unwrap_or_default());
        order.words = vec![attempt.word.to_owned()];
        let given =
            attempt.target.zip(target).map(|(kind, target)| (kind.word(), target.to_owned()));
        let answers = match machine {
            Some((mut store, plan)) => {
                let mut cell = Cell::of(self, &mut store, &plan, (by, &own))?;
                order.targets.extend(decoys.iter().flat_map(|decoys| cell.targets(decoys)));
                order.targets.extend(given);
                cell.answers(&order)?
            }
            None => {
                order.targets.extend(given);
                without(by, &order)?
            }
        };
        Ok(answers.of(attempt))
    }

    /// A machine to be attacked from where this one is, if that runs.
    fn neighbour_of(&self, name: &MachineName, by: Attacker<'_>) -> Result<Neighbour, Failure> {
        // What has the store open may not be forked.
        drop(self.drilled(name)?);
        Ok(Neighbour::start(self, by)?.1)
    }

    fn drilled(&self, name: &MachineName) -> Result<(svirt_store::Store, Plan), Failure> {
        let store = self.store()?;
        let run = store.run(name)?.ok_or_else(|| self.not_running(name))?;
        let plan = store.plan(run.id)?.ok_or_else(|| self.not_running(name))?;
        Ok((store, plan))
    }
}

/// What the event of a drill says that was attacked.
fn on_machine(name: &MachineName) -> String {
    format!("machine {name}")
}

/// Every attempt, on these decoys.
fn whole(targets: BTreeMap<&'static str, String>) -> Order {
    let words = ATTEMPTS.iter().map(|attempt| attempt.word.to_owned()).collect();
    Order { words, targets }
}

/// The attempts on another machine. A filter looks at no number of a process: what it killed for on one
/// it kills for on any.
fn on_a_machine(
    cell: &mut Cell<'_>,
    by: Attacker<'_>,
    machine: &Neighbour,
    inside: &Answers,
) -> Result<Vec<Row>, Failure> {
    let outside = without(by, &machine.order())?;
    let inside = of_a_machine(cell, machine, inside)?;
    Ok(outcome::on_a_machine(machine, &inside, &outside))
}

fn of_a_machine(
    cell: &mut Cell<'_>,
    machine: &Neighbour,
    of_decoys: &Answers,
) -> Result<Answers, Failure> {
    let (mut order, killed) = (machine.order(), of_decoys.killed());
    order.words.retain(|word| !killed.has(word));
    Ok(cell.answers(&order)?.with(killed))
}

fn without(by: Attacker<'_>, order: &Order) -> Result<Answers, Failure> {
    drive(&mut |text| Attack::bare(by.probe, text), order.clone(), by.stop)
}

/// Whoever drills has ended it; what was made for it is gone.
fn interrupted() -> Failure {
    Failure::new(Code::Host, "the drill was interrupted")
}

/// A probe that cannot run at all would have been refused nothing.
fn proves_nothing(why: &str) -> Failure {
    Failure::new(Code::Unavailable, format!("the drill proves nothing: {why}"))
}
