//! What a fuzzer's bytes mean as a QEMU command line, and what must hold of any. Shared by the
//! fuzz target, by the test that runs the corpus without a fuzzer, and by the property tests.
//!
//! Each line is one argument.

use svirt_formats::command_line::{ReadError, Thing};
use svirt_formats::qemu::{Reading, read};
use svirt_model::{Argument, ImageFormat, Piece};

/// The arguments in the fuzzer's bytes; none if they are no text.
pub(crate) fn decode(data: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// Reads a command line and panics if the answer is one that must never be given.
pub(crate) fn check(arguments: &[String]) -> Result<Reading, ReadError> {
    let answer = read(arguments);
    match &answer {
        Ok(reading) => check_reading(reading),
        Err(error) => {
            assert!(error.number >= 1 && error.number <= arguments.len().max(1), "{error:?}");
            assert!(!error.hint().is_empty(), "{error:?}");
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
        }
    }
    answer
}

fn check_reading(reading: &Reading) {
    let mut listens = Vec::new();
    for found in &reading.found {
        assert!(found.origin.0.ends_with(')'), "{:?}", found.origin);
        assert!(!found.origin.0.contains(char::is_control), "{:?}", found.origin);
        if let Some(path) = found.what.path() {
            let bytes = path.as_os_str().as_encoded_bytes();
            assert!(!bytes.is_empty() && !bytes.contains(&0), "{found:?}");
        }
        if let Thing::Listen { number, .. } = &found.what {
            listens.push(*number);
        }
    }
    assert_eq!(endpoints(&reading.arguments), listens);
    check_stated_formats(reading.clone());
}

/// After formats are stated, the same command line is read again without any guess.
fn check_stated_formats(mut reading: Reading) {
    let endpoints = endpoints(&reading.arguments).len();
    let mut stated = 0;
    for number in 0..reading.found.len() {
        stated += usize::from(reading.state_format(number, ImageFormat::Qcow2));
    }
    if stated == 0 || endpoints > 0 {
        return;
    }
    let text = |argument: &Argument| match argument.0.as_slice() {
        [] => String::new(),
        pieces => pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Endpoint(_) => "",
            })
            .collect(),
    };
    let arguments: Vec<String> = reading.arguments.iter().map(text).collect();
    let again = read(&arguments).expect("it is understood with the formats in it");
    let things =
        |reading: &Reading| reading.found.iter().map(|f| f.what.clone()).collect::<Vec<_>>();
    assert_eq!(things(&again), things(&reading), "{arguments:?}");
}

/// The numbers of the endpoints in arguments, in order of their numbers.
fn endpoints(arguments: &[Argument]) -> Vec<u32> {
    let pieces = arguments.iter().flat_map(|argument| &argument.0);
    let number = |piece: &Piece| match piece {
        Piece::Endpoint(number) => Some(*number),
        Piece::Text(_) => None,
    };
    let mut numbers: Vec<u32> = pieces.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}
