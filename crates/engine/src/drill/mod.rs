//! An attack on one's own walls: a probe takes the place of a running machine's VMM, in exactly its
//! confinement, by the same launch, and tries what a guest in control of its VMM would try; and once
//! more without any confinement, so that what could not succeed anyway is not taken for refused.
//!
//! What is tried is [`svirt_probe`]'s to know. It is tried on decoys that are made for it, and never on
//! anything of a live machine.

mod attack;
mod confined;
mod decoys;
mod layers;
mod outcome;

pub use layers::Step;
pub use outcome::{Outcome, Refusing, Row, Score};

use crate::{Code, Engine, Failure};
use attack::{Answers, Attack, drive};
use confined::Cell;
use decoys::Decoys;
use std::{collections::BTreeMap, path::Path};
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
    /// `probe` is the program that becomes the probe when its first argument is [`svirt_probe::WORD`].
    ///
    /// # Errors
    /// There is no such machine, it does not run, or the probe could not be started.
    pub fn drill(&self, name: &MachineName, probe: &Path) -> Result<Drill, Failure> {
        let (mut store, plan) = self.drilled(name)?;
        let decoys = Decoys::make(probe, Some(&plan.vmm().confinement))?;
        let mut cell = Cell::of(self, &mut store, &plan, probe)?;
        let order = whole(cell.targets(&decoys));
        let outside = without(probe, &order)?;
        let inside = cell.answers(&order)?;
        let vmm = plan.vmm();
        let rows = outcome::rows(&vmm.confinement, &inside, &outside);
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
        probe: &Path,
        step: &mut dyn FnMut(&Step),
    ) -> Result<Drill, Failure> {
        let (mut store, plan) = self.drilled(name)?;
        let decoys = Decoys::make(probe, Some(&plan.vmm().confinement))?;
        layers::drill(self, &mut store, (name, &plan), (probe, &decoys), step)
    }

    /// Makes every attempt as whoever calls this, without any confinement.
    ///
    /// # Errors
    /// The probe could not be started.
    pub fn drill_baseline(&self, probe: &Path) -> Result<Vec<Row>, Failure> {
        let decoys = Decoys::make(probe, None)?;
        let order = whole(decoys.targets());
        Ok(outcome::alone(&without(probe, &order)?))
    }

    /// Makes every attempt within somebody else's sandbox: `command` is the shell's, in which `{}` is
    /// the probe's own command, or which is followed by it.
    ///
    /// # Errors
    /// The probe could not be started, with or without the sandbox.
    pub fn drill_against(&self, probe: &Path, command: &str) -> Result<Vec<Row>, Failure> {
        let decoys = Decoys::make(probe, None)?;
        let order = whole(decoys.targets());
        let outside = without(probe, &order)?;
        let start = &mut |text: &str| Attack::sandboxed(probe, command, text);
        Ok(outcome::compared(&drive(start, order)?, &outside))
    }

    /// Makes one attempt, on a decoy unless the target is given: from within a machine's confinement,
    /// or, without a name, as whoever calls this.
    ///
    /// # Errors
    /// Those of [`Engine::drill`].
    pub fn drill_one(
        &self,
        name: Option<&MachineName>,
        probe: &Path,
        (attempt, target): (&'static Attempt, Option<&str>),
    ) -> Result<Answer, Failure> {
        let machine = name.map(|name| self.drilled(name)).transpose()?;
        let vmm = machine.as_ref().map(|(_, plan)| &plan.vmm().confinement);
        let needed = attempt.target.filter(|_| target.is_none());
        let decoys = needed.map(|_| Decoys::make(probe, vmm)).transpose()?;
        let mut order = whole(decoys.as_ref().map(Decoys::targets).unwrap_or_default());
        order.words = vec![attempt.word.to_owned()];
        let given =
            attempt.target.zip(target).map(|(kind, target)| (kind.word(), target.to_owned()));
        let answers = match machine {
            Some((mut store, plan)) => {
                let mut cell = Cell::of(self, &mut store, &plan, probe)?;
                order.targets.extend(decoys.iter().flat_map(|decoys| cell.targets(decoys)));
                order.targets.extend(given);
                cell.answers(&order)?
            }
            None => {
                order.targets.extend(given);
                without(probe, &order)?
            }
        };
        Ok(answers.of(attempt))
    }

    fn drilled(&self, name: &MachineName) -> Result<(svirt_store::Store, Plan), Failure> {
        let store = self.store()?;
        let run = store.run(name)?.ok_or_else(|| self.not_running(name))?;
        let plan = store.plan(run.id)?.ok_or_else(|| self.not_running(name))?;
        Ok((store, plan))
    }
}

/// Every attempt, on these decoys.
fn whole(targets: BTreeMap<&'static str, String>) -> Order {
    let words = ATTEMPTS.iter().map(|attempt| attempt.word.to_owned()).collect();
    Order { words, targets }
}

fn without(probe: &Path, order: &Order) -> Result<Answers, Failure> {
    drive(&mut |text| Attack::bare(probe, text), order.clone())
}

/// A probe that cannot run at all would have been refused nothing.
fn proves_nothing(why: &str) -> Failure {
    Failure::new(Code::Unavailable, format!("the drill proves nothing: {why}"))
}
