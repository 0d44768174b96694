//! A profile of AppArmor's in the kernel: loaded under a name that nothing has, and removed where the
//! kernel still has what was loaded.
//!
//! What was loaded is remembered beside the compiled profiles. The text alone would not do: after an
//! update of the parser the same text becomes other bytes, and undoing must not need a parser.

use super::Undone;
use crate::{
    Doing, HostError,
    mac::{
        apparmor::{Apparmor, Comparison},
        compile::Compiler,
    },
    pin::private_directory,
};
use rustix::{
    fs::{AtFlags, Mode, OFlags, openat, unlinkat},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::Path,
};
use svirt_model::label::ProfileName;

/// The longest compiled profile in bytes.
const BINARY_MAX: u64 = 16 << 20;

/// Compiles a text, or finds what it was compiled to before, and loads it.
///
/// # Errors
/// There is no AppArmor, or it has a profile of this name; the text cannot be compiled; what is
/// loaded afterwards is not that, or denies nothing; the kernel's.
pub(super) fn load(object: &Path, source: &str, profiles: &Path) -> Result<(), HostError> {
    let name = name(object)?;
    let doing = || format!("load the AppArmor profile {name}");
    let no = |why: &str| Err(io::Error::other(why)).doing(doing);
    let Some(apparmor) = Apparmor::open()? else { return no("AppArmor is not active") };
    if apparmor.loaded(&name)?.is_some() {
        return no("there is one of this name, which sVirt has not loaded; remove it");
    }
    let compiled = Compiler::new(&apparmor, profiles).and_then(|mut c| c.compile(source));
    let binary = compiled.map_err(io::Error::other).doing(doing)?.binary;
    Memory::open(profiles)?.remember(&name, &binary)?;
    apparmor.load(&binary)?;
    match apparmor.loaded(&name)? {
        Some(loaded) if loaded.compare(&binary) == Comparison::Different => {
            no("somebody else has replaced it at once")
        }
        Some(loaded) if loaded.mode.denies() => Ok(()),
        Some(_) => no("it denies nothing"),
        None => no("the text is of another name"),
    }
}

/// Removes it; no process may have it any more.
///
/// # Errors
/// The kernel's.
pub(super) fn remove(object: &Path, profiles: &Path) -> Result<Undone, HostError> {
    let name = name(object)?;
    let Some(apparmor) = Apparmor::open()? else { return Ok(Undone::Restored) };
    let memory = Memory::open(profiles)?;
    let Some(loaded) = apparmor.loaded(&name)? else {
        memory.forget(&name)?;
        return Ok(Undone::Restored);
    };
    let ours = memory.recall(&name)?;
    // A kernel that keeps no bytes leaves the name, which is the machine's own.
    if ours.is_none_or(|binary| loaded.compare(&binary) == Comparison::Different) {
        return Ok(Undone::Left("somebody else has loaded another profile of this name".into()));
    }
    apparmor.remove(&name)?;
    memory.forget(&name)?;
    Ok(Undone::Restored)
}

/// Whether the kernel still has what was loaded under this name; `None` where nothing was.
///
/// # Errors
/// The kernel's.
pub(crate) fn loaded(name: &str, profiles: &Path) -> Result<Option<Comparison>, HostError> {
    let name: ProfileName = name.parse().map_err(io::Error::other).doing(|| "name a profile")?;
    if !profiles.join("loaded").is_dir() {
        return Ok(None);
    }
    let Some(binary) = Memory::open(profiles)?.recall(&name)? else { return Ok(None) };
    let loaded = Apparmor::open()?.map(|a| a.loaded(&name)).transpose()?.flatten();
    Ok(Some(loaded.map_or(Comparison::Different, |loaded| loaded.compare(&binary))))
}

fn name(object: &Path) -> Result<ProfileName, HostError> {
    let text = object.to_str().unwrap_or_default();
    text.parse().map_err(io::Error::other).on("name a profile", object)
}

/// What is loaded, by name, byte for byte.
struct Memory {
    directory: OwnedFd,
}

impl Memory {
    fn open(profiles: &Path) -> Result<Self, HostError> {
        private_directory(profiles)?;
        Ok(Self { directory: private_directory(&profiles.join("loaded"))? })
    }

    fn remember(&self, name: &ProfileName, binary: &[u8]) -> Result<(), HostError> {
        self.forget(name)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let made = openat(&self.directory, name.as_str(), flags, Mode::from_raw_mode(0o600));
        let written = made.map_err(io::Error::from).and_then(|f| File::from(f).write_all(binary));
        written.doing(|| format!("remember the profile {name}"))
    }

    fn recall(&self, name: &ProfileName) -> Result<Option<Vec<u8>>, HostError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let doing = || format!("recall the profile {name}");
        let file = match openat(&self.directory, name.as_str(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            file => File::from(file.doing(doing)?),
        };
        let mut binary = Vec::new();
        file.take(BINARY_MAX).read_to_end(&mut binary).doing(doing)?;
        Ok(Some(binary))
    }

    fn forget(&self, name: &ProfileName) -> Result<(), HostError> {
        match unlinkat(&self.directory, name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e).doing(|| format!("forget the profile {name}")),
        }
    }
}
