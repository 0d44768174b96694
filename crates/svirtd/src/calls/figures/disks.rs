//! What disks have done, and how large they are.

use super::groups::nanoseconds;
use crate::{
    calls::{Answer, Call},
    failure::{argument, error, invalid, operation_failed},
};
use svirt_engine::{DiskCount, Known, Trouble, Wanted};
use svirt_rpc::{BlockInfo, BlockStats, DiskError, Domain, Error, List, Param};

impl Call {
    /// What one disk has done, by its name or its image's; of an empty name, what all have.
    pub(super) fn disk_count(&self, domain: &Domain, named: &str) -> Answer<DiskCount> {
        let known = self.daemon.running(domain)?;
        let wanted = Wanted { disks: true, ..Wanted::default() };
        if named.is_empty() {
            let counts = self.counts(&known, wanted)?;
            return Ok(counts.into_iter().flatten().fold(DiskCount::default(), sum));
        }
        let (number, _) = self
            .daemon
            .engine
            .devices(&known)
            .disk(named)
            .ok_or_else(|| argument(&format!("invalid path: {named}")))?;
        let count = self.counts(&known, wanted)?.get(number).copied().flatten();
        count.ok_or_else(|| unanswered(named))
    }

    fn counts(&self, known: &Known, wanted: Wanted) -> Answer<Vec<Option<DiskCount>>> {
        let counted = self.daemon.engine.count(&[known], wanted).into_iter().next();
        let counts = counted.map(|counted| counted.disks).unwrap_or_default();
        match counts.is_empty() && !self.daemon.engine.devices(known).disks.is_empty() {
            true => Err(unanswered("disks")),
            false => Ok(counts),
        }
    }

    /// The disks that have failed; without any asked for, how many disks there are.
    pub(super) fn disk_errors(
        &self,
        domain: &Domain,
        most: u32,
    ) -> Answer<(List<DiskError, 256>, i32)> {
        let known = self.daemon.running(domain)?;
        let disks = &self.daemon.engine.devices(&known).disks;
        let counts = match most {
            0 => return Ok((List::default(), i32::try_from(disks.len()).unwrap_or(0))),
            _ => self.counts(&known, Wanted { sizes: true, ..Wanted::default() })?,
        };
        let failed = disks.iter().zip(counts).filter_map(|(disk, count)| {
            let error = match count?.trouble? {
                Trouble::Failed => 1,
                Trouble::NoRoom => 2,
            };
            Some(DiskError { disk: disk.target.clone(), error })
        });
        let failed: List<_, 256> = failed.take(usize::try_from(most).unwrap_or(0)).collect();
        let count = i32::try_from(failed.len()).unwrap_or(0);
        Ok((failed, count))
    }

    pub(super) fn disk_info(&self, domain: &Domain, named: &str) -> Answer<BlockInfo> {
        let known = self.daemon.machine(domain)?;
        let engine = &self.daemon.engine;
        let (number, disk) = engine
            .devices(&known)
            .disk(named)
            .ok_or_else(|| argument(&format!("invalid path {named} not assigned to domain")))?;
        let path = disk.path.as_ref().ok_or_else(|| {
            argument(&format!("disk '{named}' does not currently have a source assigned"))
        })?;
        let size = if known.is_running() {
            let wanted = Wanted { disks: true, sizes: true, ..Wanted::default() };
            let count = self.counts(&known, wanted)?.get(number).copied().flatten();
            engine.disk_in_use(path, disk, &count.ok_or_else(|| unanswered(named))?)
        } else {
            engine.disk_at_rest(path, disk)
        };
        let size = size.map_err(|failure| error(&failure))?;
        let svirt_engine::DiskSize { allocation, capacity, physical } = size;
        Ok(BlockInfo { allocation, capacity, physical })
    }
}

fn sum(all: DiskCount, one: DiskCount) -> DiskCount {
    DiskCount {
        read: all.read + one.read,
        written: all.written + one.written,
        flushes: all.flushes.saturating_add(one.flushes),
        flushing: all.flushing.saturating_add(one.flushing),
        ..DiskCount::default()
    }
}

fn unanswered(what: &str) -> Error {
    operation_failed(&format!("the VMM says nothing of {what}"))
}

/// A disk's figures in libvirt's old form, which knows no errors of QEMU's.
pub(super) fn old(count: &DiskCount) -> BlockStats {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    BlockStats {
        read_requests: number(count.read.requests),
        read_bytes: number(count.read.bytes),
        write_requests: number(count.written.requests),
        write_bytes: number(count.written.bytes),
        errors: -1,
    }
}

/// The same under the names of `virDomainBlockStatsFlags`.
pub(super) fn params(count: &DiskCount) -> [Param; 8] {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let time = |time| number(nanoseconds(time));
    [
        ("wr_bytes", number(count.written.bytes)),
        ("wr_operations", number(count.written.requests)),
        ("rd_bytes", number(count.read.bytes)),
        ("rd_operations", number(count.read.requests)),
        ("flush_operations", number(count.flushes)),
        ("wr_total_times", time(count.written.time)),
        ("rd_total_times", time(count.read.time)),
        ("flush_total_times", time(count.flushing)),
    ]
    .map(|(name, value)| Param::new(name, value))
}

/// As many as are asked for.
pub(super) fn most<T>(most: i32, all: impl IntoIterator<Item = T>) -> Answer<Vec<T>> {
    let most = usize::try_from(most).map_err(|_| invalid("a negative number of figures"))?;
    Ok(all.into_iter().take(most).collect())
}
