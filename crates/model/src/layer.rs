//! The layers of a confinement and what became of each.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! layers {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $what:literal;)*) => {
        /// One security model as it is enforced on one machine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Layer { $($(#[$doc])* $variant),* }

        impl Layer {
            /// Every layer, in the order in which a table shows them.
            pub const ALL: &[Layer] = &[$(Layer::$variant),*];

            /// The word that flags, tables and JSON use.
            pub fn word(self) -> &'static str {
                match self { $(Layer::$variant => $word),* }
            }

            /// What it keeps the machine from, in a few words.
            pub fn what(self) -> &'static str {
                match self { $(Layer::$variant => $what),* }
            }
        }
    };
}

layers! {
    /// SELinux: a process context of the machine's own.
    Selinux = "selinux", "a SELinux context of its own";
    /// AppArmor: a profile of the machine's own.
    Apparmor = "apparmor", "an AppArmor profile of its own";
    /// Smack: a label of the machine's own.
    Smack = "smack", "a Smack label of its own";
    /// Landlock: the files, sockets, signals and ports that the process may reach.
    Landlock = "landlock", "no file, port, signal or abstract socket outside the manifest";
    /// Seccomp: the system calls that the process may make.
    Seccomp = "seccomp", "only the system calls that the VMM needs";
    /// A root file system that holds only what the machine needs.
    Root = "root", "a root file system with nothing else in it";
    /// The namespaces other than the mount and user ones: pid, ipc, net, uts, cgroup.
    Namespaces = "namespaces", "no process, IPC, network or host name but its own";
    /// A user namespace of the machine's own.
    UserNamespace = "user-namespace", "no privilege on the host, whatever it becomes inside";
    /// DAC: a user that no other machine and no other process has.
    User = "user", "a user of its own";
    /// No capabilities and no way to gain any.
    Privileges = "privileges", "no capability and no way to gain one";
    /// Resource limits of the process.
    Limits = "limits", "limits on processes, files and locked memory, no core dumps";
    /// A control group with limits on processes and memory.
    Cgroup = "cgroup", "limits on processes and memory of the whole machine";
    /// Memory cannot become executable.
    ExecutableMemory = "executable-memory", "no memory that is both written and executed";
}

/// A layer's name was not recognised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no layer {given:?}: the layers are {}", words())]
pub struct UnknownLayer {
    given: String,
}

fn words() -> String {
    Layer::ALL.iter().map(|l| l.word()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Layer {
    type Err = UnknownLayer;
    fn from_str(given: &str) -> Result<Self, UnknownLayer> {
        let unknown = || UnknownLayer { given: given.chars().take(80).collect() };
        Layer::ALL.iter().copied().find(|l| l.word() == given).ok_or_else(unknown)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How much of a layer is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforced {
    /// Nothing of it.
    No,
    /// Some of it; the status says what is missing.
    Partly,
    /// All of it.
    Fully,
}

/// What was asked of a layer and what is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerStatus {
    /// The layer.
    pub layer: Layer,
    /// Whether it was asked for: by default every layer is, unless it was weakened.
    pub asked: bool,
    /// How much of it is in force.
    pub enforced: Enforced,
    /// What is missing and why; empty exactly when the layer is fully enforced.
    pub why_not: String,
    /// What carries it: the ABI, the number of rules, the user.
    pub detail: String,
}

impl LayerStatus {
    /// A layer of which everything is in force.
    pub fn full(layer: Layer, detail: impl Into<String>) -> Self {
        let (why_not, detail) = (String::new(), detail.into());
        Self { layer, asked: true, enforced: Enforced::Fully, why_not, detail }
    }

    /// A layer that holds but for what `why_not` names.
    pub fn partial(layer: Layer, detail: impl Into<String>, why_not: impl Into<String>) -> Self {
        let (why_not, detail) = (why_not.into(), detail.into());
        Self { layer, asked: true, enforced: Enforced::Partly, why_not, detail }
    }

    /// A layer that was asked for and that this host cannot give.
    pub fn missing(layer: Layer, why_not: impl Into<String>) -> Self {
        let (why_not, detail) = (why_not.into(), String::new());
        Self { layer, asked: true, enforced: Enforced::No, why_not, detail }
    }

    /// A layer that the user gave up.
    pub fn weakened(layer: Layer) -> Self {
        let why_not = "weakened by the user".to_owned();
        Self { layer, asked: false, enforced: Enforced::No, why_not, detail: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_layer_leads_back_to_it() {
        for &layer in Layer::ALL {
            assert_eq!(layer.word().parse(), Ok(layer));
            assert_eq!(serde_json::to_value(layer).unwrap(), layer.word());
        }
        assert!("chroot".parse::<Layer>().unwrap_err().to_string().contains("landlock"));
    }
}
