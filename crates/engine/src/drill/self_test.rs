//! Whether this host's kernel does what it says it does: each layer that a machine gets here is put up
//! alone and must refuse what it is there for; and of two machines that run, one must not get at the
//! other's memory by any means.
//!
//! A refusal is measured by what succeeds with no layer at all; or, where any launch refuses it, without
//! any confinement.

use super::{
    attack::{Answers, Attacker},
    confined::Cell,
    decoys::Decoys,
    layers::{Again, Step, in_force},
    neighbour::Neighbour,
    on_a_machine,
    outcome::{Outcome, Row, against},
    own::Own,
    without,
};
use crate::{Engine, Failure};
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{HostFacts, Layer};
use svirt_probe::{Attempt, Order, find};

/// What each layer refuses alone, on every kernel that has it. One that fails without any layer as well
/// proves nothing, so there are several.
const REFUSED: &[(Layer, &[&str])] = &[
    (Layer::Selinux, OBJECTS),
    (Layer::Apparmor, OBJECTS),
    (Layer::Smack, OBJECTS),
    (Layer::Landlock, &["read-file", "write-file", "create-file"]),
    (Layer::Seccomp, &["io-uring", "set-attribute", "unknown-call"]),
    (Layer::Root, &["stat-file", "read-file"]),
    (Layer::Namespaces, &["signal", "tcp", "read-segment"]),
    (Layer::UserNamespace, &["set-clock", "read-kernel-log", "mount"]),
    (Layer::User, &["read-private-file"]),
    (Layer::Privileges, &["have-capabilities", "raise-capabilities", "set-clock"]),
    (Layer::Limits, &["many-files", "core-dump"]),
    (Layer::Cgroup, &["many-threads"]),
    (Layer::ExecutableMemory, &["map-executable", "make-executable"]),
];
/// What a label keeps from a machine, whichever module it is of.
const OBJECTS: &[&str] = &["write-file", "signal"];
/// What Landlock refuses from an ABI on (`landlock(7)`).
const LANDLOCK: &[(u32, &[&str])] = &[(4, &["tcp"]), (6, &["signal", "connect-abstract"])];

/// What came of a self-test.
#[derive(Debug)]
pub struct SelfTest {
    /// What one machine tried on another.
    pub separation: Vec<Row>,
    /// Each layer that machines get here.
    pub layers: Vec<Trial>,
}

/// What one layer did alone.
#[derive(Debug)]
pub struct Trial {
    /// The layer.
    pub layer: Layer,
    /// What was tried under it; what it is compared with was tried under none.
    pub rows: Vec<Row>,
}

/// What a trial shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The layer refuses what it is there for.
    Refuses,
    /// Something is open that it is there to refuse.
    Fails,
    /// Nothing could be tried that succeeds without it.
    Nothing,
}

impl Trial {
    /// What it shows.
    pub fn shows(&self) -> Shown {
        shown(self.rows.iter().map(|row| row.outcome))
    }
}

impl SelfTest {
    /// Whether the machines are kept apart.
    pub fn separates(&self) -> Shown {
        shown(self.separation.iter().map(|row| row.outcome))
    }

    /// Whether nothing was open that must not be.
    pub fn passed(&self) -> bool {
        let layers = self.layers.iter().map(Trial::shows);
        layers.chain([self.separates()]).all(|shown| shown != Shown::Fails)
    }
}

fn shown(outcomes: impl Iterator<Item = Outcome>) -> Shown {
    let all: BTreeSet<Outcome> = outcomes.collect();
    match () {
        () if all.contains(&Outcome::Open) => Shown::Fails,
        () if all.contains(&Outcome::Blocked) => Shown::Refuses,
        () => Shown::Nothing,
    }
}

impl Engine {
    /// Tries whether what this host gives to machines holds them. Two machines run as long as it takes.
    /// `told` hears what comes next.
    ///
    /// # Errors
    /// No machine can be started, the probe cannot be, or it was to end before it was over.
    pub fn self_test(
        &self,
        by: Attacker<'_>,
        told: &mut dyn FnMut(&str),
    ) -> Result<SelfTest, Failure> {
        told("starting two machines");
        let (name, _one) = Neighbour::start(self, by)?;
        let (_, other) = Neighbour::start(self, by)?;
        let (mut store, plan) = self.drilled(&name)?;
        let own = Own::begin(self, "what this host gives to machines".into())?;
        let decoys = Decoys::make(&own, by.probe, Some(&plan.vmm().confinement))?;
        told("trying to get from one to the other");
        let mut cell = Cell::of(self, &mut store, &plan, (by, &own))?;
        let separation = on_a_machine(&mut cell, by, &other, &Answers::default())?;
        let there = in_force(&plan);
        let again = Again::of(self, &mut store, (&name, &plan))?;
        let mut tried = |step, attempts: &[&'static Attempt]| {
            let plan = again.planned(self, &there, step)?;
            let mut cell = Cell::of(self, &mut store, &plan, (by, &own))?;
            let answers = cell.answers(&order(attempts, cell.targets(&decoys)))?;
            Ok::<_, Failure>((plan, answers))
        };
        let all: BTreeSet<_> =
            there.iter().flat_map(|layer| refused(*layer, self.facts())).collect();
        let all: Vec<_> = all.into_iter().filter_map(find).collect();
        told("trying everything without confinement, and under no layer");
        let bare = without(by, &order(&all, decoys.targets()))?;
        let (_, nothing) = tried(Step::Nothing, &all)?;
        let mut trials = Vec::new();
        for layer in there.iter().copied() {
            told(&format!("trying {layer} alone"));
            let attempts: Vec<_> = refused(layer, self.facts()).filter_map(find).collect();
            let (plan, alone) = tried(Step::Alone(layer), &attempts)?;
            let vmm = &plan.vmm().confinement;
            // Some there are only where others are, too.
            let there = in_force(&plan).contains(&layer);
            let attempts = if there { &attempts[..] } else { &[] };
            let rows = against(attempts, (vmm, &alone), [&nothing, &bare]);
            trials.push(Trial { layer, rows });
        }
        Ok(SelfTest { separation, layers: trials })
    }
}

fn order(attempts: &[&'static Attempt], targets: BTreeMap<&'static str, String>) -> Order {
    Order { words: attempts.iter().map(|attempt| attempt.word.to_owned()).collect(), targets }
}

/// What a layer is there to refuse on this host.
fn refused(layer: Layer, host: &HostFacts) -> impl Iterator<Item = &'static str> {
    let always = REFUSED.iter().filter(move |(of, _)| *of == layer).flat_map(|(_, words)| *words);
    let abi = if layer == Layer::Landlock { host.landlock_abi } else { 0 };
    let newer = LANDLOCK.iter().filter(move |(from, _)| abi >= *from).flat_map(|(_, words)| *words);
    always.chain(newer).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_has_something_to_refuse() {
        for layer in Layer::ALL {
            assert!(REFUSED.iter().any(|(of, words)| of == layer && !words.is_empty()), "{layer}");
        }
        let words = REFUSED.iter().map(|(_, words)| *words).chain(LANDLOCK.iter().map(|l| l.1));
        for word in words.flatten() {
            assert!(find(word).is_some(), "{word}");
        }
    }

    #[test]
    fn one_open_door_counts_for_more_than_any_that_are_shut() {
        use Outcome::{Absent, Blocked, Open, Unproven};
        let of = |outcomes: &[Outcome]| shown(outcomes.iter().copied());
        assert_eq!(of(&[Blocked, Absent, Blocked]), Shown::Refuses);
        assert_eq!(of(&[Blocked, Open]), Shown::Fails);
        assert_eq!(of(&[Absent, Unproven]), Shown::Nothing);
        assert_eq!(of(&[]), Shown::Nothing);
    }
}
