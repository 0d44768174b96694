//! Modules in the store from which a distribution's SELinux policy is compiled, by `semodule`.
//!
//! It gets an empty environment and no shell. Which module is wanted, and why, is not known here; nor
//! is what a module in the store says: the loaded policy is asked for that.

use super::{
    odd,
    tool::{self, Refused},
};
use crate::{Doing, HostError, pin::PinError};
use std::{
    ffi::OsString,
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where distributions have it.
const PLACES: [&str; 2] = ["/usr/sbin/semodule", "/sbin/semodule"];
/// So many characters of its complaints are shown.
const COMPLAINT_MAX: usize = 600;
/// The priority of what an administrator installs (`semodule(8)`); distributions have 100.
const PRIORITY: u16 = 400;

/// A module cannot be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum SemoduleError {
    /// There is no such program.
    #[error("there is no semodule at {}", PLACES.join(" or "))]
    NoProgram,
    /// Somebody else could have put it there.
    #[error("{} can be changed by others than root, so it is not run", .0.display())]
    Untrusted(PathBuf),
    /// It cannot be opened.
    #[error("semodule cannot be used")]
    Program(#[from] PinError),
    /// It did not do what it was asked to.
    #[error("semodule cannot {doing}: {said}")]
    Refused {
        /// What it was asked to do.
        doing: String,
        /// What it said.
        said: String,
    },
    /// Anything else.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl SemoduleError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoProgram => Some(
                "install the distribution's package policycoreutils; where there is none, compile what \
                 `svirt policy show` prints into the policy with secilc",
            ),
            Self::Untrusted(_) => Some("give it back to root, without write permission for others"),
            Self::Program(_) | Self::Refused { .. } | Self::Host(_) => None,
        }
    }
}

impl From<Refused> for SemoduleError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Changeable(path) => Self::Untrusted(path),
            Refused::Unusable(error) => Self::Program(error),
        }
    }
}

/// A module that is installed. Of several with one name that with the highest priority counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its priority, from 1 to 999.
    pub priority: u16,
    /// Its name.
    pub name: String,
    /// Whether it is compiled into the policy.
    pub enabled: bool,
}

/// The program, and the store that it works on.
#[derive(Debug)]
pub struct Semodule {
    program: PathBuf,
    /// The words by which it finds the store.
    store: Vec<OsString>,
    /// Where its files are for a moment.
    directory: PathBuf,
}

impl Semodule {
    /// The distribution's, for the policy that is in force. `directory` is private to this user;
    /// files are made in it and removed again.
    ///
    /// # Errors
    /// It is not there, or is not to be trusted.
    pub fn find(directory: &Path) -> Result<Self, SemoduleError> {
        let found = PLACES.into_iter().map(Path::new).find(|path| path.exists());
        let program = tool::trusted(found.ok_or(SemoduleError::NoProgram)?)?.path;
        Ok(Self { program, store: Vec::new(), directory: directory.to_owned() })
    }

    /// The same for the policy of this name in the tree below `root`, which is no kernel's.
    #[must_use]
    pub fn in_tree(self, root: &Path, policy: &str) -> Self {
        let words = ["-p".into(), root.into(), "-s".into(), policy.into(), "-n".into()];
        Self { store: words.to_vec(), ..self }
    }

    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Every module, of every priority.
    ///
    /// # Errors
    /// The store cannot be read; only root may.
    pub fn installed(&self) -> Result<Vec<Installed>, SemoduleError> {
        let doing = "list the modules";
        let text = self.run(doing, Path::new("/"), &["--list-modules=full"])?;
        let text = String::from_utf8(text).map_err(|e| odd(doing, e))?;
        let module = |line: &str| {
            installed(line)
                .ok_or_else(|| odd(doing, format!("the line {line:?} is of no known form")))
        };
        Ok(text.lines().map(module).collect::<Result<_, _>>()?)
    }

    /// Installs a module of this text, in place of one of the same name, and loads the policy, which
    /// is compiled anew.
    ///
    /// # Errors
    /// The policy does not compile with it, or cannot be loaded; then it is as it was.
    pub fn install(&self, name: &str, text: &str) -> Result<(), SemoduleError> {
        let place = Place::new(&self.directory)?;
        // It is called what its file is called.
        let path = place.0.join(format!("{name}.cil"));
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.on("write", &path)?;
        let file = format!("{name}.cil");
        let priority = PRIORITY.to_string();
        let words = ["-X", &priority, "-i", &file];
        self.run(&format!("install the module {name}"), &place.0, &words).map(drop)
    }

    /// Removes these, all or none, and loads the policy, which is compiled anew.
    ///
    /// # Errors
    /// One is not there, another module needs it, or the policy cannot be loaded; then it is as it was.
    pub fn remove(&self, modules: &[Installed]) -> Result<(), SemoduleError> {
        let names: Vec<&str> = modules.iter().map(|module| &*module.name).collect();
        let priorities: Vec<String> = modules.iter().map(|m| m.priority.to_string()).collect();
        let each = names.iter().zip(&priorities).flat_map(|(name, p)| ["-X", p, "-r", *name]);
        let words: Vec<&str> = each.collect();
        let doing = format!("remove the module {}", names.join(" and "));
        self.run(&doing, Path::new("/"), &words).map(drop)
    }

    fn run(&self, doing: &str, at: &Path, words: &[&str]) -> Result<Vec<u8>, SemoduleError> {
        let mut command = Command::new(&self.program);
        command.args(&self.store).args(words).env_clear().current_dir(at);
        // Pipes, because a domain of its own may write into those of whoever started it.
        command.stdin(Stdio::null());
        let output = command.output().doing(|| format!("run {}", self.program.display()))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = words.chars().take(COMPLAINT_MAX).collect();
        Err(SemoduleError::Refused { doing: doing.to_owned(), said })
    }
}

/// `400 name cil`, and `disabled` behind it where it is (`semodule --list-modules=full`).
fn installed(line: &str) -> Option<Installed> {
    let mut words = line.split_whitespace();
    let priority = words.next()?.parse().ok()?;
    let name = words.next()?.to_owned();
    let _language = words.next()?;
    Some(Installed { priority, name, enabled: words.next() != Some("disabled") })
}

/// A directory of this process's, which is gone with this.
struct Place(PathBuf);

impl Place {
    fn new(directory: &Path) -> Result<Self, HostError> {
        let path = directory.join(format!("semodule.{}", std::process::id()));
        // Of a process that had this number and was killed.
        let _ = fs::remove_dir_all(&path);
        fs::DirBuilder::new().mode(0o700).create(&path).on("make the directory", &path)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Left behind, it is only litter in a private directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_read() {
        let module = |priority, name: &str, enabled| {
            Some(Installed { priority, name: name.into(), enabled })
        };
        assert_eq!(
            installed("400 svirt_plain       cil         "),
            module(400, "svirt_plain", true)
        );
        assert_eq!(
            installed("100 virt              pp          disabled "),
            module(100, "virt", false)
        );
        for odd in ["", "svirt_plain", "x svirt_plain cil", "400 svirt_plain"] {
            assert_eq!(installed(odd), None, "{odd:?}");
        }
    }
}
