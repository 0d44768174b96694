//! Processes of this host that are known by number: which is which, whose they are, and their end.
//!
//! A number alone is not a process: it is used again. With the start time it is one.

use crate::{Doing, HostError, text};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, Uid, getpriority_user, kill_process, pidfd_open, pidfd_send_signal,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::fs::{FileExt, MetadataExt},
    },
    path::Path,
    time::{Duration, Instant},
};

/// No host has more processes than this (`PID_MAX_LIMIT` of the kernel).
const PROCESSES_MAX: usize = 1 << 22;
/// How long processes may take to be gone once they are killed.
const DYING: Duration = Duration::from_secs(10);
/// How long an init may take to end, by itself, what is below it.
const ENDING: Duration = Duration::from_secs(2);

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time of its own.
    pub user: Duration,
    /// Processor time that the kernel spent for it.
    pub system: Duration,
    /// Memory that it has, in bytes.
    pub resident: u64,
}

/// What a thread has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThreadUsage {
    /// Its number on this host.
    pub thread: u32,
    /// Processor time that it has used, the kernel's for it included.
    pub time: Duration,
    /// How long it was ready to run and waited for a processor.
    pub delay: Duration,
    /// The processor on which it was the last time.
    pub processor: u32,
}

/// What a process has used (`proc_pid_stat(5)`); `None` where it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    let fields = Fields::of(format!("/proc/{pid}/stat"))?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    Some(Usage {
        user: ticks(fields.number(14)?),
        system: ticks(fields.number(15)?),
        resident: fields.number(24)?.saturating_mul(page),
    })
}

/// What a thread of a process has used (`proc_pid_stat(5)`); `None` where it is gone.
pub fn thread_usage(pid: u32, thread: u32) -> Option<ThreadUsage> {
    let directory = format!("/proc/{pid}/task/{thread}");
    let fields = Fields::of(format!("{directory}/stat"))?;
    // The second number of three (Documentation/scheduler/sched-stats.rst); a kernel may not count it.
    let waited = text::at(format!("{directory}/schedstat")).unwrap_or_default();
    let waited = waited.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok());
    Some(ThreadUsage {
        thread,
        time: ticks(fields.number(14)?.saturating_add(fields.number(15)?)),
        delay: Duration::from_nanos(waited.unwrap_or(0)),
        processor: u32::try_from(fields.number(39)?).ok()?,
    })
}

/// The threads of a process, by their numbers in its own pid namespace (`pid_namespaces(7)`).
pub fn threads(pid: u32) -> BTreeMap<u32, u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeMap::new() };
    let entries = entries.filter_map(Result::ok).take(PROCESSES_MAX);
    let numbers = entries.filter_map(|entry| {
        let status = text::at(entry.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let inside = line.split_ascii_whitespace().next_back()?.parse().ok()?;
        Some((inside, entry.file_name().to_str()?.parse().ok()?))
    });
    numbers.collect()
}

/// The processors of the host on which a thread may run (`sched_getaffinity(2)`); none where it is gone.
pub fn processors_of(thread: u32) -> BTreeSet<u32> {
    let pid = i32::try_from(thread).ok().and_then(Pid::from_raw);
    // Without a number it would be this thread's own.
    let set = pid.and_then(|pid| rustix::thread::sched_getaffinity(Some(pid)).ok());
    let all = 0..u32::try_from(rustix::thread::CpuSet::MAX_CPU).unwrap_or(u32::MAX);
    let is_set = |number: &u32| {
        set.is_some_and(|set| usize::try_from(*number).is_ok_and(|number| set.is_set(number)))
    };
    all.filter(is_set).collect()
}

/// The fields of `proc_pid_stat(5)` from the third on.
struct Fields(String);

impl Fields {
    /// The second field may hold anything, and ends with the last parenthesis; the next is the third.
    fn of(path: impl AsRef<Path>) -> Option<Self> {
        let stat = text::at(path).ok()?;
        Some(Self(stat.rsplit_once(')')?.1.to_owned()))
    }

    fn number(&self, field: usize) -> Option<u64> {
        self.0.split_ascii_whitespace().nth(field.checked_sub(3)?)?.parse().ok()
    }
}

fn ticks(count: u64) -> Duration {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_micros(count.saturating_mul(1_000_000) / ticks)
}

/// When a process that lives started, in clock ticks after the boot: field 22 of
/// `proc_pid_stat(5)`. One that only waits to be reaped does not live.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = stat(pid)?;
    stat.lives.then_some(stat.start_time)
}

struct Stat {
    lives: bool,
    parent: u32,
    start_time: u64,
}

/// The third field is the state, the fourth the parent; the second may contain blanks and ends with
/// the last parenthesis.
fn stat(pid: u32) -> Option<Stat> {
    let text = text::at(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let lives = !matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    Some(Stat { lives, parent, start_time: fields.nth(17)?.parse().ok()? })
}

/// Every process that `/proc` shows.
pub(crate) fn all() -> Result<Vec<u32>, HostError> {
    let entries = fs::read_dir("/proc").doing(|| "list the host's processes")?;
    let number = |e: fs::DirEntry| e.file_name().to_str()?.parse().ok();
    Ok(entries.filter_map(Result::ok).filter_map(number).take(PROCESSES_MAX).collect())
}

/// Whether any process that this pid namespace shows has this real user. The kernel looks the user up
/// first, so that nothing is searched where there is none (`getpriority(2)`).
///
/// # Errors
/// The kernel's.
pub fn run_as(user: u32) -> Result<bool, HostError> {
    match getpriority_user(Uid::from_raw(user)) {
        Ok(_) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(e) => Err(e).doing(|| format!("find out whether anything runs as user {user}")),
    }
}

/// Makes sure that a process has ended, and, where it was still there, all that came of it. One that
/// has the number but another start time is somebody else, and left alone.
///
/// # Errors
/// It cannot be killed, or does not end.
pub fn end(pid: u32, started: u64) -> Result<(), HostError> {
    let Some(process) = open(pid)? else { return Ok(()) };
    // The descriptor came first, so that what is compared is what will be killed.
    if start_time(pid) != Some(started) {
        return Ok(());
    }
    // An init whose supervisor has died ends what is below it, and only then itself.
    if has_ended(&process, ENDING)? {
        return Ok(());
    }
    let mut below = Vec::new();
    for number in Family::of_the_host()?.below(pid) {
        below.extend(open(number)?);
    }
    below.push(process);
    for one in &below {
        match pidfd_send_signal(one, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(e) => return Err(e).doing(|| format!("kill what is left of process {pid}")),
        }
    }
    for one in &below {
        if !has_ended(one, DYING)? {
            let late = io::Error::from(io::ErrorKind::TimedOut);
            return Err(late).doing(|| format!("see the end of process {pid}"));
        }
    }
    Ok(())
}

fn open(pid: u32) -> Result<Option<OwnedFd>, HostError> {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(number, PidfdFlags::empty()) {
        Ok(descriptor) => Ok(Some(descriptor)),
        // It was reaped, or is a thread that took the number since.
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(e) => Err(e).doing(|| format!("open process {pid}")),
    }
}

/// Waits for the end of a process, but no longer than the limit.
fn has_ended(process: &OwnedFd, limit: Duration) -> Result<bool, HostError> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e).doing(|| "wait for the end of a process"),
        }
    }
}

/// The children of this process, those included that were left to it as the nearest subreaper
/// (`PR_SET_CHILD_SUBREAPER(2const)`). It works in a root without a `/proc` too, once it is made.
#[derive(Debug)]
pub struct Children(fs::File);

impl Children {
    /// Those of this process, which has one thread.
    ///
    /// # Errors
    /// There is no `/proc`, or the kernel does not list children (`CONFIG_PROC_CHILDREN`).
    pub fn of_this_process() -> Result<Self, HostError> {
        let path = Path::new("/proc/thread-self/children");
        fs::File::open(path).map(Self).on("read", path)
    }

    /// Kills all that there are now, and gives their numbers; none when there is no child, not even
    /// one that waits to be reaped.
    ///
    /// # Errors
    /// The kernel's.
    pub fn kill(&self) -> Result<Vec<u32>, HostError> {
        let numbers = self.list().doing(|| "list this process's children")?;
        for pid in numbers.iter().filter_map(|n| Pid::from_raw(i32::try_from(*n).ok()?)) {
            // A child that was not reaped keeps its number, so nobody else is hit.
            let _ = kill_process(pid, Signal::KILL);
        }
        Ok(numbers)
    }

    fn list(&self) -> io::Result<Vec<u32>> {
        let (mut text, mut part) = (Vec::new(), [0; 4096]);
        loop {
            match self.0.read_at(&mut part, text.len() as u64)? {
                0 => break,
                count => text.extend_from_slice(part.get(..count).unwrap_or_default()),
            }
        }
        let text = String::from_utf8_lossy(&text);
        Ok(text.split_whitespace().filter_map(|n| n.parse().ok()).collect())
    }
}

impl AsRawFd for Children {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Makes this process the one to which all that comes of it is left.
///
/// # Errors
/// The kernel's.
pub fn become_subreaper() -> Result<(), HostError> {
    let any = Some(rustix::process::getpid());
    rustix::process::set_child_subreaper(any).doing(|| "be left what comes of the machine")
}

/// Ends all that came of this process, if it is one to which that is left; anybody else has children
/// that are its own.
///
/// # Errors
/// Something does not end.
pub fn end_what_was_left() -> Result<(), HostError> {
    let is_left =
        rustix::process::child_subreaper().doing(|| "know whether anything is left here")?;
    if is_left.is_none() {
        return Ok(());
    }
    let (children, deadline) = (Children::of_this_process()?, Instant::now() + DYING);
    loop {
        let Some(&one) = children.kill()?.last() else { return Ok(()) };
        if Instant::now() > deadline {
            let late = io::Error::from(io::ErrorKind::TimedOut);
            return Err(late).doing(|| format!("see the end of process {one}"));
        }
        if let Some(process) = open(one)? {
            has_ended(&process, Duration::from_secs(1))?;
        }
        while crate::sys::wait_any().is_some() {}
    }
}

/// The processes in a control group and in those below it, by number; 0 is one that this pid namespace
/// does not show (`cgroups(7)`).
///
/// # Errors
/// The group is not there, or cannot be read.
pub fn members_of(group: &Path) -> Result<BTreeSet<u32>, HostError> {
    let (mut found, mut next) = (BTreeSet::new(), vec![group.to_owned()]);
    while let Some(group) = next.pop() {
        let procs = group.join("cgroup.procs");
        let text = text::at(&procs).on("read", &procs)?;
        found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        let below = fs::read_dir(&group).on("read", &group)?.filter_map(Result::ok);
        let groups = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        next.extend(groups.map(|entry| entry.path()));
    }
    Ok(found)
}

/// Which process came of which, and which are together in a pid namespace, at one moment.
#[derive(Debug)]
pub struct Family {
    children: BTreeMap<u32, Vec<u32>>,
    /// The processes of each pid namespace, by its inode, of those that this user may look at.
    together: BTreeMap<u64, BTreeSet<u32>>,
}

impl Family {
    /// All processes that `/proc` shows.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of_the_host() -> Result<Self, HostError> {
        let (mut children, mut together) = (BTreeMap::new(), BTreeMap::new());
        for pid in all()? {
            // One that has ended meanwhile has no parent to be asked for.
            if let Some(stat) = stat(pid) {
                children.entry(stat.parent).or_insert_with(Vec::new).push(pid);
            }
            if let Some(namespace) = pid_namespace(pid) {
                together.entry(namespace).or_insert_with(BTreeSet::new).insert(pid);
            }
        }
        Ok(Self { children, together })
    }

    /// The processes that are in the pid namespace of this one; none where that is this process's own,
    /// or cannot be seen.
    pub fn beside(&self, pid: u32) -> BTreeSet<u32> {
        let own = pid_namespace(std::process::id());
        let namespace = pid_namespace(pid).filter(|its| Some(*its) != own);
        namespace.and_then(|its| self.together.get(&its)).cloned().unwrap_or_default()
    }

    /// The processes that descend from this one, without those that left their parents behind.
    pub fn below(&self, pid: u32) -> BTreeSet<u32> {
        let (mut found, mut next) = (BTreeSet::new(), vec![pid]);
        while let Some(parent) = next.pop() {
            let children = self.children.get(&parent).map_or(&[][..], Vec::as_slice);
            next.extend(children.iter().filter(|child| found.insert(**child)));
        }
        found
    }
}

fn pid_namespace(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/pid")).ok().map(|found| found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_processes_or_has_none() {
        assert!(run_as(rustix::process::getuid().as_raw()).unwrap());
        assert!(!run_as(0x7abc_def0).unwrap(), "a user that nobody has");
    }
    use std::process::{Command, Stdio};

    fn sleeper() -> std::process::Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_process_with_another_start_time_is_somebody_else() {
        let mut stranger = sleeper();
        let started = start_time(stranger.id()).unwrap();
        end(stranger.id(), started + 1).unwrap();
        assert!(stranger.try_wait().unwrap().is_none(), "it was killed");
        end(stranger.id(), started).unwrap();
        assert!(stranger.try_wait().unwrap().is_some(), "it lives");
        assert_eq!(start_time(stranger.id()), None);
        end(stranger.id(), started).unwrap();
    }

    #[test]
    fn what_came_of_a_process_ends_with_it() {
        use std::io::{BufRead, BufReader};
        let script = "sleep 60 & echo $!; wait";
        let mut shell =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let below: u32 = line.trim().parse().unwrap();
        let started = start_time(below).unwrap();
        end(shell.id(), start_time(shell.id()).unwrap()).unwrap();
        shell.wait().unwrap();
        assert_ne!(start_time(below), Some(started), "it lives on");
    }
}
