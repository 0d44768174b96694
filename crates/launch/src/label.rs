//! The labels of security modules: the process's own, and those of what is made for it.
//!
//! Smack's is taken at once, by the first process: only in the host's user namespace does its
//! capability count. SELinux's and AppArmor's are for the program alone, and are written by the process
//! that executes it. Where such a label is written the host's `/proc` is gone, so its root is taken
//! along.

use crate::job::{Job, RESERVED};
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};
use svirt_host::{
    Doing, HostError,
    mac::{Lsm, files::KernelFiles, process::ExecLabel},
};
use svirt_model::label::ProcessLabel;

/// Takes the label that this process, and all that come of it, have from now on.
pub(crate) fn take_own(job: &Job) -> Result<(), HostError> {
    for (lsm, label) in labels(job)?.into_iter().filter(|(lsm, _)| *lsm == Lsm::Smack) {
        ExecLabel::open(lsm)?.set(&label.label)?;
    }
    Ok(())
}

/// The host's procfs, where the program's label will be written through it. Never dropped: like the
/// job's, its descriptor is closed wholesale.
pub(crate) fn procfs(job: &Job) -> Result<Option<&'static KernelFiles>, HostError> {
    let later = labels(job)?.iter().any(|(lsm, _)| *lsm != Lsm::Smack);
    let proc = later.then(KernelFiles::proc).transpose()?;
    Ok(proc.map(|proc| &*Box::leak(Box::new(proc))))
}

/// A label that the program will have, and where it is written.
pub(crate) struct Later<'a> {
    attribute: ExecLabel,
    label: &'a str,
}

impl<'a> Later<'a> {
    /// Opens where they are written, for this thread: after the last fork, and before capabilities
    /// change, which some kernels compare.
    pub(crate) fn open(job: &'a Job, proc: Option<&KernelFiles>) -> Result<Vec<Self>, HostError> {
        let Some(proc) = proc else { return Ok(Vec::new()) };
        let later = labels(job)?.into_iter().filter(|(lsm, _)| *lsm != Lsm::Smack);
        let open = |(lsm, label): (Lsm, &'a ProcessLabel)| {
            Ok(Self { attribute: ExecLabel::open_in(proc, lsm, RESERVED)?, label: &label.label })
        };
        later.map(open).collect()
    }

    /// Writes the label and reads it back.
    pub(crate) fn write(&self) -> Result<(), HostError> {
        self.attribute.set(self.label)
    }
}

impl AsRawFd for Later<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.attribute.as_raw_fd()
    }
}

/// Each label with its module.
fn labels(job: &Job) -> Result<Vec<(Lsm, &ProcessLabel)>, HostError> {
    let module = |label: &ProcessLabel| {
        let none = || io::Error::other("it labels no processes");
        Lsm::of(label.model).ok_or_else(none)
    };
    let one = |label| Ok((module(label)?, label));
    let all = job.confinement.labels.iter().map(one).collect::<io::Result<Vec<_>>>();
    let all = all.doing(|| "label the process")?;
    let twice =
        all.iter().enumerate().any(|(n, (lsm, _))| all.iter().skip(n + 1).any(|o| o.0 == *lsm));
    if twice {
        return Err(io::Error::other("a module has two labels for it"))
            .doing(|| "label the process");
    }
    Ok(all)
}
