//! The argument that is being read, and what has been read so far.
//!
//! Readers of options get a [`Current`]: it holds one option and its value, makes origins, checks
//! paths, and notes which parts of the value are replaced. It knows no option.

use super::{
    Forward, Network,
    block::{Graph, Where},
    json::Json,
    keyval::{Entry, Options, Place},
};
use crate::command_line::{Found, Problem, ReadError, Refusal, Thing, shortened};
use std::path::PathBuf;
use svirt_model::{Argument, Origin, Piece, Stream};

/// Where QEMU's own names for descriptors that were passed to it start: they are on no file
/// system, and the descriptors themselves are found where they are added.
const DESCRIPTOR_SETS: &str = "/dev/fdset/";
/// Names of a process's own descriptors, which mean others inside a machine's root.
const OWN_DESCRIPTORS: &[&str] =
    &["/dev/fd/", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc/self/", "/proc/thread-self/"];

const OWN_DESCRIPTOR: Refusal = Refusal {
    why: "this name means another file for each process that opens it",
    hint: "write the path of the file itself; for the standard streams use `stdio`",
};
const NOT_A_NUMBER: Refusal = Refusal {
    why: "only descriptors that the machine inherits, named by their numbers, are known before \
          it runs",
    hint: "pass the number of an open descriptor, or name a unix socket's path",
};
const LISTENS_TWICE: Refusal = Refusal {
    why: "another argument listens on a socket at the same path",
    hint: "give each socket a path of its own",
};

const LISTENS_INSIDE: Refusal = Refusal {
    why: "sVirt cannot put its own path for a listening socket here",
    hint: "write the socket as a `-chardev socket,id=ID,path=PATH,server=on` and refer to it with \
           `chardev:ID`",
};

/// What has been read so far.
#[derive(Default)]
pub(super) struct Draft {
    /// What was found but for images.
    pub(super) found: Vec<Found>,
    /// How many endpoints there are.
    pub(super) endpoints: u32,
    /// The block graph, which is complete only after the last argument.
    pub(super) graph: Graph,
    /// The accelerators that are named, in order.
    pub(super) accelerators: Vec<String>,
    /// What was asked of the network.
    pub(super) network: Network,
    /// Ports of the host that lead to the guest.
    pub(super) forwards: Vec<Forward>,
    /// Simple facts.
    pub(super) facts: Facts,
}

/// Simple facts about a command line.
#[derive(Default)]
pub(super) struct Facts {
    /// `-nodefaults`.
    pub(super) no_defaults: bool,
    /// Some option about networks.
    pub(super) networked: bool,
    /// Some option about displays.
    pub(super) displayed: bool,
    /// `-snapshot`.
    pub(super) snapshot: bool,
    /// Files in the directory for temporary ones.
    pub(super) temporary: bool,
    /// Names under `/proc/self/fd`.
    pub(super) own_descriptors: bool,
}

/// One option and its value.
pub(super) struct Current<'a> {
    /// The option as the user wrote it.
    pub(super) option: &'a str,
    /// Its value; empty if it takes none.
    pub(super) text: &'a str,
    /// The number of the argument that holds the value, or the option if it takes none.
    pub(super) number: usize,
    /// The index that the argument gets in the rewritten ones.
    pub(super) index: usize,
    /// What has been read so far.
    pub(super) draft: &'a mut Draft,
    json: Option<Json>,
    endpoints: Vec<(Place, u32)>,
}

impl<'a> Current<'a> {
    pub(super) fn new(
        option: &'a str,
        text: &'a str,
        (number, index): (usize, usize),
        draft: &'a mut Draft,
    ) -> Self {
        Self { option, text, number, index, draft, json: None, endpoints: Vec::new() }
    }

    /// The value as JSON or as `key=value`; `implied` is the key of the first value. Nothing
    /// where QEMU would only print help.
    pub(super) fn options(&mut self, implied: Option<&str>) -> Result<Option<Options>, Problem> {
        let options = match Json::is(self.text) {
            true => self.json()?,
            false => Options::parse(self.text, implied)?,
        };
        Ok((!options.ask_for_help()).then_some(options))
    }

    /// The value as JSON.
    pub(super) fn json(&mut self) -> Result<Options, Problem> {
        let json = Json::parse(self.text)?;
        let options = json.flatten()?;
        self.json = Some(json);
        Ok(options)
    }

    /// The whole value as one entry, for options that have no keys.
    pub(super) fn whole(&self) -> Entry {
        let value = Some(self.text.to_owned());
        let place = Place::Bytes(0..self.text.len());
        Entry { key: String::new(), value, place, explicit: false }
    }

    /// Which of the user's words an entry is.
    pub(super) fn origin(&self, entry: &Entry) -> Origin {
        let equals = if entry.key.is_empty() { "" } else { "=" };
        let words = format!("{} {}{equals}{}", self.option, entry.key, shortened(entry.text()));
        Origin(format!("{} (argument {})", words.trim_end(), self.number))
    }

    /// Notes a thing.
    pub(super) fn add(&mut self, entry: &Entry, what: Thing) {
        let origin = self.origin(entry);
        self.draft.found.push(Found { what, origin, argument: self.number });
    }

    /// Notes the thing at the path that an entry names, if it is on a file system at all.
    pub(super) fn add_path(
        &mut self,
        entry: &Entry,
        what: impl FnOnce(PathBuf) -> Thing,
    ) -> Result<(), Problem> {
        if let Some(path) = path(entry)? {
            self.add(entry, what(path));
        }
        Ok(())
    }

    /// Notes a socket that the VMM binds; its path is replaced.
    pub(super) fn listen(&mut self, entry: &Entry) -> Result<(), Problem> {
        let Some(path) = path(entry)? else { return Ok(()) };
        let taken =
            |found: &Found| matches!(&found.what, Thing::Listen { path: p, .. } if *p == path);
        if self.draft.found.iter().any(taken) {
            return Err(Problem::refused(entry.text(), &LISTENS_TWICE));
        }
        if entry.place == Place::Inside {
            return Err(Problem::refused(entry.text(), &LISTENS_INSIDE));
        }
        let number = self.draft.endpoints;
        self.draft.endpoints += 1;
        self.endpoints.push((entry.place.clone(), number));
        self.add(entry, Thing::Listen { number, path });
        Ok(())
    }

    /// Notes an inherited descriptor.
    pub(super) fn descriptor(&mut self, entry: &Entry) -> Result<(), Problem> {
        self.add_descriptor(entry, entry.text())
    }

    /// Notes inherited descriptors: numbers with colons between them.
    pub(super) fn descriptors(&mut self, entry: &Entry) -> Result<(), Problem> {
        entry.text().split(':').try_for_each(|text| self.add_descriptor(entry, text))
    }

    fn add_descriptor(&mut self, entry: &Entry, text: &str) -> Result<(), Problem> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        let number = number.ok_or_else(|| Problem::refused(text, &NOT_A_NUMBER))?;
        self.add(entry, descriptor(number));
        Ok(())
    }

    /// Notes the standard streams, which `stdio` reads and writes.
    pub(super) fn standard_streams(&mut self, entry: &Entry) {
        self.add(entry, Thing::Stream(Stream::Input));
        self.add(entry, Thing::Stream(Stream::Output));
    }

    /// The argument with the paths of endpoints in it.
    pub(super) fn rewritten(&self) -> Argument {
        match &self.json {
            Some(json) => json.with_endpoints(&leaves(&self.endpoints)),
            None => spliced(self.text, &self.endpoints),
        }
    }

    /// Whether something in the argument is replaced.
    pub(super) fn replaces(&self) -> bool {
        !self.endpoints.is_empty()
    }

    /// The error about this argument.
    pub(super) fn error(&self, problem: Problem) -> ReadError {
        let Where { number, text } = self.place();
        ReadError { number, text, problem }
    }

    /// Which argument this is, for errors that are found later.
    pub(super) fn place(&self) -> Where {
        let shown = if holds_secret(self.text) { "..." } else { self.text };
        let text = shortened(format!("{} {shown}", self.option).trim_end());
        Where { number: self.number, text }
    }
}

/// Whether a value has a password in it, which no message should repeat.
fn holds_secret(text: &str) -> bool {
    ["password=", "data=", "\"password\"", "\"data\""].iter().any(|key| text.contains(key))
}

/// The path that an entry names. Nothing, where it names one of QEMU's sets of descriptors.
pub(super) fn path(entry: &Entry) -> Result<Option<PathBuf>, Problem> {
    let text = entry.text();
    if text.is_empty() {
        return Err(Problem::EmptyPath(entry.key.clone()));
    }
    if text.contains('\0') {
        return Err(Problem::Nul);
    }
    if OWN_DESCRIPTORS.iter().any(|name| text.starts_with(name)) {
        return Err(Problem::refused(text, &OWN_DESCRIPTOR));
    }
    Ok((!text.starts_with(DESCRIPTOR_SETS)).then(|| PathBuf::from(text)))
}

fn descriptor(number: u32) -> Thing {
    match number {
        0 => Thing::Stream(Stream::Input),
        1 => Thing::Stream(Stream::Output),
        2 => Thing::Stream(Stream::Error),
        number => Thing::Descriptor { number },
    }
}

fn leaves(endpoints: &[(Place, u32)]) -> Vec<(usize, u32)> {
    let leaf = |(place, number): &(Place, u32)| match place {
        Place::Leaf(leaf) => Some((*leaf, *number)),
        Place::Bytes(_) | Place::Inside => None,
    };
    endpoints.iter().filter_map(leaf).collect()
}

/// A text in which endpoints replace some bytes.
fn spliced(text: &str, endpoints: &[(Place, u32)]) -> Argument {
    let bytes = |(place, number): &(Place, u32)| match place {
        Place::Bytes(bytes) => Some((bytes.clone(), *number)),
        Place::Leaf(_) | Place::Inside => None,
    };
    let mut replaced: Vec<_> = endpoints.iter().filter_map(bytes).collect();
    replaced.sort_by_key(|(bytes, _)| bytes.start);
    let (mut pieces, mut at) = (Vec::new(), 0);
    for (bytes, number) in replaced {
        pieces.extend(
            text.get(at..bytes.start).filter(|t| !t.is_empty()).map(|t| Piece::Text(t.to_owned())),
        );
        pieces.push(Piece::Endpoint(number));
        at = bytes.end;
    }
    pieces.extend(text.get(at..).filter(|t| !t.is_empty()).map(|t| Piece::Text(t.to_owned())));
    Argument(pieces)
}
