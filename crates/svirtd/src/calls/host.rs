//! What the host has, and how it is used.

use super::{Answer, Call};
use crate::failure::{argument, failed, internal, no_support, only};
use svirt_engine::model::{HostMemory, ProcessorTime};
use svirt_rpc::{CharArray, Code, List, NodeInfo, NodeStat, Opaque, Origin, table};

/// How many figures there are of a processor.
const PROCESSOR_FIGURES: i32 = 4;
/// All processors together (`VIR_NODE_CPU_STATS_ALL_CPUS`), or all memory
/// (`VIR_NODE_MEMORY_STATS_ALL_CELLS`).
const ALL: i32 = -1;

impl table::Host for Call {
    fn node_get_info(&mut self) -> Answer<NodeInfo> {
        let host = self.daemon.engine.host_info();
        let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        // A name is cut to the 31 bytes that there are.
        let model = host.model.chars().filter(char::is_ascii).take(31).collect();
        Ok(NodeInfo {
            model: CharArray(model),
            memory: host.memory,
            cpus: number(host.cpus),
            mhz: number(host.mhz),
            nodes: number(host.nodes),
            sockets: number(host.sockets),
            cores: number(host.cores),
            threads: number(host.threads),
        })
    }

    fn node_get_cells_free_memory(&mut self, first: i32, most: i32) -> Answer<List<u64, 1024>> {
        let cells = self.daemon.engine.cells();
        let first = u32::try_from(first).ok().filter(|first| *first < cells).ok_or_else(|| {
            let last = cells.saturating_sub(1);
            internal(&format!("start cell {first} out of range (0-{last})")).by(Origin::None)
        })?;
        let most = usize::try_from(most).unwrap_or(0).min(1024);
        let free = |cell| self.daemon.engine.cell_memory(cell).map_or(0, |m| m.free * 1024);
        Ok((first..cells).take(most).map(free).collect())
    }

    fn node_get_free_memory(&mut self) -> Answer<u64> {
        Ok(self.daemon.engine.free_memory())
    }

    fn connect_get_sysinfo(&mut self, _flags: u32) -> Answer<String> {
        Err(no_support("virConnectGetSysinfo"))
    }

    fn node_get_cpu_stats(
        &mut self,
        cpu: i32,
        most: i32,
        flags: u32,
    ) -> Answer<(List<NodeStat, 16>, i32)> {
        only(flags, 0)?;
        if most == 0 {
            return Ok((List::default(), PROCESSOR_FIGURES));
        }
        let which = match cpu {
            ALL => None,
            _ => Some(u32::try_from(cpu).map_err(|_| argument("a negative processor"))?),
        };
        let time = self.daemon.engine.host_cpu_stats(which);
        let time = time.map_err(|failure| failed(Code::InvalidArgument, &failure))?;
        let ProcessorTime { kernel, user, idle, io_wait } = time;
        Ok(some(most, &[("kernel", kernel), ("user", user), ("idle", idle), ("iowait", io_wait)]))
    }

    fn node_get_memory_stats(
        &mut self,
        most: i32,
        cell: i32,
        flags: u32,
    ) -> Answer<(List<NodeStat, 16>, i32)> {
        only(flags, 0)?;
        if cell == ALL {
            let HostMemory { total, free, buffers, cached } = self.daemon.engine.host_memory();
            let all = [("total", total), ("free", free), ("buffers", buffers), ("cached", cached)];
            return Ok(some(most, &all));
        }
        let one = u32::try_from(cell).ok().and_then(|cell| self.daemon.engine.cell_memory(cell));
        let HostMemory { total, free, .. } = one.ok_or_else(|| {
            let last = self.daemon.engine.cells().saturating_sub(1);
            argument(&format!("cellNum must be less than or equal to {last}"))
        })?;
        Ok(some(most, &[("total", total), ("free", free)]))
    }

    fn node_get_cpu_map(
        &mut self,
        map: i32,
        online: i32,
        flags: u32,
    ) -> Answer<(Opaque<2048>, u32, i32)> {
        only(flags, 0)?;
        let count = self.daemon.engine.host_info().cpus;
        let mut bits = vec![0_u8; usize::try_from(count.div_ceil(8)).unwrap_or(0)];
        for number in 0..count {
            if let Some(byte) = bits.get_mut(usize::try_from(number / 8).unwrap_or(0)) {
                *byte |= 1 << (number % 8);
            }
        }
        let bits = if map != 0 { bits } else { Vec::new() };
        let number = i32::try_from(count).unwrap_or(i32::MAX);
        Ok((Opaque(bits), if online != 0 { count } else { 0 }, number))
    }
}

/// As many figures as are asked for; without any asked for, how many there are.
fn some(most: i32, all: &[(&str, u64)]) -> (List<NodeStat, 16>, i32) {
    let count = i32::try_from(all.len()).unwrap_or(0);
    let taken = all.iter().take(usize::try_from(most).unwrap_or(0));
    let stat =
        |(field, value): &(&str, u64)| NodeStat { field: (*field).to_owned(), value: *value };
    (taken.map(stat).collect(), count)
}
