//! Plans, whole: what a start does on each sort of host and for each sort of machine. A change in a
//! snapshot is a change in what machines may do.

mod support;

use insta::assert_snapshot;
use support::{hosts, machines, plan, render};
use svirt_model::{Demands, HostFacts, Layer, Machine, Vmm};

/// All of the plan.
fn whole(machine: &Machine, host: &HostFacts) -> String {
    render::plan(&plan(machine, host).expect("a plan"))
}

/// The VMM without its arguments, which are the same on every host.
fn hold(machine: &Machine, host: &HostFacts) -> String {
    let plan = plan(machine, host).expect("a plan");
    let confinement = &plan.vmm().confinement;
    [
        render::ops(&plan.ops),
        render::reach(confinement),
        render::bounds(confinement),
        render::layers(&plan.vmm().layers),
    ]
    .concat()
}

fn refusal(machine: &Machine, host: &HostFacts) -> String {
    let error = plan(machine, host).expect_err("a refusal");
    format!("{error}\nhint: {}", error.hint().unwrap_or("none"))
}

#[test]
fn the_embedded_guest_of_root_has_every_layer_in_full() {
    let machine = machines::kvm(vec![machines::embedded()]);
    assert_snapshot!(whole(&machine, &hosts::root()));
}

#[test]
fn an_ordinary_user_gets_all_but_a_user_of_its_own_and_memory_files() {
    let machine = machines::kvm(vec![machines::embedded()]);
    assert_snapshot!(hold(&machine, &hosts::user()));
}

#[test]
fn a_guest_that_is_translated_may_execute_what_it_wrote_and_the_status_says_so() {
    let machine = machines::tcg(vec![machines::embedded()]);
    assert_snapshot!(hold(&machine, &hosts::root()));
}

#[test]
fn without_user_namespaces_landlock_holds_the_machine_in_the_hosts_root() {
    let machine = machines::kvm(vec![machines::embedded()]);
    assert_snapshot!(whole(&machine, &hosts::user_without_namespaces()));
}

#[test]
fn what_an_old_landlock_leaves_open_the_root_and_the_namespaces_close() {
    let machine = machines::kvm(vec![machines::embedded()]);
    assert_snapshot!(hold(&machine, &hosts::old_kernel()));
}

#[test]
fn what_an_old_landlock_leaves_open_is_named_where_nothing_else_closes_it() {
    let given_up = [Layer::Root, Layer::Namespaces];
    let machine = machines::weakened(machines::tcg(vec![]), &given_up);
    assert_snapshot!(hold(&machine, &hosts::old_kernel()));
}

#[test]
fn without_landlock_the_root_holds_the_machine() {
    let machine = machines::kvm(vec![machines::embedded()]);
    assert_snapshot!(hold(&machine, &hosts::no_landlock()));
}

#[test]
fn every_layer_that_can_be_given_up_together_is_gone_and_named() {
    let kept = [Layer::Root];
    let given_up: Vec<_> = Layer::ALL.iter().copied().filter(|l| !kept.contains(l)).collect();
    let machine = machines::weakened(machines::kvm(vec![machines::embedded()]), &given_up);
    assert_snapshot!(hold(&machine, &hosts::root()));
}

#[test]
fn a_security_module_that_cannot_be_used_is_missing_and_not_hidden() {
    let plan = plan(&machines::kvm(vec![]), &hosts::with_security_modules()).expect("a plan");
    assert_snapshot!(render::layers(&plan.vmm().layers[..2]), @r"
    layers
      selinux no: it has no policy yet, or its files are not mounted
      apparmor no: there is no apparmor_parser: install the package apparmor
    ");
}

#[test]
fn disks_are_descriptors_and_everything_below_an_image_is_said() {
    assert_snapshot!(whole(&machines::kvm(machines::disks()), &hosts::root()));
}

#[test]
fn an_ephemeral_machine_writes_to_a_nameless_file_and_no_further_than_its_limit() {
    assert_snapshot!(whole(&machines::kvm(machines::throw_away()), &hosts::root()));
}

#[test]
fn the_network_helper_is_as_tight_as_the_vmm_but_for_the_network() {
    assert_snapshot!(whole(&machines::kvm(vec![machines::network()]), &hosts::root()));
}

#[test]
fn a_screen_and_a_debugger_are_sockets_in_a_directory_of_the_machines_own() {
    let mut devices = machines::kernel();
    devices.push(machines::from(svirt_model::DeviceKind::Vnc(None), "--display vnc"));
    devices.push(machines::from(svirt_model::DeviceKind::Debugger, "--gdb"));
    let mut machine = machines::kvm(devices);
    if let Vmm::Guest(guest) = &mut machine.vmm {
        guest.append = "console=ttyS0 quiet,\"odd\"".into();
    }
    assert_snapshot!(whole(&machine, &hosts::root()));
}

#[test]
fn a_command_reaches_what_its_words_name() {
    assert_snapshot!(whole(&machines::command(), &hosts::root()));
}

#[test]
fn a_command_without_namespaces_finds_its_sockets_where_the_host_has_them() {
    assert_snapshot!(hold(&machines::command(), &hosts::user_without_namespaces()));
}

#[test]
fn a_layer_that_is_required_and_cannot_be_had_stops_the_start() {
    let machine = machines::requiring(machines::tcg(vec![]), &[Layer::ExecutableMemory]);
    assert_snapshot!(refusal(&machine, &hosts::root()), @r"
    the layer executable-memory is required and cannot be enforced: the VMM translates guest code, so it must execute what it wrote (no KVM)
    hint: leave out --require for it, or make the host offer it
    ");
    let machine = machines::requiring(machines::kvm(vec![]), &[Layer::User]);
    assert_snapshot!(refusal(&machine, &hosts::user()), @r"
    the layer user is required and cannot be enforced: only root can give machines users of their own; machines of this user are kept apart by the other layers
    hint: leave out --require for it, or make the host offer it
    ");
}

#[test]
fn a_layer_cannot_be_both_required_and_given_up() {
    let seccomp = [Layer::Seccomp].into();
    let mut machine = machines::kvm(vec![]);
    let require = [Layer::Seccomp].into();
    machine.demands = Demands { require, weaken: seccomp, ..Demands::default() };
    assert_snapshot!(refusal(&machine, &hosts::root()), @r"
    the layer seccomp is required and cannot be enforced: weakened by the user
    hint: leave out --require for it, or make the host offer it
    ");
}

#[test]
fn a_machine_that_nothing_would_hold_does_not_start() {
    let host = HostFacts { landlock_abi: 0, ..hosts::user_without_namespaces() };
    assert_snapshot!(refusal(&machines::kvm(vec![]), &host), @r"
    neither Landlock nor a root of its own can be had, so nothing would hold the machine
    hint: a kernel with Landlock, or user namespaces, is needed
    ");
    let given_up = [Layer::Landlock, Layer::Root];
    let machine = machines::weakened(machines::kvm(vec![]), &given_up);
    assert_snapshot!(refusal(&machine, &hosts::root()), @r"
    neither Landlock nor a root of its own can be had, so nothing would hold the machine
    hint: a kernel with Landlock, or user namespaces, is needed
    ");
}

#[test]
fn two_different_things_cannot_stand_at_one_path() {
    use support::objects::{file, named};
    use svirt_model::{Access, DeviceKind};
    let mut other = named(file("/srv/other"), Access::Read);
    other.name = "/srv/a.raw".into();
    let mut machine = machines::command();
    machine.devices.push(machines::from(DeviceKind::File(other), "--ro /srv/a.raw"));
    assert_snapshot!(refusal(&machine, &hosts::root()), @r"
    two different things would stand at /srv/a.raw: --rw /srv/a.raw and --ro /srv/a.raw
    hint: name each of them once
    ");
}

#[test]
fn a_kernel_command_line_with_a_control_character_is_refused() {
    let mut machine = machines::kvm(machines::kernel());
    if let Vmm::Guest(guest) = &mut machine.vmm {
        guest.append = "quiet\n-monitor".into();
    }
    assert_snapshot!(refusal(&machine, &hosts::root()), @r"
    the kernel's command line has a character in it that cannot be passed on: '\n'
    hint: none
    ");
}

#[test]
fn what_a_domain_of_libvirts_adds_is_reached_and_on_the_command_line() {
    use support::objects::{device, file, named};
    use svirt_model::{
        Access, DeviceKind, Firmware, Output, Serial, SerialEnd, VirtioPort, WatchdogAction,
    };
    let from = |kind| machines::from(kind, "domain.xml line 7, <x>");
    let output = Output { name: "/var/log/a,b".into(), path: "/var/log/a,b".into() };
    let serial = |number, end| from(DeviceKind::Serial(Serial { number, end }));
    let devices = vec![
        from(DeviceKind::Firmware(Firmware { image: file("/fw/CODE.fd"), rom: false })),
        from(DeviceKind::Variables(named(file("/srv/VARS.fd"), Access::Write))),
        from(DeviceKind::DeviceTree(file("/srv/board.dtb"))),
        serial(0, SerialEnd::Output(output)),
        serial(1, SerialEnd::Listen("/run/guest.sock".into())),
        serial(2, SerialEnd::Null),
        from(DeviceKind::Port(VirtioPort {
            number: 0,
            name: Some("org.a,b".into()),
            link: Some("/run/a.sock".into()),
        })),
        from(DeviceKind::Port(VirtioPort { number: 1, name: None, link: None })),
        from(DeviceKind::Vnc(Some("/run/vnc.sock".into()))),
        from(DeviceKind::Random(named(device("/dev/hwrng", 0o600), Access::Read))),
        from(DeviceKind::Balloon),
        from(DeviceKind::Watchdog(WatchdogAction::Poweroff)),
    ];
    let mut machine = machines::tcg(devices);
    if let svirt_model::Vmm::Guest(guest) = &mut machine.vmm {
        guest.machine = Some("pc-q35-6.2".into());
    }
    assert_snapshot!(whole(&machine, &hosts::root()));
}
