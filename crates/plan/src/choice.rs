//! Which layers a machine gets: what the host offers, less what the user gave up.

use crate::{
    Inputs,
    growth::Growth,
    own_user::{self, OwnUser},
};
use std::collections::BTreeSet;
use svirt_model::{
    Accelerator, Cgroups, Dialect, ExecutableMemory, HostFacts, Identity, Layer, MachineUsers,
    Namespace, Role, SyscallProfile, Vmm,
};

/// QEMU's own memory beside the guest's: its heap, its translated code (at most 1 GiB, or a quarter
/// of the guest's memory with small guests) and its devices.
const VMM_MEMORY: u64 = 512 << 20;

/// The layers of one machine.
pub(crate) struct Choice<'a> {
    pub(crate) host: &'a HostFacts,
    weakened: &'a BTreeSet<Layer>,
    vmm: &'a Vmm,
    user: Option<u32>,
    /// Whether the user that was reserved can be the machine's.
    own: OwnUser,
    role: Role,
    growth: Growth,
}

impl<'a> Choice<'a> {
    pub(crate) fn of(inputs: Inputs<'a>) -> Self {
        let Inputs { machine, host, reserved, .. } = inputs;
        let (weakened, vmm) = (&machine.demands.weaken, &machine.vmm);
        let (own, growth) = (OwnUser::Free, Growth::of(machine));
        let user = reserved.user;
        let choice = Self { host, weakened, vmm, user, own, role: Role::Vmm, growth };
        let own = own_user::find(inputs, &choice);
        Self { own, ..choice }
    }

    /// The same machine's layers for another of its processes.
    pub(crate) fn for_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Of which process they are.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Whether this process is in the host's network, because that is its task.
    pub(crate) fn host_network(&self) -> bool {
        self.role == Role::Network
    }

    pub(crate) fn gave_up(&self, layer: Layer) -> bool {
        self.weakened.contains(&layer)
    }

    pub(crate) fn user_namespace(&self) -> bool {
        self.host.user_namespaces.is_yes() && !self.gave_up(Layer::UserNamespace)
    }

    /// Root, and whoever has a user namespace, can make the other ones.
    pub(crate) fn can_unshare(&self) -> bool {
        self.host.is_root() || self.user_namespace()
    }

    pub(crate) fn own_root(&self) -> bool {
        self.can_unshare() && !self.gave_up(Layer::Root)
    }

    pub(crate) fn own_namespaces(&self) -> bool {
        self.can_unshare() && !self.gave_up(Layer::Namespaces)
    }

    pub(crate) fn namespaces(&self) -> BTreeSet<Namespace> {
        let wanted = |namespace: &Namespace| match namespace {
            Namespace::User => self.user_namespace(),
            Namespace::Mount => self.own_root(),
            Namespace::Net => self.own_namespaces() && !self.host_network(),
            Namespace::Pid | Namespace::Ipc | Namespace::Uts | Namespace::Cgroup => {
                self.own_namespaces()
            }
        };
        Namespace::ALL.iter().copied().filter(wanted).collect()
    }

    pub(crate) fn identity(&self) -> Identity {
        let barred = matches!(self.own, OwnUser::Barred(_)) || self.gave_up(Layer::User);
        let root = self.host.is_root();
        match (&self.host.machine_users, self.user.filter(|_| !barred)) {
            (MachineUsers::Range { first, first_group, .. }, Some(uid)) => {
                let gid = first_group.saturating_add(uid.saturating_sub(*first));
                let keeps_groups = matches!(self.own, OwnUser::WithGroups(_));
                Identity { uid, gid, own: true, delegated: !root, keeps_groups }
            }
            _ => {
                let (uid, gid) = (self.host.uid, self.host.gid);
                Identity { uid, gid, own: false, delegated: false, keeps_groups: !root }
            }
        }
    }

    /// Whether the user that was reserved can be the machine's.
    pub(crate) fn own_user(&self) -> &OwnUser {
        &self.own
    }

    pub(crate) fn landlock(&self) -> Option<u32> {
        let abi = self.host.landlock_abi;
        (abi > 0 && !self.gave_up(Layer::Landlock)).then_some(abi)
    }

    pub(crate) fn seccomp(&self) -> Option<SyscallProfile> {
        let there = self.host.seccomp.is_yes() && !self.gave_up(Layer::Seccomp);
        there.then_some(match self.vmm {
            _ if self.role == Role::Network => SyscallProfile::Passt,
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

    /// How large the files can become that this process writes. A helper writes none.
    pub(crate) fn growth(&self) -> Growth {
        if self.role == Role::Vmm { self.growth } else { Growth::None }
    }

    /// Outside a user namespace of its own the limit would count the user's other processes.
    pub(crate) fn bounded_processes(&self) -> bool {
        self.user_namespace()
    }

    /// The most memory that the machine's processes may have together, in bytes. A command's need is
    /// not known.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        match self.vmm {
            Vmm::Guest(guest) => Some(guest.memory.0 + guest.memory.0 / 4 + VMM_MEMORY),
            Vmm::Command(_) => None,
        }
    }

    pub(crate) fn memory_files_no_exec(&self) -> bool {
        self.host.is_root()
            && self.own_namespaces()
            && self.host.memfd_noexec.is_yes()
            && !self.gave_up(Layer::ExecutableMemory)
    }

    pub(crate) fn translates(&self) -> bool {
        match self.vmm {
            _ if self.role == Role::Network => false,
            Vmm::Guest(guest) => guest.accelerator == Accelerator::Tcg,
            Vmm::Command(command) => command.translates,
        }
    }

    pub(crate) fn executable_memory(&self) -> ExecutableMemory {
        let denied =
            !self.translates() && self.host.mdwe.is_yes() && !self.gave_up(Layer::ExecutableMemory);
        if denied { ExecutableMemory::Denied } else { ExecutableMemory::Allowed }
    }
}
