//! Hosts as machines meet them.

use std::collections::BTreeMap;
use svirt_model::{
    Cgroups, HostFacts, MachineUsers, Offer,
    label::{
        ApparmorAbi, ApparmorFacts, LabelFacts, SecurityModel, SelinuxFacts, SelinuxTypes,
        ShownProfile, SmackFacts,
    },
};

/// Root, on a kernel that has everything.
pub(crate) fn root() -> HostFacts {
    HostFacts {
        kernel: "6.18.0".into(),
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        landlock_abi: 9,
        seccomp: Offer::Yes,
        user_namespaces: Offer::Yes,
        cgroups: Cgroups::V2("/sys/fs/cgroup".into(), vec!["memory".into(), "pids".into()]),
        memfd_noexec: Offer::Yes,
        mdwe: Offer::Yes,
        machine_users: MachineUsers::Range {
            first: 0x7000_0000,
            first_group: 0x7000_0000,
            count: 65_536,
        },
        security_modules: vec!["landlock".into(), "yama".into()],
        labels: LabelFacts::default(),
    }
}

/// An ordinary user of the same kernel, in a session that delegates control groups.
pub(crate) fn user() -> HostFacts {
    let group = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
    HostFacts {
        uid: 1000,
        gid: 1000,
        cgroups: Cgroups::V2(group.into(), vec!["memory".into(), "pids".into()]),
        machine_users: MachineUsers::None("only root can give machines users of their own".into()),
        ..root()
    }
}

/// An ordinary user to whom root has delegated users, of the group that may use KVM.
pub(crate) fn delegated() -> HostFacts {
    let (first, first_group) = (132_768, 232_768);
    let machine_users = MachineUsers::Range { first, first_group, count: 16_384 };
    HostFacts { groups: vec![105, 1000], machine_users, ..user() }
}

/// An ordinary user who may make no user namespaces, and so no root and no namespaces.
pub(crate) fn user_without_namespaces() -> HostFacts {
    let why = "the sysctl kernel.unprivileged_userns_clone is 0";
    HostFacts { user_namespaces: Offer::No(why.into()), ..user() }
}

/// Root on a kernel of the year 2022, with control groups in separate hierarchies.
pub(crate) fn old_kernel() -> HostFacts {
    let old = Offer::No("the kernel is older than 6.3".into());
    HostFacts {
        kernel: "5.19.0".into(),
        landlock_abi: 2,
        cgroups: Cgroups::V1(vec![
            ("memory".into(), "/sys/fs/cgroup/memory".into()),
            ("pids".into(), "/sys/fs/cgroup/pids".into()),
        ]),
        memfd_noexec: old.clone(),
        mdwe: old,
        ..root()
    }
}

/// An ordinary user of a kernel without Landlock.
pub(crate) fn no_landlock() -> HostFacts {
    let none = Cgroups::None("this user can make no control group".into());
    HostFacts { landlock_abi: 0, cgroups: none, ..user() }
}

/// Root on a kernel with a SELinux that has no policy, and an AppArmor without its parser.
pub(crate) fn with_security_modules() -> HostFacts {
    let why = "it has no policy yet, or its files are not mounted".to_owned();
    let labels = LabelFacts {
        apparmor: Some(ApparmorFacts { parser: None, ..apparmor() }),
        unread: BTreeMap::from([(SecurityModel::Selinux, why)]),
        ..LabelFacts::default()
    };
    HostFacts { security_modules: vec!["selinux".into(), "apparmor".into()], labels, ..root() }
}

fn apparmor() -> ApparmorFacts {
    ApparmorFacts {
        mount: "/sys/kernel/security/apparmor".into(),
        own: ShownProfile::read("unconfined"),
        namespace: "root".into(),
        namespace_level: 0,
        abi: 7,
        stacks: true,
        may_load: true,
        parser: Some(ApparmorAbi::V3),
    }
}

/// Root under AppArmor.
pub(crate) fn with_apparmor() -> HostFacts {
    let labels = LabelFacts { apparmor: Some(apparmor()), ..LabelFacts::default() };
    HostFacts { security_modules: vec!["apparmor".into()], labels, ..root() }
}

/// Root under Smack.
pub(crate) fn with_smack() -> HostFacts {
    let smack = SmackFacts {
        mount: "/sys/fs/smackfs".into(),
        own: "_".parse().expect("a label"),
        only_capable: Vec::new(),
        doi: 3,
        ambient: "_".parse().expect("a label"),
    };
    let labels = LabelFacts { smack: Some(smack), ..LabelFacts::default() };
    HostFacts { security_modules: vec!["smack".into()], labels, ..root() }
}

/// Root under SELinux, with our module.
pub(crate) fn with_selinux() -> HostFacts {
    let types = SelinuxTypes {
        vmm: "svirt_t".into(),
        translating_vmm: Some("svirt_tcg_t".into()),
        network: Some("svirt_net_t".into()),
        image: "svirt_image_t".into(),
        content: Some("svirt_content_t".into()),
    };
    let selinux = SelinuxFacts {
        mount: "/sys/fs/selinux".into(),
        enforcing: true,
        gives_all: false,
        mls: true,
        policy_version: 33,
        denies_unknown: false,
        checks_requested_protection: false,
        own: "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023".parse().expect("a context"),
        categories: 1024,
        nnp_transition: true,
        types: Some(types),
    };
    let labels = LabelFacts { selinux: Some(selinux), ..LabelFacts::default() };
    HostFacts { security_modules: vec!["selinux".into()], labels, ..root() }
}
