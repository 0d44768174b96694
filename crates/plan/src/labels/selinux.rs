//! What SELinux calls a machine: a type that its use decides, and categories that are its own.

use super::{Content, Decision, Given, Objects, Wish};
use crate::{
    Inputs, Other, PlanError,
    allocate::{self, AllocateError},
    choice::Choice,
};
use std::collections::BTreeMap;
use svirt_model::{
    GroupName, Layer,
    label::{
        CategorySet, Context, Level, LevelRange, Pool, SecurityModel, SelinuxFacts, SelinuxTypes,
    },
};

const NO_TYPES: &str = "the loaded policy has no domain for machines that sVirt may enter: install \
                        ours with svirt policy install";
const NO_TRANSLATION: &str =
    "the loaded policy has no domain for a VMM that translates its guest's code";
const NO_LEVELS: &str = "the loaded policy has no categories, so nothing would tell machines apart";
const NO_CATEGORIES: &str = "sVirt itself has too few categories to give any to machines: start it with a \
                             range such as s0-s0:c0.c1023";
const NO_NETWORK: &str = "the loaded policy has no domain for it";

pub(super) fn decide(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
    facts: &SelinuxFacts,
    wish: Wish<'_>,
) -> Result<Decision, PlanError> {
    match wish {
        Wish::This { label, relabel } => given(inputs, facts, label, relabel),
        Wish::From(base) => {
            let base = base.parse()?;
            made(inputs, facts, &base)
        }
        Wish::Usual => match usual(choice, facts) {
            Ok(base) => made(inputs, facts, &base),
            Err(why) => Ok(Decision::Missing(why.into())),
        },
    }
}

/// The categories that the launcher can give, where a machine gets some; none where its label has
/// none, or is given.
pub(crate) fn pool(inputs: Inputs<'_>, choice: &Choice<'_>) -> Result<Option<Pool>, PlanError> {
    match (facts(inputs, choice), wish(inputs)) {
        (None, _) | (_, Wish::This { .. }) => Ok(None),
        (Some(facts), _) if domain(inputs, choice)?.is_some() => Ok(Some(of_launcher(facts)?)),
        (Some(_), _) => Ok(None),
    }
}

/// The context of a machine's process without the categories that are chosen for it; none where it
/// gets no label.
pub(crate) fn domain(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
) -> Result<Option<Context>, PlanError> {
    let Some(facts) = facts(inputs, choice) else { return Ok(None) };
    match wish(inputs) {
        Wish::This { label, .. } => Ok(Some(label.parse()?)),
        Wish::From(base) if facts.types.is_some() => Ok(Some(base.parse()?)),
        Wish::From(_) => Ok(None),
        Wish::Usual => Ok(usual(choice, facts).ok()),
    }
}

/// What SELinux offers, unless it was given up.
fn facts<'a>(inputs: Inputs<'a>, choice: &Choice<'_>) -> Option<&'a SelinuxFacts> {
    inputs.host.labels.selinux.as_ref().filter(|_| !choice.gave_up(Layer::Selinux))
}

fn wish(inputs: Inputs<'_>) -> Wish<'_> {
    super::wish(inputs, SecurityModel::Selinux)
}

fn of_launcher(facts: &SelinuxFacts) -> Result<Pool, PlanError> {
    let range = facts.range().ok_or_else(|| AllocateError::NoLevel(facts.own.to_string()))?;
    Ok(Pool::new(&range, facts.categories)?)
}

/// What keeps a machine from having a context, however its guest runs.
pub(super) fn obstacle(facts: &SelinuxFacts) -> Option<&'static str> {
    if facts.types.is_none() {
        return Some(NO_TYPES);
    }
    match facts.range() {
        None => Some(NO_LEVELS),
        Some(range) => Pool::new(&range, facts.categories).is_err().then_some(NO_CATEGORIES),
    }
}

/// The context of a machine without categories, or why there is none.
fn usual(choice: &Choice<'_>, facts: &SelinuxFacts) -> Result<Context, &'static str> {
    base(facts, choice.translates())
}

/// From what the context of a machine is made that translates its guest's code, or one that does not.
pub(super) fn base(facts: &SelinuxFacts, translates: bool) -> Result<Context, &'static str> {
    let types = facts.types.as_ref().ok_or(NO_TYPES)?;
    let kind = match translates {
        true => types.translating_vmm.as_ref().ok_or(NO_TRANSLATION)?,
        false => &types.vmm,
    };
    let low = facts.own.range().ok_or(NO_LEVELS)?.low();
    let plain = Level { sensitivity: low.sensitivity, categories: CategorySet::empty() };
    facts.own.at(plain).with_kind(kind).map_err(|_| NO_TYPES)
}

/// A label that no other machine has.
fn made(inputs: Inputs<'_>, facts: &SelinuxFacts, base: &Context) -> Result<Decision, PlanError> {
    let Some(types) = &facts.types else { return Ok(Decision::Missing(NO_TYPES.into())) };
    let pool = of_launcher(facts)?;
    let pair = inputs.reserved.pair.ok_or(PlanError::Unreserved("a pair of categories"))?;
    let groups: Vec<(&GroupName, u16)> =
        inputs.reserved.groups.iter().map(|(name, category)| (name, *category)).collect();
    let numbers: Vec<u16> = groups.iter().map(|(_, category)| *category).collect();
    let labels = allocate::label(base, &types.image, &pool, pair, &numbers)?;
    let of_groups = groups.iter().zip(&labels.groups);
    let objects = Objects {
        private: bytes(&labels.private),
        groups: of_groups.map(|((name, _), context)| ((*name).clone(), bytes(context))).collect(),
        content: content(types, &labels.private)?,
    };
    if let Some(other) = covering(inputs, &labels.process) {
        let (machine, theirs) = (other.name.clone(), other.label.label.clone());
        return Err(PlanError::Covered { machine, theirs });
    }
    let helper = helper(types, &labels.private, base)?;
    Ok(Decision::Given(result(facts, labels.process.to_string(), helper, Some(objects))))
}

/// The label that the user chose.
fn given(
    inputs: Inputs<'_>,
    facts: &SelinuxFacts,
    label: &str,
    relabel: bool,
) -> Result<Decision, PlanError> {
    let context: Context = label.parse()?;
    context.within(facts.categories)?;
    alone(inputs, &context)?;
    let objects = match (&facts.types, context.range(), relabel) {
        (_, _, false) => None,
        (None, _, true) => return Err(PlanError::NoImageLabel { label: label.to_owned() }),
        (Some(_), None, true) => return Err(PlanError::NoImageLabel { label: label.to_owned() }),
        // With one, every machine reaches them that got it in its pair; with none, every machine.
        (_, Some(range), true) if range.high().categories.len() < 2 => {
            return Err(PlanError::OpenImages { label: label.to_owned() });
        }
        (Some(types), Some(range), true) => {
            let private = context.at(range.high().clone()).object(&types.image);
            let private = private?;
            let content = content(types, &private)?;
            Some(Objects { private: bytes(&private), groups: BTreeMap::new(), content })
        }
    };
    let helper = match &facts.types {
        Some(types) => helper(types, &context, &context)?,
        None => Err(NO_NETWORK),
    };
    Ok(Decision::Given(result(facts, context.to_string(), helper, objects)))
}

/// A label that the user chose is no other machine's, nor above or below one that is.
fn alone(inputs: Inputs<'_>, context: &Context) -> Result<(), PlanError> {
    match covering(inputs, context) {
        None => Ok(()),
        Some(other) => Err(super::taken(&context.to_string(), other)),
    }
}

/// The machine whose label is this one, or above or below it.
fn covering<'a>(inputs: Inputs<'a>, context: &Context) -> Option<&'a Other> {
    let mine = context.categories();
    let meets = |theirs: CategorySet| mine.includes(&theirs) || theirs.includes(&mine);
    contexts(inputs).find(|(_, other)| meets(other.categories())).map(|(other, _)| other)
}

/// The other machines' contexts.
fn contexts<'a>(inputs: Inputs<'a>) -> impl Iterator<Item = (&'a Other, Context)> {
    let of_selinux = |other: &&Other| other.label.model == SecurityModel::Selinux;
    let others = inputs.others.labels.iter().filter(of_selinux);
    others.filter_map(|other| Some((other, other.label.label.parse().ok()?)))
}

/// Whether a label that the user chose for an object makes it another machine's to reach: that of
/// images is for categories that were reserved, and no other may be below another machine's.
pub(super) fn is_foreign(inputs: Inputs<'_>, chosen: &Context, own: &[&[u8]]) -> bool {
    let same =
        |own: &&[u8]| Context::from_kernel(own).is_ok_and(|own| own.range() == chosen.range());
    if own.iter().any(same) {
        return false;
    }
    let types = inputs.host.labels.selinux.as_ref().and_then(|facts| facts.types.as_ref());
    let categories = chosen.categories();
    let below = || contexts(inputs).any(|(_, other)| other.categories().includes(&categories));
    types.is_some_and(|types| types.image == chosen.kind()) || !categories.is_empty() && below()
}

fn result(
    facts: &SelinuxFacts,
    vmm: String,
    helper: Result<String, &'static str>,
    objects: Option<Objects>,
) -> Given {
    let mut weak = Vec::new();
    if !facts.enforcing {
        weak.push("SELinux is permissive: it records and refuses nothing".to_owned());
    }
    if facts.checks_requested_protection {
        weak.push("checkreqprot is on, so a program can talk around what it may execute".into());
    }
    Given { vmm, helper, objects, doi: 0, enforcing: facts.enforcing, mode: None, weak }
}

/// The helper has the machine's own pair and none of its groups' categories.
fn helper(
    types: &SelinuxTypes,
    private: &Context,
    base: &Context,
) -> Result<Result<String, &'static str>, PlanError> {
    let Some(kind) = &types.network else { return Ok(Err(NO_NETWORK)) };
    let context = base.with_kind(kind)?;
    let level = private.range().map(LevelRange::high).cloned();
    Ok(Ok(level.map_or(context.clone(), |level| context.at(level)).to_string()))
}

fn content(types: &SelinuxTypes, private: &Context) -> Result<Content, PlanError> {
    let Some(kind) = &types.content else { return Ok(Content::Own) };
    let sensitivity = private.range().map(|range| range.low().sensitivity).unwrap_or_default();
    let level = Level { sensitivity, categories: CategorySet::empty() };
    let context = private.at(level).object(kind)?;
    Ok(Content::All(bytes(&context)))
}

/// As tools write it: with a NUL at its end.
pub(super) fn bytes(context: &Context) -> Vec<u8> {
    let mut bytes = context.to_string().into_bytes();
    bytes.push(0);
    bytes
}
