//! What libvirt remembers of an image while its machines use it: the owner and the label that were there
//! before, in attributes of the image, which outlive libvirt's machines where those do not end as they
//! should.
//!
//! As libvirt's `security_util.c` has it: `trusted.libvirt.security.NAME` for a driver's value (`dac`:
//! `+UID:+GID`; `selinux`: a context), `ref_NAME` how many machines use it, and `timestamp_NAME` the
//! second at which the host was started, without which, or with another, libvirt itself does not believe
//! them. Only root is shown them. What is to be done about them, this refuses to know.

use crate::{Doing, HostError, text};
use rustix::{
    fs::{AtFlags, Gid, Uid, chownat, fstat, getxattr, removexattr},
    io::Errno,
};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    path::Path,
};

const PREFIX: &str = "trusted.libvirt.security.";
const DRIVERS: [&str; 2] = ["dac", "selinux"];
/// libvirt computes the host's start from its clock, each time anew.
const SAME_BOOT_S: u64 = 60;
/// The longest value that is read, in bytes.
const VALUE_MAX: usize = 4096;

/// What libvirt remembers of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The user and group that owned it.
    pub owner: Option<(u32, u32)>,
    /// The SELinux context that it had.
    pub label: Option<String>,
    /// How many machines use it, as libvirt counts.
    pub users: u32,
    /// The second at which the host was started then, since 1970 (UTC).
    pub booted_s: Option<u64>,
    names: Vec<String>,
}

impl Remembered {
    /// What is remembered of an object; none where nothing is, or where this process is not shown it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(object: BorrowedFd<'_>) -> Result<Option<Self>, HostError> {
        let mut names = Vec::new();
        let mut value = |kind: &str, driver: &str| {
            let name = format!("{PREFIX}{kind}{driver}");
            let value = get(object, &name)?;
            names.extend(value.is_some().then_some(name));
            Ok::<_, HostError>(value)
        };
        let owner = value("", "dac")?.and_then(|text| owner(&text));
        let label = value("", "selinux")?;
        let (mut users, mut booted_s) = (0, None);
        for driver in DRIVERS {
            let count = value("ref_", driver)?.and_then(|text| text.parse().ok());
            users = users.max(count.unwrap_or(0));
            let second = value("timestamp_", driver)?.and_then(|text| text.parse().ok());
            booted_s = booted_s.max(second);
        }
        Ok((!names.is_empty()).then_some(Self { owner, label, users, booted_s, names }))
    }

    /// Whether it is of another boot than this, so that no machine of libvirt's uses it by that; none
    /// where it does not say.
    ///
    /// # Errors
    /// procfs cannot be read.
    pub fn is_of_another_boot(&self) -> Result<Option<bool>, HostError> {
        let now = booted_s()?;
        Ok(self.booted_s.map(|then| then.abs_diff(now) > SAME_BOOT_S))
    }

    /// Gives an object back to who owned it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn give_back(&self, object: BorrowedFd<'_>) -> Result<(), HostError> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(object, "", uid, gid, AtFlags::EMPTY_PATH).doing(|| "give it back to its owner")
    }

    /// Whether somebody else owns an object now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_anothers(&self, object: BorrowedFd<'_>) -> Result<bool, HostError> {
        let found = fstat(object).doing(|| "look at its owner")?;
        Ok(self.owner.is_some_and(|owner| owner != (found.st_uid, found.st_gid)))
    }

    /// Removes the attributes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn forget(&self, object: BorrowedFd<'_>) -> Result<(), HostError> {
        self.names.iter().try_for_each(|name| match removexattr(link(object), name) {
            Ok(()) | Err(Errno::NODATA) => Ok(()),
            Err(e) => Err(e).doing(|| format!("remove {name}")),
        })
    }
}

fn owner(text: &str) -> Option<(u32, u32)> {
    let (uid, gid) = text.split_once(':')?;
    let number = |text: &str| text.strip_prefix('+').unwrap_or(text).parse().ok();
    Some((number(uid)?, number(gid)?))
}

/// When this host was started (`proc_stat(5)`), in seconds since 1970 (UTC).
fn booted_s() -> Result<u64, HostError> {
    let path = Path::new("/proc/stat");
    let stat = text::at(path).on("read", path)?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    let second = line.and_then(|text| text.trim().parse().ok());
    second
        .ok_or_else(|| io::Error::other("it does not say when the host was started"))
        .on("read", path)
}

fn get(object: BorrowedFd<'_>, name: &str) -> Result<Option<String>, HostError> {
    let mut value = vec![0; VALUE_MAX];
    match getxattr(link(object), name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(String::from_utf8_lossy(&value).trim_end_matches('\0').to_owned()))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE | Errno::PERM) => Ok(None),
        Err(e) => Err(e).doing(|| format!("read {name}")),
    }
}

/// A descriptor that only holds its object takes no attributes; its link in procfs does.
fn link(object: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", object.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags, XattrFlags, open, setxattr};
    use std::os::fd::AsFd;

    #[test]
    fn an_owner_is_two_numbers_with_or_without_a_sign() {
        assert_eq!(owner("+107:+64055"), Some((107, 64055)));
        assert_eq!(owner("0:0"), Some((0, 0)));
        for bad in ["", "+1", "root:root", "+1:+x", "-1:0"] {
            assert_eq!(owner(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_libvirt_wrote_is_read_and_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("image");
        std::fs::write(&path, "x").unwrap();
        let object = open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert_eq!(Remembered::read(object.as_fd()).unwrap(), None);
        let set = |name: &str, value: &str| {
            let name = format!("{PREFIX}{name}");
            setxattr(&path, name, value.as_bytes(), XattrFlags::empty())
        };
        if set("dac", "+7:+8").is_err() {
            return svirt_testkit::skipped("this user is shown no such attributes");
        }
        set("selinux", "system_u:object_r:var_t:s0").unwrap();
        set("ref_dac", "2").unwrap();
        let read = || Remembered::read(object.as_fd()).unwrap();
        assert_eq!(read().unwrap().is_of_another_boot().unwrap(), None, "it does not say");
        set("timestamp_dac", &booted_s().unwrap().to_string()).unwrap();
        assert_eq!(read().unwrap().is_of_another_boot().unwrap(), Some(false));
        set("timestamp_dac", "1500000000").unwrap();
        let found = read().unwrap();
        assert_eq!((found.owner, found.users), (Some((7, 8)), 2));
        assert_eq!(found.label.as_deref(), Some("system_u:object_r:var_t:s0"));
        assert_eq!(found.is_of_another_boot().unwrap(), Some(true));
        assert!(found.is_anothers(object.as_fd()).unwrap());
        found.give_back(object.as_fd()).unwrap();
        assert!(!found.is_anothers(object.as_fd()).unwrap());
        found.forget(object.as_fd()).unwrap();
        assert_eq!(read(), None);
    }
}
