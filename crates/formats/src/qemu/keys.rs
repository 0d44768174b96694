//! Tables of keys: what the value of each key of an option is on the host.
//!
//! Every reader says with these which keys it has looked at. A key is named with the use that its
//! value has, or listed as plain after a review that found that no value of it opens anything, or
//! it is unknown and, unless the reader has a rule for those, an error.

use super::{
    current::Current,
    keyval::{Entry, Options},
};
use crate::command_line::{Problem, Refusal, Thing, shortened};
use svirt_model::Access;

/// What the value of a key is on the host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    /// A file that is opened in this way.
    File(Access),
    /// A ROM; an empty value means none.
    Rom,
    /// A directory that is used in this way.
    Directory(Access),
    /// A device node.
    HostDevice,
    /// A file that is written.
    Output,
    /// A socket that is connected to.
    Connect,
    /// An inherited descriptor.
    Descriptor,
    /// Inherited descriptors with colons between them.
    Descriptors,
    /// Nothing that a machine can have.
    Refused(&'static Refusal),
}

/// The keys of one thing.
pub(super) struct Keys {
    /// Keys with a use.
    pub(super) named: &'static [(&'static str, Use)],
    /// Keys whose values open nothing. `x*` stands for all that start with `x`.
    pub(super) plain: &'static [&'static str],
}

/// What happens with a key that no table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is an error.
    Refuse,
    /// It is an error if its value could be a path or an address: for options that have hundreds
    /// of keys, nearly all of them numbers and switches.
    JudgeByValue,
}

impl Keys {
    /// What a key's value is: nothing if it is plain, and an error if the key is not known here.
    fn find(&self, key: &str) -> Option<Option<Use>> {
        let named = self.named.iter().find(|(name, _)| *name == key);
        named.map(|(_, used)| Some(*used)).or_else(|| covers(self.plain, key).then_some(None))
    }
}

/// Whether a list of plain keys has this one.
pub(super) fn covers(plain: &[&str], key: &str) -> bool {
    let matches = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == *pattern,
    };
    plain.iter().any(matches)
}

impl Current<'_> {
    /// Reads all entries by these tables; `of` is what they belong to.
    pub(super) fn by_tables(
        &mut self,
        options: &Options,
        of: &str,
        tables: &[&Keys],
        unknown: Unknown,
    ) -> Result<(), Problem> {
        for entry in options.entries() {
            match tables.iter().find_map(|keys| keys.find(&entry.key)) {
                Some(None) => {}
                Some(Some(used)) => {
                    options.get(&entry.key)?;
                    self.used(entry, used)?;
                }
                None => judge(entry, of, unknown)?,
            }
        }
        Ok(())
    }

    /// Notes what an entry names, given its use.
    pub(super) fn used(&mut self, entry: &Entry, used: Use) -> Result<(), Problem> {
        match used {
            Use::File(access) => self.add_path(entry, |path| Thing::File { path, access }),
            Use::Rom if entry.text().is_empty() => Ok(()),
            Use::Rom => self.add_path(entry, |path| Thing::Firmware { path }),
            Use::Directory(access) => {
                self.add_path(entry, |path| Thing::Directory { path, access })
            }
            Use::HostDevice => {
                let access = Access::Write;
                self.add_path(entry, |path| Thing::HostDevice { path, access })
            }
            Use::Output => self.add_path(entry, |path| Thing::Output { path }),
            Use::Connect => self.add_path(entry, |path| Thing::Connect { path }),
            Use::Descriptor => self.descriptor(entry),
            Use::Descriptors => self.descriptors(entry),
            Use::Refused(refusal) => Err(Problem::refused(entry.key.as_str(), refusal)),
        }
    }
}

/// Decides on a key that no table has.
pub(super) fn judge(entry: &Entry, of: &str, unknown: Unknown) -> Result<(), Problem> {
    let pass = unknown == Unknown::JudgeByValue && !may_name_something(entry.text());
    match pass {
        true => Ok(()),
        false => Err(unknown_key(entry, of)),
    }
}

/// The error about a key that is not known.
pub(super) fn unknown_key(entry: &Entry, of: &str) -> Problem {
    let (key, value) = (shortened(&entry.key), shortened(entry.text()));
    Problem::UnknownKey { key, of: shortened(of), value }
}

/// Whether a value could be a path or an address.
fn may_name_something(value: &str) -> bool {
    const SCHEMES: &[&str] =
        &["unix:", "tcp:", "udp:", "vsock:", "fd:", "file:", "exec:", "pipe:", "json:", "nbd:"];
    value.contains('/') || SCHEMES.iter().any(|scheme| value.starts_with(scheme))
}

/// The network is not there.
pub(super) const NETWORK: Refusal = Refusal {
    why: "the machine never has the host's network",
    hint: "use a unix socket, which sVirt puts where the path says, or `-netdev user` for the \
           guest's network",
};
