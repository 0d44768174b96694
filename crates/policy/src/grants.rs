//! What one process of a machine is granted: what its AppArmor profile is computed from, whole,
//! whenever it changes.

use svirt_model::{Grant, label::ProfileName};

/// Everything that one process of a machine may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// What its profile is called; no other process has it.
    pub label: ProfileName,
    /// Its files.
    pub reaches: Vec<Reach>,
    /// Whether the host's network is its task.
    pub network: bool,
    /// Whether it executes what it wrote. AppArmor cannot tell the one from the other: it does not
    /// mediate memory that is no file's.
    pub translates: bool,
    /// Who starts it and looks after it.
    pub launcher: Launcher,
    /// The profiles of the other processes of the machine.
    pub peers: Vec<ProfileName>,
}

/// A file or a directory, and what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Its absolute path as the kernel will compute it: in the process's own root for what stands
    /// there, on the host for what is inherited as a descriptor.
    pub path: String,
    /// What may be done.
    pub what: Reached,
    /// The reason: which of the user's words named it.
    pub why: String,
}

/// What may be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// What an entry of the process's root permits.
    Entry(Grant),
    /// An open descriptor, for reading, or for writing too.
    Descriptor {
        /// Whether it may be written.
        write: bool,
    },
}

/// What confines whoever starts a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launcher {
    /// None: nothing confines it.
    Unconfined,
    /// This label, of one profile or several (`A//&B`). The process is then confined by all of them
    /// and by its own.
    Confined(String),
}
