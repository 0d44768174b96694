//! QEMU's command line, read for what it names on the host.
//!
//! [`read`] takes the arguments that a user would give to `qemu-system-*` and answers with every
//! file, directory, socket and device in them, so that each path is written once and in QEMU's
//! own words. It is pure: it opens nothing, and whether a path exists, or what is at it, is for
//! others to find out. One table, `table.rs`, has every option of QEMU; what is not in it, and
//! every driver, backend and key that nobody has looked at, is an error with a hint.
//!
//! The reading is a list of wishes, not a licence: QEMU is granted what was found and has no way
//! to the rest. Where this module and QEMU disagree about what an argument means, QEMU is denied
//! the file and says so.

mod address;
mod audio;
mod beside;
mod block;
mod chardev;
mod current;
mod device;
mod display;
mod drive;
mod drivers;
mod filename;
mod graph;
mod json;
mod keys;
pub mod keyval;
mod machine;
mod memory;
mod migration;
mod misc;
mod netdev;
mod object;
mod pci;
mod shared;
mod table;

pub use beside::{BESIDE, read_beside};
pub(crate) use memory::memory;
pub(crate) use pci::place as pci_place;

use crate::command_line::{
    Below, Found, Problem, ReadError, Refusal, Thing, check_limits, shortened,
};
use block::Slot;
use current::{Current, Draft};
use std::borrow::Cow;
use svirt_model::{Argument, ImageFormat, Origin, Piece};
use table::{How, Opt};

/// What a command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it names on the host, in the order in which it is named.
    pub found: Vec<Found>,
    /// The arguments, with endpoints in place of the paths on which QEMU listens. All else is as
    /// the user wrote it, except that the word for a first disk gets its `-hda`.
    pub arguments: Vec<Argument>,
    /// Whether QEMU may translate guest code, and so write memory that it then executes.
    pub executable_memory: bool,
    /// Whether QEMU may use `/dev/kvm`.
    pub kvm: bool,
    /// Whether an accelerator is named at all. QEMU's default depends on the name under which it
    /// is run: TCG, or KVM and then TCG if the name ends in `kvm`.
    pub accelerator_stated: bool,
    /// Whether the guest gets a network as an ordinary process of the user has it.
    pub network: Network,
    /// Ports of the host that lead into that network.
    pub forwards: Vec<Forward>,
    /// Whether no option says how the screen is seen, so that QEMU would try to open a window,
    /// and without a desktop listen for VNC on TCP.
    pub default_display: bool,
    /// Whether QEMU makes unnamed files in its directory for temporary ones.
    pub temporary_files: bool,
    /// Whether QEMU needs `/proc/self/fd`.
    pub own_descriptors: bool,
    slots: Vec<Option<Slot>>,
}

/// Whether the guest gets a network as an ordinary process of the user has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// No.
    #[default]
    No,
    /// Yes, because no option says anything about networks and QEMU then makes one.
    Default,
    /// Yes, an option asks for it.
    Asked,
}

/// A port of the host that leads to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Its protocol.
    pub protocol: Protocol,
    /// The host's address; nothing for all of them.
    pub address: Option<String>,
    /// The host's port; 0 for any.
    pub port: u16,
    /// The words that asked for it.
    pub origin: Origin,
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Reads the arguments of a QEMU system emulator, without the zeroth.
///
/// # Errors
/// An argument is not understood, or asks for what a confined machine cannot have; the error
/// names it.
pub fn read(arguments: &[String]) -> Result<Reading, ReadError> {
    read_if(arguments, |_| Ok(()))
}

/// Reads arguments of which each option, and the name of a first disk, may be refused.
fn read_if(
    arguments: &[String],
    may: impl Fn(&str) -> Result<(), Problem>,
) -> Result<Reading, ReadError> {
    check_limits(arguments)?;
    let (mut draft, mut rewritten) = (Draft::default(), Vec::new());
    let mut words = (1..).zip(arguments.iter().map(String::as_str));
    while let Some((number, word)) = words.next() {
        let refused = |problem| ReadError { number, text: shortened(word), problem };
        may(word).map_err(refused)?;
        let Some(option) = option(number, word)? else {
            rewritten.push(Argument::from("-hda"));
            rewritten.push(positional(number, word, rewritten.len(), &mut draft)?);
            continue;
        };
        rewritten.push(Argument::from(word));
        if !option.value {
            let index = rewritten.len();
            let mut at = Current::new(word, "", (number, index), &mut draft);
            one(option, &mut at)?;
            continue;
        }
        let (number, text) = words.next().ok_or_else(|| no_value(number, word))?;
        let mut at = Current::new(word, text, (number, rewritten.len()), &mut draft);
        one(option, &mut at)?;
        rewritten.push(if at.replaces() { at.rewritten() } else { Argument::from(text) });
    }
    finish(draft, rewritten)
}

/// The option that a word is; nothing if it is the name of a disk image.
fn option(number: usize, word: &str) -> Result<Option<&'static Opt>, ReadError> {
    if !word.starts_with('-') {
        return Ok(None);
    }
    let unknown = || {
        let problem = Problem::UnknownOption(shortened(word));
        ReadError { number, text: shortened(word), problem }
    };
    table::find(word).map(Some).ok_or_else(unknown)
}

fn no_value(number: usize, word: &str) -> ReadError {
    ReadError { number, text: shortened(word), problem: Problem::NoValue(shortened(word)) }
}

/// A word that is no option: the image of the first disk.
fn positional(
    number: usize,
    word: &str,
    index: usize,
    draft: &mut Draft,
) -> Result<Argument, ReadError> {
    let mut at = Current::new("disk image", word, (number, index), draft);
    drive::hda(&mut at).map_err(|problem| at.error(problem))?;
    Ok(Argument::from(word))
}

/// Reads one option.
fn one(option: &Opt, at: &mut Current<'_>) -> Result<(), ReadError> {
    let answer = match option.how {
        How::Harmless { .. } => Ok(()),
        How::Refused(refusal) => Err(Problem::refused(at.option, refusal)),
        How::Read(reader) => reader(at),
    };
    answer.map_err(|problem| at.error(problem))
}

/// What depends on all arguments.
fn finish(draft: Draft, arguments: Vec<Argument>) -> Result<Reading, ReadError> {
    let plain = draft.found.into_iter().map(|found| (found, None));
    let images = draft.graph.images(draft.facts.snapshot)?.into_iter();
    let mut all: Vec<(Found, Option<Slot>)> =
        plain.chain(images.map(|image| (image.found, image.slot))).collect();
    all.sort_by_key(|(found, _)| found.argument);
    let (found, slots) = all.into_iter().unzip();
    let named = |name: &str| draft.accelerators.iter().any(|word| word == name);
    let default_network = !draft.facts.networked && !draft.facts.no_defaults;
    Ok(Reading {
        found,
        arguments,
        executable_memory: draft.accelerators.is_empty() || named("tcg"),
        kvm: named("kvm"),
        accelerator_stated: !draft.accelerators.is_empty(),
        network: if default_network { Network::Default } else { draft.network },
        forwards: draft.forwards,
        default_display: !draft.facts.displayed,
        temporary_files: draft.facts.temporary,
        own_descriptors: draft.facts.own_descriptors,
        slots,
    })
}

/// An option of QEMU, as [`read`] knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownOption {
    /// Its names, without dashes.
    pub names: &'static [&'static str],
    /// Whether the next argument is its value.
    pub takes_value: bool,
    /// Why it cannot name anything on the host, if it is not looked at for that reason.
    pub harmless: Option<&'static str>,
    /// Why it is an error, if it always is one.
    pub refused: Option<&'static Refusal>,
}

/// All options of QEMU that [`read`] knows.
pub fn options() -> impl Iterator<Item = KnownOption> {
    table::OPTIONS.iter().map(|option| {
        let (harmless, refused) = match option.how {
            How::Harmless { why } => (Some(why), None),
            How::Refused(refusal) => (None, Some(refusal)),
            How::Read(_) => (None, None),
        };
        KnownOption { names: option.names, takes_value: option.value, harmless, refused }
    })
}

impl Reading {
    /// States the format of an image that was found without one, so that QEMU does not guess:
    /// the arguments say it from then on. `number` is the image's place in [`Reading::found`].
    /// Answers whether the arguments could be changed; where they cannot, the image has a format
    /// already or is no image.
    pub fn state_format(&mut self, number: usize, format: ImageFormat) -> bool {
        let slot = self.slots.get_mut(number).and_then(Option::take);
        let Some(found) = self.found.get_mut(number) else { return false };
        let Thing::Image(image) = &mut found.what else { return false };
        let done = slot.is_some_and(|slot| stated(&mut self.arguments, &slot, format));
        if done {
            image.format = Some(format);
        }
        if done && format == ImageFormat::Raw {
            (image.backing, image.data_file) = (Below::Nothing, Below::Nothing);
        }
        done
    }
}

/// Writes a format into the arguments.
fn stated(arguments: &mut [Argument], slot: &Slot, format: ImageFormat) -> bool {
    match slot {
        Slot::Key { index, key } => {
            let Some(argument) = arguments.get_mut(*index) else { return false };
            argument.0.insert(0, Piece::Text(format!("{key}={format},")));
        }
        Slot::Drive { index, rest } => {
            let Some([option, value]) = arguments.get_mut(index.wrapping_sub(1)..=*index) else {
                return false;
            };
            let file = keyval::escape(&text(value));
            *option = Argument::from("-drive");
            *value = Argument::from(format!("file={file},format={format},{rest}"));
        }
    }
    true
}

/// The text of an argument without endpoints.
fn text(argument: &Argument) -> Cow<'_, str> {
    match argument.0.as_slice() {
        [Piece::Text(text)] => Cow::Borrowed(text),
        pieces => pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(text) => Some(text.as_str()),
                Piece::Endpoint(_) => None,
            })
            .collect(),
    }
}
