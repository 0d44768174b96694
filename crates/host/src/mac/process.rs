//! The label of a process: given for the program that it will execute, and read from outside.

use super::{Lsm, files::KernelFiles, odd, selinux::Selinux};
use crate::{Doing, HostError};
use rustix::{fs::OFlags, io::Errno};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use svirt_model::label::{ProfileMode, ShownProfile};

/// No label that the kernel shows is longer: a page.
const SHOWN_MAX: usize = 4096;

/// Where a process's label is, and where that of its next program, in the directory `attr`. The
/// second name is that of a kernel on which the model has no directory of its own.
fn files(lsm: Lsm) -> (&'static [&'static str], &'static [&'static str]) {
    match lsm {
        Lsm::Selinux => (&["current"], &["exec"]),
        Lsm::Apparmor => (&["apparmor/current", "current"], &["apparmor/exec", "exec"]),
        // Smack has no label for later: it is changed at once.
        Lsm::Smack => (&["smack/current", "current"], &["smack/current", "current"]),
    }
}

/// The label that this thread's next program gets; with Smack, that the process has from the moment
/// it is written.
///
/// It is opened while there is a procfs, after the last fork (the kernel takes it only from the
/// memory and the thread that opened it), and used later without one.
#[derive(Debug)]
pub struct ExecLabel {
    lsm: Lsm,
    file: OwnedFd,
}

impl ExecLabel {
    /// Opens it for this thread.
    ///
    /// # Errors
    /// There is no procfs at `/proc`, or the model has no such file there.
    pub fn open(lsm: Lsm) -> Result<Self, HostError> {
        Self::open_in(&KernelFiles::proc()?, lsm, 0)
    }

    /// The same in a procfs that is held, and may be mounted nowhere any more; its descriptor has at
    /// least this number. `thread-self` is this thread by the numbers of that procfs's own pid
    /// namespace.
    ///
    /// # Errors
    /// The model has no such file there; a limit on descriptors.
    pub fn open_in(proc: &KernelFiles, lsm: Lsm, at_least: RawFd) -> Result<Self, HostError> {
        let doing = || format!("open the attribute of {lsm} for the next program");
        let open = |name: &&str| proc.open(&format!("thread-self/attr/{name}"), OFlags::RDWR);
        let mut tried = files(lsm).1.iter().map(open);
        let file = tried.find(|opened| !matches!(opened, Err(Errno::NOENT)));
        let file = file.unwrap_or(Err(Errno::NOENT)).doing(doing)?;
        let file = rustix::io::fcntl_dupfd_cloexec(file, at_least).doing(doing)?;
        Ok(Self { lsm, file })
    }

    /// Writes the label and reads it back.
    ///
    /// # Errors
    /// The kernel's (for AppArmor `ENOENT` where there is no such profile, for SELinux `EINVAL` where
    /// the policy does not know it); another label is there afterwards.
    pub fn set(&self, label: &str) -> Result<(), HostError> {
        let doing = || format!("set the {} label {label}", self.lsm);
        let text = match self.lsm {
            Lsm::Apparmor => format!("exec {label}"),
            Lsm::Selinux | Lsm::Smack => label.to_owned(),
        };
        let written = rustix::io::pwrite(&self.file, text.as_bytes(), 0).doing(doing)?;
        let found = self.read()?;
        if written == text.len() && found == label {
            return Ok(());
        }
        Err(odd(&doing(), format!("the kernel has {found:?}")))
    }

    /// The label that is there now: empty where the next program gets what the policy says.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self) -> Result<String, HostError> {
        let doing = || format!("read the {} label back", self.lsm);
        let mut bytes = [0; SHOWN_MAX];
        let length = match rustix::io::pread(&self.file, &mut bytes, 0) {
            // AppArmor's answer for none.
            Err(Errno::INVAL) if self.lsm == Lsm::Apparmor => 0,
            read => read.doing(doing)?,
        };
        let shown = shown(bytes.get(..length).unwrap_or_default()).map_err(|e| odd(&doing(), e))?;
        Ok(match self.lsm {
            Lsm::Apparmor => ShownProfile::read(&shown).label,
            Lsm::Selinux | Lsm::Smack => shown,
        })
    }
}

impl AsRawFd for ExecLabel {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

fn shown(bytes: &[u8]) -> Result<String, std::string::FromUtf8Error> {
    String::from_utf8(bytes.to_vec()).map(|text| text.trim_end_matches(['\n', '\0']).to_owned())
}

/// A label as the kernel shows it, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The thread, or for a whole process its first.
    pub id: u32,
    /// What the kernel shows, without an end of line or of string.
    pub label: String,
}

/// This process's own label.
///
/// # Errors
/// The kernel's.
pub fn own(lsm: Lsm) -> Result<String, HostError> {
    let proc = KernelFiles::proc()?;
    let label = label_of(&proc, "thread-self", lsm)?;
    label.ok_or_else(|| odd(&format!("read the own label of {lsm}"), "the kernel shows none"))
}

/// The label of a process, and whether the module refuses what the label does not allow or only records it,
/// now.
///
/// # Errors
/// The process is gone, or the kernel shows no label of it.
pub fn in_force(pid: u32, lsm: Lsm) -> Result<(String, bool), HostError> {
    let doing = || format!("read the {lsm} label of process {pid}");
    let label = label_of(&KernelFiles::proc()?, &pid.to_string(), lsm)?;
    let label = label.ok_or_else(|| odd(&doing(), "the kernel shows none"))?;
    Ok(match lsm {
        Lsm::Selinux => {
            let selinux = Selinux::open()?;
            (label, selinux.is_some_and(|selinux| selinux.enforcing().unwrap_or(false)))
        }
        Lsm::Apparmor => {
            let shown = ShownProfile::read(&label);
            (shown.label, shown.mode.is_some_and(ProfileMode::denies))
        }
        Lsm::Smack => (label, true),
    })
}

/// The label of every thread of a process. One that ends meanwhile is left out; there is at least
/// one.
///
/// # Errors
/// The process is gone, or the kernel shows no label of it.
pub fn threads(pid: u32, lsm: Lsm) -> Result<Vec<Shown>, HostError> {
    let proc = KernelFiles::proc()?;
    let directory = format!("{pid}/task");
    let all = of_each(&proc, &proc.names(&directory)?, &format!("{directory}/"), lsm)?;
    if all.is_empty() {
        return Err(odd(
            &format!("read the {lsm} labels of process {pid}"),
            "the kernel shows none",
        ));
    }
    Ok(all)
}

/// The label of every process that this one can see. Those that end meanwhile are left out.
///
/// # Errors
/// procfs cannot be read.
pub fn all(lsm: Lsm) -> Result<Vec<Shown>, HostError> {
    let proc = KernelFiles::proc()?;
    let names = proc.names(".")?;
    of_each(&proc, &names, "", lsm)
}

fn of_each(
    proc: &KernelFiles,
    names: &[String],
    directory: &str,
    lsm: Lsm,
) -> Result<Vec<Shown>, HostError> {
    let ids = names.iter().filter_map(|name| name.parse::<u32>().ok());
    let one = |id: u32| {
        let label = label_of(proc, &format!("{directory}{id}"), lsm).transpose()?;
        Some(label.map(|label| Shown { id, label }))
    };
    ids.filter_map(one).collect()
}

/// `None` where the process is gone, or the model is not active.
fn label_of(proc: &KernelFiles, process: &str, lsm: Lsm) -> Result<Option<String>, HostError> {
    for name in files(lsm).0 {
        match proc.text_if_there(&format!("{process}/attr/{name}")) {
            Ok(None) => {}
            Err(e) if gone(&e) => return Ok(None),
            found => return found,
        }
    }
    Ok(None)
}

/// A thread that ended between the listing and the reading; `EINVAL` is what the kernel says for a
/// model that is not there.
fn gone(error: &HostError) -> bool {
    let is = |e: Errno| error.reason() == crate::Reason::Kernel(e.raw_os_error());
    is(Errno::SRCH) || is(Errno::INVAL)
}
