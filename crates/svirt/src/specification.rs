//! Specifications from files. What they say is checked where every specification is.

use crate::{
    args::{ExecSpec, LayerArgs, MachineArgs},
    error, flags,
    output::say,
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use svirt_engine::{
    Failure, Note,
    spec::{self, DomainSpec, SPEC_MAX, Spec},
};

/// The specification that the flags of a guest say, or the file that they name.
///
/// # Errors
/// The flags make no sense, or the file is not there or not acceptable.
pub(crate) fn of_machine(args: &MachineArgs) -> Result<Spec, Failure> {
    let cwd = working_directory()?;
    match (&args.spec, &args.xml) {
        (None, None) => flags::guest(args, &cwd),
        (None, Some(file)) => of_xml(file, &args.layers),
        (Some(file), _) => flags::complete(read(file)?, args.name.as_ref(), &args.layers, &cwd),
    }
}

/// The specification that the flags of a VMM's own command line say.
///
/// # Errors
/// The flags make no sense.
pub(crate) fn of_command(args: &ExecSpec) -> Result<Spec, Failure> {
    flags::command(args, &working_directory()?)
}

/// The specification in a file, or on standard input for `-`, with its paths made absolute.
///
/// # Errors
/// The file is not there or not acceptable.
pub(crate) fn of_file(file: &Path) -> Result<Spec, Failure> {
    flags::complete(read(file)?, None, &LayerArgs::default(), &working_directory()?)
}

/// The machine that libvirt's XML in a file, or on standard input for `-`, describes.
///
/// # Errors
/// The file is not there or not acceptable.
pub(crate) fn of_xml(file: &Path, layers: &LayerArgs) -> Result<Spec, Failure> {
    let is_file = file != Path::new("-");
    let shown = if is_file { file.to_string_lossy() } else { "standard input".into() };
    // What the document is called ends up in messages and in the origins of resources.
    of_document(file, &shown.replace(char::is_control, "?"), layers)
}

/// As [`of_xml`], of a document with a name that is not the file's.
///
/// # Errors
/// As [`of_xml`].
pub(crate) fn of_document(
    file: &Path,
    document: &str,
    layers: &LayerArgs,
) -> Result<Spec, Failure> {
    let domain = Some(DomainSpec::read(&text_of(file, "read the domain")?, document)?);
    let spec = Spec { version: spec::VERSION, domain, ..Spec::default() };
    flags::complete(spec, None, layers, &working_directory()?)
}

/// What sVirt does otherwise than a machine's document says.
///
/// # Errors
/// The document is not acceptable.
pub(crate) fn notes(spec: &Spec) -> Result<Vec<Note>, Failure> {
    Ok(spec.expanded()?.notes)
}

/// Says what sVirt does otherwise than a machine's document says.
///
/// # Errors
/// The document is not acceptable.
pub(crate) fn warn(spec: &Spec) -> Result<Vec<Note>, Failure> {
    let notes = notes(spec)?;
    let document = spec.domain.as_ref().map_or("", |domain| domain.document.as_str());
    for Note { line, text } in &notes {
        say(&format!("warning: {document} line {line}: {text}"));
    }
    Ok(notes)
}

fn working_directory() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|e| error::host("there is no working directory", &e))
}

fn read(file: &Path) -> Result<Spec, Failure> {
    Ok(spec::read(&text_of(file, "read the specification")?)?)
}

fn text_of(file: &Path, doing: &str) -> Result<Vec<u8>, Failure> {
    let text = if file == Path::new("-") {
        limited(io::stdin())
    } else {
        File::open(file).and_then(limited)
    };
    text.map_err(|e| error::file(doing, file, &e))
}

/// At most one byte more than a specification may have.
fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(SPEC_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_engine::Code;

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let text = limited(io::repeat(b' ')).unwrap();
        assert_eq!(text.len(), SPEC_MAX + 1);
        assert!(spec::read(&text).is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = of_file(Path::new("/no/such/spec.json")).unwrap_err();
        assert_eq!(failure.code, Code::NotFound);
        assert!(failure.to_string().contains("/no/such/spec.json: "), "{failure}");
    }
}
