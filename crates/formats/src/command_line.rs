//! What a VMM's own command line names on the host: the words that the readers of all VMMs'
//! command lines share.
//!
//! A reader takes the arguments as the user wrote them and answers with every file, directory,
//! socket and device in them, or with an error that names the argument. It opens nothing, looks
//! at no file system and guesses no image format; relative paths stay relative. What it cannot
//! classify is an error, because a resource that it overlooked would be one that the machine is
//! denied without an explanation, and a kind that it guessed would be a grant nobody asked for.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};
use svirt_model::{Access, ImageFormat, Origin, Stream};

/// The most arguments that are read.
pub const MAX_ARGUMENTS: usize = 4096;
/// The most bytes that all arguments may have together.
pub const MAX_BYTES: usize = 1 << 20;

/// A word as a shell takes it: as it is where it is harmless, else in single quotes.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")).into(),
    }
}

/// One thing on the host that an argument names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub what: Thing,
    /// The words that named it, as in `-drive file=a.qcow2 (argument 3)`.
    pub origin: Origin,
    /// The number of the argument in which it is named; the first one after the program has 1.
    pub argument: usize,
}

/// A thing on the host. Every path is as the user wrote it, without the VMM's escapes, and
/// neither empty nor with a NUL in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A disk image, or a block device that holds one.
    Image(ImageFile),
    /// A file that must exist.
    File {
        /// Where.
        path: PathBuf,
        /// What the VMM does with it.
        access: Access,
    },
    /// Firmware or a ROM that is read. QEMU also looks for a name without a slash in its
    /// directories of firmware, the ones given with `-L` first.
    Firmware {
        /// Where, or which.
        path: PathBuf,
    },
    /// A shared object that the VMM loads and executes.
    Library {
        /// Where.
        path: PathBuf,
    },
    /// A directory and everything under it.
    Directory {
        /// Where.
        path: PathBuf,
        /// What the VMM does with what is in it.
        access: Access,
    },
    /// Where guest memory is kept: a file, which may not exist yet, or a directory in which an
    /// unnamed file is made.
    Memory {
        /// Where.
        path: PathBuf,
        /// Whether it is opened for writing.
        access: Access,
    },
    /// A device node other than a disk's.
    HostDevice {
        /// Where.
        path: PathBuf,
        /// How it is opened.
        access: Access,
    },
    /// A whole device that the guest drives itself, through VFIO.
    Passthrough {
        /// Its directory in sysfs.
        path: PathBuf,
    },
    /// A unix socket on which somebody else listens.
    Connect {
        /// Where.
        path: PathBuf,
    },
    /// A unix socket that the VMM binds. In the arguments, [`svirt_model::Piece::Endpoint`] with
    /// the same number stands where the path stood.
    Listen {
        /// The number: 0 for the first one of a command line, and so on.
        number: u32,
        /// Where the user expects the socket.
        path: PathBuf,
    },
    /// A file that the VMM makes, or empties or extends if it exists.
    Output {
        /// Where.
        path: PathBuf,
    },
    /// Named pipes that are opened for reading and writing: those that have `.in` and `.out` at
    /// the end of this path, or where they do not exist, the one at this path.
    Pipe {
        /// Where.
        path: PathBuf,
    },
    /// An open descriptor, above 2, that the VMM expects to inherit.
    Descriptor {
        /// Its number.
        number: u32,
    },
    /// A standard stream.
    Stream(Stream),
}

impl Thing {
    /// Where it is on the host, if it has a place there.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Thing::Image(image) => Some(&image.path),
            Thing::File { path, .. }
            | Thing::Firmware { path }
            | Thing::Library { path }
            | Thing::Directory { path, .. }
            | Thing::Memory { path, .. }
            | Thing::HostDevice { path, .. }
            | Thing::Passthrough { path }
            | Thing::Connect { path }
            | Thing::Listen { path, .. }
            | Thing::Output { path }
            | Thing::Pipe { path } => Some(path),
            Thing::Descriptor { .. } | Thing::Stream(_) => None,
        }
    }
}

/// An image as a command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// The file or block device.
    pub path: PathBuf,
    /// The format, where the command line states one. The VMM would guess the format of any
    /// other from its content, which the guest may have written.
    pub format: Option<ImageFormat>,
    /// Whether the VMM opens it for writing.
    pub access: Access,
    /// Where the image below it is named.
    pub backing: Below,
    /// Where the file with its data is named, for a qcow2 image that keeps them elsewhere.
    pub data_file: Below,
}

/// Where another image, on which one rests, is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Below {
    /// In the image itself, if it has one: the VMM opens what the header says.
    #[default]
    Header,
    /// On the command line: it was found there, and the header's does not count.
    Named,
    /// Nowhere: the command line says that there is none.
    Nothing,
}

/// A command line was not understood, or asks for what a confined VMM cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argument {number} ({text}): {problem}")]
pub struct ReadError {
    /// The argument's number; the first one after the program has 1.
    pub number: usize,
    /// The option and its value, shortened, with control characters escaped.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl ReadError {
    /// What the user can do about it.
    pub fn hint(&self) -> Cow<'static, str> {
        self.problem.hint()
    }
}

/// What is wrong with an argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There are more arguments, or longer ones, than are read.
    #[error("{what} exceed the limit of {limit}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// It does not follow the grammar of its option.
    #[error("{0}")]
    Syntax(String),
    /// The option does not exist, as far as sVirt knows.
    #[error("sVirt knows no option {0:?}")]
    UnknownOption(String),
    /// The option's value is missing: the command line ends after it.
    #[error("{0:?} needs a value")]
    NoValue(String),
    /// A driver, backend or type that sVirt does not know.
    #[error("sVirt knows no {what} {name:?}, so it cannot tell what it opens on the host")]
    UnknownKind {
        /// What it is a kind of.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A key that sVirt does not know and whose value may name something on the host.
    #[error("sVirt does not know {key:?} of {of}, so it cannot tell what {value:?} names")]
    UnknownKey {
        /// The key.
        key: String,
        /// Whose key.
        of: String,
        /// Its value, shortened.
        value: String,
    },
    /// A key that must be given once is missing.
    #[error("{0:?} is missing")]
    MissingKey(String),
    /// A key was given twice where only one can count.
    #[error("{0:?} is given more than once")]
    Twice(String),
    /// A path is empty.
    #[error("the path of {0:?} is empty")]
    EmptyPath(String),
    /// A NUL, which no path can hold.
    #[error("it contains a NUL character")]
    Nul,
    /// One image is given under several formats.
    #[error("{path:?} is used as {formats}: it can have only one format")]
    Formats {
        /// The image.
        path: PathBuf,
        /// The formats, with commas.
        formats: String,
    },
    /// A machine confined by sVirt cannot have it.
    #[error("{what}: {}", .refusal.why)]
    Refused {
        /// What was asked for.
        what: String,
        /// Why not, and what to do instead.
        refusal: &'static Refusal,
    },
}

/// A reason for which a kind of argument is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub why: &'static str,
    /// What to do instead.
    pub hint: &'static str,
}

impl Problem {
    /// What the user can do about it.
    pub fn hint(&self) -> Cow<'static, str> {
        let fixed = match self {
            Self::TooMuch { .. } => "shorten the command line",
            Self::Syntax(_) => "write the argument as the manual of the VMM shows it",
            Self::UnknownOption(_) => {
                "check the spelling; a newer VMM's option can be left out, or the program run as \
                 one that sVirt does not know, with its files named by flags"
            }
            Self::NoValue(_) => "add the value, or leave the option out",
            Self::UnknownKind { .. } | Self::UnknownKey { .. } => {
                "check the spelling, or leave it out; a program that sVirt does not know can be \
                 run with its files named by flags"
            }
            Self::MissingKey(key) => return format!("add `{key}=`").into(),
            Self::Twice(key) => return format!("give `{key}` once").into(),
            Self::EmptyPath(_) => "write the path, or leave the option out",
            Self::Nul => "write the path without it",
            Self::Formats { .. } => "state the format that the image really has everywhere",
            Self::Refused { refusal, .. } => refusal.hint,
        };
        fixed.into()
    }

    pub(crate) fn syntax(text: impl Into<String>) -> Self {
        Self::Syntax(text.into())
    }

    pub(crate) fn kind(what: &'static str, name: &str) -> Self {
        Self::UnknownKind { what, name: shortened(name) }
    }

    pub(crate) fn refused(what: impl Into<String>, refusal: &'static Refusal) -> Self {
        Self::Refused { what: shortened(&what.into()), refusal }
    }
}

/// The start of a text that a user wrote, for a message: at most 120 characters, and none that a
/// terminal would act on.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 120;
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(KEPT).flat_map(printable).collect();
    if characters.next().is_some() { start + "..." } else { start }
}

fn printable(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

/// Checks the limits that hold for all arguments, before any of them is read.
///
/// # Errors
/// There are too many of them, or too long ones, or one contains a NUL.
pub(crate) fn check_limits(arguments: &[String]) -> Result<(), ReadError> {
    let error = |number: usize, text: &str, problem| {
        Err(ReadError { number, text: shortened(text), problem })
    };
    if arguments.len() > MAX_ARGUMENTS {
        let problem = Problem::TooMuch { what: "the arguments", limit: MAX_ARGUMENTS };
        return error(MAX_ARGUMENTS + 1, "", problem);
    }
    let mut bytes = 0;
    for (number, text) in (1..).zip(arguments) {
        bytes += text.len();
        if bytes > MAX_BYTES {
            let problem = Problem::TooMuch { what: "the bytes of all arguments", limit: MAX_BYTES };
            return error(number, text, problem);
        }
        if text.contains('\0') {
            return error(number, text, Problem::Nul);
        }
    }
    Ok(())
}
