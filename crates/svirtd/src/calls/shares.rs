//! Which share of the host domains have. Nothing is set aside for one, and none is held back but by what its
//! control group allows of memory: the figures that libvirt has for that say so.

use super::{Answer, Call, definitions::Impact};
use crate::failure::{TEXTS, argument, error, only};
use svirt_rpc::{Domain, IoThreadInfo, List, Opaque, Param, table};

/// What stands for no limit (`VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`), in KiB.
const UNLIMITED: u64 = (1 << 53) - 1;
/// Memory of the node that a processor is on, where there is any (`VIR_DOMAIN_NUMATUNE_MEM_STRICT` is what
/// libvirt says where nothing was said).
const STRICT: i32 = 0;

const MEMORY: [&str; 3] = ["hard_limit", "soft_limit", "swap_hard_limit"];
const CARD: [&str; 7] = [
    "inbound.average",
    "inbound.peak",
    "inbound.burst",
    "inbound.floor",
    "outbound.average",
    "outbound.peak",
    "outbound.burst",
];
const DISK: [&str; 13] = [
    "total_bytes_sec",
    "read_bytes_sec",
    "write_bytes_sec",
    "total_iops_sec",
    "read_iops_sec",
    "write_iops_sec",
    "total_bytes_sec_max",
    "read_bytes_sec_max",
    "write_bytes_sec_max",
    "total_iops_sec_max",
    "read_iops_sec_max",
    "write_iops_sec_max",
    "size_iops_sec",
];
const DISK_BURSTS: [&str; 6] = [
    "total_bytes_sec_max_length",
    "read_bytes_sec_max_length",
    "write_bytes_sec_max_length",
    "total_iops_sec_max_length",
    "read_iops_sec_max_length",
    "write_iops_sec_max_length",
];
const EVENTS: [&str; 22] = [
    "cmt",
    "mbmt",
    "mbml",
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
    "cpu_clock",
    "task_clock",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
];

impl table::Shares for Call {
    fn domain_get_memory_parameters(
        &mut self,
        domain: Domain,
        most: i32,
        flags: u32,
    ) -> Answer<(List<Param, 16>, i32)> {
        self.asked(&domain, flags)?;
        let known = self.daemon.machine(&domain)?;
        let limit = self.daemon.engine.memory_limit(&known).map_err(|failure| error(&failure))?;
        let limit = limit.map_or(UNLIMITED, |bytes| bytes.0 / 1024);
        let [hard, soft, swap] = MEMORY;
        let all = [(hard, limit), (soft, UNLIMITED), (swap, UNLIMITED)];
        Ok(some(most, all.map(|(name, most)| Param::new(name, most))))
    }

    fn domain_get_block_io_tune(
        &mut self,
        domain: Domain,
        disk: Option<String>,
        most: i32,
        flags: u32,
    ) -> Answer<(List<Param, 32>, i32)> {
        self.asked(&domain, flags)?;
        let known = self.daemon.machine(&domain)?;
        if let Some(disk) = disk.filter(|d| self.daemon.engine.devices(&known).disk(d).is_none()) {
            return Err(argument(&format!("disk '{disk}' was not found in the domain config")));
        }
        let limit = |name| Param::new(name, 0_u64);
        let group = Param::new("group_name", "");
        let limits = DISK.into_iter().map(limit).chain([group]);
        Ok(some(most, limits.chain(DISK_BURSTS.into_iter().map(limit))))
    }

    fn domain_get_numa_parameters(
        &mut self,
        domain: Domain,
        most: i32,
        flags: u32,
    ) -> Answer<(List<Param, 16>, i32)> {
        self.asked(&domain, flags)?;
        Ok(some(most, [Param::new("numa_mode", STRICT), Param::new("numa_nodeset", "")]))
    }

    fn domain_get_interface_parameters(
        &mut self,
        domain: Domain,
        device: String,
        most: i32,
        flags: u32,
    ) -> Answer<(List<Param, 16>, i32)> {
        self.asked(&domain, flags)?;
        let known = self.daemon.machine(&domain)?;
        if self.daemon.engine.devices(&known).card(&device).is_none() {
            return Err(argument(&format!("'{device}' is not a known interface")));
        }
        Ok(some(most, CARD.map(|name| Param::new(name, 0_u32))))
    }

    fn domain_get_emulator_pin_info(
        &mut self,
        domain: Domain,
        map_length: i32,
        flags: u32,
    ) -> Answer<(Opaque<8_388_608>, i32)> {
        self.asked(&domain, flags)?;
        let (map, count) = self.everywhere(1, 1, map_length)?;
        Ok((Opaque(map), count))
    }

    fn domain_get_iothread_info(
        &mut self,
        domain: Domain,
        flags: u32,
    ) -> Answer<(List<IoThreadInfo, 16_384>, u32)> {
        self.asked(&domain, flags)?;
        Ok((List::default(), 0))
    }

    fn domain_get_perf_events(&mut self, domain: Domain, flags: u32) -> Answer<List<Param, 64>> {
        self.asked(&domain, flags)?;
        Ok(EVENTS.into_iter().map(|name| Param::new(name, false)).collect())
    }

    fn domain_get_launch_security_info(
        &mut self,
        domain: Domain,
        flags: u32,
    ) -> Answer<List<Param, 64>> {
        only(flags, TEXTS)?;
        self.daemon.machine(&domain).map(|_| List::default())
    }
}

impl Call {
    /// Running or defined, it has the same share; it must be what it is asked about as.
    fn asked(&self, domain: &Domain, flags: u32) -> Answer<()> {
        Impact::of(self.daemon.machine(domain)?.as_ref(), flags, TEXTS).map(drop)
    }
}

/// As many as are asked for; without any asked for, how many there are.
fn some<const MOST: usize>(
    most: i32,
    all: impl IntoIterator<Item = Param>,
) -> (List<Param, MOST>, i32) {
    let all: Vec<_> = all.into_iter().collect();
    let count = i32::try_from(all.len()).unwrap_or(0);
    let most = usize::try_from(most).unwrap_or(0);
    (all.into_iter().take(most).collect(), count)
}
