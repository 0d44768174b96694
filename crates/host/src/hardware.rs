//! What the kernel says of the host's hardware (`Documentation/ABI/stable/sysfs-devices-system-cpu`,
//! `sysfs-devices-node`, proc(5)). What it does not say is left out; nothing here is an error, and
//! nothing is decided.

use crate::text;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use svirt_model::{Bytes, Cell, Hardware, HostMemory, Processor, ProcessorTime, Uuid};

/// No host has a processor or a node with a higher number.
const NUMBER_MAX: u32 = 1 << 16;
const PROCESSORS: &str = "sys/devices/system/cpu";
const NODES: &str = "sys/devices/system/node";
const NANOSECONDS: u64 = 1_000_000_000;

/// This host's hardware.
pub fn look() -> Hardware {
    let arch = rustix::system::uname().machine().to_string_lossy().into_owned();
    Host(Path::new("/")).hardware(arch)
}

/// This host's memory.
pub fn memory() -> HostMemory {
    Host(Path::new("/")).memory()
}

/// The memory of one of this host's nodes; none where there is no such node.
pub fn cell_memory(cell: u32) -> Option<HostMemory> {
    Host(Path::new("/")).cell_memory(cell)
}

/// What a processor has done, or all of them; none where there is no such processor.
pub fn processor_time(processor: Option<u32>) -> Option<ProcessorTime> {
    let ticks = rustix::param::clock_ticks_per_second();
    Host(Path::new("/")).processor_time(processor, ticks)
}

/// What this host calls itself.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The directory that shows a host.
struct Host<'a>(&'a Path);

impl Host<'_> {
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        text::at(self.0.join(path)).ok()
    }

    fn number(&self, path: impl AsRef<Path>) -> Option<u32> {
        self.text(path)?.trim().parse().ok()
    }

    fn hardware(&self, arch: String) -> Hardware {
        let processor = self.text("proc/cpuinfo").unwrap_or_default();
        let mhz = field(&processor, "cpu MHz").and_then(|mhz| mhz.parse::<f64>().ok());
        let memory = Bytes(self.memory().total * 1024);
        Hardware {
            id: self.id(),
            arch,
            vendor: field(&processor, "vendor_id").map(str::to_owned),
            mhz: mhz.map_or(0, |mhz| mhz as u32),
            memory,
            pages: self.pages(),
            cells: self.cells(memory),
        }
    }

    /// A board of which many have the same identity says all zeros or all ones.
    fn id(&self) -> Option<Uuid> {
        let own = |id: &Uuid| !id.is_nil() && !id.is_max();
        let read = |path| Uuid::parse_str(self.text(path)?.trim()).ok().filter(own);
        read("sys/class/dmi/id/product_uuid").or_else(|| read("etc/machine-id"))
    }

    fn pages(&self) -> Vec<Bytes> {
        let usual = Bytes(u64::try_from(rustix::param::page_size()).unwrap_or(4096));
        let names = fs::read_dir(self.0.join("sys/kernel/mm/hugepages")).into_iter().flatten();
        let names = names.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let size = |name: String| {
            let size = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
            Some(Bytes(size.parse::<u64>().ok()?.checked_mul(1024)?))
        };
        let mut pages: Vec<_> = names.filter_map(size).chain([usual]).collect();
        pages.sort();
        pages
    }

    /// A kernel that knows no nodes has one, with everything in it.
    fn cells(&self, memory: Bytes) -> Vec<Cell> {
        let online = self.list(format!("{PROCESSORS}/online"));
        let nodes = self.list(format!("{NODES}/online"));
        let cells: Vec<_> = nodes.iter().map(|node| self.cell(*node, &nodes, &online)).collect();
        if cells.iter().any(|cell| !cell.processors.is_empty()) {
            return cells;
        }
        let processors = online.iter().map(|id| self.processor(*id)).collect();
        vec![Cell { id: 0, memory, distances: Vec::new(), processors }]
    }

    fn cell(&self, id: u32, nodes: &BTreeSet<u32>, online: &BTreeSet<u32>) -> Cell {
        let place = PathBuf::from(NODES).join(format!("node{id}"));
        let near = self.list(place.join("cpulist"));
        let distances = self.text(place.join("distance")).unwrap_or_default();
        let distances = distances.split_whitespace().map_while(|d| d.parse().ok());
        let memory = self.text(place.join("meminfo")).unwrap_or_default();
        let total = memory.lines().find_map(|line| kib(line.split_once("MemTotal:")?.1));
        Cell {
            id,
            memory: Bytes(total.unwrap_or(0) * 1024),
            distances: nodes.iter().copied().zip(distances).collect(),
            processors: near.intersection(online).map(|id| self.processor(*id)).collect(),
        }
    }

    fn processor(&self, id: u32) -> Processor {
        let place = PathBuf::from(PROCESSORS).join(format!("cpu{id}/topology"));
        let number = |name| self.number(place.join(name)).unwrap_or(0);
        let mut siblings = self.list(place.join("thread_siblings_list"));
        siblings.insert(id);
        Processor {
            id,
            socket: number("physical_package_id"),
            die: number("die_id"),
            core: number("core_id"),
            siblings,
        }
    }

    fn list(&self, path: impl AsRef<Path>) -> BTreeSet<u32> {
        list(&self.text(path).unwrap_or_default())
    }

    fn memory(&self) -> HostMemory {
        let text = self.text("proc/meminfo").unwrap_or_default();
        let amount = |name| field(&text, name).and_then(kib).unwrap_or(0);
        HostMemory {
            total: amount("MemTotal"),
            free: amount("MemFree"),
            buffers: amount("Buffers"),
            cached: amount("Cached"),
        }
    }

    /// A kernel that knows no nodes has one, with everything in it.
    fn cell_memory(&self, id: u32) -> Option<HostMemory> {
        let nodes = self.list(format!("{NODES}/online"));
        if nodes.is_empty() && id == 0 {
            return Some(self.memory());
        }
        let text = nodes.contains(&id).then(|| self.text(format!("{NODES}/node{id}/meminfo")));
        let text = text.flatten()?;
        let amount = |name: &str| {
            text.lines().find_map(|line| kib(line.split_once(&format!(" {name}:"))?.1)).unwrap_or(0)
        };
        let (total, free) = (amount("MemTotal"), amount("MemFree"));
        Some(HostMemory { total, free, buffers: 0, cached: amount("FilePages") })
    }

    fn processor_time(&self, processor: Option<u32>, ticks: u64) -> Option<ProcessorTime> {
        let text = self.text("proc/stat")?;
        let name = processor.map_or("cpu".to_owned(), |number| format!("cpu{number}"));
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(&name))?;
        let numbers = line.split_whitespace().skip(1).map(|n| n.parse().unwrap_or(0));
        let numbers: Vec<u64> = numbers.collect();
        let time = |fields: &[usize]| {
            let sum: u64 = fields.iter().filter_map(|at| numbers.get(*at)).sum();
            sum.saturating_mul(NANOSECONDS / ticks.max(1))
        };
        // user nice system idle iowait irq softirq
        Some(ProcessorTime {
            kernel: time(&[2, 5, 6]),
            user: time(&[0, 1]),
            idle: time(&[3]),
            io_wait: time(&[4]),
        })
    }
}

/// The value of the first line with this name before its colon.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

/// The number of a text like `123 kB`.
fn kib(text: &str) -> Option<u64> {
    text.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The numbers of a text like `0-3,8`.
fn list(text: &str) -> BTreeSet<u32> {
    let part = |part: &str| {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        Some(first.parse().ok()?..=last.parse::<u32>().ok()?.min(NUMBER_MAX))
    };
    text.split(',').filter_map(part).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn a_host_with_two_nodes_is_read() {
        let node = |number: u32| format!("sys/devices/system/node/node{number}");
        let cpu = |number: u32| format!("sys/devices/system/cpu/cpu{number}/topology");
        let mut files = vec![
            ("proc/cpuinfo".to_owned(), "vendor_id\t: GenuineIntel\ncpu MHz\t\t: 2099.998\n"),
            ("proc/meminfo".to_owned(), "MemTotal:  2048 kB\nMemFree: 1024 kB\nCached: 7 kB\n"),
            ("etc/machine-id".to_owned(), "d41d8cd98f004b04a9800998ecf8427e\n"),
            ("sys/devices/system/cpu/online".to_owned(), "0-2\n"),
            ("sys/devices/system/node/online".to_owned(), "0,2\n"),
            ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages".to_owned(), "0\n"),
            (node(0) + "/cpulist", "0-1\n"),
            (node(0) + "/distance", "10 21\n"),
            (node(0) + "/meminfo", "Node 0 MemTotal:  1024 kB\n"),
            (node(2) + "/cpulist", "2-3\n"),
            (node(2) + "/distance", "21 10\n"),
            (cpu(2) + "/physical_package_id", "1\n"),
            (cpu(2) + "/thread_siblings_list", "2-3\n"),
        ];
        files.extend([0, 1].map(|n| (cpu(n) + "/thread_siblings_list", "0-1\n")));
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let directory = shown(&files);
        let host = Host(directory.path());
        let hardware = host.hardware("x86_64".into());
        assert_eq!((hardware.mhz, hardware.memory), (2099, Bytes(2048 * 1024)));
        assert_eq!(hardware.vendor.as_deref(), Some("GenuineIntel"));
        assert_eq!(hardware.id.unwrap().to_string(), "d41d8cd9-8f00-4b04-a980-0998ecf8427e");
        assert!(hardware.pages.contains(&Bytes(2 << 20)), "{:?}", hardware.pages);
        let [first, second] = &hardware.cells[..] else { panic!("{:?}", hardware.cells) };
        assert_eq!((first.id, first.memory, second.id), (0, Bytes(1 << 20), 2));
        assert_eq!(second.distances, [(0, 21), (2, 10)]);
        let one = Processor { id: 2, socket: 1, siblings: [2, 3].into(), ..Processor::default() };
        assert_eq!(second.processors, [one], "one that is switched off is left out");
        assert_eq!(host.memory(), HostMemory { total: 2048, free: 1024, buffers: 0, cached: 7 });
    }

    #[test]
    fn a_kernel_that_says_nothing_has_one_node() {
        let directory = shown(&[("sys/devices/system/cpu/online", "0\n")]);
        let hardware = Host(directory.path()).hardware("riscv64".into());
        assert_eq!(hardware.cells.len(), 1);
        assert_eq!((hardware.processors(), hardware.id, hardware.mhz), (1, None, 0));
    }

    #[test]
    fn times_are_sums_in_nanoseconds() {
        let stat = "cpu  10 1 20 30 40 5 6 0 0 0\ncpu0 1 0 0 0 0 0 0 0 0 0\nintr 1\n";
        let directory = shown(&[("proc/stat", stat)]);
        let time = |processor| Host(directory.path()).processor_time(processor, 100);
        let tick = 10_000_000;
        let all = ProcessorTime {
            kernel: 31 * tick,
            user: 11 * tick,
            idle: 30 * tick,
            io_wait: 40 * tick,
        };
        assert_eq!(time(None), Some(all));
        assert_eq!(time(Some(0)), Some(ProcessorTime { user: tick, ..ProcessorTime::default() }));
        assert_eq!(time(Some(1)), None);
    }

    #[test]
    fn this_host_is_read() {
        let hardware = look();
        assert!(hardware.processors() > 0);
        assert_eq!(hardware.memory.0, memory().total * 1024);
        assert!(processor_time(None).is_some_and(|time| time.idle + time.user > 0));
        assert!(!hostname().is_empty());
    }

    #[test]
    fn lists_have_ranges_and_ends() {
        assert_eq!(list("0-2,7\n"), [0, 1, 2, 7].into());
        assert_eq!(list(""), BTreeSet::new());
        assert_eq!(list("x,4,3-1"), [4].into());
        assert!(list("0-4294967295").len() <= NUMBER_MAX as usize + 1);
    }
}
