//! Keeping what domains have in memory, and letting them go on from there.

use super::{Answer, Call};
use crate::{
    apart::{self, Task},
    failure::{argument, error, invalid, only, unsupported},
    jobs::{Job, State},
};
use std::{
    fs::{self, File},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
};
use svirt_rpc::{Code, Domain, Error, JobInfo, List, Param, table};
use uuid::Uuid;

/// `virDomainSaveRestoreFlags`: past the host's cache, and whether the guest runs or stands still afterwards.
mod saved {
    pub(super) const BYPASS_CACHE: u32 = 1;
    pub(super) const RUNNING: u32 = 1 << 1;
    pub(super) const PAUSED: u32 = 1 << 2;
}

/// `VIR_DOMAIN_JOB_UNBOUNDED`: nobody knows how much of the memory is empty.
const UNBOUNDED: i32 = 2;
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
        kept_as_it_was(flags)?;
        let known = self.daemon.running(&domain)?;
        if known.kept.is_none() {
            return Err(invalid("cannot do managed save for transient domain"));
        }
        self.job(known.id, |job| {
            let told = |progress| job.goes_on(progress);
            self.daemon.engine.managed_save(&known.name, &told, Some(job.cancelled.as_fd()))
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
        kept_as_it_was(flags)?;
        not_another(xml.as_ref())?;
        let known = self.daemon.running(&domain)?;
        let path = absolute(&to)?;
        self.job(known.id, |job| {
            let file = new_file(path)?;
            let told = |progress| job.goes_on(progress);
            let cancelled = Some(job.cancelled.as_fd());
            let saved = self.daemon.engine.save(&known.name, &file, &told, cancelled);
            // A part of a machine is of no use to anybody.
            saved.inspect_err(|_| drop(fs::remove_file(path)))
        })
    }

    fn domain_restore_flags(
        &mut self,
        from: String,
        xml: Option<String>,
        flags: u32,
    ) -> Answer<()> {
        only(flags, saved::BYPASS_CACHE | saved::RUNNING | saved::PAUSED)?;
        not_another(xml.as_ref())?;
        let path = absolute(&from)?.to_owned();
        let task = Task::Restore { path, paused: flags & saved::PAUSED != 0 };
        let restored = apart::ask::<Uuid>(&task);
        self.daemon.changed.notify_one();
        restored.map(|_| ()).map_err(|failure| error(&failure))
    }

    fn domain_save_image_get_xml_desc(&mut self, file: String, flags: u32) -> Answer<String> {
        only(flags, SECURE)?;
        let path = absolute(&file)?;
        let opened = File::open(path).map_err(|e| at(path, &e))?;
        let saved = self.daemon.engine.saved(&opened).map_err(|failure| error(&failure))?;
        let document = saved.spec.domain.map(|domain| domain.xml);
        document.ok_or_else(|| unsupported("the machine was not defined by a document"))
    }

    fn domain_save_image_define_xml(&mut self, _: String, _: String, _: u32) -> Answer<()> {
        Err(unsupported("a machine goes on as what it was saved"))
    }

    fn domain_get_job_stats(
        &mut self,
        domain: Domain,
        _flags: u32,
    ) -> Answer<(i32, List<Param, 64>)> {
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

/// Whether the guest stands still when it is restored is what it did when it was saved.
fn kept_as_it_was(flags: u32) -> Answer<()> {
    only(flags, saved::BYPASS_CACHE)
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

/// A file that nobody has had before: whoever may plant links where it is to be gets nothing overwritten.
/// A guest's memory is nobody else's.
fn new_file(path: &Path) -> Result<File, svirt_engine::Failure> {
    let made = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|e| {
        let message = format!("cannot make {}", path.display());
        let failure = svirt_engine::Failure::new(svirt_engine::Code::Host, message);
        svirt_engine::Failure { causes: vec![e.to_string()], ..failure }
            .hint("name a file that is not there yet")
    })
}

fn at(path: &Path, e: &std::io::Error) -> Error {
    Error::new(Code::OperationFailed, format!("cannot open {}: {e}", path.display()))
}
