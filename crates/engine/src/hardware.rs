//! What libvirt's clients ask about the host itself.

use crate::{Code, Engine, Failure};
use svirt_host::hardware;
use svirt_model::{HostMemory, ProcessorTime, Topology};

/// The host, as libvirt's node information has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInfo {
    /// What the kernel calls its processors.
    pub model: String,
    /// Its memory, in KiB.
    pub memory: u64,
    /// Its processors that are switched on: the product of all that follow but `mhz`.
    pub cpus: u32,
    /// How fast the first one is, in MHz; 0 if unknown.
    pub mhz: u32,
    /// Its nodes.
    pub nodes: u32,
    /// Sockets in each node.
    pub sockets: u32,
    /// Cores of each socket.
    pub cores: u32,
    /// Threads of each core.
    pub threads: u32,
}

impl Engine {
    /// What the host is made of.
    pub fn host_info(&self) -> HostInfo {
        let hardware = hardware::look();
        let Topology { nodes, sockets, dies, cores, threads } = hardware.topology();
        HostInfo {
            cpus: hardware.processors(),
            memory: hardware.memory.0 / 1024,
            mhz: hardware.mhz,
            model: hardware.arch,
            nodes,
            sockets,
            cores: cores.saturating_mul(dies),
            threads,
        }
    }

    /// The host's memory.
    pub fn host_memory(&self) -> HostMemory {
        hardware::memory()
    }

    /// The memory of one of the host's nodes; none where there is no such node.
    pub fn cell_memory(&self, cell: u32) -> Option<HostMemory> {
        hardware::cell_memory(cell)
    }

    /// How many nodes the host has.
    pub fn cells(&self) -> u32 {
        self.host_info().nodes
    }

    /// The host's memory that nothing is in, in bytes.
    pub fn free_memory(&self) -> u64 {
        hardware::memory().free.saturating_mul(1024)
    }

    /// What one of the host's processors has done, or all of them.
    ///
    /// # Errors
    /// There is no processor of that number.
    pub fn host_cpu_stats(&self, processor: Option<u32>) -> Result<ProcessorTime, Failure> {
        hardware::processor_time(processor).ok_or_else(|| {
            let which = processor.map_or("0".to_owned(), |number| number.to_string());
            Failure::new(Code::NotFound, format!("the host has no processor {which}"))
        })
    }

    /// What the host calls itself.
    pub fn hostname(&self) -> String {
        hardware::hostname()
    }
}
