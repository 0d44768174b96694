//! `-drive` and the options that are short for it: `-hda`, `-cdrom`, `-pflash` and their like,
//! and a word that is no option, which QEMU takes for the first disk.

use super::{
    block::{Slot, Spot, Style, node},
    current::Current,
    filename::{self, Name},
    keys::covers,
    keyval::{Entry, Options},
};
use crate::command_line::Problem;

/// Keys of `-drive` that are about the guest's side, caches and limits.
pub(super) const PLAIN: &[&str] = &[
    "if",
    "bus",
    "unit",
    "index",
    "id",
    "cache",
    "aio",
    "copy-on-read",
    "rerror",
    "werror",
    "serial",
    "addr",
    "boot",
    "group",
    "bps*",
    "iops*",
    "throttling.*",
    "stats-account-invalid",
    "stats-account-failed",
    "stats-intervals",
    "stats-intervals.*",
];

/// `-drive`.
pub(super) fn drive(at: &mut Current<'_>) -> Result<(), Problem> {
    let mut options = Options::parse(at.text, None)?;
    if options.ask_for_help() {
        return Ok(());
    }
    let file = options.get("file")?.cloned();
    let only_read = only_read(at, &options)?;
    options.remove(&["file", "media", "snapshot", "readonly"]);
    let mut inner = without_plain(&options)?;
    if only_read {
        inner.remove(&["read-only"]);
        inner.push("read-only", "on");
    }
    match file {
        Some(file) => named(at, inner, &file, None),
        None if is_empty(&inner) => Ok(()),
        None => node(at, &inner, &Spot::top(Style::Drive)).map(drop),
    }
}

/// Whether the image is only read: a disc, or a drive that writes elsewhere.
fn only_read(at: &mut Current<'_>, options: &Options) -> Result<bool, Problem> {
    let snapshot = options.flag(&["snapshot"])? == Some(true);
    at.draft.facts.temporary |= snapshot;
    let disc = options.text("media")? == Some("cdrom");
    let stated = options.flag(&["readonly", "read-only"])? == Some(true);
    Ok(snapshot || disc || stated)
}

fn without_plain(options: &Options) -> Result<Options, Problem> {
    let inner = options.entries().iter().filter(|entry| !covers(PLAIN, &entry.key));
    Options::from_entries(inner.cloned().collect())
}

/// Whether these keys describe a drive without a medium.
fn is_empty(options: &Options) -> bool {
    let opens = |entry: &Entry| {
        matches!(entry.key.as_str(), "driver" | "filename") || entry.key.contains('.')
    };
    let cache = |entry: &Entry| entry.key.starts_with("cache.");
    !options.entries().iter().any(|entry| opens(entry) && !cache(entry))
}

/// A drive whose image has a whole name.
fn named(
    at: &mut Current<'_>,
    mut options: Options,
    file: &Entry,
    slot: Option<Slot>,
) -> Result<(), Problem> {
    if file.text().is_empty() {
        return Err(Problem::EmptyPath(file.key.clone()));
    }
    match filename::read(file.text())? {
        Name::Json(text) => options.extend(filename::json(text)?),
        Name::Node(inner) => join(&mut options, &inner)?,
    }
    let spot = Spot { named: Some(file.clone()), ..Spot::top(Style::Drive) };
    let number = node(at, &options, &spot)?;
    if let Some(node) = at.draft.graph.nodes.get_mut(number) {
        node.slot = slot.or(node.slot.take());
    }
    Ok(())
}

/// Adds the node that a name stands for: as the node itself where the drive's own driver is one
/// that opens files, and below it otherwise.
fn join(options: &mut Options, inner: &Options) -> Result<(), Problem> {
    let stated = options.one_of(&["driver", "format"])?.map(|entry| entry.text().to_owned());
    let implied = inner.text("driver")?.unwrap_or_default().to_owned();
    let itself = match stated.as_deref() {
        Some("file" | "host_device" | "host_cdrom" | "io_uring") => implied == "file",
        Some(stated) => stated == implied,
        None => false,
    };
    let prefix = if itself { "" } else { "file." };
    let given = itself || options.text("file.driver")?.is_some();
    for entry in inner.entries().iter().filter(|entry| !given || entry.key != "driver") {
        options.push(&format!("{prefix}{}", entry.key), entry.text());
    }
    Ok(())
}

/// `-hda` and its like: `rest` is what the same `-drive` says besides the file.
fn short(at: &mut Current<'_>, rest: &'static str) -> Result<(), Problem> {
    let mut options = Options::default();
    if rest.contains("media=cdrom") {
        options.push("read-only", "on");
    }
    let slot = Slot::Drive { index: at.index, rest };
    let whole = at.whole();
    named(at, options, &whole, Some(slot))
}

macro_rules! shorthands {
    ($($(#[$doc:meta])* $name:ident = $rest:literal;)*) => {
        $(
            $(#[$doc])*
            pub(super) fn $name(at: &mut Current<'_>) -> Result<(), Problem> {
                short(at, $rest)
            }
        )*
    };
}

shorthands! {
    /// `-hda`, and a word that is no option.
    hda = "index=0,media=disk";
    /// `-hdb`.
    hdb = "index=1,media=disk";
    /// `-hdc`.
    hdc = "index=2,media=disk";
    /// `-hdd`.
    hdd = "index=3,media=disk";
    /// `-cdrom`.
    cdrom = "index=2,media=cdrom";
    /// `-fda`.
    fda = "if=floppy,index=0";
    /// `-fdb`.
    fdb = "if=floppy,index=1";
    /// `-pflash`.
    pflash = "if=pflash";
    /// `-mtdblock`.
    mtdblock = "if=mtd";
    /// `-sd`.
    sd = "if=sd";
}

/// `-snapshot`.
pub(super) fn snapshot(at: &mut Current<'_>) -> Result<(), Problem> {
    at.draft.facts.snapshot = true;
    at.draft.facts.temporary = true;
    Ok(())
}
