//! The finished block graph: which image is opened under which format, and how.

use super::block::{Graph, Node, Role, Slot};
use super::drivers::Kind;
use crate::command_line::{Below, Found, ImageFile, Problem, ReadError, Refusal, Thing};
use std::collections::{BTreeSet, HashMap};
use svirt_model::{Access, ImageFormat};

const NO_NODE: Refusal = Refusal {
    why: "no node with this name is on the command line",
    hint: "write a `-blockdev` with this `node-name` before it",
};

/// An image, and how its format can be stated.
pub(super) struct Opened {
    pub(super) found: Found,
    pub(super) slot: Option<Slot>,
}

/// A format as one of the nodes above an image says it: nothing, where QEMU would guess.
struct Use {
    format: Option<ImageFormat>,
    backing: Below,
    data_file: Below,
    slot: Option<Slot>,
}

impl Graph {
    /// Every image, in the order in which they were named. `snapshot` says whether all drives
    /// write to temporary files.
    pub(super) fn images(&self, snapshot: bool) -> Result<Vec<Opened>, ReadError> {
        let above = self.above()?;
        let view = View { graph: self, above: &above, snapshot };
        let numbers = 0..self.nodes.len();
        numbers.filter_map(|number| view.opened(number).transpose()).collect()
    }

    /// The numbers of the nodes that have names.
    fn names(&self) -> Result<HashMap<&str, usize>, ReadError> {
        let mut names = HashMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let Some(name) = &node.name else { continue };
            if names.insert(name.as_str(), number).is_some() {
                return Err(node.error(Problem::Twice(format!("node-name={name}"))));
            }
        }
        Ok(names)
    }

    /// The nodes above each node.
    fn above(&self) -> Result<Vec<Vec<(usize, Role)>>, ReadError> {
        let names = self.names()?;
        let mut above: Vec<Vec<(usize, Role)>> =
            self.nodes.iter().map(|node| node.parent.into_iter().collect()).collect();
        for (number, node) in self.nodes.iter().enumerate() {
            for (role, name) in &node.references {
                let missing = || node.error(Problem::refused(name.as_str(), &NO_NODE));
                let below = names.get(name.as_str()).and_then(|number| above.get_mut(*number));
                let below = below.ok_or_else(missing)?;
                if below.last() != Some(&(number, *role)) {
                    below.push((number, *role));
                }
            }
        }
        Ok(above)
    }
}

/// A graph that can be looked at from below.
struct View<'a> {
    graph: &'a Graph,
    above: &'a [Vec<(usize, Role)>],
    snapshot: bool,
}

impl View<'_> {
    fn node(&self, number: usize) -> Option<&Node> {
        self.graph.nodes.get(number)
    }

    fn above(&self, number: usize) -> &[(usize, Role)] {
        self.above.get(number).map_or(&[], Vec::as_slice)
    }

    /// The image that a node opens, if it opens one.
    fn opened(&self, number: usize) -> Result<Option<Opened>, ReadError> {
        let Some(node) = self.node(number) else { return Ok(None) };
        let Some((path, origin)) = &node.storage else { return Ok(None) };
        let used = one(self.uses(number)).map_err(|formats| {
            node.error(Problem::Formats { path: path.clone(), formats: formats.join(", ") })
        })?;
        let image = ImageFile {
            path: path.clone(),
            format: used.format,
            access: self.access(number, node),
            backing: used.backing,
            data_file: used.data_file,
        };
        let (what, argument) = (Thing::Image(image), node.argument.number);
        let found = Found { what, origin: origin.clone(), argument };
        Ok(Some(Opened { found, slot: used.slot }))
    }

    /// What the formats above a node read it as. Filters pass the question on; what stands on a
    /// file without any format gets its bytes as they are.
    fn uses(&self, number: usize) -> Vec<Use> {
        let (mut uses, mut open, mut seen) = (Vec::new(), vec![number], BTreeSet::new());
        while let Some(number) = open.pop() {
            if !seen.insert(number) {
                continue;
            }
            if self.above(number).is_empty() {
                uses.push(raw());
            }
            for (above, role) in self.above(number) {
                match self.node(*above) {
                    Some(node) if node.kind == Kind::Filter && *role == Role::Main => {
                        open.push(*above);
                    }
                    Some(node) => uses.push(used_by(node, *role)),
                    None => {}
                }
            }
        }
        uses
    }

    fn access(&self, number: usize, node: &Node) -> Access {
        let auto = self.inherited(number, |node| node.auto_read_only).unwrap_or(false);
        let above = self.above(number);
        let only_readers = !above.is_empty() && above.iter().all(|edge| self.reads(*edge));
        match self.read_only(number, node) || (auto && only_readers) {
            true => Access::Read,
            false => Access::Write,
        }
    }

    /// Whether a node opens what is below it only to read, as seen from below.
    fn reads(&self, (above, role): (usize, Role)) -> bool {
        let read_only = |node| self.read_only(above, node);
        role == Role::Backing || self.node(above).is_some_and(read_only)
    }

    fn read_only(&self, number: usize, node: &Node) -> bool {
        let own = |node: &Node| match node.drive && self.snapshot {
            true => Some(true),
            false => node.read_only,
        };
        match own(node) {
            Some(stated) => stated,
            None => self.inherited(number, own).unwrap_or(false),
        }
    }

    /// What a node says, or what those say inside of which it is written. Backing nodes are only
    /// read unless they say otherwise.
    fn inherited(&self, number: usize, says: impl Fn(&Node) -> Option<bool>) -> Option<bool> {
        let mut at = number;
        loop {
            let node = self.node(at)?;
            match (says(node), node.parent) {
                (Some(said), _) => return Some(said),
                (None, Some((_, Role::Backing))) => return Some(true),
                (None, parent) => at = parent?.0,
            }
        }
    }
}

impl Node {
    fn error(&self, problem: Problem) -> ReadError {
        ReadError { number: self.argument.number, text: self.argument.text.clone(), problem }
    }
}

fn raw() -> Use {
    let (backing, data_file) = (Below::Nothing, Below::Nothing);
    Use { format: Some(ImageFormat::Raw), backing, data_file, slot: None }
}

/// What a node with a format reads something below it as.
fn used_by(node: &Node, role: Role) -> Use {
    let format = match (node.kind, role) {
        (Kind::Format(ImageFormat::Luks), Role::Main) if node.header_apart => return raw(),
        (Kind::Format(format), Role::Main | Role::Header) => Some(format),
        (Kind::Guess, Role::Main) => None,
        _ => return raw(),
    };
    match format {
        Some(ImageFormat::Raw) => raw(),
        _ => Use {
            format,
            backing: node.backing,
            data_file: node.data_file,
            slot: node.slot.clone().filter(|_| format.is_none()),
        },
    }
}

/// The one way in which an image is used, or the formats that contradict each other.
fn one(uses: Vec<Use>) -> Result<Use, Vec<&'static str>> {
    let name = |used: &Use| used.format.map_or("a guess", ImageFormat::word);
    let names: BTreeSet<&str> = uses.iter().map(name).collect();
    match uses.into_iter().next() {
        Some(used) if names.len() == 1 => Ok(used),
        _ => Err(names.into_iter().collect()),
    }
}
