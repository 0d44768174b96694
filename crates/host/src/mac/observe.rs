//! What objects' labels are, and what machines may do with objects of these labels: asked of the
//! kernel for each object that a machine is given, before anything is planned.

use super::{
    attribute::{AttributeError, Attributes, Xattr},
    files::KernelFiles,
    odd,
    selinux::{Class, Selinux},
};
use crate::{Doing, HostError, known};
use rustix::fs::{AtFlags, StatxFlags, statx};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::BorrowedFd,
};
use svirt_model::{
    FileId, FileKind, Known, Object,
    label::{Context, LabelFacts, Observations, Observed, Permits, SecurityModel},
};

/// Looks at objects.
#[derive(Debug)]
pub struct Observer {
    attributes: Attributes,
    selinux: Option<Policy>,
    smack: bool,
    known: BTreeMap<FileId, Option<Known>>,
}

/// The loaded policy, asked for one domain; what it says of a label it is not asked again.
#[derive(Debug)]
struct Policy {
    selinux: Selinux,
    domain: Context,
    classes: BTreeMap<&'static str, Option<Class>>,
    said: BTreeMap<(Vec<u8>, &'static str), Permits>,
    /// The mounts of file systems that keep labels, by their numbers.
    keeping: BTreeSet<u64>,
}

impl Observer {
    /// Looks with the eyes of a process of this SELinux domain; `None` where no active model labels
    /// objects.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(facts: &LabelFacts, domain: Option<&Context>) -> Result<Option<Self>, HostError> {
        let selinux = match (&facts.selinux, domain) {
            (Some(_), Some(domain)) => Policy::open(domain.clone())?,
            _ => None,
        };
        let smack = facts.smack.is_some();
        if selinux.is_none() && !smack {
            return Ok(None);
        }
        Ok(Some(Self { attributes: Attributes::open()?, selinux, smack, known: BTreeMap::new() }))
    }

    /// Looks at an object that is held.
    ///
    /// # Errors
    /// The kernel's; a label that is none.
    pub fn look(
        &mut self,
        held: BorrowedFd<'_>,
        object: &Object,
        seen: &mut Observations,
    ) -> Result<(), HostError> {
        if let Some(policy) = &mut self.selinux {
            let (label, supported) = read(&self.attributes, held, Xattr::Selinux)?;
            let keeps = supported && policy.keeping.contains(&mount_of(held)?);
            let permits = policy.permits(label.as_deref(), class_of(object.kind))?;
            seen.insert(SecurityModel::Selinux, object.id, Observed { label, keeps, permits });
        }
        if let Some(known) = self.known(held, object)? {
            seen.insert_known(object.id, known);
        }
        if self.smack {
            let (label, keeps) = read(&self.attributes, held, Xattr::Smack)?;
            let permits = smack_permits(label.as_deref());
            seen.insert(SecurityModel::Smack, object.id, Observed { label, keeps, permits });
        }
        Ok(())
    }
}

impl Observer {
    /// What an object is known by does not change while it is held.
    fn known(&mut self, held: BorrowedFd<'_>, object: &Object) -> Result<Option<Known>, HostError> {
        if let Some(known) = self.known.get(&object.id) {
            return Ok(known.clone());
        }
        let known = known::known(held)?;
        self.known.insert(object.id, known.clone());
        Ok(known)
    }
}

/// The label, and whether the file system has such an attribute.
fn read(
    attributes: &Attributes,
    held: BorrowedFd<'_>,
    attribute: Xattr,
) -> Result<(Option<Vec<u8>>, bool), HostError> {
    match attributes.read(held, attribute) {
        Ok(label) => Ok((label, true)),
        Err(AttributeError::Unsupported { .. }) => Ok((None, false)),
        Err(AttributeError::Host(error)) => Err(error),
        Err(other) => Err(HostError::new("look at a label", io::Error::other(other))),
    }
}

impl Policy {
    fn open(domain: Context) -> Result<Option<Self>, HostError> {
        let Some(selinux) = Selinux::open()? else { return Ok(None) };
        if selinux.canonical(&domain)?.is_none() {
            let why = "the loaded policy does not know it";
            return Err(odd(&format!("use the label {domain}"), why));
        }
        let keeping = keeping()?;
        let (classes, said) = (BTreeMap::new(), BTreeMap::new());
        Ok(Some(Self { selinux, domain, classes, said, keeping }))
    }

    fn permits(&mut self, label: Option<&[u8]>, class: &'static str) -> Result<Permits, HostError> {
        // The kernel takes what the policy does not know for unlabelled, and lets nothing at it.
        let Some(label) = label else { return Ok(Permits::default()) };
        let key = (label.to_vec(), class);
        if let Some(permits) = self.said.get(&key) {
            return Ok(*permits);
        }
        let permits = match Context::from_kernel(label) {
            Ok(label) => self.ask(&label, class)?,
            Err(_) => Permits::default(),
        };
        self.said.insert(key, permits);
        Ok(permits)
    }

    fn ask(&mut self, label: &Context, class: &'static str) -> Result<Permits, HostError> {
        if self.selinux.canonical(label)?.is_none() {
            return Ok(Permits::default());
        }
        let (read, write) = match class {
            "dir" => (["getattr", "open", "read", "search"], ["add_name", "write"]),
            _ => (["getattr", "lock", "open", "read"], ["getattr", "write"]),
        };
        let execute = class == "file" && self.may(label, class, &["execute", "map", "read"])?;
        Ok(Permits {
            read: self.may(label, class, &read)?,
            write: self.may(label, class, &write)?,
            execute,
            enter: execute && self.may(label, class, &["entrypoint"])?,
        })
    }

    fn may(
        &mut self,
        label: &Context,
        class: &'static str,
        what: &[&str],
    ) -> Result<bool, HostError> {
        if !self.classes.contains_key(class) {
            self.classes.insert(class, self.selinux.class(class)?);
        }
        let Some(Some(class)) = self.classes.get(class) else { return Ok(false) };
        Ok(self.selinux.decide(&self.domain, label, class, what)?.allows())
    }
}

/// What the policy calls such an object.
fn class_of(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "dir",
        FileKind::BlockDevice => "blk_file",
        FileKind::CharDevice => "chr_file",
        FileKind::Socket => "sock_file",
        FileKind::Pipe => "fifo_file",
    }
}

/// Whoever has another label than these two reaches it only by a rule (`smack_access.c`).
fn smack_permits(label: Option<&[u8]>) -> Permits {
    match label {
        Some(b"_") => Permits { read: true, write: false, execute: true, enter: true },
        Some(b"*") => Permits { read: true, write: true, execute: true, enter: true },
        None | Some(_) => Permits::default(),
    }
}

/// The mounts of file systems on which SELinux keeps a label for each file: they say `seclabel`.
fn keeping() -> Result<BTreeSet<u64>, HostError> {
    let mounts = KernelFiles::proc()?.read("self/mountinfo")?;
    let lines = mounts.split(|b| *b == b'\n');
    Ok(lines.filter_map(|line| labelled_mount(std::str::from_utf8(line).ok()?)).collect())
}

/// The number of a mount, if its line of `mountinfo` (`proc_pid_mountinfo(5)`) has the option.
fn labelled_mount(line: &str) -> Option<u64> {
    let fields: Vec<&str> = line.split(' ').collect();
    let options = fields.last()?.split(',').chain(fields.get(5)?.split(','));
    let says = options.into_iter().any(|option| option == "seclabel");
    fields.first()?.parse().ok().filter(|_| says)
}

/// The mount on which an object is held. Its device would not do: btrfs gives each of its parts a
/// number that `mountinfo` does not have.
fn mount_of(held: BorrowedFd<'_>) -> Result<u64, HostError> {
    let found = statx(held, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
    Ok(found.doing(|| "find the mount of an object")?.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_file_system_that_keeps_labels_says_so() {
        let keeps = "36 35 8:1 / / rw,noatime shared:3 - ext4 /dev/sda1 rw,seclabel,errors=ro";
        assert_eq!(labelled_mount(keeps), Some(36));
        let on_the_mount = "37 35 0:7 / /m rw,seclabel,relatime - tmpfs tmpfs rw,size=4k";
        assert_eq!(labelled_mount(on_the_mount), Some(37));
        let without = "38 35 8:2 / /nfs rw - nfs4 host:/seclabel rw,vers=4.2";
        assert_eq!(labelled_mount(without), None);
        assert_eq!(labelled_mount("36 35 8:1"), None);
    }

    #[test]
    fn the_mount_of_an_object_is_one_that_mountinfo_has() {
        let root = std::fs::File::open("/proc").unwrap();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let number = format!("{} ", mount_of(root.as_fd()).unwrap());
        let line = mounts.lines().find(|line| line.starts_with(&number)).unwrap();
        assert!(line.contains(" - proc "), "{line}");
    }

    #[test]
    fn smacks_own_labels_mean_what_the_kernel_says() {
        assert!(smack_permits(Some(b"_")).read && !smack_permits(Some(b"_")).write);
        assert!(smack_permits(Some(b"*")).write);
        assert!(!smack_permits(Some(b"System")).read && !smack_permits(None).read);
    }
}
