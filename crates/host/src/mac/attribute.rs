//! The label of an object: read, written and put back byte for byte, on a descriptor that was opened
//! once, never on a name.
//!
//! A descriptor that only holds its object (`O_PATH`) takes no `fsetxattr(2)`; its link in procfs
//! does, and leads to that object whatever its name leads to now.

use super::files::KernelFiles;
use crate::{Doing, HostError};
use rustix::{
    fs::{XattrFlags, fstat, getxattr, removexattr, setxattr, stat},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};
use svirt_model::label::{ProcessLabel, SecurityModel};

/// The longest value of an attribute (`XATTR_SIZE_MAX` of the kernel).
const VALUE_MAX: usize = 65_536;

/// The attribute in which a model keeps an object's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Xattr {
    /// An SELinux context; tools write it with a NUL at its end, and not all do.
    Selinux,
    /// A Smack label, without a NUL.
    Smack,
}

impl Xattr {
    /// The one of this model; `None` where the model labels no files.
    pub fn of(model: SecurityModel) -> Option<Self> {
        match model {
            SecurityModel::Selinux => Some(Xattr::Selinux),
            SecurityModel::Smack => Some(Xattr::Smack),
            SecurityModel::Apparmor | SecurityModel::Dac => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Xattr::Selinux => "security.selinux",
            Xattr::Smack => "security.SMACK64",
        }
    }

    /// Its name as the kernel is told it.
    pub(super) fn c_name(self) -> &'static CStr {
        match self {
            Xattr::Selinux => c"security.selinux",
            Xattr::Smack => c"security.SMACK64",
        }
    }
}

/// A label cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AttributeError {
    /// The file system, or this mount of it, has no such attribute. A mount with `context=` gives
    /// all its files one label.
    #[error("the file system of {object} keeps no {}", .attribute.name())]
    Unsupported {
        /// The object.
        object: String,
        /// The attribute.
        attribute: Xattr,
    },
    /// The file system is mounted read-only.
    #[error("{object} is on a file system that is mounted read-only, so its label stays")]
    ReadOnly {
        /// The object.
        object: String,
    },
    /// This process may not change it.
    #[error("the label of {object} may not be changed to {label}")]
    Refused {
        /// The object.
        object: String,
        /// What it was to be.
        label: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The policy does not know the label.
    #[error("the kernel does not know the label {label} for {object}")]
    Unknown {
        /// The object.
        object: String,
        /// What it was to be.
        label: String,
    },
    /// procfs leads to another object than the descriptor.
    #[error("/proc/self/fd leads to another object than {0}")]
    Astray(String),
    /// Anything else.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl AttributeError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unsupported { .. } => {
                Some("mount it with context= and the label that is wanted, or move the object")
            }
            Self::ReadOnly { .. } => Some("label it before it is mounted read-only"),
            Self::Refused { .. } => Some("the policy must let sVirt relabel it"),
            Self::Unknown { .. } => Some("load a policy that has it"),
            Self::Astray(_) | Self::Host(_) => None,
        }
    }
}

/// Labels what was made for a machine to change, where that did not come by itself: what its own
/// process makes may have its label already, and nothing else may then be allowed to it.
///
/// # Errors
/// The kernel's.
pub fn mark(labels: &[ProcessLabel], made: impl AsFd) -> Result<(), HostError> {
    for label in labels {
        let (Some(attribute), Some(text)) = (Xattr::of(label.model), &label.image_label) else {
            continue;
        };
        let doing = || format!("label {text} what was made for the machine");
        let attributes = Attributes::open()?;
        let found = attributes.read(&made, attribute).map_err(io::Error::other).doing(doing)?;
        if !found.is_some_and(|found| same(attribute, &found, text.as_bytes())) {
            let written = attributes.write(&made, attribute, text.as_bytes());
            written.map_err(io::Error::other).doing(doing)?;
        }
    }
    Ok(())
}

/// Labels what a machine's process is passed while it runs: a pipe that has its maker's label, as which Smack
/// lets it write nothing. SELinux's policy grants what its launcher made, and pipes have no other label there.
///
/// # Errors
/// The kernel's.
pub fn mark_passed(labels: &[ProcessLabel], made: impl AsFd) -> Result<(), HostError> {
    let smack = labels.iter().find(|label| label.model == SecurityModel::Smack);
    smack.map_or(Ok(()), |label| mark(std::slice::from_ref(label), made))
}

/// What became of a label that was to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutBack {
    /// It is as it was.
    Restored,
    /// Somebody else has changed it since: it was left, and is this.
    Left(Option<Vec<u8>>),
}

/// The way to objects' labels.
#[derive(Debug)]
pub struct Attributes {
    /// It was seen to be procfs; held so that it stays that.
    _proc: KernelFiles,
}

impl Attributes {
    /// Looks at procfs.
    ///
    /// # Errors
    /// There is none at `/proc`.
    pub fn open() -> Result<Self, HostError> {
        Ok(Self { _proc: KernelFiles::proc()? })
    }

    /// The value, as it is; `None` where there is none.
    ///
    /// # Errors
    /// See [`AttributeError`].
    pub fn read(
        &self,
        object: impl AsFd,
        attribute: Xattr,
    ) -> Result<Option<Vec<u8>>, AttributeError> {
        let object = Held::new(object.as_fd())?;
        for length in [512, VALUE_MAX] {
            let mut value = vec![0; length];
            match getxattr(&object.link, attribute.name(), &mut value[..]) {
                Ok(length) => {
                    value.truncate(length);
                    return Ok(Some(value));
                }
                Err(Errno::RANGE) => {}
                Err(Errno::NODATA) => return Ok(None),
                Err(e) => return Err(object.explain(attribute, &[], e)),
            }
        }
        Err(object.explain(attribute, &[], Errno::RANGE))
    }

    /// Writes it, byte for byte.
    ///
    /// # Errors
    /// See [`AttributeError`].
    pub fn write(
        &self,
        object: impl AsFd,
        attribute: Xattr,
        value: &[u8],
    ) -> Result<(), AttributeError> {
        let object = Held::new(object.as_fd())?;
        setxattr(&object.link, attribute.name(), value, XattrFlags::empty())
            .map_err(|e| object.explain(attribute, value, e))
    }

    /// Takes it away. Under SELinux nobody can; there every object has one.
    ///
    /// # Errors
    /// See [`AttributeError`].
    pub fn remove(&self, object: impl AsFd, attribute: Xattr) -> Result<(), AttributeError> {
        let object = Held::new(object.as_fd())?;
        match removexattr(&object.link, attribute.name()) {
            Ok(()) | Err(Errno::NODATA) => Ok(()),
            Err(e) => Err(object.explain(attribute, &[], e)),
        }
    }

    /// Puts back what was there before, if what is there is still what was made of it.
    ///
    /// # Errors
    /// See [`AttributeError`].
    pub fn put_back(
        &self,
        object: impl AsFd,
        attribute: Xattr,
        before: Option<&[u8]>,
        after: &[u8],
    ) -> Result<PutBack, AttributeError> {
        let found = self.read(&object, attribute)?;
        if found.as_deref() == before {
            return Ok(PutBack::Restored);
        }
        if !found.as_deref().is_some_and(|found| same(attribute, found, after)) {
            return Ok(PutBack::Left(found));
        }
        match before {
            Some(before) => self.write(&object, attribute, before)?,
            None => self.remove(&object, attribute)?,
        }
        Ok(PutBack::Restored)
    }
}

/// Whether two values are one label: the kernel shows a context with a NUL however it was written.
pub fn same(attribute: Xattr, one: &[u8], other: &[u8]) -> bool {
    let bare = |value: &[u8]| match attribute {
        Xattr::Selinux => value.strip_suffix(b"\0").unwrap_or(value).to_vec(),
        Xattr::Smack => value.to_vec(),
    };
    bare(one) == bare(other)
}

/// An object by its link in procfs, which was seen to lead to it.
struct Held {
    link: String,
}

impl Held {
    fn new(object: BorrowedFd<'_>) -> Result<Self, AttributeError> {
        let held = Self { link: format!("/proc/self/fd/{}", object.as_raw_fd()) };
        let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let own = fstat(object).doing(|| "look at a descriptor")?;
        // For a symbolic link the kernel goes no further than the link that the descriptor holds.
        let found = stat(&held.link).doing(|| format!("look at {}", held.link))?;
        let same = identity(own) == identity(found);
        if same { Ok(held) } else { Err(AttributeError::Astray(held.name())) }
    }

    /// Its name now, for people.
    fn name(&self) -> String {
        match std::fs::read_link(&self.link) {
            Ok(path) => path.display().to_string(),
            Err(_) => self.link.clone(),
        }
    }

    fn explain(&self, attribute: Xattr, value: &[u8], error: Errno) -> AttributeError {
        explain(self.name(), attribute, value, error)
    }
}

/// Why an object's label cannot be read, or this value not be written.
pub(super) fn explain(
    object: String,
    attribute: Xattr,
    value: &[u8],
    error: Errno,
) -> AttributeError {
    let text = String::from_utf8_lossy(value);
    let label = text.trim_end_matches('\0').chars().take(80).collect();
    match error {
        Errno::OPNOTSUPP => AttributeError::Unsupported { object, attribute },
        Errno::ROFS => AttributeError::ReadOnly { object },
        Errno::PERM | Errno::ACCESS => {
            AttributeError::Refused { object, label, source: error.into() }
        }
        Errno::INVAL if !value.is_empty() => AttributeError::Unknown { object, label },
        other => {
            let doing = format!("reach {} of {object}", attribute.name());
            HostError::new(doing, other).into()
        }
    }
}
