//! Keeping what domains have in memory.

use super::{Answer, Call};
use crate::failure::{no_support, only};
use svirt_rpc::{Domain, JobInfo, List, Param, table};

impl table::Saves for Call {
    fn domain_restore(&mut self, _from: String) -> Answer<()> {
        Err(no_support("virDomainRestore"))
    }

    fn domain_save(&mut self, _domain: Domain, _to: String) -> Answer<()> {
        Err(no_support("virDomainSave"))
    }

    fn domain_get_job_info(&mut self, domain: Domain) -> Answer<JobInfo> {
        self.daemon.running(&domain)?;
        Ok(JobInfo {
            kind: 0,
            time_elapsed: 0,
            time_remaining: 0,
            data_total: 0,
            data_processed: 0,
            data_remaining: 0,
            memory_total: 0,
            memory_processed: 0,
            memory_remaining: 0,
            file_total: 0,
            file_processed: 0,
            file_remaining: 0,
        })
    }

    fn domain_abort_job(&mut self, _domain: Domain) -> Answer<()> {
        Err(crate::failure::invalid("no job is active on the domain"))
    }

    fn domain_managed_save(&mut self, _domain: Domain, _flags: u32) -> Answer<()> {
        Err(no_support("virDomainManagedSave"))
    }

    fn domain_has_managed_save_image(&mut self, domain: Domain, flags: u32) -> Answer<i32> {
        only(flags, 0)?;
        let known = self.daemon.machine(&domain)?;
        Ok((known.kept.is_some() && self.daemon.engine.has_managed_save(&known.name)).into())
    }

    fn domain_managed_save_remove(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        only(flags, 0)?;
        let known = self.daemon.defined(&domain)?;
        let forgotten = self.daemon.engine.forget_managed_save(&known.name);
        forgotten.map_err(|failure| crate::failure::error(&failure))
    }

    fn domain_save_flags(&mut self, _: Domain, _: String, _: Option<String>, _: u32) -> Answer<()> {
        Err(no_support("virDomainSaveFlags"))
    }

    fn domain_restore_flags(&mut self, _: String, _: Option<String>, _: u32) -> Answer<()> {
        Err(no_support("virDomainRestoreFlags"))
    }

    fn domain_save_image_get_xml_desc(&mut self, _file: String, _flags: u32) -> Answer<String> {
        Err(no_support("virDomainSaveImageGetXMLDesc"))
    }

    fn domain_save_image_define_xml(&mut self, _: String, _: String, _: u32) -> Answer<()> {
        Err(no_support("virDomainSaveImageDefineXML"))
    }

    fn domain_get_job_stats(
        &mut self,
        domain: Domain,
        _flags: u32,
    ) -> Answer<(i32, List<Param, 64>)> {
        self.daemon.running(&domain).map(|_| (0, List::default()))
    }
}
