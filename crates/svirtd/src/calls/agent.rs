//! What a program within a guest would be asked. A guest's channels are its user's, and nobody here speaks
//! with whoever is at their other end.

use super::{Answer, Call};
use crate::failure::{invalid, no_agent};
use svirt_rpc::{Domain, FileSystemInfo, List, Origin, Param, table};

impl table::Agent for Call {
    fn domain_fstrim(&mut self, domain: Domain, _: Option<String>, _: u64, _: u32) -> Answer<()> {
        self.ask_guest(&domain)
    }

    fn domain_fsfreeze(&mut self, domain: Domain, _: List<String, 256>, _: u32) -> Answer<i32> {
        self.ask_guest(&domain)
    }

    fn domain_fsthaw(&mut self, domain: Domain, _: List<String, 256>, _: u32) -> Answer<i32> {
        self.ask_guest(&domain)
    }

    fn domain_get_time(&mut self, domain: Domain, _: u32) -> Answer<(i64, u32)> {
        self.ask_guest(&domain)
    }

    fn domain_set_time(&mut self, domain: Domain, _: i64, _: u32, _: u32) -> Answer<()> {
        self.ask_guest(&domain)
    }

    fn domain_get_fsinfo(
        &mut self,
        domain: Domain,
        _: u32,
    ) -> Answer<(List<FileSystemInfo, 256>, u32)> {
        self.ask_guest(&domain)
    }

    fn domain_get_guest_info(
        &mut self,
        domain: Domain,
        _: u32,
        _: u32,
    ) -> Answer<List<Param, 2048>> {
        self.ask_guest(&domain)
    }
}

impl Call {
    /// What everybody is answered who wants a guest asked.
    pub(super) fn ask_guest<T>(&self, domain: &Domain) -> Answer<T> {
        let known = self.daemon.running(domain)?;
        match self.daemon.condition(&known).is_held() {
            // A guest that stands still says nothing.
            true => Err(invalid("domain is not running").by(Origin::Domain)),
            false => Err(no_agent()),
        }
    }
}
