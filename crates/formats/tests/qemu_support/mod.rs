//! Short ways to say what a QEMU command line should be read as.
#![allow(dead_code)] // Each test file uses some of it.

use svirt_formats::command_line::{Below, ImageFile, ReadError, Thing};
use svirt_formats::qemu::{Reading, read};
use svirt_model::{Access, Argument, Piece};

/// Reads a command line whose arguments have no spaces in them.
pub(crate) fn read_line(line: &str) -> Result<Reading, ReadError> {
    read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

/// Reads these arguments, which must be understood.
pub(crate) fn reading(arguments: &[&str]) -> Reading {
    let owned: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    read(&owned).unwrap_or_else(|error| panic!("{arguments:?}: {error}; {}", error.hint()))
}

/// What a command line names, a few words for each thing.
pub(crate) fn things(line: &str) -> Vec<String> {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    reading(&arguments).found.iter().map(|found| thing(&found.what)).collect()
}

/// A few words for a thing.
pub(crate) fn thing(thing: &Thing) -> String {
    let path = |word: &str, path: &std::path::Path| format!("{word} {}", path.display());
    let used = |word: &str, at: &std::path::Path, access: &Access| {
        format!("{} {}", path(word, at), letter(*access))
    };
    match thing {
        Thing::Image(of) => image(of),
        Thing::File { path, access } => used("file", path, access),
        Thing::Firmware { path: at } => path("firmware", at),
        Thing::Library { path: at } => path("library", at),
        Thing::Directory { path, access } => used("directory", path, access),
        Thing::Memory { path, access } => used("memory", path, access),
        Thing::HostDevice { path, access } => used("device", path, access),
        Thing::Passthrough { path: at } => path("passthrough", at),
        Thing::Connect { path: at } => path("connect", at),
        Thing::Listen { number, path } => format!("listen {number} {}", path.display()),
        Thing::Output { path: at } => path("output", at),
        Thing::Pipe { path: at } => path("pipe", at),
        Thing::Descriptor { number } => format!("descriptor {number}"),
        Thing::Stream(stream) => format!("stream {stream:?}"),
    }
}

fn image(image: &ImageFile) -> String {
    let format = image.format.map_or("?", |format| format.word());
    let below = |word: &str, below: Below| match below {
        Below::Named => format!(" {word} named"),
        Below::Header if image.format != Some(svirt_model::ImageFormat::Raw) => String::new(),
        Below::Header => format!(" {word} in header"),
        Below::Nothing if image.format == Some(svirt_model::ImageFormat::Raw) => String::new(),
        Below::Nothing => format!(" no {word}"),
    };
    let (path, access) = (image.path.display(), letter(image.access));
    let (backing, data) = (below("backing", image.backing), below("data", image.data_file));
    format!("image {path} {format} {access}{backing}{data}")
}

fn letter(access: Access) -> char {
    match access {
        Access::Read => 'r',
        Access::Write => 'w',
    }
}

/// The arguments as one line, with `{N}` for an endpoint.
pub(crate) fn line(arguments: &[Argument]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Endpoint(number) => format!("{{{number}}}"),
    };
    let text = |argument: &Argument| argument.0.iter().map(piece).collect::<String>();
    arguments.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// Asserts what command lines name.
#[macro_export]
macro_rules! names {
    ($($line:expr => [$($thing:expr),* $(,)?];)*) => {
        $(
            let wanted: Vec<String> = vec![$($thing.to_string()),*];
            assert_eq!(qemu_support::things($line), wanted, "{}", $line);
        )*
    };
}

/// Asserts that command lines are refused, and for which reason; the hint must not be empty.
#[macro_export]
macro_rules! refuses {
    ($($line:expr => $why:expr;)*) => {
        $(
            let error = qemu_support::read_line($line).expect_err($line);
            assert!(error.to_string().contains($why), "{}: {error}", $line);
            assert!(!error.hint().is_empty(), "{}", $line);
        )*
    };
}
