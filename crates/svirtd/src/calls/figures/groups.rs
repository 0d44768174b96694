//! The groups of a domain's figures, each figure under libvirt's name.

use crate::conditions::Condition;
use svirt_engine::{Counted, Devices, Disk, DiskCount, Known, ThreadUsage, Usage, Wanted};
use svirt_rpc::Param;

/// `virDomainStatsTypes`: those that there are.
pub(super) const STATE: u32 = 1;
const CPU: u32 = 1 << 1;
const BALLOON: u32 = 1 << 2;
const VCPU: u32 = 1 << 3;
const INTERFACE: u32 = 1 << 4;
const BLOCK: u32 = 1 << 5;
/// All of them.
pub(super) const ALL: u32 = STATE | CPU | BALLOON | VCPU | INTERFACE | BLOCK;
/// What a thread does that is there (`VIR_VCPU_RUNNING`).
const RUNNING: i32 = 1;

/// What a VMM has to be asked for some groups.
pub(super) fn wanted(kinds: u32) -> Wanted {
    let has = |kind| kinds & kind != 0;
    Wanted { disks: has(BLOCK), sizes: has(BLOCK), balloon: has(BALLOON), processors: has(VCPU) }
}

/// What adds one group.
type Group<'a> = fn(&Figures<'a>, &mut Vec<Param>);

/// One domain's figures.
pub(super) struct Figures<'a> {
    pub(super) known: &'a Known,
    pub(super) condition: Condition,
    pub(super) devices: &'a Devices,
    pub(super) counted: &'a Counted,
    /// How long the image of a disk is.
    pub(super) lengths: &'a dyn Fn(&Disk) -> Option<u64>,
}

impl<'a> Figures<'a> {
    /// Those of some groups.
    pub(super) fn of(&self, kinds: u32) -> Vec<Param> {
        let groups: [(u32, Group<'a>); 6] = [
            (STATE, Self::state),
            (CPU, Self::cpu),
            (BALLOON, Self::balloon),
            (VCPU, Self::processors),
            (INTERFACE, Self::cards),
            (BLOCK, Self::disks),
        ];
        let mut params = Vec::new();
        let asked = groups.into_iter().filter(|(kind, _)| kinds & kind != 0);
        asked.for_each(|(_, add)| add(self, &mut params));
        params
    }

    fn state(&self, params: &mut Vec<Param>) {
        let Condition { state, reason } = self.condition;
        params.extend([Param::new("state.state", state), Param::new("state.reason", reason)]);
    }

    fn cpu(&self, params: &mut Vec<Param>) {
        if self.known.is_running() {
            let Usage { user, system, .. } = self.known.usage();
            params.push(Param::new("cpu.time", nanoseconds(user + system)));
            params.push(Param::new("cpu.user", nanoseconds(user)));
            params.push(Param::new("cpu.system", nanoseconds(system)));
        }
    }

    fn balloon(&self, params: &mut Vec<Param>) {
        let (memory, _) = crate::calls::domains::size(self.known);
        let current = self.counted.balloon.map_or(memory, |bytes| bytes.0 / 1024);
        params.push(Param::new("balloon.current", current));
        params.push(Param::new("balloon.maximum", memory));
        if self.known.is_running() {
            params.push(Param::new("balloon.rss", self.known.usage().resident / 1024));
        }
    }

    fn processors(&self, params: &mut Vec<Param>) {
        let (_, count) = crate::calls::domains::size(self.known);
        params.push(Param::new("vcpu.current", u32::from(count)));
        params.push(Param::new("vcpu.maximum", u32::from(count)));
        for (number, ThreadUsage { time, delay, .. }) in self.counted.processors.iter().enumerate()
        {
            params.push(Param::new(format!("vcpu.{number}.state"), RUNNING));
            params.push(Param::new(format!("vcpu.{number}.time"), nanoseconds(*time)));
            params.push(Param::new(format!("vcpu.{number}.delay"), nanoseconds(*delay)));
        }
    }

    /// A card of the host's network that an ordinary process has has no side on the host where anything is
    /// counted.
    fn cards(&self, params: &mut Vec<Param>) {
        if self.known.is_running() {
            params.push(Param::new("net.count", number(self.devices.cards.len())));
        }
    }

    fn disks(&self, params: &mut Vec<Param>) {
        params.push(Param::new("block.count", number(self.devices.disks.len())));
        for (number, disk) in self.devices.disks.iter().enumerate() {
            params.push(Param::new(format!("block.{number}.name"), disk.target.as_str()));
            if let Some(path) = &disk.path {
                let path = path.to_string_lossy().into_owned();
                params.push(Param::new(format!("block.{number}.path"), path));
            }
            if let Some(count) = self.counted.disks.get(number).copied().flatten() {
                self.transfers(params, number, &count);
                self.sizes(params, number, disk, &count);
            }
        }
    }

    fn transfers(&self, params: &mut Vec<Param>, number: usize, count: &DiskCount) {
        for (kind, done) in [("rd", count.read), ("wr", count.written)] {
            let name = |what| format!("block.{number}.{kind}.{what}");
            params.push(Param::new(name("reqs"), done.requests));
            params.push(Param::new(name("bytes"), done.bytes));
            params.push(Param::new(name("times"), nanoseconds(done.time)));
        }
        params.push(Param::new(format!("block.{number}.fl.reqs"), count.flushes));
        params.push(Param::new(format!("block.{number}.fl.times"), nanoseconds(count.flushing)));
    }

    fn sizes(&self, params: &mut Vec<Param>, number: usize, disk: &Disk, count: &DiskCount) {
        let name = |what| format!("block.{number}.{what}");
        params.push(Param::new(name("allocation"), count.highest.unwrap_or(0)));
        params.extend(count.capacity.map(|bytes| Param::new(name("capacity"), bytes)));
        let taken = count.taken.filter(|bytes| *bytes > 0).or_else(|| (self.lengths)(disk));
        params.extend(taken.map(|bytes| Param::new(name("physical"), bytes)));
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A time as libvirt counts it.
pub(super) fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
