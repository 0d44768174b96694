//! What can go wrong with the store, in words for the person who has to do something about it.

use crate::PlaceError;
use crate::place::{FAILING, QUOTA, quota_is_used_up};
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
use svirt_model::{MachineName, Uuid};

/// The store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state directory or a file in it cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A newer sVirt wrote the file.
    #[error("{path} was written by a newer sVirt (schema {found}; this one knows up to {known})")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema's version in the file.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// The file is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
        /// What SQLite says, where SQLite found it.
        source: Option<rusqlite::Error>,
    },
    /// Another process held the store for longer than anybody waits.
    #[error("{path} is held by another process, longer than anybody waits")]
    Busy {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The disk is full.
    #[error("there is no space left for {path}")]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Its user may have no more on that file system.
    #[error("the quota for {path} is used up")]
    Quota {
        /// The file.
        path: PathBuf,
        /// What SQLite says, which does not know of quotas.
        source: rusqlite::Error,
    },
    /// Anything else that SQLite refuses.
    #[error("cannot use {path}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A machine of that name is there already.
    #[error("there is a machine {name} already")]
    NameInUse {
        /// The name.
        name: MachineName,
    },
    /// A machine of that identity is there already.
    #[error("the identity {id} is that of machine {name}")]
    IdentityInUse {
        /// The identity.
        id: Uuid,
        /// The machine that has it.
        name: MachineName,
    },
    /// No machine of that name is defined.
    #[error("no machine {name} is defined")]
    NotDefined {
        /// The name.
        name: MachineName,
    },
    /// The machine must be stopped first.
    #[error("machine {name} is running")]
    Running {
        /// The name.
        name: MachineName,
    },
    /// The machine is not, or no longer, among those that live.
    #[error("no machine with the identity {id} is running")]
    NotLive {
        /// The identity.
        id: Uuid,
    },
    /// No user of the range could be had.
    #[error(
        "no user of the range {first} to {last} is free: {in_use} are in use by machines of this \
         state directory, and {tried} others by somebody else on this host"
    )]
    UsersExhausted {
        /// The first of the range.
        first: u32,
        /// The last of the range.
        last: u32,
        /// How many are reserved in this store.
        in_use: usize,
        /// How many others were tried in vain.
        tried: usize,
    },
    /// What was there before a change is not known any more, and another machine would rely on it.
    #[error("entry {sequence} of the ledger, of {}, is damaged", .object.display())]
    Record {
        /// The entry's number.
        sequence: u64,
        /// The object, as far as its path is still right.
        object: PathBuf,
    },
    /// The ledger has no open entry of that number.
    #[error("the ledger has no open entry {sequence}")]
    NotOpen {
        /// The number.
        sequence: u64,
    },
    /// A machine cannot be gone while it is not said what became of a change made for it.
    #[error("the ledger's open entry {sequence} has no outcome")]
    Unsettled {
        /// The entry's number.
        sequence: u64,
    },
}

impl StoreError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Place(place) => place.hint(),
            Self::Newer { .. } => Some("use the newer sVirt, or another state directory".into()),
            Self::Damaged { path, .. } => Some(way_out(path)),
            Self::Busy { path, .. } => Some(format!(
                "find a stopped or hanging process with `fuser -v {}`",
                path.display()
            )),
            Self::Full { .. } => Some("free some space and try again; nothing was changed".into()),
            Self::Quota { .. } => Some(QUOTA.into()),
            Self::NameInUse { .. } => Some("choose another name, or remove that machine".into()),
            Self::IdentityInUse { .. } => Some(
                "leave its <uuid> or \"uuid\" out to get a new one, or remove that machine".into(),
            ),
            Self::NotDefined { .. } => Some("`svirt ps --all` lists every machine".into()),
            Self::Running { name } => {
                Some(format!("`svirt ps` shows it, `svirt stop {name}` stops it"))
            }
            Self::UsersExhausted { .. } => Some("stop a machine, or widen the range".into()),
            Self::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Some(
                    "see that its file system may be written and has inodes left (df -i), or choose \
                     another state directory"
                        .into(),
                ),
                Some(ErrorCode::SystemIoFailure) => Some(FAILING.into()),
                _ => None,
            },
            Self::Record { object, .. } => Some(format!(
                "stop the machines that use it, then `svirt repair {}` puts its label right",
                object.display()
            )),
            Self::NotLive { .. }
            | Self::NotOpen { .. }
            | Self::Unsettled { .. } => None,
        }
    }
}

fn way_out(path: &Path) -> String {
    let path = path.display();
    format!(
        "stop every VMM, then move {path}, {path}-wal and {path}-shm away and start again with \
         an empty store; `sqlite3 {path} .recover` saves what can be read of the definitions and \
         of the changes to this host that are not undone"
    )
}

/// A failure inside the store, which does not yet know of which file it speaks.
pub(crate) enum Fault {
    Refused(StoreError),
    /// The file is not what was written, of which SQLite says nothing.
    Damage(&'static str),
    Sqlite(rusqlite::Error),
}

impl From<StoreError> for Fault {
    fn from(refused: StoreError) -> Self {
        Self::Refused(refused)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

impl Fault {
    /// The failure, with the file's name.
    pub(crate) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Refused(refused) => refused,
            Self::Damage(what) => StoreError::Damaged { path: path.to_owned(), what, source: None },
            Self::Sqlite(source) => name(source, path.to_owned()),
        }
    }
}

fn name(source: rusqlite::Error, path: PathBuf) -> StoreError {
    let damaged =
        |what| move |path, source| StoreError::Damaged { path, what, source: Some(source) };
    if is_unreadable(&source) {
        return damaged("it holds a value that sVirt does not write")(path, source);
    }
    // What a table lacks is said of a statement.
    let code = match &source {
        rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
        _ => source.sqlite_error_code(),
    };
    match code {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged("its pages do not make a database")(path, source)
        }
        // Every statement is one of ours, so that it is the file that does not fit.
        Some(ErrorCode::Unknown) => {
            damaged("its tables are not those of its version")(path, source)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed) => {
            StoreError::Busy { path, source }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full { path, source },
        // SQLite calls it an error of the disk, whatever it was about to do.
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)
            if path.parent().is_some_and(quota_is_used_up) =>
        {
            StoreError::Quota { path, source }
        }
        _ if has_no_room(&source) => StoreError::Full { path, source },
        _ => StoreError::Sqlite { path, source },
    }
}

/// What is in the file is none of what is ever written to it.
fn is_unreadable(source: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    matches!(
        source,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)
    )
}

/// The memory that processes share is a file too, and one that cannot grow is on a disk that is full.
fn has_no_room(source: &rusqlite::Error) -> bool {
    source.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}
