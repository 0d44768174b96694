//! The programs as a package carries them: linked statically, so that they start without a linker
//! and run on every distribution, and position-independent all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{cargo, output, run};
use crate::error::{Error, Result};

/// What is in a package.
pub(crate) const PROGRAMS: &[&str] = &["svirt", "svirtd", "svirt-launch"];

/// By which a test holds a process of a debug build at its points (`svirt-fault`): no program that is
/// packaged knows it.
const NOT_PACKAGED: &str = "SVIRT_FAULT";

/// Builds the programs and says where they are.
pub(crate) fn run_chore() -> Result {
    let place = build()?;
    println!("{}", place.display());
    Ok(())
}

/// Builds the programs; the directory in which they are then.
pub(crate) fn build() -> Result<PathBuf> {
    let built = compile(PROGRAMS.iter().map(|program| format!("--package={program}")))?;
    let place = target_directory()?.join("dist");
    fs::create_dir_all(&place).map_err(Error::file(&place))?;
    for program in PROGRAMS {
        let from = built.join(program);
        if knows(&from, NOT_PACKAGED)? {
            return Err(Error::Answer(format!("{program} can be held at points by a test")));
        }
        let to = place.join(program);
        fs::copy(from, &to).map_err(Error::file(&to))?;
    }
    Ok(place)
}

/// Whether a word is anywhere in a file.
fn knows(file: &Path, word: &str) -> Result<bool> {
    let bytes = fs::read(file).map_err(Error::file(file))?;
    Ok(bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

/// Builds a program that is in no package like those that are; where it is then.
pub(crate) fn example(package: &str, name: &str) -> Result<PathBuf> {
    let built = compile([format!("--package={package}"), format!("--example={name}")])?;
    Ok(built.join("examples").join(name))
}

/// Builds what these arguments of cargo's name; the directory in which it is then.
fn compile(what: impl IntoIterator<Item = String>) -> Result<PathBuf> {
    let host = host()?;
    let mut build = cargo(["build", "--release", "--target", &host]);
    // With a target named, the flags do not reach what only the build itself runs.
    run(build.args(what).env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    Ok(target_directory()?.join(host).join("release"))
}

/// This machine, as the compiler calls it.
fn host() -> Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = output(Command::new(compiler).arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.unwrap_or_default().to_owned())
}

/// Where this project's cargo puts what it builds.
fn target_directory() -> Result<PathBuf> {
    let metadata = output(&mut cargo(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(Error::Metadata)?;
    Ok(Path::new(metadata["target_directory"].as_str().unwrap_or("target")).to_owned())
}
