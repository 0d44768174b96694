//! What a host is for machines: what they get of each layer here, and what else on the host makes
//! their walls thicker or thinner, each with what follows and what can be done.
//!
//! What a machine gets is not decided here a second time: it is the status of a plan.

mod switches;

pub use switches::files;

use std::collections::BTreeMap;
use svirt_model::{Condition, Enforced, Grade, HostFacts, Layer, LayerStatus, Survey};

/// Whether KVM was seen to run a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kvm {
    /// It was.
    Runs,
    /// It answers, and was seen not to.
    Fails,
    /// It was not tried: there is no device, or none for this user.
    Untried,
}

/// Everything that is to be said about a host, the layers first. `layers` are those of a plan for the
/// usual machine; none where no machine can be planned.
pub fn diagnose(
    host: &HostFacts,
    layers: &[LayerStatus],
    survey: &Survey,
    kvm: Kvm,
) -> Vec<Condition> {
    let mut all: Vec<_> = layers.iter().map(|status| of_layer(status, host)).collect();
    all.extend(no_module(host, layers));
    all.push(of_kvm(survey, kvm));
    all.extend(switches::conditions(&survey.files));
    all.extend(selinux(host));
    all.extend(shared_user(host, layers, &survey.files));
    all.extend(processor(&survey.processor));
    all.push(presence("trusted platform module", &survey.tpms.join(", "), TPM));
    all.push(presence("IMA", if survey.ima { "present" } else { "" }, IMA));
    all
}

const TPM: &str = "a start cannot be measured and attested";
const IMA: &str = "what was executed on the host is not measured";

fn condition(
    what: impl Into<String>,
    found: impl Into<String>,
    grade: Grade,
    consequence: impl Into<String>,
    remedy: impl Into<String>,
) -> Condition {
    let (what, found) = (what.into(), found.into());
    let (consequence, remedy) = (consequence.into(), remedy.into());
    Condition { what, found, grade, consequence, remedy }
}

fn of_layer(status: &LayerStatus, host: &HostFacts) -> Condition {
    let (grade, remedy) = match status.enforced {
        Enforced::Fully => (Grade::Good, ""),
        Enforced::Partly => (Grade::Fair, remedy(status.layer, host)),
        Enforced::No => (Grade::Bad, remedy(status.layer, host)),
    };
    let what = status.layer.what();
    let consequence = match grade {
        Grade::Good => what.to_owned(),
        Grade::Fair => format!("{what}; but {}", status.why_not),
        Grade::Note | Grade::Bad => format!("not: {what}; {}", status.why_not),
    };
    let found = match status.enforced {
        Enforced::Fully => "in full",
        Enforced::Partly => "in part",
        Enforced::No => "missing",
    };
    condition(status.layer.word(), found, grade, consequence, remedy)
}

/// What would bring a layer that is missing, or the rest of it.
fn remedy(layer: Layer, host: &HostFacts) -> &'static str {
    match layer {
        Layer::Selinux | Layer::Apparmor | Layer::Smack => {
            "svirt policy check says what is in the way"
        }
        Layer::Landlock if host.landlock_abi == 0 => {
            "boot a kernel that has it, with landlock in the list of the boot parameter lsm="
        }
        Layer::Landlock => "a newer kernel closes more",
        Layer::Seccomp => "boot a kernel with CONFIG_SECCOMP_FILTER",
        Layer::Root | Layer::Namespaces | Layer::UserNamespace | Layer::Privileges => {
            "allow user namespaces (sysctl user.max_user_namespaces, \
             kernel.apparmor_restrict_unprivileged_userns), or start machines as root"
        }
        Layer::User => {
            "give the user a range: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \
             USER, and install newuidmap (the package uidmap)"
        }
        Layer::Limits => "raise the limits of the user's session",
        Layer::Cgroup => {
            "delegate one: systemd-run --user --scope -p Delegate=yes, or start machines as root"
        }
        Layer::ExecutableMemory => "run guests on KVM, with a kernel from 6.3 on",
    }
}

fn no_module(host: &HostFacts, layers: &[LayerStatus]) -> Option<Condition> {
    let modules = [Layer::Selinux, Layer::Apparmor, Layer::Smack];
    if layers.iter().any(|status| modules.contains(&status.layer)) {
        return None;
    }
    let found = match host.security_modules.is_empty() {
        true => "none, or securityfs is not mounted".to_owned(),
        false => host.security_modules.join(", "),
    };
    let consequence = "no label is given: machines are held by Landlock, seccomp and namespaces";
    let remedy = "boot with selinux, apparmor or smack in the list of the boot parameter lsm=";
    Some(condition("security modules with labels", found, Grade::Fair, consequence, remedy))
}

fn of_kvm(survey: &Survey, kvm: Kvm) -> Condition {
    let translated =
        "guests are translated: slower, and their VMM must execute memory that it wrote";
    let bad = |found: &str, remedy: &str| condition("KVM", found, Grade::Fair, translated, remedy);
    match (survey.kvm, kvm) {
        (None, _) => bad(
            "there is no /dev/kvm",
            "switch virtualization on in the firmware, and load kvm_intel or kvm_amd",
        ),
        (Some(node), _) if !node.usable => {
            let found = format!("/dev/kvm is of {}:{}, mode {:o}", node.uid, node.gid, node.mode);
            bad(&found, "join the group that owns it, often kvm")
        }
        (Some(_), Kvm::Fails | Kvm::Untried) => bad(
            "it answers, and does not run a guest",
            "in a machine of somebody else's: ask for nested virtualization",
        ),
        (Some(node), Kvm::Runs) if node.mode & 0o006 == 0o006 => condition(
            "KVM",
            "it runs a guest; every user may use it",
            Grade::Note,
            "every user of the host reaches the kernel's code for machines",
            "chmod o= /dev/kvm",
        ),
        (Some(_), Kvm::Runs) => {
            condition("KVM", "it runs a guest", Grade::Good, "guests run at full speed", "")
        }
    }
}

/// What SELinux lets anybody talk it out of.
fn selinux(host: &HostFacts) -> Option<Condition> {
    let facts = host.labels.selinux.as_ref()?;
    let (what, found) = ("SELinux checkreqprot", |on: bool| if on { "1" } else { "0" });
    Some(match facts.checks_requested_protection {
        true => condition(
            what,
            found(true),
            Grade::Bad,
            "the refusal of executable memory can be talked around",
            "boot without checkreqprot=1, or write 0 to /sys/fs/selinux/checkreqprot",
        ),
        false => {
            condition(what, found(false), Grade::Good, "what is mapped is what is checked", "")
        }
    })
}

/// Two things that are harmless alone: machines that run as their user, and programs of that user that
/// may look into each other.
fn shared_user(
    host: &HostFacts,
    layers: &[LayerStatus],
    files: &BTreeMap<String, String>,
) -> Option<Condition> {
    let own = layers.iter().any(|s| s.layer == Layer::User && s.enforced != Enforced::No);
    let open = switches::number(files, switches::PTRACE_SCOPE).is_none_or(|scope| scope == 0);
    (!host.is_root() && !layers.is_empty() && !own && open).then(|| {
        condition(
            "machines that run as their user",
            "and ptrace is not restricted",
            Grade::Fair,
            "a program of yours that is no machine may read the memory of one",
            "sysctl -w kernel.yama.ptrace_scope=1, or a range in /etc/subuid",
        )
    })
}

/// One line for what is closed, and one for each weakness that is not.
fn processor(weaknesses: &BTreeMap<String, String>) -> Vec<Condition> {
    let remedy = "update the microcode and the kernel; the boot parameter mitigations=auto,nosmt closes what can be closed";
    let one = |(name, says): (&String, &String)| {
        let (grade, consequence) = if says.starts_with("Vulnerable") {
            (
                Grade::Bad,
                "a guest on KVM may read what it must not, of the kernel or of another machine",
            )
        } else if says.contains("SMT vulnerable") {
            (Grade::Fair, "a guest may read what runs beside it on the same core")
        } else {
            return None;
        };
        Some(condition(format!("processor: {name}"), says, grade, consequence, remedy))
    };
    let mut all: Vec<_> = weaknesses.iter().filter_map(one).collect();
    if !weaknesses.is_empty() {
        let closed = weaknesses.len() - all.len();
        let found = format!("{closed} of {} known weaknesses are closed", weaknesses.len());
        let grade = if all.is_empty() { Grade::Good } else { Grade::Note };
        all.insert(0, condition("processor", found, grade, "as far as the kernel knows", ""));
    }
    all
}

fn presence(what: &str, found: &str, without: &str) -> Condition {
    match found {
        "" => condition(what, "none", Grade::Note, without, ""),
        found => condition(what, found, Grade::Good, "", ""),
    }
}

#[cfg(test)]
mod tests;
