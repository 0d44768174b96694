//! Everything that a machine could leave behind or change, object by object.

use rusqlite::{Connection, OpenFlags};
use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fs,
    hash::Hasher,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use svirt_testkit::{Host, Trace};
use svirt_tests_crash::descendants;

/// Tables of the store that remember what was: more is in them after each machine.
const PAST: [&str; 5] = ["events", "facts", "formats", "ledger", "objects"];
/// The store's own files, whose content is looked at through the store.
const STORE: &str = "svirt.db";

/// One object of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    kind_and_mode: u32,
    owner: (u32, u32),
    links: u64,
    content: Option<u64>,
    /// Every extended attribute: labels, access control lists, capabilities, remarks of users.
    attributes: BTreeMap<String, Vec<u8>>,
}

/// What there is, at one moment, of what belongs to a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census(BTreeMap<String, String>);

impl Census {
    /// Counts everything.
    pub(crate) fn take(host: &Host) -> Self {
        let mut all = Self::objects(host);
        rows(&host.state().join(STORE), &mut all.0);
        all
    }

    /// Counts all but what the store says.
    pub(crate) fn objects(host: &Host) -> Self {
        let mut all = BTreeMap::new();
        files(&host.path(""), &mut all);
        for trace in host.traces().0 {
            // Files were counted, and processes are, by who descends from whom.
            if !matches!(trace, Trace::File(_) | Trace::Process(..)) {
                all.insert(format!("{trace:?}"), "is there".into());
            }
        }
        for pid in descendants() {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            all.insert(format!("process {pid}"), line.replace('\0', " "));
        }
        Self(all)
    }

    /// What differs from an earlier one, in words.
    pub(crate) fn differences(&self, before: &Self) -> Vec<String> {
        let keys: std::collections::BTreeSet<_> = self.0.keys().chain(before.0.keys()).collect();
        let differs = |key: &&&String| self.0.get(**key) != before.0.get(**key);
        let nothing = "nothing".to_owned();
        let said = |key: &&String| {
            let (was, is) = (before.0.get(*key), self.0.get(*key));
            format!("{key}: {} instead of {}", is.unwrap_or(&nothing), was.unwrap_or(&nothing))
        };
        keys.iter().filter(differs).map(said).collect()
    }
}

fn files(directory: &Path, all: &mut BTreeMap<String, String>) {
    for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(STORE) {
            continue;
        }
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let object = Object {
            kind_and_mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            links: if metadata.is_dir() { 0 } else { metadata.nlink() },
            content: (metadata.is_file() && !is_log(&path)).then(|| content(&path)),
            attributes: attributes(&path),
        };
        all.insert(path.display().to_string(), format!("{object:?}"));
        if metadata.is_dir() {
            files(&path, all);
        }
    }
}

/// What a machine that is defined said is kept as long as its definition.
fn is_log(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "logs")
}

fn content(path: &PathBuf) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(path).unwrap_or_default());
    hasher.finish()
}

/// Every extended attribute, byte for byte.
pub(crate) fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length].split(|b| *b == 0).filter(|n| !n.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
        (String::from_utf8_lossy(name).into_owned(), value[..length].to_vec())
    };
    names.map(value).collect()
}

/// How many rows each table of the store has, and how many changes are not undone.
fn rows(path: &Path, all: &mut BTreeMap<String, String>) {
    if !path.exists() {
        return;
    }
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let number = |query: &str| -> i64 {
        store.query_row(query, [], |row| row.get(0)).unwrap_or_else(|e| panic!("{query}: {e}"))
    };
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = store.prepare(names).expect("every database has this");
    let names = names.query_map([], |row| row.get::<_, String>(0)).expect("a table of names");
    for name in names.flatten().filter(|name| !PAST.contains(&name.as_str())) {
        let count = number(&format!("SELECT count(*) FROM {name}"));
        all.insert(format!("rows of {name}"), count.to_string());
    }
    let open = number("SELECT count(*) FROM ledger WHERE phase IN ('intent', 'done', 'orphaned')");
    all.insert("open changes".into(), open.to_string());
    assert_eq!(
        number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
        1
    );
}
