//! What a machine is called, which nobody else on this host is, whichever state directory he uses: the
//! store knows only its own machines.
//!
//! A pair is one name that is bound, `svirt/selinux-pair/c1,c2`. The category of a group is held by
//! every machine that is in it, each on a seat of its own, `svirt/selinux-group/CATEGORY/SEAT`, so that
//! it is held as long as one of them lives. Who wants a category for a new group takes its first seat
//! and then sees that nobody has another; of two at once, one has the first seat. Who joins takes any
//! seat that is free.
//!
//! A label that was chosen, or that follows from a machine's identity, is one name as well,
//! `svirt/label-smack/LABEL`; one with two categories is their pair.
//!
//! A squatter can use pairs, categories and seats up, and get nobody to share what he does not want to.

use crate::{Code, Failure, start::random};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use svirt_host::{
    HostError,
    reserve::{Reservation, any_held, reserve},
};
use svirt_model::{
    Attribute, GroupName, Op, Plan, Value,
    label::{CategorySet, Context, MachineLabel, Pair, SecurityModel},
};
use svirt_plan::{Needs, PlanError, Reserved, allocate::Allocator};
use svirt_store::Start;

const PAIR: &str = "selinux-pair";
const GROUP: &str = "selinux-group";

/// Whoever meets so many pairs that others have reads what the store knows of all: thousands of
/// machines leave most pairs free.
const CONFLICTS: usize = 16;

/// So many machines can be in one group. Who wants a category asks for each seat, twice, while others
/// wait: this is less than a millisecond.
const SEATS: u16 = 384;

/// What the machine gets, and what keeps it its own as long as it is held.
pub(crate) type Labels = (Option<Pair>, BTreeMap<GroupName, u16>, Vec<Reservation>);

/// A pair, and a category for each of the machine's groups: that of the group where a machine of this
/// store is in it. `aliens` are the clearances of processes that run.
pub(crate) fn reserve_labels(
    start: &Start<'_>,
    needs: &Needs,
    aliens: &[CategorySet],
) -> Result<Labels, Failure> {
    let Some(pool) = &needs.pool else { return Ok(Labels::default()) };
    let mut allocator = Allocator::new(pool.clone());
    for (name, category) in start.groups()? {
        allocator.group(name, category);
    }
    aliens.iter().for_each(|alien| allocator.alien(alien));
    let (pair, reservation) = reserve_pair(start, &mut allocator)?;
    let (mut groups, mut held) = (BTreeMap::new(), vec![reservation]);
    for name in &needs.groups {
        let seats = start.seats(name)?;
        let (category, reservation) = match seats.is_empty() {
            true => found(start, &mut allocator, name)?,
            false => join(start, &mut allocator, name, &seats)?,
        };
        groups.insert(name.clone(), category);
        held.push(reservation);
    }
    Ok((Some(pair), groups, held))
}

fn reserve_pair(
    start: &Start<'_>,
    allocator: &mut Allocator,
) -> Result<(Pair, Reservation), Failure> {
    let mut conflicts = 0;
    loop {
        if conflicts == CONFLICTS {
            start.pairs()?.into_iter().for_each(|pair| allocator.in_use(pair));
        }
        let word = random()?;
        let pair = allocator.pair(&mut || word).map_err(PlanError::from)?;
        // On the host first: what is let go again leaves nothing in the store.
        if let Some(reservation) = reserve(PAIR, &pair.set().to_string())?
            && start.reserve_pair(pair)?
        {
            return Ok((pair, reservation));
        }
        conflicts += 1;
    }
}

/// A category for a group that has no machine.
fn found(
    start: &Start<'_>,
    allocator: &mut Allocator,
    name: &GroupName,
) -> Result<(u16, Reservation), Failure> {
    loop {
        let word = random()?;
        let category = allocator.group_category(name, &mut || word).map_err(PlanError::from)?;
        if let Some(reservation) = take_category(category)?
            && start.join_group(name, category, 0)?
        {
            return Ok((category, reservation));
        }
        allocator.lost(name);
    }
}

/// The first seat of a category of which nobody has another one. Looked at twice: a machine that joins
/// takes its seat before it sees that another one is there, so if both were missed, the one because it
/// came and the other because it went, the second look sees the one that came.
fn take_category(category: u16) -> Result<Option<Reservation>, HostError> {
    let Some(first) = reserve(GROUP, &seat(category, 0))? else { return Ok(None) };
    let others = || (1..SEATS).map(|number| seat(category, number));
    let had = any_held(GROUP, others())? || any_held(GROUP, others())?;
    Ok((!had).then_some(first))
}

/// The category of a group that has machines on these seats, and a seat beside them.
fn join(
    start: &Start<'_>,
    allocator: &mut Allocator,
    name: &GroupName,
    seats: &BTreeSet<u16>,
) -> Result<(u16, Reservation), Failure> {
    // It is known, so that nothing is chosen.
    let category = allocator.group_category(name, &mut || 0).map_err(PlanError::from)?;
    if !allocator.pool().groups().contains(category) {
        return Err(out_of_range(name, category));
    }
    for number in (0..SEATS).filter(|number| !seats.contains(number)) {
        let Some(reservation) = reserve(GROUP, &seat(category, number))? else { continue };
        // If all of them have just died, somebody may have found the category free.
        let alive = any_held(GROUP, seats.iter().map(|number| seat(category, *number)))?;
        return match alive && start.join_group(name, category, number)? {
            true => Ok((category, reservation)),
            false => Err(dead(name)),
        };
    }
    Err(full(name, seats.len()))
}

/// No object is taken from a machine of another state directory or user, of which this store knows
/// nothing: its label is of categories that somebody on this host has. `image` is the type of images.
pub(crate) fn taken_from_nobody(
    ops: &[Op],
    image: &str,
    reserved: &Reserved,
) -> Result<(), Failure> {
    for op in ops {
        for label in found_labels(op).into_iter().filter(|label| label.kind() == image) {
            if is_somebody_elses(&label.categories(), reserved)? {
                return Err(foreign(&op.object, &label));
            }
        }
    }
    Ok(())
}

/// The contexts that an object has, and what is below it, before it is labelled.
fn found_labels(op: &Op) -> Vec<Context> {
    let Attribute::Label { model: SecurityModel::Selinux, .. } = &op.attribute else {
        return Vec::new();
    };
    let labels = match &op.before {
        Value::Label(label) => vec![label.as_deref()],
        Value::Tree(tree) => tree.all().collect(),
        _ => Vec::new(),
    };
    labels.into_iter().flatten().filter_map(|label| Context::from_kernel(label).ok()).collect()
}

/// Whether somebody on this host has these categories, of whatever state directory.
pub(crate) fn is_somebodys(categories: &CategorySet) -> Result<bool, HostError> {
    is_somebody_elses(categories, &Reserved::default())
}

fn is_somebody_elses(categories: &CategorySet, reserved: &Reserved) -> Result<bool, HostError> {
    let all: Vec<u16> = categories.iter().collect();
    match all[..] {
        [group] if !reserved.groups.values().any(|own| *own == group) => {
            any_held(GROUP, (0..SEATS).map(|number| seat(group, number)))
        }
        [_, _] if reserved.pair.is_none_or(|own| own.set() != *categories) => {
            any_held(PAIR, [categories])
        }
        _ => Ok(false),
    }
}

/// A name can have so many bytes of a label; two that begin with as many alike are not had at once.
const LABEL: usize = 80;

/// What the security modules call a machine, unless it is called by the pair that was reserved for it.
/// Two machines can be given one label, and two state directories can have machines of one identity.
pub(crate) fn reserve_names(plan: &Plan, reserved: &Reserved) -> Result<Vec<Reservation>, Failure> {
    let has_pair =
        |label: &MachineLabel| label.model == SecurityModel::Selinux && reserved.pair.is_some();
    let names = plan.labels.iter().filter(|label| !has_pair(label));
    names.map(|label| reserve_name(label)?.ok_or_else(|| taken(label))).collect()
}

fn reserve_name(label: &MachineLabel) -> Result<Option<Reservation>, HostError> {
    let context = Some(label).filter(|label| label.model == SecurityModel::Selinux);
    let context = context.and_then(|label| label.label.parse::<Context>().ok());
    match context.map(|context| context.categories()) {
        Some(pair) if pair.len() == 2 => reserve(PAIR, &pair.to_string()),
        _ => reserve(&format!("label-{}", label.model), beginning(&label.label)),
    }
}

fn beginning(label: &str) -> &str {
    let ends = label.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= LABEL).last().unwrap_or_default();
    label.get(..end).unwrap_or_default()
}

fn taken(label: &MachineLabel) -> Failure {
    let MachineLabel { model, label, .. } = label;
    let message = format!(
        "a machine of another state directory has the label {label} of {model}, or its categories"
    );
    Failure::new(Code::InUse, message).hint("stop that machine, or choose another label")
}

fn foreign(object: &Path, label: &Context) -> Failure {
    let object = object.display();
    let message = format!(
        "{object} has the label {label} of a machine that runs and is not of this state directory"
    );
    Failure::new(Code::InUse, message).hint("stop that machine first, or use a copy")
}

fn seat(category: u16, number: u16) -> String {
    format!("{category}/{number}")
}

fn out_of_range(name: &GroupName, category: u16) -> Failure {
    let message = format!(
        "the machines of the group {name} share the category c{category}, and this sVirt may not give \
         that one"
    );
    Failure::new(Code::Denied, message)
        .hint("run sVirt with the range with which they were started")
}

fn dead(name: &GroupName) -> Failure {
    let message = format!("the machines of the group {name} have died");
    Failure::new(Code::InUse, message).hint("try again: what they left is cleared up first")
}

fn full(name: &GroupName, machines: usize) -> Failure {
    let message = format!(
        "the group {name} is full: {machines} of its {SEATS} seats are in use by machines of this \
         state directory, and the others by somebody else on this host"
    );
    Failure::new(Code::InUse, message).hint("stop a machine of the group")
}

#[cfg(test)]
mod tests;
