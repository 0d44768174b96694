//! Which layers a machine gets: what the host offers, less what the user gave up.

use crate::Inputs;
use std::collections::BTreeSet;
use svirt_model::{
    Accelerator, Cgroups, Dialect, ExecutableMemory, HostFacts, Identity, Layer, LayerStatus,
    MachineUsers, Namespace, Offer, SyscallProfile, Vmm,
};

/// The layers of one machine.
pub(crate) struct Choice<'a> {
    host: &'a HostFacts,
    weakened: &'a BTreeSet<Layer>,
    vmm: &'a Vmm,
    user: Option<u32>,
}

impl<'a> Choice<'a> {
    pub(crate) fn of(inputs: Inputs<'a>) -> Self {
        let Inputs { machine, host, user, .. } = inputs;
        Self { host, weakened: &machine.demands.weaken, vmm: &machine.vmm, user }
    }

    fn gave_up(&self, layer: Layer) -> bool {
        self.weakened.contains(&layer)
    }

    pub(crate) fn user_namespace(&self) -> bool {
        self.host.user_namespaces.is_yes() && !self.gave_up(Layer::UserNamespace)
    }

    /// Root, and whoever has a user namespace, can make the other ones.
    fn can_unshare(&self) -> bool {
        self.host.is_root() || self.user_namespace()
    }

    pub(crate) fn own_root(&self) -> bool {
        self.can_unshare() && !self.gave_up(Layer::Root)
    }

    pub(crate) fn own_namespaces(&self) -> bool {
        self.can_unshare() && !self.gave_up(Layer::Namespaces)
    }

    pub(crate) fn namespaces(&self, host_network: bool) -> BTreeSet<Namespace> {
        let wanted = |namespace: &Namespace| match namespace {
            Namespace::User => self.user_namespace(),
            Namespace::Mount => self.own_root(),
            Namespace::Net => self.own_namespaces() && !host_network,
            Namespace::Pid | Namespace::Ipc | Namespace::Uts | Namespace::Cgroup => {
                self.own_namespaces()
            }
        };
        Namespace::ALL.iter().copied().filter(wanted).collect()
    }

    pub(crate) fn identity(&self) -> Identity {
        match self.user.filter(|_| !self.gave_up(Layer::User)) {
            Some(user) => Identity { uid: user, gid: user, own: true },
            None => Identity { uid: self.host.uid, gid: self.host.gid, own: false },
        }
    }

    pub(crate) fn landlock(&self) -> Option<u32> {
        let abi = self.host.landlock_abi;
        (abi > 0 && !self.gave_up(Layer::Landlock)).then_some(abi)
    }

    pub(crate) fn seccomp(&self) -> Option<SyscallProfile> {
        let there = self.host.seccomp.is_yes() && !self.gave_up(Layer::Seccomp);
        there.then_some(match self.vmm {
            Vmm::Guest(_) => SyscallProfile::Qemu,
            Vmm::Command(command) if command.dialect == Dialect::Qemu => SyscallProfile::Qemu,
            Vmm::Command(_) => SyscallProfile::Generic,
        })
    }

    pub(crate) fn drop_privileges(&self) -> bool {
        // Landlock and seccomp need no_new_privs, so it is given up only with both of them.
        let needed = self.landlock().is_some() || self.seccomp().is_some();
        needed || !self.gave_up(Layer::Privileges)
    }

    pub(crate) fn limits(&self) -> bool {
        !self.gave_up(Layer::Limits)
    }

    pub(crate) fn cgroups(&self) -> Option<&Cgroups> {
        let there = !matches!(self.host.cgroups, Cgroups::None(_));
        (there && !self.gave_up(Layer::Cgroup)).then_some(&self.host.cgroups)
    }

    pub(crate) fn memory_files_no_exec(&self) -> bool {
        self.host.is_root()
            && self.own_namespaces()
            && self.host.memfd_noexec.is_yes()
            && !self.gave_up(Layer::ExecutableMemory)
    }

    fn translates(&self) -> bool {
        match self.vmm {
            Vmm::Guest(guest) => guest.accelerator == Accelerator::Tcg,
            Vmm::Command(command) => command.translates,
        }
    }

    pub(crate) fn executable_memory(&self) -> ExecutableMemory {
        let denied =
            !self.translates() && self.host.mdwe.is_yes() && !self.gave_up(Layer::ExecutableMemory);
        if denied { ExecutableMemory::Denied } else { ExecutableMemory::Allowed }
    }

    /// What was asked of each layer and what is in force.
    pub(crate) fn status(&self, rules: usize) -> Vec<LayerStatus> {
        Layer::ALL.iter().filter_map(|layer| self.layer(*layer, rules)).collect()
    }

    fn layer(&self, layer: Layer, rules: usize) -> Option<LayerStatus> {
        if self.gave_up(layer) {
            return Some(LayerStatus::weakened(layer));
        }
        Some(match layer {
            // These are drivers of their own, asked for where the kernel has the module.
            Layer::Selinux | Layer::Apparmor | Layer::Smack => return self.module(layer),
            Layer::Landlock => self.landlock_status(rules),
            Layer::Seccomp => self.seccomp_status(),
            Layer::Root if self.own_root() => {
                LayerStatus::full(layer, format!("{rules} objects, read-only but for grants"))
            }
            Layer::Root => LayerStatus::missing(layer, self.no_namespaces()),
            Layer::Namespaces if self.own_namespaces() => {
                LayerStatus::full(layer, "pid, ipc, net, uts, cgroup")
            }
            Layer::Namespaces => LayerStatus::missing(layer, self.no_namespaces()),
            Layer::UserNamespace => self.user_namespace_status(),
            Layer::User => self.user_status(),
            Layer::Privileges => LayerStatus::full(layer, "no capabilities, no_new_privs"),
            Layer::Limits => LayerStatus::full(layer, "no core dumps, bounded files and threads"),
            Layer::Cgroup => self.cgroup_status(),
            Layer::ExecutableMemory => self.memory_status(),
        })
    }

    fn module(&self, layer: Layer) -> Option<LayerStatus> {
        let there = self.host.security_modules.iter().any(|m| m == layer.word());
        let why = "this version does not label for it yet";
        there.then(|| LayerStatus::missing(layer, why))
    }

    fn no_namespaces(&self) -> String {
        match &self.host.user_namespaces {
            Offer::No(why) => why.clone(),
            Offer::Yes => "it needs a user namespace, which was given up".into(),
        }
    }

    fn user_namespace_status(&self) -> LayerStatus {
        match &self.host.user_namespaces {
            Offer::Yes => {
                LayerStatus::full(Layer::UserNamespace, "one user, no capability outside")
            }
            Offer::No(why) => LayerStatus::missing(Layer::UserNamespace, why),
        }
    }

    fn user_status(&self) -> LayerStatus {
        let identity = self.identity();
        match &self.host.machine_users {
            _ if identity.own => LayerStatus::full(Layer::User, format!("uid {}", identity.uid)),
            MachineUsers::None(why) => {
                let rests = "machines of this user are kept apart by the other layers";
                LayerStatus::missing(Layer::User, format!("{why}; {rests}"))
            }
            MachineUsers::Range { .. } => {
                LayerStatus::missing(Layer::User, "no user was reserved for it")
            }
        }
    }

    fn landlock_status(&self, rules: usize) -> LayerStatus {
        let layer = Layer::Landlock;
        if self.host.landlock_abi == 0 {
            return LayerStatus::missing(layer, "the kernel has no Landlock");
        }
        let detail = format!("ABI {}, {rules} rules", self.host.landlock_abi);
        let open: Vec<_> = GAPS.iter().filter(|gap| self.is_open(gap)).map(|g| g.what).collect();
        match open.is_empty() {
            true => LayerStatus::full(layer, detail),
            false => {
                LayerStatus::partial(layer, detail, format!("it leaves open: {}", open.join(", ")))
            }
        }
    }

    fn is_open(&self, gap: &Gap) -> bool {
        self.host.landlock_abi < gap.closed_by_abi && !self.closes(gap.else_closed_by)
    }

    fn closes(&self, layer: Layer) -> bool {
        match layer {
            Layer::Root => self.own_root(),
            Layer::Namespaces => self.own_namespaces(),
            Layer::Seccomp => self.seccomp().is_some(),
            _ => false,
        }
    }

    fn seccomp_status(&self) -> LayerStatus {
        let layer = Layer::Seccomp;
        if let Offer::No(why) = &self.host.seccomp {
            return LayerStatus::missing(layer, why);
        }
        match self.seccomp() {
            Some(SyscallProfile::Generic) => {
                let why = "generic: the program is not known, so the profile is wide";
                LayerStatus::partial(layer, "profile generic", why)
            }
            _ => LayerStatus::full(layer, "profile qemu"),
        }
    }

    fn cgroup_status(&self) -> LayerStatus {
        match &self.host.cgroups {
            Cgroups::None(why) => LayerStatus::missing(Layer::Cgroup, why),
            Cgroups::V2(..) => LayerStatus::full(Layer::Cgroup, "version 2: memory, pids"),
            Cgroups::V1(groups) => {
                let names: Vec<_> = groups.iter().map(|(name, _)| name.as_str()).collect();
                LayerStatus::full(Layer::Cgroup, format!("version 1: {}", names.join(", ")))
            }
        }
    }

    fn memory_status(&self) -> LayerStatus {
        let layer = Layer::ExecutableMemory;
        if self.translates() {
            let why = "the VMM translates guest code, so it must execute what it wrote (no KVM)";
            return LayerStatus::partial(layer, "only the VMM's own files are executable", why);
        }
        match &self.host.mdwe {
            Offer::No(why) => LayerStatus::missing(layer, why),
            Offer::Yes if self.memory_files_no_exec() => LayerStatus::full(layer, "MDWE, memfd"),
            Offer::Yes => {
                let why = "only root can deny executable memory files";
                LayerStatus::partial(layer, "MDWE", why)
            }
        }
    }
}

/// Something that Landlock does not govern before an ABI, and the layer that closes it anyway.
struct Gap {
    closed_by_abi: u32,
    what: &'static str,
    else_closed_by: Layer,
}

/// From the kernel's documentation of Landlock, "Previous limitations".
const GAPS: [Gap; 6] = [
    Gap { closed_by_abi: 3, what: "truncating files", else_closed_by: Layer::Root },
    Gap { closed_by_abi: 4, what: "TCP", else_closed_by: Layer::Namespaces },
    Gap { closed_by_abi: 5, what: "device controls", else_closed_by: Layer::Root },
    Gap {
        closed_by_abi: 6,
        what: "signals to this user's processes",
        else_closed_by: Layer::Namespaces,
    },
    Gap { closed_by_abi: 6, what: "abstract sockets", else_closed_by: Layer::Namespaces },
    Gap { closed_by_abi: 9, what: "sockets at paths", else_closed_by: Layer::Root },
];
