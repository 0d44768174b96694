//! From a named image to an image with its chain: every file pinned, every format stated or pinned
//! at its first use, and nothing below the first file that its owner's directory does not hold or
//! the user did not name.

use crate::{Code, Failure, resolve::Pins};
use std::{
    fs::File,
    io::{self, Read},
    os::{fd::AsFd, unix::fs::FileExt},
    path::{Component, Path, PathBuf},
};
use svirt_formats::image::{
    Header, MAX_CHAIN_DEPTH, Sample, format_from_extension, head_len, inspect, resolve_backing,
    tail_len,
};
use svirt_formats::spec::BackingSpec;
use svirt_host::{
    Doing, known,
    pin::{Pin, Purpose},
};
use svirt_model::{Access, FileKind, Image, ImageFormat, Object};
use svirt_store::Store;

/// What the user said about an image.
pub(crate) struct Named<'a> {
    pub(crate) path: &'a Path,
    pub(crate) format: Option<ImageFormat>,
    pub(crate) access: Access,
    /// Whether what its header names below it counts.
    pub(crate) follow: bool,
    /// What the user says is below it, from the upper to the lowest; then no header counts.
    pub(crate) below: Option<&'a [BackingSpec]>,
}

/// Pins an image and all below it.
pub(crate) fn resolve(
    pins: &mut Pins,
    store: &mut Store,
    named: &Named<'_>,
) -> Result<Image, Failure> {
    let name = absolute(named.path)?;
    let (root, follow) = (name.clone(), named.follow);
    let mut chain = Chain { pins, store, root, follow, below: named.below, depth: 0 };
    let purpose = match named.access {
        Access::Write => Purpose::WriteDisk,
        Access::Read => Purpose::ReadDisk,
    };
    let pin = Pin::new(named.path, purpose)?;
    if let Some(above) = pin.object().path.parent() {
        above.clone_into(&mut chain.root);
    }
    let format = chain.format(&pin, named.format)?;
    chain.image(name, pin, format)
}

struct Chain<'a> {
    pins: &'a mut Pins,
    store: &'a mut Store,
    /// The directory that holds the first image; those below it must be in it too.
    root: PathBuf,
    follow: bool,
    below: Option<&'a [BackingSpec]>,
    depth: usize,
}

impl<'a> Chain<'a> {
    fn image(&mut self, name: PathBuf, pin: Pin, format: ImageFormat) -> Result<Image, Failure> {
        let header = read_header(&pin, format)?;
        self.unchanged(&pin, &header)?;
        let object = self.pins.keep(pin);
        refuse_unsupported(&header, &object)?;
        let backing = self.backing(&header, &name, &object)?.map(Box::new);
        Ok(Image {
            name,
            object,
            format,
            virtual_size: header.virtual_size,
            backing,
            labels: Vec::new(),
        })
    }

    /// Format and name of the image below are what they were at the first use: a guest that has
    /// taken over its VMM can write the header, so no later header is believed.
    fn unchanged(&mut self, pin: &Pin, header: &Header) -> Result<(), Failure> {
        let object = pin.object();
        let below = header.backing.as_ref().map_or(String::new(), |b| b.file().to_owned());
        let (key, format) = (key(pin)?, header.format);
        let was = self.store.pin_format(&key, format, &below, &object.path)?;
        if was.format == format && was.below == below {
            return Ok(());
        }
        let say = |format, below: &str| match below {
            "" => format!("{format} with nothing below it"),
            below => format!("{format} on {below:?}"),
        };
        let (now, was) = (say(format, &below), say(was.format, &was.below));
        let message =
            format!("{} was {was} when it was first used, and is {now} now", object.path.display());
        Err(Failure::new(Code::Data, message).hint(
            "a guest may have written that; if it was you, make a copy of the image and use that",
        ))
    }

    fn backing(
        &mut self,
        header: &Header,
        name_above: &Path,
        above: &Object,
    ) -> Result<Option<Image>, Failure> {
        if let Some(below) = self.below {
            return self.stated_below(below, header.format, above);
        }
        let Some(backing) = header.backing.as_ref().filter(|_| self.follow) else {
            return Ok(None);
        };
        self.depth += 1;
        if self.depth > MAX_CHAIN_DEPTH {
            let message =
                format!("{} has more than {MAX_CHAIN_DEPTH} images below it", above.path.display());
            return Err(Failure::new(Code::Data, message).hint("flatten it with qemu-img convert"));
        }
        let named =
            |e| Failure { message: format!("{}: {e}", above.path.display()), ..Failure::from(e) };
        let name = backing.name().map_err(named)?;
        let format = backing.format().map_err(named)?;
        let directory = name_above.parent().unwrap_or(Path::new("/"));
        let name = absolute(&resolve_backing(directory, &name))?;
        let pin = Pin::new(&name, Purpose::ReadDisk)?;
        self.allow(pin.object(), above)?;
        let format = self.format(&pin, Some(format))?;
        self.image(name, pin, format).map(Some)
    }

    /// The image that the user says is next. The user named it, so it may be anywhere.
    fn stated_below(
        &mut self,
        below: &'a [BackingSpec],
        format: ImageFormat,
        above: &Object,
    ) -> Result<Option<Image>, Failure> {
        let Some((next, rest)) = below.split_first() else { return Ok(None) };
        if format != ImageFormat::Qcow2 {
            let message = format!("{} is {format} and has nothing below it", above.path.display());
            return Err(
                Failure::new(Code::Data, message).hint("only qcow2 images can have a backing")
            );
        }
        if rest.len() >= MAX_CHAIN_DEPTH {
            let message =
                format!("{} has more than {MAX_CHAIN_DEPTH} images below it", above.path.display());
            return Err(Failure::new(Code::Data, message).hint("flatten it with qemu-img convert"));
        }
        self.below = Some(rest);
        let pin = Pin::new(&next.path, Purpose::ReadDisk)?;
        let format = self.format(&pin, Some(next.format))?;
        self.image(absolute(&next.path)?, pin, format).map(Some)
    }

    fn allow(&self, below: &Object, above: &Object) -> Result<(), Failure> {
        if below.path.starts_with(&self.root) {
            return Ok(());
        }
        let (below, above) = (below.path.display(), above.path.display());
        let message =
            format!("{above} is based on {below}, which is outside {}", self.root.display());
        let hint = "keep the two in one directory tree; an image's header alone opens nothing else";
        Err(Failure::new(Code::Data, message).hint(hint))
    }

    /// The format that the user states, that was pinned, or that the name's ending states; never one
    /// that the content suggests.
    fn format(&self, pin: &Pin, stated: Option<ImageFormat>) -> Result<ImageFormat, Failure> {
        let object = pin.object();
        let pinned = self.store.pinned_format(&key(pin)?)?.map(|p| p.format);
        if let Some(format) = stated.or(pinned) {
            return Ok(format);
        }
        let Some(format) = format_from_extension(&object.path).or(device(object)) else {
            let message = format!("the format of {} is not stated", object.path.display());
            return Err(Failure::new(Code::Data, message)
                .hint("add format=qcow2, format=raw or another to the disk"));
        };
        agrees_at_first_sight(pin, format)?;
        Ok(format)
    }
}

/// An absolute path without `.` and `..`: in a machine's own root there are no links, so it means
/// there what it means to whoever reads it.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(path).on("understand", path)?;
    let mut plain = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    Ok(plain)
}

/// A block device has no name that could state a format, and is what its bytes are.
fn device(object: &Object) -> Option<ImageFormat> {
    (object.kind == FileKind::BlockDevice).then_some(ImageFormat::Raw)
}

/// By what an image is known when it is used again: what stays of the object, or else its path. That
/// the host was started anew must not make a header believed that a guest may have written meanwhile.
fn key(pin: &Pin) -> Result<String, Failure> {
    let known = known::known(pin.as_fd())?.filter(|known| known.on.outlives_a_boot());
    Ok(known.map_or_else(|| format!("path:{}", pin.object().path.display()), |k| k.to_string()))
}

/// Only where a name's ending alone says "raw", and only before a guest has ever written to it:
/// many images of another format are named `.img`, and a start that cannot work is better refused.
fn agrees_at_first_sight(pin: &Pin, format: ImageFormat) -> Result<(), Failure> {
    const MAGICS: [(&[u8], &str); 3] =
        [(b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"), (b"vhdxfile", "vhdx")];
    if format != ImageFormat::Raw {
        return Ok(());
    }
    let mut head = [0; 8];
    let path = &pin.object().path;
    File::from(pin.open(false)?).read(&mut head).on("read", path)?;
    match MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        None => Ok(()),
        Some((_, word)) => {
            let message =
                format!("{} is named as a raw image and starts like {word}", path.display());
            Err(Failure::new(Code::Data, message)
                .hint(format!("state format={word} or format=raw")))
        }
    }
}

fn refuse_unsupported(header: &Header, object: &Object) -> Result<(), Failure> {
    let refuse = |what: &str, hint: &str| {
        let message = format!("{} {what}", object.path.display());
        Err(Failure::new(Code::Data, message).hint(hint))
    };
    if header.data_file.is_some() {
        return refuse("keeps its data in another file", "convert it with qemu-img convert");
    }
    if header.encrypted {
        return refuse(
            "is encrypted, which is not supported yet",
            "decrypt it with qemu-img convert",
        );
    }
    Ok(())
}

pub(crate) fn read_header(pin: &Pin, format: ImageFormat) -> Result<Header, Failure> {
    let object = pin.object();
    let file = File::from(pin.open(false)?);
    let length = length(&file, object).on("find the size of", &object.path)?;
    let head = read_at(&file, 0, head_len(format), length).on("read", &object.path)?;
    let start = length.saturating_sub(tail_len(format) as u64);
    let tail = read_at(&file, start, tail_len(format), length).on("read", &object.path)?;
    let sample = Sample { head: &head, tail: &tail, file_len: length };
    inspect(format, &sample).map_err(|e| {
        let failure = Failure::from(e);
        Failure { message: format!("{}: {}", object.path.display(), failure.message), ..failure }
    })
}

fn length(file: &File, object: &Object) -> io::Result<u64> {
    match object.kind {
        FileKind::BlockDevice => {
            rustix::fs::seek(file, rustix::fs::SeekFrom::End(0)).map_err(Into::into)
        }
        _ => Ok(file.metadata()?.len()),
    }
}

fn read_at(file: &File, offset: u64, wanted: usize, length: u64) -> io::Result<Vec<u8>> {
    let there = usize::try_from(length - offset).unwrap_or(usize::MAX);
    let mut bytes = vec![0; wanted.min(there)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}
