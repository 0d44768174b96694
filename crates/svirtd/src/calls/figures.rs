//! What is counted of domains.

use super::{Answer, Call};
use crate::{
    conditions::Condition,
    daemon::domain,
    failure::{TEXTS, argument, no_support, only},
};
use std::sync::Arc;
use svirt_engine::{Known, Usage};
use svirt_rpc::{
    BlockInfo, BlockStats, Domain, DomainStats, InterfaceAddresses, InterfaceStats, List,
    MemoryStat, Opaque, Param, VcpuInfo, table,
};

/// `virDomainStatsTypes`: which figures.
mod kinds {
    pub(super) const STATE: u32 = 1;
    pub(super) const CPU: u32 = 1 << 1;
    pub(super) const BALLOON: u32 = 1 << 2;
    pub(super) const VCPU: u32 = 1 << 3;
}

/// `virConnectGetAllDomainStatsFlags`: as for the list of domains, and what concerns how they are asked.
mod flags {
    pub(super) const ACTIVE: u32 = 1;
    pub(super) const INACTIVE: u32 = 2;
}

/// `VIR_DOMAIN_MEMORY_STAT_RSS`.
const MEMORY_RSS: i32 = 7;
/// `VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON`.
const MEMORY_ACTUAL: i32 = 6;

impl table::Figures for Call {
    fn domain_get_vcpus(
        &mut self,
        _: Domain,
        _: i32,
        _: i32,
    ) -> Answer<(List<VcpuInfo, 16_384>, Opaque<8_388_608>)> {
        Err(no_support("virDomainGetVcpus"))
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

    fn domain_block_stats(&mut self, _domain: Domain, _path: String) -> Answer<BlockStats> {
        Err(no_support("virDomainBlockStats"))
    }

    fn domain_interface_stats(&mut self, _: Domain, _: String) -> Answer<InterfaceStats> {
        Err(no_support("virDomainInterfaceStats"))
    }

    fn domain_memory_stats(
        &mut self,
        domain: Domain,
        most: u32,
        flags: u32,
    ) -> Answer<List<MemoryStat, 1024>> {
        only(flags, 0)?;
        let known = self.daemon.running(&domain)?;
        let (memory, _) = super::domains::size(&known);
        let stats = [(MEMORY_ACTUAL, memory), (MEMORY_RSS, known.usage().resident / 1024)];
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(stats.into_iter().take(most).map(|(tag, value)| MemoryStat { tag, value }).collect())
    }

    fn domain_get_block_info(&mut self, _: Domain, _: String, _: u32) -> Answer<BlockInfo> {
        Err(no_support("virDomainGetBlockInfo"))
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
        _: Domain,
        _: String,
        _: i32,
        _: u32,
    ) -> Answer<(List<Param, 16>, i32)> {
        Err(no_support("virDomainBlockStatsFlags"))
    }

    fn domain_get_numa_parameters(
        &mut self,
        _: Domain,
        _: i32,
        _: u32,
    ) -> Answer<(List<Param, 16>, i32)> {
        Err(no_support("virDomainGetNumaParameters"))
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
        wanted: u32,
    ) -> Answer<List<DomainStats, 16_384>> {
        let meant: Vec<Arc<Known>> = match domains.is_empty() {
            true => self.daemon.machines()?.values().cloned().collect(),
            false => domains.iter().map(|d| self.daemon.machine(d)).collect::<Answer<_>>()?,
        };
        let group = wanted & (flags::ACTIVE | flags::INACTIVE);
        let asked = |known: &Arc<Known>| {
            let has = if known.is_running() { flags::ACTIVE } else { flags::INACTIVE };
            group == 0 || group & has != 0
        };
        let kinds = if kinds == 0 { u32::MAX } else { kinds };
        Ok(meant
            .iter()
            .filter(|known| asked(known))
            .map(|known| self.stats(known, kinds))
            .collect())
    }

    fn domain_interface_addresses(
        &mut self,
        domain: Domain,
        _source: u32,
        _flags: u32,
    ) -> Answer<List<InterfaceAddresses, 2048>> {
        self.daemon.running(&domain).map(|_| List::default())
    }
}

impl Call {
    fn stats(&self, known: &Known, kinds: u32) -> DomainStats {
        let usage = known.usage();
        let (memory, vcpus) = super::domains::size(known);
        let Condition { state, reason } = self.daemon.condition(known);
        let mut params = Vec::new();
        if kinds & kinds::STATE != 0 {
            params.extend([Param::new("state.state", state), Param::new("state.reason", reason)]);
        }
        if kinds & kinds::CPU != 0 && known.is_running() {
            let Usage { user, system, .. } = usage;
            params.push(Param::new("cpu.time", nanoseconds(user + system)));
            params.push(Param::new("cpu.user", nanoseconds(user)));
            params.push(Param::new("cpu.system", nanoseconds(system)));
        }
        if kinds & kinds::BALLOON != 0 {
            if known.is_running() {
                params.push(Param::new("balloon.current", memory));
            }
            params.push(Param::new("balloon.maximum", memory));
            if known.is_running() {
                params.push(Param::new("balloon.rss", usage.resident / 1024));
            }
        }
        if kinds & kinds::VCPU != 0 {
            params.push(Param::new("vcpu.current", u32::from(vcpus)));
            params.push(Param::new("vcpu.maximum", u32::from(vcpus)));
        }
        DomainStats { domain: domain(known), params: List(params) }
    }
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
