//! The flags of the commands about policies.

use clap::{Args, Subcommand, ValueEnum};
use svirt_engine::policy::Naming;
use svirt_model::{MachineName, label::SecurityModel};

/// Show, check, install and remove what the kernel's security modules are told
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) what: PolicyWhat,
}

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyWhat {
    Show(PolicyShowArgs),
    Check(PolicyCheckArgs),
    Install(PolicyInstallArgs),
    Remove(PolicyRemoveArgs),
}

/// Print a policy: the SELinux module, or what is loaded for one machine
#[derive(Debug, Args)]
#[command(
    long_about = "Print a policy: the SELinux module in CIL, with the reason of each rule; or, of \
    a machine, the AppArmor profiles and Smack rules that are loaded for it, or would be at its start."
)]
pub(crate) struct PolicyShowArgs {
    /// The machine
    pub(crate) name: Option<MachineName>,
    /// Only for this security module
    #[arg(long, value_enum)]
    pub(crate) model: Option<PolicyModel>,
    /// What the SELinux types are called, in place of what fits the loaded policy
    #[arg(long, value_enum, conflicts_with = "name")]
    pub(crate) naming: Option<PolicyNaming>,
    /// Print a whole SELinux policy: the module, and the small policy that carries it where a
    /// distribution has none
    #[arg(long, conflicts_with = "name")]
    pub(crate) whole: bool,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say whether machines would be labelled, and what the host has for it
#[derive(Debug, Args)]
#[command(
    long_about = "Say for each security module whether machines would be labelled by it, and what \
    the host has for it. Exits with 0 if machines would be labelled, with 1 otherwise."
)]
pub(crate) struct PolicyCheckArgs {
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Install the SELinux module into the host's policy
#[derive(Debug, Args)]
#[command(
    long_about = "Install the SELinux module into the host's policy with semodule, which compiles \
    the whole of it anew: half a minute where it is a distribution's. Does nothing where this version of \
    the module is installed already."
)]
pub(crate) struct PolicyInstallArgs {}

/// Remove the SELinux module from the host's policy
#[derive(Debug, Args)]
#[command(
    long_about = "Remove the SELinux module from the host's policy with semodule. Refused while a \
    machine runs in a domain of it."
)]
pub(crate) struct PolicyRemoveArgs {}

/// A security module that is told a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyModel {
    /// SELinux
    Selinux,
    /// AppArmor
    Apparmor,
    /// Smack
    Smack,
}

impl PolicyModel {
    /// The same for the engine.
    pub(crate) fn model(self) -> SecurityModel {
        match self {
            Self::Selinux => SecurityModel::Selinux,
            Self::Apparmor => SecurityModel::Apparmor,
            Self::Smack => SecurityModel::Smack,
        }
    }
}

/// What the SELinux types are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyNaming {
    /// svirt_t and so on
    Plain,
    /// svirt_machine_t and so on, beside a distribution's svirt_t
    Own,
}

impl PolicyNaming {
    /// The same for the engine.
    pub(crate) fn naming(self) -> Naming {
        match self {
            Self::Plain => Naming::Plain,
            Self::Own => Naming::Own,
        }
    }
}
