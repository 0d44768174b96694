//! What an administrator says of the daemon, in a file. Without one, only the daemon's own user may connect.

use crate::access::Entry;
use serde::Deserialize;
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// No file of this kind is longer, in bytes.
const LONGEST: u64 = 1 << 20;

/// The daemon's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// The socket's path; `svirtd.sock` in sVirt's run-time directory without it.
    pub(crate) socket: Option<PathBuf>,
    /// Whether it answers at libvirt's own path as well, for clients that are told nothing else.
    pub(crate) libvirt_socket: bool,
    /// The group that may connect, by its number, beside the daemon's own user.
    pub(crate) group: Option<u32>,
    /// Connections of the daemon's own user at the same time, and as many of all others together.
    pub(crate) most_clients: usize,
    /// Connections of one user at the same time, who is not the daemon's own.
    pub(crate) most_clients_of_a_user: usize,
    /// Who may what.
    pub(crate) access: Vec<Entry>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: None,
            libvirt_socket: false,
            group: None,
            most_clients: 1024,
            most_clients_of_a_user: 128,
            access: Vec::new(),
        }
    }
}

/// The settings cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Somebody else could say in it who may what.
    #[error("{} must be root's or this user's, and nobody else may write to it (chmod go-w)", .0.display())]
    Open(PathBuf),
    /// It says what is not understood.
    #[error("{} is not acceptable", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        #[source]
        source: toml::de::Error,
    },
}

impl Config {
    /// What a file says.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::File { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let trusted = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
        if !trusted || metadata.mode() & 0o022 != 0 {
            return Err(ConfigError::Open(path.to_owned()));
        }
        file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
        toml::from_str(&text).map_err(|source| ConfigError::Form { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Kind;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, chown},
    };

    #[test]
    fn a_list_of_who_may_what_is_read() {
        let text = "libvirt-socket = true\ngroup = 7\n[[access]]\ngid = 7\nmay = ['look', 'run']\n";
        let config: Config = toml::from_str(text).unwrap();
        let entry = Entry { gid: Some(7), may: vec![Kind::Look, Kind::Run], ..Entry::default() };
        assert_eq!((config.group, config.libvirt_socket), (Some(7), true));
        assert_eq!(config.access, [entry]);
    }

    #[test]
    fn what_others_may_write_is_not_heeded() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("svirtd.toml");
        fs::write(&path, "group = 7\n").unwrap();
        let with = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Config::read(&path)
        };
        assert_eq!(with(0o644).unwrap().group, Some(7));
        assert!(matches!(with(0o664), Err(ConfigError::Open(_))));
        assert!(matches!(with(0o646), Err(ConfigError::Open(_))));
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(65534), None).unwrap();
            assert!(matches!(with(0o644), Err(ConfigError::Open(_))));
        }
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for text in
            ["grup = 7", "[[access]]\nuid = 1\nmay = ['everything']", "[[access]]\nuser = 1"]
        {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }
}
