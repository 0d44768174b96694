//! What is counted of domains.

mod disks;
mod groups;
mod processors;

use super::{Answer, Call, domains::wanted};
use crate::{
    daemon::domain,
    failure::{TEXTS, argument, argument_unsupported, invalid, only, unsupported},
};
use groups::{Figures, nanoseconds};
use std::{collections::BTreeSet, sync::Arc};
use svirt_engine::{Counted, Disk, Known, Usage, Wanted};
use svirt_rpc::{
    BlockInfo, BlockStats, DiskError, Domain, DomainStats, InterfaceAddresses, InterfaceStats,
    List, MemoryStat, Opaque, Origin, Param, VcpuInfo, table,
};

/// `virConnectGetAllDomainStatsFlags` beside those of the list of domains: those that do not answer at once may
/// be left out, images below a disk's may be told of, and groups that there are not are an error.
const NO_WAIT: u32 = 1 << 29;
const BACKING: u32 = 1 << 30;
const ENFORCE: u32 = 1 << 31;
/// Who is asked for addresses (`virDomainInterfaceAddressesSource`).
const LEASES: u32 = 0;
const AGENT: u32 = 1;
const NEIGHBOURS: u32 = 2;
/// `VIR_DOMAIN_MEMORY_STAT_RSS`.
const MEMORY_RSS: i32 = 7;
/// `VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON`.
const MEMORY_ACTUAL: i32 = 6;

impl table::Figures for Call {
    fn domain_get_vcpus(
        &mut self,
        domain: Domain,
        most: i32,
        map_length: i32,
    ) -> Answer<(List<VcpuInfo, 16_384>, Opaque<8_388_608>)> {
        let known = self.daemon.machine(&domain)?;
        if !known.is_running() {
            return Err(invalid("cannot retrieve vcpu information for inactive domain"));
        }
        let (processors, maps) = self.processors(&known, most, map_length)?;
        Ok((List(processors), Opaque(maps)))
    }

    fn domain_get_vcpu_pin_info(
        &mut self,
        domain: Domain,
        most: i32,
        map_length: i32,
        flags: u32,
    ) -> Answer<(Opaque<8_388_608>, i32)> {
        // Running or defined, they may use the same.
        only(flags, 1 | 2)?;
        let known = self.daemon.machine(&domain)?;
        let (maps, count) = self.pins(&known, most, map_length)?;
        Ok((Opaque(maps), count))
    }

    fn domain_get_scheduler_type(&mut self, domain: Domain) -> Answer<(String, i32)> {
        self.daemon.machine(&domain).map(|_| ("posix".into(), 0))
    }

    fn domain_get_scheduler_parameters(
        &mut self,
        domain: Domain,
        _: i32,
    ) -> Answer<List<Param, 16>> {
        self.daemon.machine(&domain).map(|_| List::default())
    }

    fn domain_block_stats(&mut self, domain: Domain, path: String) -> Answer<BlockStats> {
        Ok(disks::old(&self.disk_count(&domain, &path)?))
    }

    fn domain_interface_stats(&mut self, domain: Domain, named: String) -> Answer<InterfaceStats> {
        let known = self.daemon.running(&domain)?;
        match self.daemon.engine.devices(&known).card(&named) {
            // Packets go to a process of the machine's own, and no device of the host counts them.
            Some(_) => Err(unsupported("nothing on the host counts the packets of this interface")),
            None => {
                let message = format!("'{named}' is not a known interface");
                Err(argument(&message).by(Origin::Domain))
            }
        }
    }

    fn domain_memory_stats(
        &mut self,
        domain: Domain,
        most: u32,
        flags: u32,
    ) -> Answer<List<MemoryStat, 1024>> {
        only(flags, 0)?;
        let known = self.daemon.running(&domain)?;
        let memory = self.memory(&known);
        let stats = [(MEMORY_ACTUAL, memory), (MEMORY_RSS, known.usage().resident / 1024)];
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(stats.into_iter().take(most).map(|(tag, value)| MemoryStat { tag, value }).collect())
    }

    fn domain_get_block_info(
        &mut self,
        domain: Domain,
        path: String,
        flags: u32,
    ) -> Answer<BlockInfo> {
        only(flags, 0)?;
        self.disk_info(&domain, &path)
    }

    fn domain_get_scheduler_parameters_flags(
        &mut self,
        domain: Domain,
        _: i32,
        _: u32,
    ) -> Answer<List<Param, 16>> {
        self.daemon.machine(&domain).map(|_| List::default())
    }

    fn domain_block_stats_flags(
        &mut self,
        domain: Domain,
        path: String,
        most: i32,
        flags: u32,
    ) -> Answer<(List<Param, 16>, i32)> {
        only(flags, TEXTS)?;
        let params = disks::params(&self.disk_count(&domain, &path)?);
        let count = i32::try_from(params.len()).unwrap_or(0);
        // Without any asked for, how many there are.
        Ok((List(disks::most(most, params)?), if most == 0 { count } else { 0 }))
    }

    fn domain_get_disk_errors(
        &mut self,
        domain: Domain,
        most: u32,
        flags: u32,
    ) -> Answer<(List<DiskError, 256>, i32)> {
        only(flags, 0)?;
        self.disk_errors(&domain, most)
    }

    fn domain_get_cpu_stats(
        &mut self,
        domain: Domain,
        most: u32,
        first: i32,
        _count: u32,
        flags: u32,
    ) -> Answer<(List<Param, 2048>, i32)> {
        only(flags, TEXTS)?;
        let Usage { user, system, .. } = self.daemon.running(&domain)?.usage();
        if first >= 0 {
            return Err(argument("processor time is counted for all processors together"));
        }
        let figures = [("cpu_time", user + system), ("user_time", user), ("system_time", system)];
        let count = 3;
        if most == 0 {
            return Ok((List::default(), count));
        }
        Ok((
            figures.into_iter().map(|(name, time)| Param::new(name, nanoseconds(time))).collect(),
            count,
        ))
    }

    fn connect_get_all_domain_stats(
        &mut self,
        domains: List<Domain, 16_384>,
        kinds: u32,
        flags: u32,
    ) -> Answer<List<DomainStats, 16_384>> {
        only(flags, wanted::STATES | NO_WAIT | BACKING | ENFORCE)?;
        let missing = kinds & !groups::ALL;
        if flags & ENFORCE != 0 && missing != 0 {
            let message =
                format!("Stats types bits 0x{missing:x} are not supported by this daemon or QEMU");
            return Err(argument_unsupported(&message));
        }
        let machines = self.daemon.machines()?;
        let meant: Vec<Arc<Known>> = match domains.is_empty() {
            true => machines.values().cloned().collect(),
            // One that has gone meanwhile has no figures, and one that is named again has no more.
            false => {
                let mut named = BTreeSet::new();
                let first = domains.iter().filter(|domain| named.insert(domain.uuid));
                first.filter_map(|domain| machines.get(&domain.uuid).cloned()).collect()
            }
        };
        let meant: Vec<_> = meant.into_iter().filter(|k| self.is_one_of(k, flags)).collect();
        let kinds = if kinds == 0 { groups::ALL } else { kinds };
        Ok(List(self.stats(&meant, kinds)))
    }

    fn domain_interface_addresses(
        &mut self,
        domain: Domain,
        source: u32,
        flags: u32,
    ) -> Answer<List<InterfaceAddresses, 2048>> {
        only(flags, 0)?;
        self.daemon.running(&domain)?;
        match source {
            // Nobody on the host gives guests their addresses, nor sees them.
            LEASES | NEIGHBOURS => Ok(List::default()),
            AGENT => self.ask_guest(&domain),
            other => Err(argument_unsupported(&format!("Unknown IP address data source {other}"))),
        }
    }
}

impl Call {
    /// The figures of domains, which are all asked at once.
    fn stats(&self, machines: &[Arc<Known>], kinds: u32) -> Vec<DomainStats> {
        let engine = &self.daemon.engine;
        let all: Vec<&Known> = machines.iter().map(AsRef::as_ref).collect();
        let counted = engine.count(&all, groups::wanted(kinds));
        let stats = |(known, counted): (&&Known, &Counted)| {
            let condition = self.daemon.condition(known);
            let devices = engine.devices(known);
            let lengths = |disk: &Disk| engine.length(disk.path.as_ref()?).ok();
            let figures = Figures { known, condition, devices, counted, lengths: &lengths };
            DomainStats { domain: domain(known), params: List(figures.of(kinds)) }
        };
        all.iter().zip(&counted).map(stats).collect()
    }

    /// What memory a machine has at present, in KiB: what its balloon leaves it.
    pub(super) fn memory(&self, known: &Known) -> u64 {
        let wanted = Wanted { balloon: true, ..Wanted::default() };
        let counted = self.daemon.engine.count(&[known], wanted);
        let balloon = counted.first().and_then(|counted| counted.balloon);
        balloon.map_or(super::domains::size(known).0, |bytes| bytes.0 / 1024)
    }
}
