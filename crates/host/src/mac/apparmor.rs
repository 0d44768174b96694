//! AppArmor through its directory of securityfs: what it offers, and loading, removing and comparing
//! compiled profiles.
//!
//! What a profile says is not known here. That a profile of this name is loaded means little, since
//! whoever may load can replace it: what counts is that the kernel has these very bytes.

use super::{
    Lsm, compile,
    files::{KernelFiles, Kind, MountTable},
    odd, process,
};
use crate::{HostError, Reason};
use rustix::io::Errno;
use std::collections::BTreeMap;
use svirt_model::label::{ApparmorFacts, ProfileMode, ProfileName, ShownProfile};

/// What is compiled by `apparmor_parser` begins so: the tag `version` of the format.
const FIRST: &[u8] = b"\x04\x08\x00version\x00";

/// No kernel has more features than this.
const FEATURES_MAX: usize = 4096;

/// AppArmor, which is active.
#[derive(Debug)]
pub struct Apparmor {
    files: KernelFiles,
}

/// A profile that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What it does about what it does not allow.
    pub mode: ProfileMode,
    /// What is in it.
    pub content: Content,
}

/// What the kernel tells of the content of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The very bytes that were loaded.
    Binary(Vec<u8>),
    /// The kernel's hash of them (the file `raw_sha1`, `raw_sha256` or `sha1`, `sha256`): it tells
    /// whether the profile is still the one that it was.
    Hash(String),
    /// Nothing: the kernel was built without both.
    Unknown,
}

/// Whether a profile is the one that was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is, to the byte.
    Same,
    /// It is not.
    Different,
    /// The kernel keeps no bytes: the hash must be compared with that seen when it was loaded.
    Unknown,
}

impl Loaded {
    /// Compares the bytes.
    pub fn compare(&self, binary: &[u8]) -> Comparison {
        match &self.content {
            Content::Binary(found) if found == binary => Comparison::Same,
            Content::Binary(_) => Comparison::Different,
            Content::Hash(_) | Content::Unknown => Comparison::Unknown,
        }
    }
}

impl Apparmor {
    /// AppArmor; `None` where it is not active, or securityfs is not mounted.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Option<Self>, HostError> {
        Self::among(&MountTable::default())
    }

    pub(super) fn among(mounts: &MountTable) -> Result<Option<Self>, HostError> {
        let Some(files) = KernelFiles::find(Kind::Security, mounts)? else { return Ok(None) };
        Ok(files.below("apparmor")?.map(|files| Self { files }))
    }

    /// What it offers.
    ///
    /// # Errors
    /// The kernel's.
    pub fn facts(&self) -> Result<ApparmorFacts, HostError> {
        let own = ShownProfile::read(&process::own(Lsm::Apparmor)?);
        let namespace = self.files.text_if_there(".ns_name")?.unwrap_or_else(|| "root".into());
        let depth = self.files.text_if_there(".ns_level")?.and_then(|text| text.parse().ok());
        let versions = self.files.names("features/policy/versions")?;
        let version = |name: &String| name.strip_prefix('v')?.parse().ok();
        let stack = self.files.text_if_there("features/domain/stack")?;
        // The kernel lets the files be opened by all and asks for the capability at the write; who
        // is confined is refused unless the profile says otherwise.
        let may_load = rustix::process::geteuid().is_root() && own.is_unconfined();
        Ok(ApparmorFacts {
            mount: self.files.path().to_owned(),
            own,
            namespace,
            namespace_level: depth.unwrap_or(0),
            abi: versions.iter().filter_map(version).max().unwrap_or(0),
            stacks: stack.is_some_and(|text| text == "yes"),
            may_load,
            parser: compile::abi(),
        })
    }

    /// Every profile that the kernel lists to this process, by name.
    ///
    /// # Errors
    /// The kernel's; only root may read the list.
    pub fn profiles(&self) -> Result<BTreeMap<String, ProfileMode>, HostError> {
        let list = self.files.text("profiles")?;
        let shown = list.lines().map(ShownProfile::read);
        Ok(shown.filter_map(|profile| Some((profile.label, profile.mode?))).collect())
    }

    /// The features of the kernel, as files and what they say, for whoever compiles for it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn features(&self) -> Result<BTreeMap<String, String>, HostError> {
        let (mut found, mut ahead) = (BTreeMap::new(), vec!["features".to_owned()]);
        while let Some(path) = ahead.pop() {
            match self.files.text(&path) {
                Ok(text) => drop(found.insert(path, text)),
                Err(e) if e.reason() == Reason::Kernel(Errno::ISDIR.raw_os_error()) => {
                    ahead.extend(
                        self.files.names(&path)?.iter().map(|name| format!("{path}/{name}")),
                    );
                }
                Err(e) => return Err(e),
            }
            if found.len() + ahead.len() > FEATURES_MAX {
                return Err(odd("read AppArmor's features", "there are more than 4096"));
            }
        }
        Ok(found)
    }

    /// Where the features are, for `apparmor_parser`.
    pub fn features_path(&self) -> std::path::PathBuf {
        self.files.path().join("features")
    }

    /// Loads compiled profiles, or replaces those of their names, at once.
    ///
    /// # Errors
    /// They are not compiled profiles; the kernel's.
    pub fn load(&self, binary: &[u8]) -> Result<(), HostError> {
        if !binary.starts_with(FIRST) {
            return Err(odd("load a profile", "it is not compiled"));
        }
        self.files.write(".replace", binary)
    }

    /// Removes a profile; processes that have it are unconfined from then on, so none may be left.
    /// One that is not there is removed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, name: &ProfileName) -> Result<(), HostError> {
        match self.files.write(".remove", name.as_str().as_bytes()) {
            Err(e) if e.reason() == Reason::Kernel(Errno::NOENT.raw_os_error()) => Ok(()),
            other => other,
        }
    }

    /// What the kernel has under this name; `None` where it has nothing.
    ///
    /// # Errors
    /// The kernel's.
    pub fn loaded(&self, name: &ProfileName) -> Result<Option<Loaded>, HostError> {
        let policy = self.files.apparmor_policy()?;
        let Some(directory) = directory_of(&policy, name)? else { return Ok(None) };
        let file = |file: &str| format!("{directory}/{file}");
        // It may be replaced or removed between two readings; what is read then is of one that is
        // gone, and the comparison fails.
        let Some(mode) = policy.text_if_there(&file("mode"))? else { return Ok(None) };
        let mode = mode.parse().map_err(|e| odd(&format!("understand the mode of {name}"), e))?;
        let content = match policy.read_if_there(&file("raw_data"))? {
            Some(binary) => Content::Binary(binary),
            None => hash(&policy, &directory)?,
        };
        Ok(Some(Loaded { mode, content }))
    }
}

/// Profiles have directories of their name, a dot and a number that is not used again.
fn directory_of(policy: &KernelFiles, name: &ProfileName) -> Result<Option<String>, HostError> {
    let numbered = |directory: &&String| {
        let number = directory.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('.'));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    for directory in policy.names("profiles")?.iter().filter(numbered) {
        let directory = format!("profiles/{directory}");
        // `a.1` can be the first profile `a` or, without its number, one of that name.
        if policy.text_if_there(&format!("{directory}/name"))?.as_deref() == Some(name.as_str()) {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

fn hash(policy: &KernelFiles, directory: &str) -> Result<Content, HostError> {
    for name in ["raw_sha256", "raw_sha1", "sha256", "sha1"] {
        if let Some(hash) = policy.text_if_there(&format!("{directory}/{name}"))? {
            return Ok(Content::Hash(hash));
        }
    }
    Ok(Content::Unknown)
}
