//! What a VMM counts of its machine's devices. Every machine that is asked about is asked at once, and then heard:
//! the slowest one is waited for, not the sum of all.

use super::threads;
use crate::{Engine, Known, Monitor};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use svirt_host::processes::ThreadUsage;
use svirt_model::Bytes;

/// A VMM that has not answered by then is left out.
const PATIENCE: Duration = Duration::from_secs(10);

/// What of a machine is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What its disks have done.
    pub disks: bool,
    /// How large they are.
    pub sizes: bool,
    /// What memory its balloon leaves it.
    pub balloon: bool,
    /// What its virtual processors have used.
    pub processors: bool,
}

/// What was counted of a machine; what was not asked for, or not answered, is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counted {
    /// Of each of its disks and drives ([`super::Devices::disks`]).
    pub disks: Vec<Option<DiskCount>>,
    /// What memory its balloon leaves it.
    pub balloon: Option<Bytes>,
    /// Of each of its virtual processors.
    pub processors: Vec<ThreadUsage>,
}

/// What a disk has done, and how large it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskCount {
    /// What was read.
    pub read: Transfer,
    /// What was written.
    pub written: Transfer,
    /// How often what was written was made durable.
    pub flushes: u64,
    /// How long that took.
    pub flushing: Duration,
    /// The end of what was ever written to its image, in bytes.
    pub highest: Option<u64>,
    /// What the guest sees, in bytes; where it was asked for.
    pub capacity: Option<u64>,
    /// What its image takes of the host's storage, in bytes; where it was asked for.
    pub taken: Option<u64>,
    /// Why it has failed, if it has; where its size was asked for.
    pub trouble: Option<Trouble>,
}

/// Why a disk has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The host cannot read or write its image.
    Failed,
    /// The host has no room for what is written.
    NoRoom,
}

/// Requests of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// How many.
    pub requests: u64,
    /// How much, in bytes.
    pub bytes: u64,
    /// How long they took together.
    pub time: Duration,
}

impl std::ops::Add for Transfer {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
            time: self.time.saturating_add(other.time),
        }
    }
}

/// A command whose answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Disks,
    Sizes,
    Balloon,
    Processors,
}

impl Question {
    fn command(self) -> &'static str {
        match self {
            Self::Disks => "query-blockstats",
            Self::Sizes => "query-block",
            Self::Balloon => "query-balloon",
            Self::Processors => "query-cpus-fast",
        }
    }
}

impl Engine {
    /// What is counted of machines, in their order. Of those that do not run, and those whose VMMs have no
    /// monitor or do not answer, nothing is.
    pub fn count(&self, machines: &[&Known], wanted: Wanted) -> Vec<Counted> {
        let asked: Vec<_> = machines.iter().map(|known| self.asked(known, wanted)).collect();
        let until = Instant::now() + PATIENCE;
        let heard = machines.iter().zip(asked).map(|(known, asked)| {
            let mut counted = asked.and_then(|a| self.heard(known, a, until)).unwrap_or_default();
            if wanted.processors {
                counted.processors = known.processors();
            }
            counted
        });
        heard.collect()
    }

    /// Asks, and waits for nothing.
    fn asked(&self, known: &Known, wanted: Wanted) -> Option<(Monitor, Vec<Question>)> {
        let guest = known.spec().filter(|spec| spec.command.is_none())?.guest.as_ref();
        let has_balloon = guest.is_some_and(|guest| guest.balloon);
        let has_disks = self.devices(known).disks.iter().any(|disk| disk.path.is_some());
        let questions: Vec<_> = [
            (Question::Disks, wanted.disks && has_disks),
            (Question::Sizes, wanted.sizes && has_disks),
            (Question::Balloon, wanted.balloon && has_balloon),
            (Question::Processors, wanted.processors && known.threads.get().is_none()),
        ]
        .into_iter()
        .filter_map(|(question, asked)| asked.then_some(question))
        .collect();
        if !known.is_running() || questions.is_empty() {
            return None;
        }
        let mut monitor = self.monitor_of(known).ok()?;
        for question in &questions {
            monitor.say(question.command(), &Value::Null).ok()?;
        }
        Some((monitor, questions))
    }

    fn heard(
        &self,
        known: &Known,
        (mut monitor, questions): (Monitor, Vec<Question>),
        until: Instant,
    ) -> Option<Counted> {
        let mut counted = Counted::default();
        let (mut stats, mut blocks) = (Value::Null, Value::Null);
        for question in questions {
            let Ok(answer) = monitor.hear_until(until) else { return Some(counted) };
            match question {
                Question::Disks => stats = answer,
                Question::Sizes => blocks = answer,
                Question::Balloon => counted.balloon = answer["actual"].as_u64().map(Bytes),
                Question::Processors => {
                    let _ = known.threads.set(threads(known, &answer));
                }
            }
        }
        let images = self.devices(known).disks.iter().map(|disk| disk.path.is_some());
        counted.disks = disks(images, &stats, &blocks);
        Some(counted)
    }
}

/// What was answered of each drive that has an image. QEMU's answers have other drives among them: firmware's.
fn disks(
    images: impl Iterator<Item = bool>,
    stats: &Value,
    blocks: &Value,
) -> Vec<Option<DiskCount>> {
    let (stats, blocks) = (drives(stats), drives(blocks));
    let mut drive = 0..stats.len().max(blocks.len());
    let counts = images.map(|has_image| {
        let number = has_image.then(|| drive.next()).flatten()?;
        Some(count(stats.get(number).copied(), blocks.get(number).copied()))
    });
    counts.collect()
}

/// The drives of a machine's disks, in the order of its disks.
fn drives(answer: &Value) -> Vec<&Value> {
    let all = answer.as_array().map_or(&[][..], Vec::as_slice);
    let number = |drive: &Value| {
        let device = drive["qdev"].as_str()?;
        // Of some devices their name is told, of others where they are in QEMU's tree.
        let name = device.strip_prefix("/machine/peripheral/").unwrap_or(device);
        name.strip_prefix("disk")?.split('/').next()?.parse::<u32>().ok()
    };
    let mut drives: Vec<_> = all.iter().filter_map(|drive| Some((number(drive)?, drive))).collect();
    drives.sort_by_key(|(number, _)| *number);
    drives.into_iter().map(|(_, drive)| drive).collect()
}

fn count(drive: Option<&Value>, block: Option<&Value>) -> DiskCount {
    let nothing = json!({});
    let stats = drive.map_or(&nothing, |drive| &drive["stats"]);
    let number = |name: &str| stats[name].as_u64().unwrap_or(0);
    let transfer = |kind: &str| Transfer {
        requests: number(&format!("{kind}_operations")),
        bytes: number(&format!("{kind}_bytes")),
        time: Duration::from_nanos(number(&format!("{kind}_total_time_ns"))),
    };
    let image = block.map_or(&nothing, |block| &block["inserted"]["image"]);
    DiskCount {
        read: transfer("rd"),
        written: transfer("wr"),
        flushes: number("flush_operations"),
        flushing: Duration::from_nanos(number("flush_total_time_ns")),
        highest: drive.and_then(|d| d["parent"]["stats"]["wr_highest_offset"].as_u64()),
        capacity: image["virtual-size"].as_u64(),
        taken: image["actual-size"].as_u64(),
        trouble: match block.and_then(|block| block["io-status"].as_str()) {
            Some("failed") => Some(Trouble::Failed),
            Some("nospace") => Some(Trouble::NoRoom),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(qdev: &str, writes: u64) -> Value {
        let stats =
            json!({ "wr_operations": writes, "wr_bytes": 512 * writes, "rd_operations": 1 });
        json!({ "qdev": qdev, "stats": stats, "parent": { "stats": { "wr_highest_offset": 7 } } })
    }

    #[test]
    fn each_disk_has_its_own_drives_figures() {
        let answer = json!([
            drive("/machine/system.flash0", 9),
            drive("/machine/peripheral/disk10/virtio-backend", 2),
            drive("disk3", 1),
        ]);
        let sizes = json!([{ "qdev": "disk3", "io-status": "nospace",
            "inserted": { "image": { "virtual-size": 4096, "actual-size": 512 } } }]);
        let counted = disks([true, true].into_iter(), &answer, &sizes);
        let [Some(first), Some(second)] = counted[..] else { panic!("{counted:?}") };
        assert_eq!((first.written.requests, second.written.requests), (1, 2));
        assert_eq!((first.capacity, first.taken, first.highest), (Some(4096), Some(512), Some(7)));
        assert_eq!((first.trouble, second.trouble), (Some(Trouble::NoRoom), None));
        assert_eq!(second.written.bytes, 1024);
    }

    #[test]
    fn a_drive_without_a_disc_is_passed_over() {
        let answer =
            json!([drive("/machine/peripheral/disk1", 1), drive("/machine/peripheral/disk2", 2)]);
        let counted = disks([true, false, true].into_iter(), &answer, &Value::Null);
        let writes = counted.iter().map(|count| count.map(|count| count.written.requests));
        assert_eq!(writes.collect::<Vec<_>>(), [Some(1), None, Some(2)]);
    }

    #[test]
    fn what_is_no_answer_counts_nothing() {
        assert_eq!(disks([true].into_iter(), &json!("x"), &json!({ "a": 1 })), [None]);
    }
}
