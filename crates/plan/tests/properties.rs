//! What holds of the plan of any machine on any host.

mod support;

use proptest::prelude::*;
use std::{collections::BTreeSet, path::Path};
use support::{
    generate::{host, machine_named},
    plan,
};
use svirt_model::{
    Access, Claim, Confinement, Delivery, DeviceKind, Enforced, Entry, Grant, HeldClaim, HostFacts,
    Layer, LayerStatus, Machine, Plan, Process, Resource, Role, Sharing, Target, Uuid, Vmm, Want,
    label::Observations,
};
use svirt_plan::{Others, PlanError, claims, conflict};

/// The plan, or nothing where nothing would hold the machine, which is the only refusal here.
fn planned(machine: &Machine, host: &HostFacts) -> Option<Plan> {
    match plan(machine, host) {
        Ok(plan) => Some(plan),
        Err(PlanError::Unconfined | PlanError::NoRight { .. }) => None,
        Err(other) => panic!("{other}"),
    }
}

/// The path at which a resource must have an entry: for a socket, its directory.
fn location(resource: &Resource) -> Option<&Path> {
    match (&resource.delivery, &resource.target) {
        (Delivery::At(at), Target::Endpoint(_)) => at.parent(),
        (Delivery::At(at), _) => Some(at),
        _ => None,
    }
}

fn located<'a>(process: &'a Process, at: &'a Path) -> impl Iterator<Item = &'a Resource> {
    process.manifest.resources.iter().filter(move |r| location(r) == Some(at))
}

/// Whether a resource allows all that a grant does.
fn covers(resource: &Resource, grant: Grant) -> bool {
    let writes = resource.access == Access::Write;
    match grant {
        Grant::Read => matches!(resource.target, Target::Object(_) | Target::Embedded(_)),
        Grant::ReadWrite => {
            writes && matches!(resource.target, Target::Object(_) | Target::Output(_))
        }
        Grant::Execute => matches!(resource.target, Target::Code(_)),
        Grant::Device => writes && matches!(resource.target, Target::Device(_)),
        Grant::ReadTree => is_directory(resource),
        Grant::WriteTree => writes && is_directory(resource),
        Grant::Endpoint => matches!(resource.target, Target::Endpoint(_)),
        Grant::Connect => matches!(resource.target, Target::Socket(_)),
    }
}

fn is_directory(resource: &Resource) -> bool {
    use svirt_model::FileKind::Directory;
    matches!(&resource.target, Target::Object(object) if object.kind == Directory)
}

/// The descriptors that a command line of ours names.
fn numbers_in(arguments: &[String]) -> BTreeSet<i32> {
    let parts = arguments.iter().flat_map(|argument| argument.split(','));
    let named = |part: &str| {
        let prefixes = ["fd=", "addr.str=", "filename=/dev/fdset/"];
        prefixes.iter().find_map(|prefix| part.strip_prefix(prefix)).map(str::to_owned)
    };
    let after_fd =
        arguments.windows(2).filter(|pair| pair[0] == "--fd").map(|pair| pair[1].clone());
    parts.filter_map(named).chain(after_fd).filter_map(|number| number.parse().ok()).collect()
}

fn status(process: &Process, layer: Layer) -> Option<&LayerStatus> {
    process.layers.iter().find(|status| status.layer == layer)
}

/// The layers that need another: without it they hold less, or not at all. Every other layer is as
/// it was.
fn leaning_on(layer: Layer) -> &'static [Layer] {
    match layer {
        // An ordinary user makes the others inside it; Landlock's gaps open with them.
        // Processes are counted and memory files refused in there.
        Layer::UserNamespace => &[
            Layer::Root,
            Layer::Namespaces,
            Layer::Landlock,
            Layer::Limits,
            Layer::ExecutableMemory,
            Layer::Privileges,
            Layer::User,
        ],
        // An ordinary user's machines have users of their own only in it.
        Layer::Root => &[Layer::Landlock, Layer::User],
        // `vm.memfd_noexec` belongs to a pid namespace.
        Layer::Namespaces => &[Layer::Landlock, Layer::ExecutableMemory],
        _ => &[],
    }
}

/// Which parts of a confinement are the same in both, by the layers that may change them.
fn changed(one: &Confinement, other: &Confinement) -> Vec<(&'static str, &'static [Layer])> {
    use Layer::{
        Cgroup, ExecutableMemory, Landlock, Limits, Namespaces, Privileges, Root, Seccomp, User,
        UserNamespace,
    };
    let parts: [(&str, bool, &[Layer]); 12] = [
        ("arguments", one.arguments == other.arguments, &[Root, UserNamespace]),
        ("entries", one.entries == other.entries, &[Root, User, UserNamespace]),
        ("descriptors", one.descriptors == other.descriptors, &[]),
        ("identity", one.identity == other.identity, &[User, Root, UserNamespace]),
        ("namespaces", one.namespaces == other.namespaces, &[Root, Namespaces, UserNamespace]),
        ("own root", one.own_root == other.own_root, &[Root, UserNamespace]),
        ("landlock", one.landlock == other.landlock, &[Landlock]),
        ("seccomp", one.seccomp == other.seccomp, &[Seccomp]),
        ("limits", one.limits == other.limits, &[Limits, UserNamespace]),
        ("groups", one.cgroups == other.cgroups, &[Cgroup]),
        (
            "executable memory",
            one.executable_memory == other.executable_memory
                && one.memory_files_no_exec == other.memory_files_no_exec,
            &[ExecutableMemory, Namespaces],
        ),
        (
            "privileges",
            one.drop_privileges == other.drop_privileges,
            &[Privileges, Landlock, Seccomp],
        ),
    ];
    parts.into_iter().filter(|part| !part.1).map(|part| (part.0, part.2)).collect()
}

/// Whether a user's own words name this path.
fn named_by_user(machine: &Machine, path: &Path) -> bool {
    machine.devices.iter().any(|device| match &device.kind {
        DeviceKind::Output(output) => output.path == path,
        DeviceKind::Listen(listen) => listen.path == path,
        _ => false,
    })
}

fn wanted(machine: &Machine, host: &HostFacts) -> Vec<Want> {
    let planned = support::planned(machine, host, &Observations::default(), &Others::default());
    planned.map(|planned| planned.wants).unwrap_or_default()
}

fn held(claims: &[Claim]) -> Vec<HeldClaim> {
    let name: svirt_model::MachineName = "other".parse().expect("a name");
    let hold = |claim: &Claim| HeldClaim {
        machine: Uuid::nil(),
        name: name.clone(),
        claim: claim.clone(),
    };
    claims.iter().map(hold).collect()
}

/// The rule itself: what one writes the other does not touch, nor what lies below or above it, but
/// within one group.
fn clash(one: &Claim, other: &Claim) -> bool {
    let written = [one, other].iter().any(|claim| claim.access == Access::Write);
    let grouped = matches!(&one.sharing, Sharing::Group(_)) && one.sharing == other.sharing;
    let related = one.path.starts_with(&other.path) || other.path.starts_with(&one.path);
    let beside = one.beneath && other.beneath;
    (one.file == other.file || related) && written && !grouped && !beside
}

proptest! {
    #[test]
    fn planning_is_a_function(machine in machine_named("web"), host in host()) {
        prop_assert_eq!(plan(&machine, &host), plan(&machine, &host));
    }

    #[test]
    fn what_stands_at_a_path_has_one_entry_and_nothing_else_has_one(
        machine in machine_named("web"), host in host(),
    ) {
        let Some(plan) = planned(&machine, &host) else { return Ok(()) };
        for process in &plan.processes {
            let entries = &process.confinement.entries;
            for at in process.manifest.resources.iter().filter_map(location) {
                prop_assert_eq!(entries.iter().filter(|e| e.at == at).count(), 1, "{:?}", at);
            }
            for Entry { at, .. } in entries {
                prop_assert!(located(process, at).next().is_some(), "{:?} has no resource", at);
            }
            let sorted = entries.is_sorted_by(|one, other| one.at < other.at);
            prop_assert!(sorted, "a path comes after one below it");
        }
    }

    #[test]
    fn no_grant_is_wider_than_what_the_manifest_allows(
        machine in machine_named("web"), host in host(),
    ) {
        let Some(plan) = planned(&machine, &host) else { return Ok(()) };
        for process in &plan.processes {
            for entry in &process.confinement.entries {
                let covered = located(process, &entry.at).any(|r| covers(r, entry.grant));
                prop_assert!(covered, "{:?} at {:?}", entry.grant, entry.at);
            }
        }
    }

    #[test]
    fn what_is_named_twice_may_be_done_as_the_wider_of_both_says(
        machine in machine_named("web"), host in host(),
    ) {
        let Some(plan) = planned(&machine, &host) else { return Ok(()) };
        for process in &plan.processes {
            for entry in &process.confinement.entries {
                let written = located(process, &entry.at).any(|r| r.access == Access::Write);
                // A connection goes both ways, whatever was said of the socket.
                let writes = if entry.grant == Grant::Connect { written } else { entry.grant.writes() };
                prop_assert_eq!(writes, written, "{:?} at {:?}", entry.grant, entry.at);
            }
        }
    }

    #[test]
    fn descriptors_are_numbered_once_and_qemu_is_told_of_each_and_of_no_other(
        machine in machine_named("web"), host in host(),
    ) {
        let Some(plan) = planned(&machine, &host) else { return Ok(()) };
        for process in &plan.processes {
            let all: Vec<i32> = process.confinement.descriptors.iter().map(|d| d.number).collect();
            let unique: BTreeSet<i32> = all.iter().copied().collect();
            prop_assert_eq!(unique.len(), all.len());
            prop_assert!([0, 1, 2].iter().all(|number| unique.contains(number)), "{:?}", all);
            let told = numbers_in(&process.confinement.arguments);
            if process.role == Role::Network || matches!(machine.vmm, Vmm::Guest(_)) {
                prop_assert_eq!(told, unique.into_iter().filter(|n| *n > 2).collect());
            }
        }
    }

    #[test]
    fn a_status_gives_a_reason_exactly_where_something_is_missing(
        machine in machine_named("web"), host in host(),
    ) {
        let Some(plan) = planned(&machine, &host) else { return Ok(()) };
        for status in plan.processes.iter().flat_map(|p| &p.layers) {
            let full = status.enforced == Enforced::Fully;
            prop_assert_eq!(status.why_not.is_empty(), full, "{:?}", status);
            prop_assert_eq!(status.asked, !machine.demands.weaken.contains(&status.layer));
            prop_assert!(status.asked || status.enforced == Enforced::No, "{:?}", status);
        }
        let layers: BTreeSet<Layer> = plan.vmm().layers.iter().map(|s| s.layer).collect();
        prop_assert_eq!(layers.len(), plan.vmm().layers.len(), "a layer is reported twice");
    }

    #[test]
    fn a_required_layer_stops_the_start_exactly_where_it_is_not_full(
        machine in machine_named("web"), host in host(),
    ) {
        let Some(plan) = planned(&machine, &host) else { return Ok(()) };
        for &layer in Layer::ALL {
            let mut demanding = machine.clone();
            demanding.demands.require = [layer].into();
            let full = status(plan.vmm(), layer).is_some_and(|s| s.enforced == Enforced::Fully);
            match support::plan(&demanding, &host) {
                Ok(same) => prop_assert!(full && same == plan, "{} was not full", layer),
                Err(PlanError::Unmet { layer: named, .. }) => {
                    prop_assert!(!full && named == layer, "{} was full", layer);
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    #[test]
    fn giving_up_a_layer_strengthens_none_and_weakens_only_those_that_lean_on_it(
        machine in machine_named("web"), host in host(),
        layer in proptest::sample::select(Layer::ALL.to_vec()),
    ) {
        let Some(before) = planned(&machine, &host) else { return Ok(()) };
        let mut weaker = machine.clone();
        weaker.demands.weaken.insert(layer);
        let Some(after) = planned(&weaker, &host) else {
            let holds = [Layer::Landlock, Layer::Root, Layer::UserNamespace];
            prop_assert!(holds.contains(&layer), "{} held nothing", layer);
            return Ok(());
        };
        for (one, other) in before.processes.iter().zip(&after.processes) {
            prop_assert_eq!(status(other, layer), Some(&LayerStatus::weakened(layer)));
            for &rest in Layer::ALL.iter().filter(|rest| **rest != layer) {
                let [was, is] = [one, other].map(|p| status(p, rest).map(|s| (s.enforced, &s.why_not)));
                if leaning_on(layer).contains(&rest) {
                    prop_assert!(is.map(|s| s.0) <= was.map(|s| s.0), "{} grew stronger", rest);
                } else {
                    prop_assert_eq!(is, was, "{} changed with {}", rest, layer);
                }
            }
            for (part, by) in changed(&one.confinement, &other.confinement) {
                prop_assert!(by.contains(&layer), "{} changed with {}", part, layer);
            }
            prop_assert!(other.confinement.namespaces.is_subset(&one.confinement.namespaces));
        }
    }

    #[test]
    fn what_is_made_is_made_once_and_below_what_was_made_before(
        machine in machine_named("web"), host in host(),
    ) {
        let Some(plan) = planned(&machine, &host) else { return Ok(()) };
        for (index, op) in plan.ops.iter().enumerate() {
            prop_assert_eq!(&op.before, &svirt_model::Value::Absent);
            for later in &plan.ops[index + 1..] {
                let above = op.object.starts_with(&later.object);
                prop_assert!(!above, "{:?} is made before {:?}", op.object, later.object);
            }
        }
        let made: Vec<_> = plan.ops.iter().map(|op| (&op.object, &op.after)).collect();
        let wanted = wanted(&machine, &host);
        prop_assert_eq!(made, wanted.iter().map(|w| (&w.object, &w.value)).collect::<Vec<_>>());
    }

    #[test]
    fn two_machines_want_nothing_in_common_but_what_both_users_named(
        web in machine_named("web"), db in machine_named("web-2"), host in host(),
    ) {
        for one in &wanted(&web, &host) {
            for other in &wanted(&db, &host) {
                let near = one.object.starts_with(&other.object)
                    || other.object.starts_with(&one.object);
                let named = named_by_user(&web, &one.object) && named_by_user(&db, &other.object);
                prop_assert!(!near || named, "{:?} and {:?}", one.object, other.object);
            }
        }
    }

    #[test]
    fn no_machine_has_what_another_writes_whichever_came_first(
        web in machine_named("web"), db in machine_named("db"), host in host(),
    ) {
        let (Some(web), Some(db)) = (planned(&web, &host), planned(&db, &host)) else {
            return Ok(());
        };
        let (web, db) = (claims(&web), claims(&db));
        let expected = web.iter().any(|one| db.iter().any(|other| clash(one, other)));
        prop_assert_eq!(conflict(&web, &held(&db)).is_some(), expected);
        prop_assert_eq!(conflict(&db, &held(&web)).is_some(), expected);
    }

    #[test]
    fn a_conflict_names_an_object_that_both_have(
        web in machine_named("web"), db in machine_named("db"), host in host(),
    ) {
        let (Some(web), Some(db)) = (planned(&web, &host), planned(&db, &host)) else {
            return Ok(());
        };
        let (web, db) = (claims(&web), claims(&db));
        let Some(found) = conflict(&web, &held(&db)) else { return Ok(()) };
        let here = |claim: &Claim| {
            claim.path.starts_with(&found.path) || found.path.starts_with(&claim.path)
        };
        prop_assert!(db.iter().any(|c| c.path == found.path && c.access == found.access));
        prop_assert!(web.iter().any(here));
    }
}
