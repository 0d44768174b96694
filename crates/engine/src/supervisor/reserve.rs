//! From a machine to its plan: what it needs for itself is reserved, what it was given is looked at,
//! and what follows becomes durable, all in one transaction of the store, so that what the plan rests
//! on is still true then.

use super::{
    alive::{Home, lease, this_process},
    labels, shared,
    trees::Trees,
    users::reserve_user,
};
use crate::{Code, Engine, Failure, long::Long, resolve::Pins};
use std::os::fd::AsFd;
use svirt_host::{
    lease::Lease,
    mac::{
        apparmor::Apparmor,
        observe::Observer,
        selinux::{self, Selinux},
    },
    reserve::Reservation,
};
use svirt_model::{
    Attribute, Entry, HostFacts, Machine, MachineUsers, Op, Plan, Value,
    label::{CategorySet, Context, Observations, ProfileName, SecurityModel},
};
use svirt_plan::{
    Inputs, Needs, Other, Others, Planned, Reserved, allocate::Allocator, claims, conflict,
    labelled, needs, plan, rivals,
};
use svirt_store::{NewRun, Start, Store};

/// What a supervisor holds as long as there is anything of its machine.
#[derive(Debug)]
pub(crate) struct Held {
    _reservations: Vec<Reservation>,
    _lease: Lease,
}

/// Plans a machine and makes its intents durable. What it has to itself on the whole host is held by
/// what is returned. `meanwhile` begins what needs no intent, because it changes nothing on the host
/// and ends with this process: the disk need not be waited for before that.
pub(crate) fn reserve<T>(
    engine: &Engine,
    store: &mut Store,
    (machine, pins): (&Machine, &Pins),
    (transient, trial, request): (bool, bool, &str),
    long: &Long<'_>,
    meanwhile: impl FnOnce(&Plan) -> Result<T, Failure>,
) -> Result<(Plan, Held, T), Failure> {
    let place = engine.paths.place(&machine.name, machine.id);
    let bare = Inputs::bare(machine, engine.facts(), &place);
    let needs = needs(bare)?;
    let mut eyes = Eyes::open(engine.facts(), &needs)?;
    // Whatever has to be asked of the kernel first is known before everybody else waits.
    let seen = eyes.look(pins)?;
    let orphaned = if eyes.are_open() { store.orphans()? } else { Vec::new() };
    let orphaned = orphaned.into_iter().map(|entry| entry.op).collect();
    let left = Others { orphaned, ..Others::default() };
    let trees = Trees::search(Inputs { seen: &seen, others: &left, ..bare }, pins, long);
    let aliens = aliens(&needs)?;
    let (id, name) = (machine.id, machine.name.clone());
    let supervisor = this_process()?;
    let lease = lease(engine, id, &supervisor)?;
    let request = request.to_owned();
    let run = NewRun { id, name, supervisor, transient, drill: trial, request };
    let start = store.start(run)?;
    if Home::is_taken(&place.run)? {
        let failure = Failure::new(Code::InUse, format!("{}: {}", machine.name, Home::TAKEN));
        return Err(
            failure.hint("stop that one first: `svirt ps` with its state directory shows it")
        );
    }
    let user = reserve_user(engine, &start)?;
    let (pair, groups, mut held) = labels::reserve_labels(&start, &needs, &aliens)?;
    let reserved = Reserved { user: user.as_ref().map(|(user, _)| *user), pair, groups };
    held.extend(user.map(|(_, reservation)| reservation));
    let mut seen = eyes.look(pins)?;
    trees.show(&mut seen);
    let labelled = eyes.are_open() || needs.profile.is_some();
    let inputs = Inputs { reserved: &reserved, seen: &seen, ..bare };
    let others = if labelled { others(&start, inputs)? } else { Others::default() };
    let inputs = Inputs { others: &others, ..inputs };
    let planned = plan(inputs).map_err(|error| trees.explain(error))?;
    let Planned { plan, wants } = as_tested(planned);
    known(&plan)?;
    let claims = claims(&plan);
    if let Some(conflict) = conflict(&claims, &start.claims_near(&claims)?) {
        // The store is this transaction's until then.
        drop(start);
        return Err(shared::refused(engine, &conflict));
    }
    // What machines of this store have was said of them by now.
    let selinux = engine.facts().labels.selinux.as_ref();
    if let Some(types) = selinux.and_then(|selinux| selinux.types.as_ref()) {
        labels::taken_from_nobody(&plan.ops, &types.image, &reserved)?;
    }
    held.extend(labels::reserve_names(&plan, &reserved)?);
    let begun = meanwhile(&plan)?;
    start.commit(&plan, &wants, &claims)?;
    Ok((plan, Held { _reservations: held, _lease: lease }, begun))
}

/// The same without what a test leaves out, to see whether the machine misses it.
fn as_tested(mut planned: Planned) -> Planned {
    for process in &mut planned.plan.processes {
        let role = process.role;
        let name = |entry: &Entry| format!("{role}:{}", entry.at.display());
        process.confinement.entries.retain(|entry| !svirt_fault::leaves_out(|| name(entry)));
    }
    planned
}

/// What a start would plan, with what it could be given now; nothing is reserved.
pub(crate) fn preview(engine: &Engine, machine: &Machine, pins: &Pins) -> Result<Plan, Failure> {
    let user = first_user(engine.facts());
    looked_at(engine, (machine, pins), user, plan)
}

/// The plan of something harmless in the place of a machine that has this user.
pub(crate) fn rehearse(
    engine: &Engine,
    machine: &Machine,
    pins: &Pins,
    user: Option<u32>,
) -> Result<Plan, Failure> {
    looked_at(engine, (machine, pins), user, svirt_plan::rehearse)
}

fn looked_at(
    engine: &Engine,
    (machine, pins): (&Machine, &Pins),
    user: Option<u32>,
    plan: fn(Inputs<'_>) -> Result<Planned, svirt_plan::PlanError>,
) -> Result<Plan, Failure> {
    let place = engine.paths.place(&machine.name, machine.id);
    let bare = Inputs::bare(machine, engine.facts(), &place);
    let needs = needs(bare)?;
    let mut seen = Eyes::open(engine.facts(), &needs)?.look(pins)?;
    let trees = Trees::search(Inputs { seen: &seen, ..bare }, pins, &Long::new(&|_| {}));
    trees.show(&mut seen);
    let mut reserved = Reserved { user, ..Reserved::default() };
    if let Some(pool) = &needs.pool {
        let mut allocator = Allocator::new(pool.clone());
        aliens(&needs)?.iter().for_each(|alien| allocator.alien(alien));
        // Any that is free will do, and the same machine is shown the same.
        let random = &mut || machine.id.as_u64_pair().0;
        reserved.pair = Some(allocator.pair(random).map_err(svirt_plan::PlanError::from)?);
        for group in &needs.groups {
            let category = allocator.group_category(group, random);
            let category = category.map_err(svirt_plan::PlanError::from)?;
            reserved.groups.insert(group.clone(), category);
        }
    }
    let planned = plan(Inputs { reserved: &reserved, seen: &seen, ..bare });
    let planned = planned.map_err(|error| trees.explain(error))?.plan;
    known(&planned)?;
    Ok(planned)
}

/// The user that a plan shows where none is reserved yet.
fn first_user(facts: &HostFacts) -> Option<u32> {
    match facts.machine_users {
        MachineUsers::Range { first, .. } => Some(first),
        MachineUsers::None(_) => None,
    }
}

/// What looks at labels, where an active model labels objects, and at a profile that was chosen.
struct Eyes {
    objects: Option<Observer>,
    profile: Option<ProfileName>,
}

impl Eyes {
    fn open(facts: &HostFacts, needs: &Needs) -> Result<Self, Failure> {
        let objects = Observer::new(&facts.labels, needs.domain.as_ref())?;
        // Nobody else is shown what is loaded.
        let profile = needs.profile.clone().filter(|_| facts.is_root());
        Ok(Self { objects, profile })
    }

    fn are_open(&self) -> bool {
        self.objects.is_some()
    }

    fn look(&mut self, pins: &Pins) -> Result<Observations, Failure> {
        let mut seen = Observations::default();
        if let Some(name) = &self.profile {
            let loaded = Apparmor::open()?.map(|a| a.loaded(name)).transpose()?.flatten();
            seen.saw_profile(loaded.map(|profile| profile.mode));
        }
        if let Some(observer) = &mut self.objects {
            pins.all()
                .iter()
                .try_for_each(|pin| observer.look(pin.as_fd(), pin.object(), &mut seen))?;
        }
        Ok(seen)
    }
}

/// The clearances of the processes that run: those of other users' machines, and of who is none of
/// ours, are in no store.
fn aliens(needs: &Needs) -> Result<Vec<CategorySet>, Failure> {
    if needs.pool.is_none() {
        return Ok(Vec::new());
    }
    let all = selinux::running()?.into_iter().map(|(_, context)| context.categories());
    Ok(all.filter(|categories| !categories.is_empty()).collect())
}

fn others(start: &Start<'_>, inputs: Inputs<'_>) -> Result<Others, Failure> {
    let labels =
        start.labels(&rivals(inputs))?.into_iter().map(|(name, label)| Other { name, label });
    let known = |(model, file)| {
        let file = Some(inputs.seen.known(file)?.clone());
        Some(Attribute::Label { model, file })
    };
    let objects: Vec<Attribute> = labelled(inputs).into_iter().filter_map(known).collect();
    let (held, orphaned) = (start.held(&objects)?, start.orphaned(&objects)?);
    Ok(Others { labels: labels.collect(), held, orphaned })
}

/// Every SELinux label that the plan gives is one that the loaded policy has.
fn known(plan: &Plan) -> Result<(), Failure> {
    let of_processes = plan.processes.iter().flat_map(|p| &p.confinement.labels);
    let of_processes = of_processes.filter(|label| label.model == SecurityModel::Selinux);
    let of_processes = of_processes.map(|label| label.label.clone().into_bytes());
    let mut all: Vec<Vec<u8>> =
        plan.ops.iter().filter_map(selinux_label).cloned().chain(of_processes).collect();
    if all.is_empty() {
        return Ok(());
    }
    all.sort_unstable();
    all.dedup();
    let Some(selinux) = Selinux::open()? else { return Ok(()) };
    all.iter().try_for_each(|label| {
        let context = Context::from_kernel(label);
        let context = context.map_err(|e| Failure::from_error(Code::Data, &e))?;
        let (why, hint) = match selinux.canonical(&context)? {
            Some(found) if found == context => return Ok(()),
            // What the kernel shows of it later would be taken for somebody else's doing.
            Some(found) => (format!("calls the label {context} {found}"), "write it like that"),
            None => (
                format!("does not know the label {context}"),
                "svirt policy check says what it has",
            ),
        };
        let message = format!("the loaded SELinux policy {why}");
        Err(Failure::new(Code::Data, message).hint(hint))
    })
}

fn selinux_label(op: &Op) -> Option<&Vec<u8>> {
    match (&op.attribute, &op.after) {
        (
            svirt_model::Attribute::Label { model: SecurityModel::Selinux, .. },
            Value::Label(label),
        ) => label.as_ref(),
        _ => None,
    }
}
