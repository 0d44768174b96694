//! Statuses that say no more than what is so, and machines that are kept apart where it is easily
//! forgotten. What does not hold yet is ignored under the reason why, and loses its `ignore` with
//! the change that makes it true.

mod support;

use support::{
    hosts,
    machines::{
        QEMU, command, disk, embedded, from, kvm, network, null, output, requiring, tcg, weakened,
    },
    objects::{file, image, named, object},
    plan,
};
use svirt_model::{
    Access, Cgroups, Claim, DeviceKind, Enforced, ExecutableMemory, FileKind, Ground, HeldClaim,
    HostFacts, ImageFormat, Layer, LayerStatus, Limit, Listen, Machine, Namespace, Object, Plan,
    Process, Role,
};
use svirt_plan::{Inputs, Place, PlanError, claims, conflict};

fn planned(machine: &Machine, host: &HostFacts) -> Plan {
    plan(machine, host).expect("a plan")
}

fn helper(plan: &Plan) -> &Process {
    plan.processes.iter().find(|p| p.role == Role::Network).expect("a helper")
}

fn status(process: &Process, layer: Layer) -> &LayerStatus {
    process.layers.iter().find(|s| s.layer == layer).expect("the layer's status")
}

fn held(machine: &Machine, plan: &Plan) -> Vec<HeldClaim> {
    let hold = |claim: Claim| HeldClaim { machine: machine.id, name: machine.name.clone(), claim };
    claims(plan).into_iter().map(hold).collect()
}

/// Whether the second machine is refused while the first lives.
fn kept_apart(first: &Machine, second: &Machine) -> bool {
    let host = hosts::root();
    let (live, new) = (planned(first, &host), planned(second, &host));
    conflict(&claims(&new), &held(first, &live)).is_some()
}

fn with(kind: DeviceKind) -> Machine {
    let mut machine = command();
    machine.devices = vec![null(), from(kind, "a flag")];
    machine
}

#[test]
fn the_helpers_status_does_not_claim_the_network_namespace_that_it_lacks() {
    let plan = planned(&kvm(vec![network()]), &hosts::root());
    let helper = helper(&plan);
    assert!(!helper.confinement.namespaces.contains(&Namespace::Net));
    assert_ne!(status(helper, Layer::Namespaces).enforced, Enforced::Fully);
}

#[test]
fn the_helpers_status_names_its_own_system_calls() {
    let plan = planned(&kvm(vec![network()]), &hosts::root());
    assert!(status(helper(&plan), Layer::Seccomp).detail.contains("passt"));
}

#[test]
fn what_an_old_landlock_leaves_open_to_the_helper_is_named() {
    let plan = planned(&kvm(vec![network()]), &hosts::old_kernel());
    assert!(status(helper(&plan), Layer::Landlock).why_not.contains("abstract sockets"));
}

#[test]
fn the_helper_of_a_translated_guest_cannot_execute_what_it_wrote() {
    let plan = planned(&tcg(vec![network()]), &hosts::root());
    assert_eq!(helper(&plan).confinement.executable_memory, ExecutableMemory::Denied);
}

#[test]
fn limits_without_a_bound_on_processes_are_not_full() {
    let plan = planned(&kvm(vec![]), &hosts::user_without_namespaces());
    let bounded = plan.vmm().confinement.limits.iter().any(|(l, _)| *l == Limit::Processes);
    assert_eq!(status(plan.vmm(), Layer::Limits).enforced == Enforced::Fully, bounded);
}

#[test]
fn a_group_without_a_limit_on_memory_is_not_full() {
    let pids = Cgroups::V1(vec![("pids".into(), "/sys/fs/cgroup/pids".into())]);
    let host = HostFacts { cgroups: pids, ..hosts::root() };
    let plan_of_guest = planned(&kvm(vec![]), &host);
    assert_ne!(status(plan_of_guest.vmm(), Layer::Cgroup).enforced, Enforced::Fully);
    let plan_of_command = planned(&command(), &hosts::root());
    assert_ne!(status(plan_of_command.vmm(), Layer::Cgroup).enforced, Enforced::Fully);
}

#[test]
fn root_is_not_told_that_only_root_can_deny_memory_files() {
    let machine = weakened(kvm(vec![]), &[Layer::Namespaces]);
    let plan = planned(&machine, &hosts::root());
    assert!(!status(plan.vmm(), Layer::ExecutableMemory).why_not.contains("only root"));
}

#[test]
fn a_required_module_that_the_kernel_lacks_is_refused_with_a_reason() {
    match plan(&requiring(kvm(vec![]), &[Layer::Selinux]), &hosts::root()) {
        Err(PlanError::Unmet { why, .. }) => assert_ne!(why, "unknown"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_in_the_hosts_root_with_a_user_of_its_own_reaches_its_guest() {
    let machine = weakened(tcg(vec![embedded()]), &[Layer::Root]);
    let plan = planned(&machine, &hosts::root());
    let user = plan.vmm().confinement.identity.uid;
    let above = plan.ops.iter().find_map(|op| match op.after {
        svirt_model::Value::Directory { uid, mode, .. } => Some((uid, mode)),
        _ => None,
    });
    let (owner, mode) = above.expect("a run-time directory");
    assert!(owner == user || mode & 0o001 != 0, "{owner} has it with mode {mode:o}");
}

/// The layer of the user of a machine of an ordinary user to whom users were delegated.
fn delegated_user(machine: &Machine) -> LayerStatus {
    let plan = planned(machine, &hosts::delegated());
    let (identity, status) = (plan.vmm().confinement.identity, status(plan.vmm(), Layer::User));
    assert_eq!(identity.own, status.enforced != Enforced::No, "{status:?}");
    assert_eq!(
        identity.own.then_some((132_768, 232_768)),
        identity.delegated.then_some((identity.uid, identity.gid))
    );
    assert!(plan.processes.iter().all(|p| p.confinement.identity == identity), "helpers too");
    status.clone()
}

#[test]
fn what_is_handed_over_open_a_delegated_user_needs_no_right_to() {
    let mut top = image("/srv/top.raw", ImageFormat::Raw, None);
    top.object.mode = 0o600;
    let machine = tcg(vec![from(DeviceKind::Disk(disk(top)), "--disk"), network(), embedded()]);
    assert_eq!(delegated_user(&machine).enforced, Enforced::Fully);
}

#[test]
fn what_a_delegated_user_could_not_use_is_named_and_the_machine_has_none() {
    let closed = |path: &str| Object { mode: 0o600, ..file(path) };
    let tree = named(object("/srv/tree", FileKind::Directory), Access::Read);
    let named_so = [
        ("/srv/key", DeviceKind::File(named(closed("/srv/key"), Access::Read))),
        ("/srv/disk", DeviceKind::File(named(file("/srv/disk"), Access::Write))),
        ("/srv/tree", DeviceKind::Directory(tree)),
        ("/srv/trace", DeviceKind::Output(output("/srv/trace"))),
        (
            "/srv/socket",
            DeviceKind::Connect(named(object("/srv/socket", FileKind::Socket), Access::Write)),
        ),
    ];
    for (path, kind) in named_so {
        let status = delegated_user(&with(kind));
        assert_eq!(status.enforced, Enforced::No, "{path}");
        assert!(status.why_not.contains(path), "{}", status.why_not);
    }
}

#[test]
fn groups_are_kept_only_where_a_group_is_what_gives_access_and_the_status_says_so() {
    let mut machine = tcg(vec![embedded()]);
    let mut kvm = object("/dev/kvm", FileKind::CharDevice);
    (kvm.mode, kvm.gid) = (0o660, 105);
    machine.devices.push(from(DeviceKind::Kvm(kvm), "the accelerator"));
    let status = delegated_user(&machine);
    assert_eq!(status.enforced, Enforced::Partly);
    assert!(status.why_not.contains("/dev/kvm"), "{}", status.why_not);
    let keeps = |m: &Machine, h| planned(m, &h).vmm().confinement.identity.keeps_groups;
    assert!(keeps(&machine, hosts::delegated()));
    assert!(!keeps(&tcg(vec![embedded()]), hosts::delegated()));
    assert!(keeps(&tcg(vec![embedded()]), hosts::user()), "who cannot drop them keeps them");
    assert!(!keeps(&machine, hosts::root()));
}

#[test]
fn a_delegated_user_takes_a_root_of_its_own() {
    let status = delegated_user(&weakened(tcg(vec![embedded()]), &[Layer::Root]));
    assert!(status.why_not.starts_with("it needs a root of its own"), "{}", status.why_not);
}

#[test]
fn a_program_that_is_also_to_be_written_is_refused_or_written() {
    let machine = with(DeviceKind::File(named(file("/opt/vmm"), Access::Write)));
    if let Ok(plan) = plan(&machine, &hosts::root()) {
        let at = |e: &&svirt_model::Entry| e.at.ends_with("vmm") && e.grant.writes();
        assert!(plan.vmm().confinement.entries.iter().any(|e| at(&e)));
    }
}

#[test]
fn a_path_that_is_named_twice_is_made_once_or_refused() {
    let once = |one: DeviceKind, other: DeviceKind| {
        let mut machine = with(one);
        machine.devices.push(from(other, "another flag"));
        let Ok(plan) = plan(&machine, &hosts::root()) else { return true };
        let named = |op: &&svirt_model::Op| op.object.starts_with("/srv/named");
        plan.ops.iter().filter(named).count() == 1
    };
    let output = || DeviceKind::Output(output("/srv/named"));
    let listen = |number| DeviceKind::Listen(Listen { number, path: "/srv/named".into() });
    assert!(once(output(), output()), "two outputs");
    assert!(once(listen(0), listen(1)), "two sockets");
    assert!(once(output(), listen(1)), "a file and a socket");
}

#[test]
fn a_file_that_one_machine_makes_is_not_written_by_another() {
    let first = with(DeviceKind::Output(output("/srv/trace")));
    // When the second is resolved the file is there, so it is a file like any other.
    let second = with(DeviceKind::File(named(file("/srv/trace"), Access::Write)));
    assert!(kept_apart(&first, &second));
}

#[test]
fn what_lies_below_a_directory_that_one_machine_writes_is_not_anothers() {
    let tree = named(object("/srv/tree", FileKind::Directory), Access::Write);
    let first = with(DeviceKind::Directory(tree));
    let inside = disk(image("/srv/tree/a.raw", ImageFormat::Raw, None));
    assert!(kept_apart(&first, &kvm(vec![from(DeviceKind::Disk(inside), "--disk")])));
}

#[test]
fn a_block_device_is_one_machines_whichever_flag_names_it() {
    let block = || object("/dev/sdb", FileKind::BlockDevice);
    let first = with(DeviceKind::HostDevice(named(block(), Access::Write)));
    let mut second = image("/dev/sdb", ImageFormat::Raw, None);
    second.object = block();
    assert!(kept_apart(&first, &kvm(vec![from(DeviceKind::Disk(disk(second)), "--disk")])));
}

#[test]
fn two_nodes_of_one_block_device_are_one_object() {
    let node = |path: &str| {
        let mut node = image(path, ImageFormat::Raw, None);
        node.object = object(path, FileKind::BlockDevice);
        node.object.rdev = 0x811;
        kvm(vec![from(DeviceKind::Disk(disk(node)), "--disk")])
    };
    assert!(kept_apart(&node("/dev/sdb1"), &node("/srv/sdb1")));
}

#[test]
fn nobody_writes_what_another_machine_executes() {
    let usr = DeviceKind::Directory(named(object("/usr", FileKind::Directory), Access::Write));
    let program = DeviceKind::File(named(file(QEMU), Access::Write));
    for writable in [usr, program] {
        let (victim, writer) = (kvm(vec![]), with(writable));
        assert!(kept_apart(&victim, &writer) && kept_apart(&writer, &victim));
    }
    assert!(!kept_apart(&kvm(vec![]), &tcg(vec![])), "both only execute it");
}

#[test]
fn a_disk_its_partition_and_the_file_behind_it_are_one() {
    let block = |path: &str, lies_on: Vec<Ground>| {
        let object = object(path, FileKind::BlockDevice);
        with(DeviceKind::HostDevice(named(Object { lies_on, ..object }, Access::Write)))
    };
    let backing = file("/srv/disk.img");
    let behind = Ground::File { id: backing.id, path: backing.path.clone() };
    let disk = block("/dev/loop0", vec![behind.clone()]);
    let number = Ground::Device(object("/dev/loop0", FileKind::BlockDevice).rdev);
    let first = block("/dev/loop0p1", vec![number.clone(), behind.clone()]);
    let second = block("/dev/loop0p2", vec![number, behind]);
    let image = with(DeviceKind::File(named(backing, Access::Read)));
    let place =
        with(DeviceKind::Directory(named(object("/srv", FileKind::Directory), Access::Read)));
    for (one, other) in [(&disk, &first), (&disk, &image), (&first, &image), (&first, &place)] {
        assert!(kept_apart(one, other) && kept_apart(other, one), "{one:?} {other:?}");
    }
    assert!(!kept_apart(&first, &second), "partitions lie side by side");
}

#[test]
fn a_comma_in_the_places_path_ends_no_value() {
    let display =
        vec![embedded(), from(DeviceKind::Vnc(None), "x"), from(DeviceKind::Debugger, "x")];
    let (machine, host) = (weakened(tcg(display), &[Layer::Root]), hosts::user());
    let place = Place { run: "/run/a,b=c".into() };
    let inputs = Inputs::bare(&machine, &host, &place);
    let planned = svirt_plan::plan(inputs).expect("a plan").plan;
    let arguments = &planned.vmm().confinement.arguments;
    for value in ["path=/run/a,,b=c/sockets/gdb,server=on", "vnc=unix:/run/a,,b=c/sockets/vnc"] {
        assert!(arguments.iter().any(|a| a.contains(value)), "{value}: {arguments:?}");
    }
    // In a user's own argument nobody knows what it would be taken for.
    let machine = weakened(command(), &[Layer::Root]);
    let refused = svirt_plan::plan(Inputs { machine: &machine, ..inputs });
    assert!(matches!(refused, Err(PlanError::Place { character: ',', .. })), "{refused:?}");
    let place = Place { run: "/run/plain".into() };
    assert!(svirt_plan::plan(Inputs { machine: &machine, place: &place, ..inputs }).is_ok());
}

#[test]
fn what_its_own_user_may_not_use_in_the_hosts_root_is_refused() {
    let (kept, given_up) = (kvm(vec![]), weakened(kvm(vec![]), &[Layer::Root]));
    assert!(plan(&kept, &hosts::root()).is_ok(), "a node of its own is made");
    let refused = plan(&given_up, &hosts::root());
    let found = matches!(&refused, Err(PlanError::NoRight { path, mode: 0o660, .. })
        if path.ends_with("kvm"));
    assert!(found, "{refused:?}");
    let as_root = weakened(given_up.clone(), &[Layer::Root, Layer::User]);
    assert!(plan(&as_root, &hosts::root()).is_ok());
    assert!(plan(&given_up, &hosts::user()).is_ok(), "an ordinary user's groups may let it");
}

#[test]
fn a_label_of_a_module_that_is_not_there_is_refused_and_not_left_out() {
    use svirt_model::label::{Seclabel, SeclabelKind};
    let asking = |kind| {
        let mut machine = kvm(vec![]);
        machine.demands.labels = vec![Seclabel { model: None, kind }];
        plan(&machine, &hosts::root())
    };
    let label = "system_u:system_r:svirt_t:s0:c1,c2".to_owned();
    let fixed = asking(SeclabelKind::Static { label: label.clone(), relabel: true });
    assert_eq!(fixed, Err(PlanError::NoModel { model: None }));
    let based = asking(SeclabelKind::Dynamic { base: Some(label) });
    assert_eq!(based, Err(PlanError::NoModel { model: None }));
    assert!(asking(SeclabelKind::Dynamic { base: None }).is_ok());
}
