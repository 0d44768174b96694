//! What the kernel says about a process, read from outside, beside what its confinement says.
//!
//! Landlock and `PR_SET_MDWE` are not in here: no kernel shows them to another process. That they
//! are in force is known from the launcher, which stops at any step that fails, and from drills.

use crate::{Doing, HostError, joined};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use svirt_model::{
    Confinement, DescriptorSource, EntrySource, Evidence, Finding, Layer, Limit, Namespace, Role,
};

/// Reads everything about a process that stands at its first instruction. What belongs to a
/// delegated user its owner may read only from within the process's user namespace.
///
/// # Errors
/// `/proc` does not show the process: it is gone.
pub fn read(role: Role, pid: u32, confinement: &Confinement) -> Result<Evidence, HostError> {
    let reader = Reader::this_process(&confinement.namespaces)?;
    let read = || read_as(&reader, role, pid, confinement);
    if confinement.identity.delegated {
        joined::within(&joined::of_process(pid)?, read)
    } else {
        read()
    }
}

fn read_as(
    reader: &Reader,
    role: Role,
    pid: u32,
    confinement: &Confinement,
) -> Result<Evidence, HostError> {
    let mut findings = threads_as(reader, pid, confinement, Moment::Held)?;
    let process = Process { proc: format!("/proc/{pid}").into(), confinement, reader };
    findings.extend(process.namespaces()?);
    findings.push(process.descriptors()?);
    findings.push(process.environment()?);
    if confinement.own_root {
        findings.push(process.mounts()?);
    }
    findings.extend(process.limits()?);
    findings.extend(process.control_groups()?);
    Ok(Evidence { role, pid, findings })
}

/// When a process is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At its first instruction: everything is as the launcher made it.
    Held,
    /// Later: it may have put further filters upon itself.
    Running,
}

/// Reads what every thread of a process has for itself: user, capabilities, filters.
///
/// # Errors
/// `/proc` does not show the process.
pub fn threads(
    pid: u32,
    confinement: &Confinement,
    moment: Moment,
) -> Result<Vec<Finding>, HostError> {
    threads_as(&Reader::this_process(&BTreeSet::new())?, pid, confinement, moment)
}

fn threads_as(
    reader: &Reader,
    pid: u32,
    confinement: &Confinement,
    moment: Moment,
) -> Result<Vec<Finding>, HostError> {
    // A copy of the supervisor that reads from another namespace has what the supervisor has, in the
    // numbers that are shown there.
    let own = Fields::read(Path::new("/proc/self/status"))?;
    let expected = expected_fields(confinement, reader, &own);
    let directory = PathBuf::from(format!("/proc/{pid}/task"));
    let mut seen: Vec<BTreeSet<String>> = vec![BTreeSet::new(); expected.len()];
    for task in fs::read_dir(&directory).on("read", &directory)? {
        let path = task.on("read", &directory)?.path().join("status");
        // A thread may end between the listing and the reading.
        let Ok(fields) = Fields::read(&path) else { continue };
        for (set, (_, name, planned)) in seen.iter_mut().zip(&expected) {
            let found = fields.get(name);
            let further = moment == Moment::Running && *name == FILTERS && more(&found, planned);
            set.insert(if further { planned.clone() } else { found });
        }
    }
    let row = |((layer, name, value), set): ((Layer, &str, String), BTreeSet<String>)| Finding {
        layer,
        what: format!("{name} of every thread"),
        expected: value,
        observed: set.into_iter().collect::<Vec<_>>().join(" | "),
    };
    Ok(expected.into_iter().zip(seen).map(row).collect())
}

/// What the supervisor has, which a copy of it that has joined a namespace cannot say any more.
struct Reader {
    root: bool,
    namespaces: BTreeMap<Namespace, PathBuf>,
}

impl Reader {
    fn this_process(namespaces: &BTreeSet<Namespace>) -> Result<Self, HostError> {
        let namespace = |n: &Namespace| Ok((*n, namespace_of(Path::new("/proc/self"), *n)?));
        Ok(Self {
            root: rustix::process::geteuid().is_root(),
            namespaces: namespaces.iter().map(namespace).collect::<Result<_, HostError>>()?,
        })
    }
}

fn namespace_of(process: &Path, namespace: Namespace) -> Result<PathBuf, HostError> {
    let path = process.join("ns").join(namespace.file());
    fs::read_link(&path).on("read", &path)
}

const FILTERS: &str = "Seccomp_filters";

/// Whether this is a greater number: a filter that is added can only take away.
fn more(found: &str, planned: &str) -> bool {
    matches!((found.parse::<u32>(), planned.parse::<u32>()), (Ok(f), Ok(p)) if f > p)
}

/// The lines of `/proc/PID/status` (`proc_pid_status(5)`).
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn read(path: &Path) -> Result<Self, HostError> {
        let text = fs::read_to_string(path).on("read", path)?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(Self(pairs.map(|(k, v)| (k.to_owned(), words(v))).collect()))
    }

    fn get(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn expected_fields(
    confinement: &Confinement,
    reader: &Reader,
    own: &Fields,
) -> Vec<(Layer, &'static str, String)> {
    let four = |id: u32| vec![id.to_string(); 4].join(" ");
    let identity = confinement.identity;
    let mut all = vec![
        (Layer::User, "Uid", four(identity.uid)),
        (Layer::User, "Gid", four(identity.gid)),
        // Whoever keeps groups has exactly those that the supervisor has.
        (
            Layer::User,
            "Groups",
            if identity.keeps_groups { own.get("Groups") } else { String::new() },
        ),
    ];
    if confinement.drop_privileges {
        all.push((Layer::Privileges, "NoNewPrivs", "1".into()));
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            all.push((Layer::Privileges, set, "0".repeat(16)));
        }
        // An ordinary user without a user namespace may not empty it, and has nothing to lose.
        let bounded = confinement.namespaces.contains(&Namespace::User) || reader.root;
        let bounding = if bounded { "0".repeat(16) } else { own.get("CapBnd") };
        all.push((Layer::Privileges, "CapBnd", bounding));
    }
    if confinement.seccomp.is_some() {
        let inherited: usize = own.get(FILTERS).parse().unwrap_or(0);
        all.push((Layer::Seccomp, "Seccomp", "2".into()));
        all.push((Layer::Seccomp, FILTERS, (1 + inherited).to_string()));
    }
    all
}

struct Process<'a> {
    proc: PathBuf,
    confinement: &'a Confinement,
    reader: &'a Reader,
}

impl Process<'_> {
    fn namespaces(&self) -> Result<Vec<Finding>, HostError> {
        self.confinement.namespaces.iter().map(|n| self.namespace(*n)).collect()
    }

    fn namespace(&self, namespace: Namespace) -> Result<Finding, HostError> {
        let own = namespace_of(&self.proc, namespace)?;
        let shared = self.reader.namespaces.get(&namespace) == Some(&own);
        let layer = match namespace {
            Namespace::User => Layer::UserNamespace,
            Namespace::Mount => Layer::Root,
            _ => Layer::Namespaces,
        };
        Ok(Finding {
            layer,
            what: format!("{} namespace", namespace.file()),
            expected: "its own".into(),
            observed: if shared { "the host's" } else { "its own" }.into(),
        })
    }

    /// Every descriptor that the process holds, and for an object of the host which one it is.
    fn descriptors(&self) -> Result<Finding, HostError> {
        let directory = self.proc.join("fd");
        let mut observed = BTreeMap::new();
        for entry in fs::read_dir(&directory).on("read", &directory)? {
            let path = entry.on("read", &directory)?.path();
            let number = path.file_name().and_then(|n| n.to_str()?.parse::<i32>().ok());
            observed.insert(number.unwrap_or(-1), self.identity(&path, number));
        }
        let known = &self.confinement.descriptors;
        let expected = known.iter().map(|d| (d.number, object_identity(&d.source))).collect();
        Ok(Finding {
            layer: Layer::Limits,
            what: "descriptors".into(),
            expected: listed(&expected),
            observed: listed(&observed),
        })
    }

    fn identity(&self, path: &Path, number: Option<i32>) -> Option<String> {
        let descriptor = self.confinement.descriptors.iter().find(|d| Some(d.number) == number)?;
        object_identity(&descriptor.source)?;
        let stat = fs::metadata(path).ok()?;
        Some(format!("{}:{}", stat.dev(), stat.ino()))
    }

    fn environment(&self) -> Result<Finding, HostError> {
        let path = self.proc.join("environ");
        let text = fs::read(&path).on("read", &path)?;
        let text = String::from_utf8_lossy(&text);
        let observed: Vec<_> = text.split_terminator('\0').collect();
        Ok(Finding {
            layer: Layer::Root,
            what: "environment".into(),
            expected: self.confinement.environment.join(" "),
            observed: observed.join(" "),
        })
    }

    /// Every mount that the process sees, with whether it can be written to.
    fn mounts(&self) -> Result<Finding, HostError> {
        let path = self.proc.join("mountinfo");
        let text = fs::read_to_string(&path).on("read", &path)?;
        let observed: BTreeSet<_> = text.lines().filter_map(mount).collect();
        let mut expected: BTreeSet<_> = self.confinement.entries.iter().filter_map(bound).collect();
        expected.insert("/ ro".into());
        Ok(differences(Layer::Root, "mounts", &expected, &observed))
    }

    fn limits(&self) -> Result<Vec<Finding>, HostError> {
        let path = self.proc.join("limits");
        let text = fs::read_to_string(&path).on("read", &path)?;
        let row = |(limit, value): &(Limit, u64)| {
            let name = limit_name(*limit);
            let line = text.lines().find_map(|l| l.strip_prefix(name));
            Finding {
                layer: Layer::Limits,
                what: name.into(),
                expected: format!("{value} {value}"),
                observed: line
                    .map(|l| words(l).split(' ').take(2).collect::<Vec<_>>().join(" "))
                    .unwrap_or_default(),
            }
        };
        Ok(self.confinement.limits.iter().map(row).collect())
    }

    fn control_groups(&self) -> Result<Vec<Finding>, HostError> {
        let pid = self.proc.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let row = |group: &PathBuf| {
            let path = group.join("cgroup.procs");
            let text = fs::read_to_string(&path).on("read", &path)?;
            let member = text.lines().any(|line| line == pid);
            Ok(Finding {
                layer: Layer::Cgroup,
                what: format!("member of {}", group.display()),
                expected: "yes".into(),
                observed: if member { "yes" } else { "no" }.into(),
            })
        };
        self.confinement.cgroups.iter().map(row).collect()
    }
}

fn object_identity(source: &DescriptorSource) -> Option<String> {
    match source {
        DescriptorSource::Read(object) | DescriptorSource::ReadWrite(object) => {
            Some(format!("{}:{}", object.id.device, object.id.inode))
        }
        _ => None,
    }
}

fn listed(descriptors: &BTreeMap<i32, Option<String>>) -> String {
    let one = |(number, identity): (&i32, &Option<String>)| match identity {
        Some(identity) => format!("{number}={identity}"),
        None => number.to_string(),
    };
    descriptors.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// A line of `mountinfo`: the mount point and `ro` or `rw` (`proc_pid_mountinfo(5)`).
fn mount(line: &str) -> Option<String> {
    let mut fields = line.split(' ').skip(4);
    let (point, options) = (fields.next()?, fields.next()?);
    Some(format!("{point} {}", options.split(',').next()?))
}

fn bound(entry: &svirt_model::Entry) -> Option<String> {
    let access = if entry.grant.writes() { "rw" } else { "ro" };
    match entry.source {
        EntrySource::Bind(_) | EntrySource::Made(_) | EntrySource::Fresh => {
            Some(format!("{} {access}", escape(&entry.at)))
        }
        EntrySource::Node(_) => None,
    }
}

/// As the kernel writes a path in `mountinfo`: blanks, tabs, newlines and backslashes in octal.
fn escape(path: &Path) -> String {
    let one = |c: char| match c {
        ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", u32::from(c)),
        other => other.to_string(),
    };
    path.to_string_lossy().chars().map(one).collect()
}

/// Long lists say only how many, and what differs.
fn differences(
    layer: Layer,
    what: &str,
    expected: &BTreeSet<String>,
    observed: &BTreeSet<String>,
) -> Finding {
    let say = |these: &BTreeSet<String>, those: &BTreeSet<String>, word: &str| {
        let extra: Vec<_> = these.difference(those).map(String::as_str).collect();
        let common = these.intersection(those).count();
        if extra.is_empty() {
            format!("{common}")
        } else {
            format!("{common}, {word}: {}", extra.join(", "))
        }
    };
    Finding {
        layer,
        what: what.into(),
        expected: say(expected, observed, "and"),
        observed: say(observed, expected, "besides"),
    }
}

/// The names in `/proc/PID/limits`.
fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Core => "Max core file size",
        Limit::Processes => "Max processes",
        Limit::Files => "Max open files",
        Limit::LockedMemory => "Max locked memory",
        Limit::FileSize => "Max file size",
        Limit::MessageQueues => "Max msgqueue size",
    }
}
