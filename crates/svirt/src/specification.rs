//! Specifications from files. What they say is checked where every specification is.

use crate::{
    args::{ExecSpec, LayerArgs, MachineArgs},
    error, flags,
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use svirt_engine::{
    Failure,
    spec::{self, SPEC_MAX, Spec},
};

/// The specification that the flags of a guest say, or the file that they name.
///
/// # Errors
/// The flags make no sense, or the file is not there or not acceptable.
pub(crate) fn of_machine(args: &MachineArgs) -> Result<Spec, Failure> {
    let cwd = working_directory()?;
    match &args.spec {
        None => flags::guest(args, &cwd),
        Some(file) => flags::complete(read(file)?, args.name.as_ref(), &args.layers, &cwd),
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

fn working_directory() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|e| error::host("there is no working directory", &e))
}

fn read(file: &Path) -> Result<Spec, Failure> {
    let text = if file == Path::new("-") {
        limited(io::stdin())
    } else {
        File::open(file).and_then(limited)
    };
    let text = text.map_err(|e| error::file("read the specification", file, &e))?;
    Ok(spec::read(&text)?)
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
