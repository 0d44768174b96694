//! The host's hardware, as programs that place machines ask for it.

use crate::{Bytes, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// What a host is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Its identity: that of its board where this user may read it, else that of its installation.
    pub id: Option<Uuid>,
    /// What the kernel calls its processors (`uname -m`).
    pub arch: String,
    /// Who made its processors, in the processor's own words, such as `GenuineIntel`.
    pub vendor: Option<String>,
    /// How fast the first processor is now, in MHz; 0 if unknown.
    pub mhz: u32,
    /// All of its memory.
    pub memory: Bytes,
    /// The sizes of its pages, the smallest first.
    pub pages: Vec<Bytes>,
    /// Its nodes; there is at least one.
    pub cells: Vec<Cell>,
}

/// Memory, with the processors that are near to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its number.
    pub id: u32,
    /// Its memory.
    pub memory: Bytes,
    /// How far it is to each node, 10 for itself; empty if unknown.
    pub distances: Vec<(u32, u32)>,
    /// Its processors that are switched on, in the order of their numbers.
    pub processors: Vec<Processor>,
}

/// What the scheduler calls a processor: a hardware thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processor {
    /// Its number.
    pub id: u32,
    /// The socket's number.
    pub socket: u32,
    /// The die's number in the socket.
    pub die: u32,
    /// The core's number in the die.
    pub core: u32,
    /// The threads of its core, itself among them.
    pub siblings: BTreeSet<u32>,
}

/// How processors are arranged: the product of all is their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Nodes.
    pub nodes: u32,
    /// Sockets in each node.
    pub sockets: u32,
    /// Dies in each socket.
    pub dies: u32,
    /// Cores in each die.
    pub cores: u32,
    /// Threads of each core.
    pub threads: u32,
}

impl Hardware {
    /// How many processors are switched on.
    pub fn processors(&self) -> u32 {
        count(self.cells.iter().flat_map(|cell| &cell.processors))
    }

    /// How they are arranged. Of what is not regular only their number is said, as so many cores of
    /// one socket.
    pub fn topology(&self) -> Topology {
        let processors = self.processors();
        let mut cores: BTreeMap<_, u32> = BTreeMap::new();
        for cell in &self.cells {
            for Processor { socket, die, core, .. } in &cell.processors {
                *cores.entry((cell.id, *socket, *die, *core)).or_default() += 1;
            }
        }
        let dies: BTreeSet<_> =
            cores.keys().map(|(cell, socket, die, _)| (cell, socket, die)).collect();
        let sockets: BTreeSet<_> = dies.iter().map(|(cell, socket, _)| (cell, socket)).collect();
        let each = |what: u32, of: u32| what.checked_div(of).unwrap_or(0).max(1);
        let nodes = count(&self.cells).max(1);
        let regular = Topology {
            nodes,
            sockets: each(count(&sockets), nodes),
            dies: each(count(&dies), count(&sockets)),
            cores: each(count(&cores), count(&dies)),
            threads: each(processors, count(&cores)),
        };
        let Topology { nodes, sockets, dies, cores, threads } = regular;
        match [sockets, dies, cores, threads].into_iter().fold(nodes, u32::saturating_mul) {
            product if product == processors => regular,
            _ => Topology { nodes: 1, sockets: 1, dies: 1, cores: processors.max(1), threads: 1 },
        }
    }
}

fn count<T>(things: impl IntoIterator<Item = T>) -> u32 {
    u32::try_from(things.into_iter().count()).unwrap_or(u32::MAX)
}

/// The host's memory, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostMemory {
    /// All of it.
    pub total: u64,
    /// What nothing is in.
    pub free: u64,
    /// What holds metadata of file systems.
    pub buffers: u64,
    /// What holds files that can be read again.
    pub cached: u64,
}

/// What processors have done since the host was started, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessorTime {
    /// The kernel's own work, with interrupts.
    pub kernel: u64,
    /// Programs, guests among them.
    pub user: u64,
    /// Nothing.
    pub idle: u64,
    /// Nothing, while something waited for storage.
    pub io_wait: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(places: &[(u32, u32, u32, u32)]) -> Hardware {
        let mut cells: BTreeMap<u32, Vec<Processor>> = BTreeMap::new();
        for (id, (cell, socket, die, core)) in (0..).zip(places) {
            let (socket, die, core) = (*socket, *die, *core);
            let processor = Processor { id, socket, die, core, siblings: BTreeSet::new() };
            cells.entry(*cell).or_default().push(processor);
        }
        let cell = |(id, processors)| Cell { id, processors, ..Cell::default() };
        Hardware { cells: cells.into_iter().map(cell).collect(), ..Hardware::default() }
    }

    fn arranged(host: &Hardware) -> [u32; 5] {
        let Topology { nodes, sockets, dies, cores, threads } = host.topology();
        [nodes, sockets, dies, cores, threads]
    }

    #[test]
    fn what_is_regular_is_told_as_it_is() {
        let two_nodes = [(0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 0, 1)];
        let mut all = two_nodes.to_vec();
        all.extend(two_nodes.map(|(_, _, die, core)| (1, 1, die, core)));
        assert_eq!(arranged(&host(&all)), [2, 1, 1, 2, 2]);
        assert_eq!(arranged(&host(&[(0, 0, 0, 0), (0, 0, 1, 0)])), [1, 1, 2, 1, 1]);
        assert_eq!(arranged(&host(&[(0, 0, 0, 0)])), [1, 1, 1, 1, 1]);
    }

    #[test]
    fn of_what_is_not_regular_the_number_is_told() {
        assert_eq!(arranged(&host(&[(0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 1)])), [1, 1, 1, 3, 1]);
        assert_eq!(arranged(&host(&[(0, 0, 0, 0), (0, 1, 0, 0), (1, 2, 0, 0)])), [1, 1, 1, 3, 1]);
    }
}
