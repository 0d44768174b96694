//! What was asked of each layer of a process and what is in force, in words that are true of that
//! process on this host.

use crate::{choice::Choice, growth::Growth, labels::Called, own_user::OwnUser};
use svirt_model::{Cgroups, Layer, LayerStatus, MachineUsers, Offer, SyscallProfile};

impl Choice<'_> {
    /// What was asked of each layer and what is in force.
    pub(crate) fn status(&self, called: Called<'_>, rules: usize) -> Vec<LayerStatus> {
        Layer::ALL.iter().filter_map(|layer| self.layer(*layer, called, rules)).collect()
    }

    fn layer(&self, layer: Layer, called: Called<'_>, rules: usize) -> Option<LayerStatus> {
        if self.gave_up(layer) {
            return Some(LayerStatus::weakened(layer));
        }
        Some(match layer {
            Layer::Selinux | Layer::Apparmor | Layer::Smack => {
                return called.status(layer, self.role());
            }
            Layer::Landlock => self.landlock_status(rules),
            Layer::Seccomp => self.seccomp_status(),
            Layer::Root if self.own_root() => {
                LayerStatus::full(layer, format!("{rules} objects, read-only but for grants"))
            }
            Layer::Root => LayerStatus::missing(layer, self.no_namespaces()),
            Layer::Namespaces if self.own_namespaces() && self.host_network() => {
                let why = "it is in the host's network, which is its task";
                LayerStatus::partial(layer, "pid, ipc, uts, cgroup", why)
            }
            Layer::Namespaces if self.own_namespaces() => {
                LayerStatus::full(layer, "pid, ipc, net, uts, cgroup")
            }
            Layer::Namespaces => LayerStatus::missing(layer, self.no_namespaces()),
            Layer::UserNamespace => self.user_namespace_status(),
            Layer::User => self.user_status(),
            Layer::Privileges if self.can_unshare() => {
                LayerStatus::full(layer, "no capabilities, no_new_privs")
            }
            Layer::Privileges => {
                let why = "this user may not empty the bounding set, which no_new_privs makes moot";
                LayerStatus::partial(layer, "no capabilities, no_new_privs", why)
            }
            Layer::Limits => self.limits_status(),
            Layer::Cgroup => self.cgroup_status(),
            Layer::ExecutableMemory => self.memory_status(),
        })
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
        let detail = format!("uid {}", identity.uid);
        let why = match (&self.host.machine_users, self.own_user()) {
            (_, OwnUser::WithGroups(why)) if identity.own => {
                let why = format!("it keeps the groups of its user: without them {why}");
                return LayerStatus::partial(Layer::User, detail, why);
            }
            _ if identity.own => return LayerStatus::full(Layer::User, detail),
            (MachineUsers::None(why), _) => why,
            (MachineUsers::Range { .. }, OwnUser::Barred(why)) => why,
            (MachineUsers::Range { .. }, _) => "no user was reserved for it",
        };
        let rests = "machines of this user are kept apart by the other layers";
        LayerStatus::missing(Layer::User, format!("{why}; {rests}"))
    }

    fn landlock_status(&self, rules: usize) -> LayerStatus {
        let layer = Layer::Landlock;
        if self.host.landlock_abi == 0 {
            return LayerStatus::missing(layer, "the kernel has no Landlock");
        }
        let detail =
            format!("ABI {}, {rules} rules{}", self.host.landlock_abi, self.closed_by_others());
        let open: Vec<_> = self.gaps().filter(|gap| !self.closes(gap.else_closed_by)).collect();
        match open.is_empty() {
            true => LayerStatus::full(layer, detail),
            false => {
                LayerStatus::partial(layer, detail, format!("it leaves open: {}", names(&open)))
            }
        }
    }

    /// What this kernel's Landlock does not govern.
    fn gaps(&self) -> impl Iterator<Item = &'static Gap> {
        let abi = self.host.landlock_abi;
        GAPS.iter().filter(move |gap| abi < gap.closed_by_abi)
    }

    fn closes(&self, closer: Closer) -> bool {
        match closer {
            Closer::Root => self.own_root(),
            Closer::Pid => self.own_namespaces(),
            Closer::Net => self.own_namespaces() && !self.host_network(),
        }
    }

    /// What it leaves to other layers that are in force, by the layer.
    fn closed_by_others(&self) -> String {
        let closed: Vec<_> = self.gaps().filter(|gap| self.closes(gap.else_closed_by)).collect();
        let by = |layer: Layer| {
            let theirs: Vec<_> =
                closed.iter().copied().filter(|gap| gap.else_closed_by.layer() == layer).collect();
            let text = format!("; left to {layer}: {}", names(&theirs));
            if theirs.is_empty() { String::new() } else { text }
        };
        [Layer::Root, Layer::Namespaces].map(by).concat()
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
            Some(SyscallProfile::Passt) => LayerStatus::full(layer, "profile passt"),
            _ => LayerStatus::full(layer, "profile qemu"),
        }
    }

    fn limits_status(&self) -> LayerStatus {
        let (mut detail, mut why) = ("no core dumps, bounded files".to_owned(), Vec::new());
        if self.bounded_processes() {
            detail += ", threads";
        } else {
            why.push("threads are bounded only in a user namespace of its own");
        }
        match self.growth() {
            Growth::None => {}
            Growth::Bounded(_) => detail += ", file sizes",
            Growth::Unknown => why.push("how large its files may become is not known"),
        }
        match why.is_empty() {
            true => LayerStatus::full(Layer::Limits, detail),
            false => LayerStatus::partial(Layer::Limits, detail, why.join("; ")),
        }
    }

    fn cgroup_status(&self) -> LayerStatus {
        let layer = Layer::Cgroup;
        let (version, controllers) = match &self.host.cgroups {
            Cgroups::None(why) => return LayerStatus::missing(layer, why),
            Cgroups::V2(_, controllers) => (2, controllers.clone()),
            Cgroups::V1(groups) => (1, groups.iter().map(|(name, _)| name.clone()).collect()),
        };
        let has = |name: &str| controllers.iter().any(|c| c == name);
        let (memory, pids) = (has("memory") && self.memory_limit().is_some(), has("pids"));
        let detail = |what| format!("version {version}: {what}");
        match (memory, pids) {
            (true, true) => LayerStatus::full(layer, detail("memory, pids")),
            (true, false) => {
                LayerStatus::partial(layer, detail("memory"), "processes are not limited")
            }
            (false, true) if has("memory") => {
                let why = "memory is not limited: a command's need is not known";
                LayerStatus::partial(layer, detail("pids"), why)
            }
            (false, true) => LayerStatus::partial(layer, detail("pids"), "memory is not limited"),
            (false, false) => LayerStatus::missing(layer, "nothing of it would be limited"),
        }
    }

    fn memory_status(&self) -> LayerStatus {
        let layer = Layer::ExecutableMemory;
        if self.translates() {
            let why = "the VMM translates guest code, so it must execute what it wrote (no KVM)";
            return LayerStatus::partial(layer, "only the VMM's own files are executable", why);
        }
        match (&self.host.mdwe, &self.host.memfd_noexec) {
            (Offer::No(why), _) => LayerStatus::missing(layer, why),
            _ if self.memory_files_no_exec() => LayerStatus::full(layer, "MDWE, memfd"),
            (_, Offer::No(why)) => LayerStatus::partial(layer, "MDWE", why),
            _ if !self.own_namespaces() => {
                let why = "memory files are denied execution only in a pid namespace of its own";
                LayerStatus::partial(layer, "MDWE", why)
            }
            _ => {
                let why = "only root can deny memory files execution";
                LayerStatus::partial(layer, "MDWE", why)
            }
        }
    }
}

/// Something that Landlock does not govern before an ABI, and what closes it anyway.
struct Gap {
    closed_by_abi: u32,
    what: &'static str,
    else_closed_by: Closer,
}

#[derive(Clone, Copy)]
enum Closer {
    /// A root of the process's own.
    Root,
    /// A pid namespace.
    Pid,
    /// A net namespace.
    Net,
}

impl Closer {
    fn layer(self) -> Layer {
        match self {
            Closer::Root => Layer::Root,
            Closer::Pid | Closer::Net => Layer::Namespaces,
        }
    }
}

fn names(gaps: &[&Gap]) -> String {
    gaps.iter().map(|gap| gap.what).collect::<Vec<_>>().join(", ")
}

/// From the kernel's documentation of Landlock, "Previous limitations".
const GAPS: [Gap; 6] = [
    Gap { closed_by_abi: 3, what: "truncating files", else_closed_by: Closer::Root },
    Gap { closed_by_abi: 4, what: "TCP", else_closed_by: Closer::Net },
    Gap { closed_by_abi: 5, what: "device controls", else_closed_by: Closer::Root },
    Gap { closed_by_abi: 6, what: "signals to this user's processes", else_closed_by: Closer::Pid },
    Gap { closed_by_abi: 6, what: "abstract sockets", else_closed_by: Closer::Net },
    Gap { closed_by_abi: 9, what: "sockets at paths", else_closed_by: Closer::Root },
];
