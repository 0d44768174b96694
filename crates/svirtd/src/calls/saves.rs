//! Keeping what domains have in memory, and letting them go on from there.

use super::{Answer, Call};
use crate::{
    apart::{self, Task},
    failure::{argument, error, failed, invalid, only, unopened, unsupported},
    jobs::{Job, State},
};
use rustix::{
    fs::{AtFlags, Mode, OFlags, open, openat, unlinkat},
    io::{self, Errno},
};
use std::{
    ffi::OsStr,
    fs::File,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};
use svirt_engine::{Code as Kind, Failure, Then, spec::Spec};
use svirt_rpc::{Code, Domain, Error, JobInfo, List, Origin, Param, table};
use uuid::Uuid;

/// `virDomainSaveRestoreFlags`: past the host's cache, and whether the guest runs or stands still afterwards.
mod saved {
    pub(super) const BYPASS_CACHE: u32 = 1;
    pub(super) const RUNNING: u32 = 1 << 1;
    pub(super) const PAUSED: u32 = 1 << 2;
}

/// `VIR_DOMAIN_JOB_UNBOUNDED`: nobody knows how much of the memory is empty.
const UNBOUNDED: i32 = 2;
/// The job before, and whether it may be asked about again (`virDomainGetJobStatsFlags`).
const COMPLETED: u32 = 1;
const KEEP_COMPLETED: u32 = 1 << 1;
/// `VIR_DOMAIN_XML_SECURE`, of a document within a file.
const SECURE: u32 = 1;

impl table::Saves for Call {
    fn domain_restore(&mut self, from: String) -> Answer<()> {
        self.domain_restore_flags(from, None, 0)
    }

    fn domain_save(&mut self, domain: Domain, to: String) -> Answer<()> {
        self.domain_save_flags(domain, to, None, 0)
    }

    fn domain_get_job_info(&mut self, domain: Domain) -> Answer<JobInfo> {
        let known = self.daemon.running(&domain)?;
        let state = self.daemon.jobs.state(known.id);
        let State { elapsed, written, memory } =
            state.unwrap_or(State { elapsed: 0, written: 0, memory: 0 });
        let left = memory.saturating_sub(written);
        Ok(JobInfo {
            kind: if state.is_some() { UNBOUNDED } else { 0 },
            time_elapsed: elapsed,
            time_remaining: 0,
            data_total: memory,
            data_processed: written,
            data_remaining: left,
            memory_total: memory,
            memory_processed: written,
            memory_remaining: left,
            file_total: 0,
            file_processed: 0,
            file_remaining: 0,
        })
    }

    fn domain_abort_job(&mut self, domain: Domain) -> Answer<()> {
        let known = self.daemon.running(&domain)?;
        match self.daemon.jobs.cancel(known.id) {
            true => Ok(()),
            false => Err(invalid("no job is active on the domain")),
        }
    }

    fn domain_managed_save(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        let then = then(flags)?;
        let known = self.daemon.running(&domain)?;
        if known.kept.is_none() {
            return Err(invalid("cannot do managed save for transient domain"));
        }
        self.job(known.id, |job| {
            let told = |progress| job.goes_on(progress);
            self.daemon.engine.managed_save(&known.name, then, &told, Some(job.cancelled.as_fd()))
        })
    }

    fn domain_has_managed_save_image(&mut self, domain: Domain, flags: u32) -> Answer<i32> {
        only(flags, 0)?;
        let known = self.daemon.machine(&domain)?;
        Ok(self.daemon.engine.has_managed_save(&known).into())
    }

    fn domain_managed_save_remove(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        only(flags, 0)?;
        let known = self.daemon.defined(&domain)?;
        if !self.daemon.engine.has_managed_save(&known) {
            let message = "Failed to remove managed save file: there is none";
            return Err(Error::new(Code::System, message));
        }
        let forgotten = self.daemon.engine.forget_managed_save(&known.name);
        forgotten.map_err(|failure| error(&failure))
    }

    fn domain_save_flags(
        &mut self,
        domain: Domain,
        to: String,
        xml: Option<String>,
        flags: u32,
    ) -> Answer<()> {
        let then = then(flags)?;
        not_another(xml.as_ref())?;
        let known = self.daemon.running(&domain)?;
        let path = absolute(&to)?;
        self.job(known.id, |job| {
            let NewFile { directory, name, file } = NewFile::make(path)?;
            let told = |progress| job.goes_on(progress);
            let cancelled = Some(job.cancelled.as_fd());
            let saved = self.daemon.engine.save(&known.name, &file, then, &told, cancelled);
            // A part of a machine is of no use to anybody.
            saved.inspect_err(|_| {
                let _ = unlinkat(&directory, name, AtFlags::empty());
            })
        })
    }

    fn domain_restore_flags(
        &mut self,
        from: String,
        xml: Option<String>,
        flags: u32,
    ) -> Answer<()> {
        let then = then(flags)?;
        not_another(xml.as_ref())?;
        let path = absolute(&from)?.to_owned();
        let restored = apart::ask::<Uuid>(&Task::Restore { path, then });
        self.daemon.changed.notify_one();
        restored.map(|_| ()).map_err(|failure| unrestored(&failure))
    }

    fn domain_save_image_get_xml_desc(&mut self, file: String, flags: u32) -> Answer<String> {
        only(flags, SECURE)?;
        let path = absolute(&file)?;
        let opened = saved_file(path).map_err(|e| unopened(path, &e))?;
        let saved = self.daemon.engine.saved(&opened).map_err(|failure| unrestored(&failure))?;
        document(saved.spec)
    }

    fn domain_managed_save_get_xml_desc(&mut self, domain: Domain, flags: u32) -> Answer<String> {
        only(flags, SECURE)?;
        let known = self.daemon.defined(&domain)?;
        let saved = self.daemon.engine.managed_saved(&known.name);
        match saved.map_err(|failure| unrestored(&failure))? {
            Some(saved) => document(saved.spec),
            None => Err(invalid("domain does not have managed save image").by(Origin::Domain)),
        }
    }

    fn domain_save_image_define_xml(&mut self, _: String, _: String, _: u32) -> Answer<()> {
        Err(unsupported("a machine goes on as what it was saved"))
    }

    fn domain_get_job_stats(
        &mut self,
        domain: Domain,
        flags: u32,
    ) -> Answer<(i32, List<Param, 64>)> {
        only(flags, COMPLETED | KEEP_COMPLETED)?;
        if flags & COMPLETED != 0 {
            // What is over is not kept.
            return self.daemon.machine(&domain).map(|_| (0, List::default()));
        }
        let known = self.daemon.running(&domain)?;
        let Some(State { elapsed, written, memory }) = self.daemon.jobs.state(known.id) else {
            return Ok((0, List::default()));
        };
        let figures = [
            ("time_elapsed", elapsed),
            ("data_total", memory),
            ("data_processed", written),
            ("data_remaining", memory.saturating_sub(written)),
        ];
        Ok((UNBOUNDED, figures.into_iter().map(|(name, value)| Param::new(name, value)).collect()))
    }
}

impl Call {
    fn job(
        &self,
        machine: Uuid,
        work: impl FnOnce(&Job) -> Result<(), svirt_engine::Failure>,
    ) -> Answer<()> {
        let done = self.daemon.jobs.run(machine, |job| work(job).map_err(|f| error(&f)));
        self.daemon.changed.notify_one();
        done
    }
}

/// What the guest does once it is restored. The host's cache is not gone around: nothing is saved before it
/// is on the disk.
fn then(flags: u32) -> Answer<Then> {
    only(flags, saved::BYPASS_CACHE | saved::RUNNING | saved::PAUSED)?;
    match flags & (saved::RUNNING | saved::PAUSED) {
        0 => Ok(Then::AsBefore),
        saved::RUNNING => Ok(Then::Runs),
        saved::PAUSED => Ok(Then::StandsStill),
        _ => Err(argument(
            "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive",
        )),
    }
}

/// What a file with a machine's state calls the machine.
fn document(spec: Spec) -> Answer<String> {
    let document = spec.domain.map(|domain| domain.xml);
    document.ok_or_else(|| unsupported("the machine was not defined by a document"))
}

/// A file that cannot be opened, or holds no machine.
fn unrestored(failure: &Failure) -> Error {
    match failure.code {
        Kind::NotFound => failed(Code::System, failure),
        Kind::Data => failed(Code::OperationFailed, failure),
        _ => error(failure),
    }
}

/// A machine goes on as what it was.
fn not_another(xml: Option<&String>) -> Answer<()> {
    match xml {
        None => Ok(()),
        Some(_) => Err(unsupported("a machine goes on as what it was saved")),
    }
}

fn absolute(path: &str) -> Answer<&Path> {
    let path = Path::new(path);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(argument(&format!("{} is not an absolute path", path.display()))),
    }
}

/// A file that nobody has had before: whoever may plant links where it is to be gets nothing overwritten, and
/// nothing removed. A guest's memory is nobody else's.
struct NewFile<'p> {
    directory: OwnedFd,
    name: &'p OsStr,
    file: File,
}

impl<'p> NewFile<'p> {
    fn make(path: &'p Path) -> Result<Self, svirt_engine::Failure> {
        Self::try_to_make(path).map_err(|e| {
            let message = format!("cannot make {}", path.display());
            let failure = svirt_engine::Failure::new(svirt_engine::Code::Host, message);
            svirt_engine::Failure { causes: vec![e.to_string()], ..failure }
                .hint("name a file that is not there yet")
        })
    }

    fn try_to_make(path: &'p Path) -> io::Result<Self> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::ISDIR);
        };
        let found = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(above, found, Mode::empty())?;
        let new = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&directory, name, new, Mode::from_raw_mode(0o600))?.into();
        Ok(Self { directory, name, file })
    }
}

/// A file to read a saved machine from. Whatever else is there is not waited for.
pub(crate) fn saved_file(path: &Path) -> std::io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(nonblocking).open(path)
}
