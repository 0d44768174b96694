//! What was seen of a host beyond what planning needs: its switches, its processors, its devices. And
//! what follows for machines.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen of the host. Nothing in here changes a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// What small files of the kernel's say, by path; a file that is not there or cannot be read is
    /// not in here.
    pub files: BTreeMap<String, String>,
    /// The weaknesses of the processor that the kernel knows, and what it does about each.
    pub processor: BTreeMap<String, String>,
    /// The node `/dev/kvm`; none where there is none.
    pub kvm: Option<DeviceNode>,
    /// The trusted platform modules, by their names in sysfs.
    pub tpms: Vec<String>,
    /// Whether the kernel has IMA, which measures what is executed.
    pub ima: bool,
}

/// A node in `/dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// The user that owns it.
    pub uid: u32,
    /// The group that owns it.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// Whether the user that asks may read and write it.
    pub usable: bool,
}

/// How something on the host is for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As good as it can be.
    Good,
    /// To be known, and neither good nor bad.
    Note,
    /// It could be better; machines are still held.
    Fair,
    /// Machines are held less well than on other hosts, or do not start.
    Bad,
}

/// One thing about a host, and what follows from it for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is about.
    pub what: String,
    /// How it is here.
    pub found: String,
    /// How that is.
    pub grade: Grade,
    /// What follows for machines.
    pub consequence: String,
    /// What can be done; empty where nothing need or can be.
    pub remedy: String,
}
