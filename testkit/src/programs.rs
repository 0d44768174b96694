//! The programs under test: those that were built beside the test that asks.

use crate::{Host, Skipped};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// A program of the tests' own, which makes one try that it is told of, and which is in no package
/// (`try.c`).
///
/// # Errors
/// There is no compiler.
pub fn compiled(host: &Host) -> Result<PathBuf, Skipped> {
    if !has_program("cc") {
        return Err(Skipped::because("there is no cc"));
    }
    let source = host.file("try.c", include_bytes!("try.c"));
    let made = host.path("try");
    let words = ["-o", made.to_str().expect("a name"), source.to_str().expect("a name"), "-lrt"];
    host.run_program("cc", &words).exits(0);
    Ok(made)
}

/// The programs that belong together.
pub(crate) const NAMES: [&str; 3] = ["svirt", "svirtd", "svirt-launch"];

/// The built `svirt`: the file that `SVIRT_BIN` names, or the one in the directory in which this
/// test was built, which is made first, with `svirt-launch`, where one of them is missing or older
/// than what it is made of.
///
/// # Panics
/// It is not there and cannot be built.
pub fn svirt() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(find)
}

/// Whether `PATH` leads to a program.
pub fn has_program(name: &str) -> bool {
    program(name).is_some()
}

/// The program to which `PATH` leads.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join(name)).find(|p| p.is_file())
}

fn find() -> PathBuf {
    if let Some(named) = env::var_os("SVIRT_BIN") {
        let path = PathBuf::from(named);
        assert!(path.is_file(), "SVIRT_BIN names {}, which is no file", path.display());
        return path;
    }
    let test = env::current_exe().expect("this program has a path");
    // Tests are in `TARGET/PROFILE/deps`, programs in `TARGET/PROFILE`.
    let profile = test.ancestors().nth(2).expect("tests are built in a target directory");
    if !NAMES.iter().all(|name| is_current(&profile.join(name))) {
        build(profile);
        let old = NAMES.iter().find(|name| !is_current(&profile.join(name)));
        assert_eq!(old, None, "it was built in {} and is older than its source", profile.display());
    }
    profile.join(NAMES[0])
}

/// Whether a program is there and younger than every file of the workspace that it was made of,
/// which are in the file that cargo writes beside it ("Dep-info files" in the Cargo book).
fn is_current(program: &Path) -> bool {
    let Some(made) = changed(program) else { return false };
    let sources = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let Some((_, sources)) = sources.split_once(": ") else { return false };
    // A blank in a name is written with a backslash before it.
    let sources = sources.trim().replace("\\ ", "\0");
    let mut sources = sources.split(' ').map(|name| PathBuf::from(name.replace('\0', " ")));
    sources.all(|source| is_older(&source, made))
}

/// Whether a file, or all that is in a directory, was changed no later than that.
fn is_older(source: &Path, made: SystemTime) -> bool {
    let inside = fs::read_dir(source).into_iter().flatten().flatten();
    changed(source).is_some_and(|at| at <= made)
        && inside.into_iter().all(|entry| is_older(&entry.path(), made))
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn build(profile: &Path) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("build");
    command.args(NAMES.map(|name| format!("--package={name}")));
    if profile.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    let target = profile.parent().expect("a profile's directory is in the target directory");
    let status = command.env("CARGO_TARGET_DIR", target).status();
    let built = status.as_ref().is_ok_and(|status| status.success());
    assert!(built, "{} are missing or old, and cannot be built: {status:?}", NAMES.join(" and "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_current_until_a_source_is_younger_or_gone() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| place.path().join(name);
        fs::create_dir(path("a directory")).expect("it is ours");
        for name in ["source", "a directory/inside", "program"] {
            fs::write(path(name), "").expect("it is ours");
        }
        let program = path("program");
        assert!(!is_current(&program), "of what it was made is not known");
        let list = format!(
            "{}: {} {}\n",
            program.display(),
            path("source").display(),
            path("a directory").display().to_string().replace(' ', "\\ ")
        );
        fs::write(path("program.d"), list).expect("it is ours");
        assert!(is_current(&program));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        let touch = |name: &str, at| {
            let file = fs::File::options().write(true).open(path(name)).expect("it is there");
            file.set_modified(at).expect("it is ours");
        };
        for name in ["source", "a directory/inside"] {
            touch(name, later);
            assert!(!is_current(&program), "{name}");
            touch(name, SystemTime::UNIX_EPOCH);
        }
        assert!(is_current(&program));
        fs::remove_file(path("source")).expect("it is ours");
        assert!(!is_current(&program));
    }
}
