//! What every thread has for itself: its user, its capabilities, its filters; and that nobody traces it.

use super::{labels, procfs::Directory, reader::Reader, words};
use crate::HostError;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use svirt_model::{Confinement, Finding, Layer, Namespace};

/// When a process is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// At its first instruction: everything is as the launcher made it.
    Held,
    /// Later: it may have put further filters upon itself, and one that keeps privileges may have
    /// become another user.
    Running,
}

/// Reads what every thread of a process that runs has for itself: labels, user, capabilities, filters.
/// `profiles` is where [`crate::apply`] remembers which profiles it has loaded.
///
/// # Errors
/// `/proc` does not show the process.
pub fn threads(
    pid: u32,
    confinement: &Confinement,
    profiles: &Path,
) -> Result<Vec<Finding>, HostError> {
    let (reader, moment) = (Reader::this_process(&BTreeSet::new())?, Moment::Running);
    let mut all = labels::compare(pid, confinement, profiles)?;
    all.extend(read(&reader, &Directory::of(pid)?, &Directory::own()?, confinement, moment)?);
    Ok(all)
}

pub(super) fn read(
    reader: &Reader,
    process: &Directory,
    own: &Directory,
    confinement: &Confinement,
    moment: Moment,
) -> Result<Vec<Finding>, HostError> {
    // A copy of the supervisor that reads from another namespace has what the supervisor has, in the
    // numbers that are shown there.
    let own = Fields::read(&own.text("status")?);
    let expected = expected(reader, confinement, moment, &own);
    let mut seen: Vec<BTreeSet<String>> = vec![BTreeSet::new(); expected.len()];
    for task in process.numbers("task")? {
        // A thread may end between the listing and the reading.
        let Ok(text) = process.text(&format!("task/{task}/status")) else { continue };
        let fields = Fields::read(&text);
        for (set, (_, name, planned)) in seen.iter_mut().zip(&expected) {
            let found = fields.get(name);
            let further = moment == Moment::Running && *name == FILTERS && more(&found, planned);
            set.insert(if further { planned.clone() } else { found });
        }
    }
    let row = |((layer, name, value), set): (Expected, BTreeSet<String>)| Finding {
        layer,
        what: format!("{name} of every thread"),
        expected: value,
        observed: set.into_iter().collect::<Vec<_>>().join(" | "),
    };
    Ok(expected.into_iter().zip(seen).map(row).collect())
}

const FILTERS: &str = "Seccomp_filters";

/// Whether this is a greater number: a filter that is added can only take away.
fn more(found: &str, planned: &str) -> bool {
    matches!((found.parse::<u32>(), planned.parse::<u32>()), (Ok(f), Ok(p)) if f > p)
}

/// The lines of `/proc/PID/status` (`proc_pid_status(5)`).
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn read(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Self(pairs.map(|(k, v)| (k.to_owned(), words(v))).collect())
    }

    fn get(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// A layer, the field that tells of it, and what the field should say.
type Expected = (Layer, &'static str, String);

fn expected(
    reader: &Reader,
    confinement: &Confinement,
    moment: Moment,
    own: &Fields,
) -> Vec<Expected> {
    let mut all = Vec::new();
    if moment == Moment::Held || confinement.drop_privileges {
        all.extend(identity(confinement, own));
    }
    if confinement.drop_privileges {
        all.extend(privileges(reader, confinement, own));
    }
    if moment == Moment::Running {
        // Whoever traces it reads its memory, and makes it do anything that it may do.
        all.push((Layer::Namespaces, "TracerPid", "0".into()));
    }
    if confinement.seccomp.is_some() {
        let inherited: usize = own.get(FILTERS).parse().unwrap_or(0);
        all.push((Layer::Seccomp, "Seccomp", "2".into()));
        all.push((Layer::Seccomp, FILTERS, (1 + inherited).to_string()));
    }
    all
}

fn identity(confinement: &Confinement, own: &Fields) -> Vec<Expected> {
    let four = |id: u32| vec![id.to_string(); 4].join(" ");
    let identity = confinement.identity;
    // Whoever keeps groups has exactly those that the supervisor has.
    let groups = if identity.keeps_groups { own.get("Groups") } else { String::new() };
    vec![
        (Layer::User, "Uid", four(identity.uid)),
        (Layer::User, "Gid", four(identity.gid)),
        (Layer::User, "Groups", groups),
    ]
}

fn privileges(reader: &Reader, confinement: &Confinement, own: &Fields) -> Vec<Expected> {
    let none = "0".repeat(16);
    let mut all = vec![(Layer::Privileges, "NoNewPrivs", "1".into())];
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        all.push((Layer::Privileges, set, none.clone()));
    }
    // An ordinary user without a user namespace may not empty it, and has nothing to lose.
    let bounded = confinement.namespaces.contains(&Namespace::User) || reader.root;
    all.push((Layer::Privileges, "CapBnd", if bounded { none } else { own.get("CapBnd") }));
    all
}
