//! Hosts and machines at random: whatever `engine` can resolve, and hosts of which each offer is
//! there or not independently of the others.

use super::{
    machines::{QEMU, from, machine, null, output},
    objects::{device, file, image, named, object, program},
};
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
};
use svirt_model::{
    Accelerator, Access, Argument, Beginning, Bytes, Cgroups, Command, Demands, Device, DeviceKind,
    Dialect, Disk, FileKind, Guest, HostFacts, Image, ImageFormat, KernelSource, Layer, Listen,
    Machine, MachineUsers, Media, Named, Offer, Piece, Scratch, Sharing, Stream, Vmm,
    label::LabelFacts,
};

fn offer() -> impl Strategy<Value = Offer> {
    any::<bool>().prop_map(|yes| if yes { Offer::Yes } else { Offer::No("not here".into()) })
}

fn cgroups() -> impl Strategy<Value = Cgroups> {
    let controllers = vec!["memory".to_owned(), "pids".to_owned()];
    let separate = |name: String| (name.clone(), format!("/sys/fs/cgroup/{name}").into());
    prop_oneof![
        Just(Cgroups::None("not here".into())),
        Just(Cgroups::V2("/sys/fs/cgroup".into(), controllers.clone())),
        subsequence(controllers, 1..=2)
            .prop_map(move |names| Cgroups::V1(names.into_iter().map(separate).collect())),
    ]
}

/// A host, asked by root or by an ordinary user.
pub(crate) fn host() -> impl Strategy<Value = HostFacts> {
    let modules: Vec<String> = ["selinux", "apparmor", "smack"].map(String::from).to_vec();
    let offers = (offer(), offer(), offer(), offer());
    let rest = (select(vec![0, 1000]), 0..=9_u32, cgroups(), subsequence(modules, 0..=3));
    let machine_users = |first| MachineUsers::Range { first, first_group: first + 1, count: 9 };
    (offers, rest, any::<bool>()).prop_map(move |(offers, rest, delegates)| {
        let (uid, landlock_abi, cgroups, security_modules) = rest;
        let (seccomp, user_namespaces, memfd_noexec, mdwe) = offers;
        let machine_users = match uid {
            0 => machine_users(0x7000_0000),
            _ if delegates => machine_users(132_768),
            _ => MachineUsers::None("not here".into()),
        };
        HostFacts {
            kernel: "6.18.0".into(),
            uid,
            gid: uid,
            groups: vec![uid],
            landlock_abi,
            seccomp,
            user_namespaces,
            cgroups,
            memfd_noexec,
            mdwe,
            machine_users,
            security_modules,
            labels: LabelFacts::default(),
        }
    })
}

fn access() -> impl Strategy<Value = Access> {
    select(vec![Access::Read, Access::Write])
}

fn sharing() -> impl Strategy<Value = Sharing> {
    option::of(select(vec!["pair", "trio"])).prop_map(|group| match group {
        Some(group) => Sharing::Group(group.parse().expect("a name")),
        None => Sharing::Private,
    })
}

/// A few images, so that two disks are now and then of one, each in a directory that a command may
/// have.
fn images() -> impl Strategy<Value = Image> {
    let format = select(ImageFormat::ALL.to_vec());
    vec((0..6_u8, format), 1..4).prop_map(|layers| {
        let stack = |below: Option<Image>, (number, format): (u8, ImageFormat)| {
            let format = if below.is_some() { ImageFormat::Qcow2 } else { format };
            Some(image(&format!("/srv/tree/{number}/disk.img"), format, below))
        };
        layers.into_iter().fold(None, stack).expect("at least one layer")
    })
}

fn disk() -> impl Strategy<Value = DeviceKind> {
    let media = select(vec![Media::Disk, Media::Cdrom]);
    let scratch =
        (1..9_u64).prop_map(|gib| Scratch { limit: Bytes(gib << 30), virtual_size: 1 << 30 });
    let place = prop_oneof![
        images().prop_map(|image| (Some(image), None)),
        scratch.clone().prop_map(|scratch| (None, Some(scratch))),
        (images(), scratch).prop_map(|(image, scratch)| (Some(image), Some(scratch))),
    ];
    (place, access(), sharing(), media).prop_map(|((image, scratch), access, sharing, media)| {
        DeviceKind::Disk(Disk { image, access, sharing, media, scratch })
    })
}

/// Something that has a name, which may be a link's; a few, so that some are named twice.
fn thing(kind: FileKind, directory: &'static str) -> impl Strategy<Value = Named> {
    (0..6_u8, access(), sharing(), any::<bool>()).prop_map(
        move |(number, access, sharing, linked)| {
            let path = format!("{directory}/{number}");
            let named = Named { sharing, ..named(object(&path, kind), access) };
            let name = if linked { format!("{path}.link").into() } else { named.name.clone() };
            Named { name, ..named }
        },
    )
}

/// A device that root alone, a group, or everybody may use.
fn host_device() -> impl Strategy<Value = DeviceKind> {
    (0..6_u8).prop_map(|number| {
        let mode = [0o600, 0o660, 0o666][usize::from(number) % 3];
        let device = device(&format!("/dev/some/{number}"), mode);
        DeviceKind::HostDevice(named(device, Access::Write))
    })
}

fn word_of_a_command() -> impl Strategy<Value = DeviceKind> {
    prop_oneof![
        thing(FileKind::File, "/srv/file").prop_map(DeviceKind::File),
        thing(FileKind::Directory, "/srv/tree").prop_map(DeviceKind::Directory),
        thing(FileKind::Socket, "/srv/socket").prop_map(DeviceKind::Connect),
        host_device(),
    ]
}

/// Files that are made and sockets that are listened on, each under a path of its own.
fn made() -> impl Strategy<Value = Vec<DeviceKind>> {
    let numbers = || btree_set(0..6_u32, 0..4);
    (numbers(), numbers()).prop_map(|(outputs, sockets)| {
        let output = |n| DeviceKind::Output(output(&format!("/srv/out/{n}")));
        let listen = |number| {
            DeviceKind::Listen(Listen { number, path: format!("/srv/listen/{number}").into() })
        };
        outputs.into_iter().map(output).chain(sockets.into_iter().map(listen)).collect()
    })
}

fn maybe(kind: DeviceKind) -> impl Strategy<Value = Option<DeviceKind>> {
    any::<bool>().prop_map(move |there| there.then(|| kind.clone()))
}

fn kernel() -> impl Strategy<Value = Vec<DeviceKind>> {
    let file = || DeviceKind::Kernel(KernelSource::File(file("/srv/vmlinuz")));
    prop_oneof![
        Just(vec![]),
        Just(vec![DeviceKind::Kernel(KernelSource::Embedded)]),
        Just(vec![file()]),
        Just(vec![file(), DeviceKind::Initrd(super::objects::file("/srv/initrd"))]),
    ]
}

fn guest() -> impl Strategy<Value = (Vmm, Vec<DeviceKind>)> {
    let extras = (
        maybe(DeviceKind::UserNetwork(program("/usr/bin/passt"))),
        maybe(DeviceKind::Vnc(None)),
        maybe(DeviceKind::Debugger),
    );
    let size = (1..4096_u64, 1..=255_u32);
    (any::<bool>(), size, kernel(), vec(disk(), 0..4), extras).prop_map(
        |(kvm, (mib, cpus), kernel, disks, (network, vnc, debugger))| {
            let accelerator = if kvm { Accelerator::Kvm } else { Accelerator::Tcg };
            let (memory, append) = (Bytes(mib << 20), "quiet".to_owned());
            let program = program(QEMU);
            let (extra, beginning) = (Vec::new(), Beginning::AtOnce);
            let (machine, mac) = (None, None);
            let guest = Guest {
                program,
                accelerator,
                memory,
                current_memory: None,
                cpus,
                append,
                extra,
                beginning,
                no_reboot: false,
                machine,
                mac,
                board: super::machines::board(),
            };
            let vmm = Vmm::Guest(guest);
            let mut devices = vec![DeviceKind::Monitor, DeviceKind::Console];
            devices.extend(kvm.then(|| DeviceKind::Kvm(device("/dev/kvm", 0o660))));
            devices.extend(kernel.into_iter().chain(disks));
            devices.extend([network, vnc, debugger].into_iter().flatten());
            (vmm, devices)
        },
    )
}

fn command() -> impl Strategy<Value = (Vmm, Vec<DeviceKind>)> {
    let dialect = select(vec![Dialect::Qemu, Dialect::Generic]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (dialect, flags, vec(word_of_a_command(), 0..8), made()).prop_map(
        |(dialect, (translates, streams, starts), words, made)| {
            let argument = |kind: &DeviceKind| match kind {
                DeviceKind::Listen(Listen { number, .. }) => {
                    Some(Argument(vec![Piece::Endpoint(*number)]))
                }
                _ => None,
            };
            let command = Command {
                program: program("/opt/vmm"),
                arguments: made.iter().filter_map(argument).collect(),
                may_start: starts.then(|| program("/opt/helper")).into_iter().collect(),
                dialect,
                translates,
                directory: "/srv".into(),
            };
            let all = [Stream::Input, Stream::Output, Stream::Error].map(DeviceKind::Stream);
            let mut devices: Vec<_> = all.into_iter().filter(|_| streams).collect();
            devices.extend(words.into_iter().chain(made));
            (Vmm::Command(command), devices)
        },
    )
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    subsequence(Layer::ALL.to_vec(), 0..4)
}

/// A machine of this name, some of whose layers are given up.
pub(crate) fn machine_named(name: &'static str) -> impl Strategy<Value = Machine> {
    let body = prop_oneof![guest().boxed(), command().boxed()];
    (body, layers()).prop_map(move |((vmm, kinds), weaken)| {
        let mut devices: Vec<Device> = vec![null()];
        let word = |(number, kind)| from(kind, &format!("word {number}"));
        devices.extend(kinds.into_iter().enumerate().map(word));
        let demands = Demands { weaken: weaken.into_iter().collect(), ..Demands::default() };
        Machine { demands, ..machine(name, vmm, devices) }
    })
}
