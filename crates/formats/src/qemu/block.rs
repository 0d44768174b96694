//! Nodes of QEMU's block graph, from `-blockdev` and `-drive`.
//!
//! What a node opens, and how, depends on the nodes above it, which may come in a later argument:
//! a `file` node is opened as what the format node on it says. So nodes are only collected here,
//! and [`super::graph`] answers when all of them are known.

use super::{
    address::{self, Side},
    current::{Current, path},
    drivers::{self, COMMON, Driver, GUESS, Kind},
    json::MAX_DEPTH,
    keys::{NETWORK, covers, unknown_key},
    keyval::{Entry, Options},
    pci,
};
use crate::command_line::{Below, Problem, Thing};
use std::{collections::BTreeSet, path::PathBuf};
use svirt_model::{Access, Origin};

/// All nodes.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

/// A node.
pub(super) struct Node {
    /// Its name, by which others refer to it.
    pub(super) name: Option<String>,
    /// What its driver does.
    pub(super) kind: Kind,
    /// The node that it is written inside of.
    pub(super) parent: Option<(usize, Role)>,
    /// The nodes that it refers to by name.
    pub(super) references: Vec<(Role, String)>,
    /// What it says about writing.
    pub(super) read_only: Option<bool>,
    /// Whether it may open for reading as long as nobody writes.
    pub(super) auto_read_only: Option<bool>,
    /// Where the image below it is named.
    pub(super) backing: Below,
    /// Where the file with its data is named.
    pub(super) data_file: Below,
    /// Whether its header is in another file; of LUKS only.
    pub(super) header_apart: bool,
    /// The image that it opens.
    pub(super) storage: Option<(PathBuf, Origin)>,
    /// Whether it is the top of a `-drive`.
    pub(super) drive: bool,
    /// The argument that it is from.
    pub(super) argument: Where,
    /// How its format can be stated, if it is not.
    pub(super) slot: Option<Slot>,
}

/// An argument.
#[derive(Clone, Default)]
pub(super) struct Where {
    /// Its number in the user's words.
    pub(super) number: usize,
    /// The start of its text.
    pub(super) text: String,
}

/// How an image's format can be stated afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// With this key, at the start of the argument at this index.
    Key {
        /// The index in the rewritten arguments.
        index: usize,
        /// The key.
        key: String,
    },
    /// With `-drive` in place of the option before the argument at this index.
    Drive {
        /// The index in the rewritten arguments.
        index: usize,
        /// What the option says besides the file.
        rest: &'static str,
    },
}

/// What a node is to the one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The bytes that it reads, or what a filter passes on.
    Main,
    /// The image below a copy-on-write one.
    Backing,
    /// The data of an image that keeps only its tables itself.
    Data,
    /// The header of an image that keeps only its data itself.
    Header,
    /// Something else, such as a log.
    Other,
}

/// Whose rules hold where a key is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `-blockdev`: every node names its driver.
    Blockdev,
    /// `-drive`: formats are guessed, and what is below a format is a file.
    Drive,
}

/// Where a node stands.
#[derive(Clone)]
pub(super) struct Spot {
    /// The node around it.
    pub(super) parent: Option<(usize, Role)>,
    /// The keys that lead to it, with a dot after each.
    pub(super) prefix: String,
    /// How many nodes are around it.
    pub(super) depth: usize,
    /// Whose rules hold.
    pub(super) style: Style,
    /// What named its file, where that is not its own key.
    pub(super) named: Option<Entry>,
}

impl Spot {
    /// At the top.
    pub(super) fn top(style: Style) -> Self {
        Self { parent: None, prefix: String::new(), depth: 0, style, named: None }
    }
}

/// `-blockdev`.
pub(super) fn blockdev(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("driver"))? else { return Ok(()) };
    node(at, &options, &Spot::top(Style::Blockdev)).map(drop)
}

/// Reads a node and all that are written inside of it; its number in the graph.
pub(super) fn node(at: &mut Current<'_>, options: &Options, spot: &Spot) -> Result<usize, Problem> {
    if spot.depth > MAX_DEPTH {
        return Err(Problem::TooMuch { what: "the levels of block nodes", limit: MAX_DEPTH });
    }
    let driver = driver(at, options, spot)?;
    check_keys(options, driver)?;
    let node = described(at, options, driver, spot)?;
    let number = at.draft.graph.nodes.len();
    at.draft.graph.nodes.push(node);
    opened(at, options, driver, spot, number)?;
    children(at, options, driver, spot, number)?;
    Ok(number)
}

/// The driver of a node.
fn driver(at: &Current<'_>, options: &Options, spot: &Spot) -> Result<&'static Driver, Problem> {
    let name = match options.one_of(&["driver", "format"])? {
        Some(entry) => entry.text(),
        None if spot.style == Style::Blockdev => {
            return Err(Problem::MissingKey(format!("{}driver", spot.prefix)));
        }
        None if below_format(at, spot) => "file",
        None => return Ok(&GUESS),
    };
    let driver = drivers::find(name).ok_or_else(|| Problem::kind("block driver", name))?;
    match driver.kind {
        Kind::Refused(refusal) => Err(Problem::refused(format!("driver={name}"), refusal)),
        _ => Ok(driver),
    }
}

/// Whether QEMU looks for a file here, not for an image.
fn below_format(at: &Current<'_>, spot: &Spot) -> bool {
    let Some((parent, role)) = spot.parent else { return false };
    let kind = at.draft.graph.nodes.get(parent).map(|node| node.kind);
    role != Role::Backing && matches!(kind, Some(Kind::Format(_) | Kind::Guess))
}

/// Every key is one that somebody has looked at.
fn check_keys(options: &Options, driver: &Driver) -> Result<(), Problem> {
    let own: &[&str] = match driver.kind {
        Kind::File => &["filename"],
        Kind::Path | Kind::Device | Kind::Socket | Kind::Vfio => &["path"],
        Kind::Nbd => &["server.*", "path", "host", "port"],
        Kind::Directory => &["dir", "rw"],
        Kind::Nvme => &["device"],
        _ => &[],
    };
    let known = |key: &str| {
        [COMMON, own, driver.plain].iter().any(|keys| covers(keys, key))
            || key == "format"
            || driver.children.iter().any(|child| under(key, child.trim_end_matches(".*")))
    };
    match options.entries().iter().find(|entry| !known(&entry.key)) {
        Some(entry) => Err(unknown_key(entry, &format!("block driver {:?}", driver.name))),
        None => Ok(()),
    }
}

fn under(key: &str, name: &str) -> bool {
    key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The node without what it opens.
fn described(
    at: &Current<'_>,
    options: &Options,
    driver: &'static Driver,
    spot: &Spot,
) -> Result<Node, Problem> {
    let below = |key: &str| below(options, driver, key);
    let word = if spot.depth == 0 { "format" } else { "driver" };
    let key = format!("{}{word}", spot.prefix);
    let guessed = driver.kind == Kind::Guess;
    Ok(Node {
        name: options.text("node-name")?.map(str::to_owned),
        kind: driver.kind,
        parent: spot.parent,
        references: Vec::new(),
        read_only: options.flag(&["read-only"])?,
        auto_read_only: options.flag(&["auto-read-only"])?,
        backing: below("backing")?,
        data_file: below("data-file")?,
        header_apart: driver.children.contains(&"header") && below("header")? == Below::Named,
        storage: None,
        drive: spot.style == Style::Drive && spot.depth == 0,
        argument: at.place(),
        slot: guessed.then_some(Slot::Key { index: at.index, key }),
    })
}

/// Where a node below is named.
fn below(options: &Options, driver: &Driver, key: &str) -> Result<Below, Problem> {
    if !driver.children.contains(&key) {
        return Ok(Below::Header);
    }
    let direct = options.get(key)?;
    let nothing = direct.is_some_and(|entry| entry.text().is_empty());
    let named = direct.is_some() || !options.under(key).is_empty();
    Ok(match (nothing, named) {
        (true, _) => Below::Nothing,
        (false, true) => Below::Named,
        (false, false) => Below::Header,
    })
}

/// Notes what a node opens.
fn opened(
    at: &mut Current<'_>,
    options: &Options,
    driver: &Driver,
    spot: &Spot,
    number: usize,
) -> Result<(), Problem> {
    match driver.kind {
        Kind::File => image(at, options.need("filename")?, spot, number),
        Kind::Path => image(at, options.need("path")?, spot, number),
        Kind::Device => {
            let access = Access::Write;
            at.add_path(options.need("path")?, |path| Thing::HostDevice { path, access })
        }
        Kind::Socket => at.add_path(options.need("path")?, |path| Thing::Connect { path }),
        Kind::Vfio => at.add_path(options.need("path")?, |path| Thing::Passthrough { path }),
        Kind::Nbd => nbd(at, options, spot),
        Kind::Directory => directory(at, options, spot),
        Kind::Nvme => {
            let entry = options.need("device")?;
            let path = pci::directory(entry.text())?;
            at.add(spot.named.as_ref().unwrap_or(entry), Thing::Passthrough { path });
            Ok(())
        }
        Kind::Format(_) | Kind::Guess | Kind::Filter | Kind::Nothing | Kind::Refused(_) => Ok(()),
    }
}

fn image(at: &mut Current<'_>, entry: &Entry, spot: &Spot, number: usize) -> Result<(), Problem> {
    let Some(path) = path(entry)? else { return Ok(()) };
    let origin = at.origin(&shown(entry, spot));
    if let Some(node) = at.draft.graph.nodes.get_mut(number) {
        node.storage = Some((path, origin));
    }
    Ok(())
}

/// The entry to show: the one that named the file, under all its keys.
fn shown(entry: &Entry, spot: &Spot) -> Entry {
    let full = || Entry { key: format!("{}{}", spot.prefix, entry.key), ..entry.clone() };
    spot.named.clone().unwrap_or_else(full)
}

fn nbd(at: &mut Current<'_>, options: &Options, spot: &Spot) -> Result<(), Problem> {
    for key in ["host", "port"] {
        if options.get(key)?.is_some() {
            return Err(Problem::refused(key, &NETWORK));
        }
    }
    let server = options.under("server");
    if let (Some(entry), true) = (options.get("path")?, server.is_empty()) {
        return at.add_path(entry, |path| Thing::Connect { path });
    }
    let known = matches!(server.text("type")?, Some("unix"));
    match (&spot.named, known) {
        (Some(named), true) => {
            let what = path(server.need("path")?)?.map(|path| Thing::Connect { path });
            what.into_iter().for_each(|what| at.add(named, what));
            Ok(())
        }
        _ => address::read(at, &server, Side::Connect),
    }
}

fn directory(at: &mut Current<'_>, options: &Options, spot: &Spot) -> Result<(), Problem> {
    let writable = options.flag(&["rw"])? == Some(true);
    at.draft.facts.temporary |= writable;
    let access = if writable { Access::Write } else { Access::Read };
    let entry = options.need("dir")?;
    if let Some(path) = path(entry)? {
        at.add(&shown(entry, spot), Thing::Directory { path, access });
    }
    Ok(())
}

/// Reads the nodes that a node stands on.
fn children(
    at: &mut Current<'_>,
    options: &Options,
    driver: &Driver,
    spot: &Spot,
    number: usize,
) -> Result<(), Problem> {
    for pattern in driver.children {
        match pattern.strip_suffix(".*") {
            None => child(at, options, pattern, spot, number)?,
            Some(list) => {
                let items = options.under(list);
                let name = |entry: &Entry| entry.key.split('.').next().unwrap_or("").to_owned();
                let names: BTreeSet<String> = items.entries().iter().map(name).collect();
                for name in names {
                    child(at, options, &format!("{list}.{name}"), spot, number)?;
                }
            }
        }
    }
    Ok(())
}

/// Reads one of them: a name, or a node written here.
fn child(
    at: &mut Current<'_>,
    options: &Options,
    key: &str,
    spot: &Spot,
    number: usize,
) -> Result<(), Problem> {
    let role = role(key);
    let inner = options.under(key);
    match options.get(key)? {
        Some(_) if !inner.is_empty() => return Err(Problem::Twice(key.to_owned())),
        Some(entry) if entry.text().is_empty() => return Ok(()),
        Some(entry) => {
            let name = entry.text().to_owned();
            if let Some(node) = at.draft.graph.nodes.get_mut(number) {
                node.references.push((role, name));
            }
            return Ok(());
        }
        None if inner.is_empty() => return Ok(()),
        None => {}
    }
    let spot = Spot {
        parent: Some((number, role)),
        prefix: format!("{}{key}.", spot.prefix),
        depth: spot.depth + 1,
        style: spot.style,
        named: spot.named.clone().filter(|_| key == "file"),
    };
    node(at, &inner, &spot).map(drop)
}

fn role(key: &str) -> Role {
    match key {
        "backing" => Role::Backing,
        "data-file" => Role::Data,
        "header" => Role::Header,
        "log" | "target" => Role::Other,
        _ => Role::Main,
    }
}
