//! Virtual processors, and which of the host's they may use.

use super::nanoseconds;
use crate::{
    calls::{Answer, Call, domains::size},
    failure::{argument, invalid},
};
use svirt_engine::{Known, Wanted, processors_of};
use svirt_rpc::VcpuInfo;

/// Maps are no longer than this together, in bytes (`REMOTE_CPUMAPS_MAX`).
const MAPS_MAX: usize = 8_388_608;
/// One is no longer than this, in bytes (`REMOTE_CPUMAP_MAX`).
const MAP_MAX: usize = 2048;
/// What a thread does that is there (`VIR_VCPU_RUNNING`).
const RUNNING: i32 = 1;

impl Call {
    /// What processors have used and where they are, and a map for each of where they may be.
    pub(super) fn processors(
        &self,
        known: &Known,
        most: i32,
        map_length: i32,
    ) -> Answer<(Vec<VcpuInfo>, Vec<u8>)> {
        let (most, length) = sizes(most, map_length)?;
        let wanted = Wanted { processors: true, ..Wanted::default() };
        let counted = self.daemon.engine.count(&[known], wanted).into_iter().next();
        let threads = counted.map(|counted| counted.processors).unwrap_or_default();
        if threads.is_empty() {
            return Err(invalid("the VMM says nothing of its virtual processors"));
        }
        let (mut infos, mut maps) = (Vec::new(), Vec::new());
        for (number, thread) in (0..).zip(threads.iter().take(most)) {
            infos.push(VcpuInfo {
                number,
                state: RUNNING,
                cpu_time: nanoseconds(thread.time),
                cpu: i32::try_from(thread.processor).unwrap_or(-1),
            });
            maps.extend(map(processors_of(thread.thread), length));
        }
        Ok((infos, maps))
    }

    /// A map for each processor of where it may be: anywhere.
    pub(super) fn pins(&self, known: &Known, most: i32, map_length: i32) -> Answer<(Vec<u8>, i32)> {
        self.everywhere(size(known).1, most, map_length)
    }

    /// Maps of all processors of the host.
    pub(in crate::calls) fn everywhere(
        &self,
        count: u16,
        most: i32,
        map_length: i32,
    ) -> Answer<(Vec<u8>, i32)> {
        let (most, length) = sizes(most, map_length)?;
        let count = usize::from(count).min(most);
        let one = map(0..self.daemon.engine.host_info().cpus, length);
        Ok((one.repeat(count), i32::try_from(count).unwrap_or(0)))
    }
}

fn sizes(most: i32, map_length: i32) -> Answer<(usize, usize)> {
    let wrong = || argument("more maps than an answer can have");
    let most = usize::try_from(most).map_err(|_| wrong())?;
    let length = usize::try_from(map_length).map_err(|_| wrong())?;
    match most.checked_mul(length) {
        Some(..=MAPS_MAX) if length <= MAP_MAX => Ok((most, length)),
        _ => Err(wrong()),
    }
}

/// A bit for each of the host's processors.
fn map(processors: impl IntoIterator<Item = u32>, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    for number in processors {
        let byte = usize::try_from(number / 8).ok().and_then(|at| bytes.get_mut(at));
        if let Some(byte) = byte {
            *byte |= 1 << (number % 8);
        }
    }
    bytes
}
