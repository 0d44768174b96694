//! The programs under test: those that were built beside the test that asks.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The programs that belong together.
const NAMES: [&str; 2] = ["svirt", "svirt-launch"];

/// The built `svirt`: the file that `SVIRT_BIN` names, or the one in the directory in which this
/// test was built, which is made first where it is missing. One that is there is not made anew:
/// `cargo build` before the tests does that.
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
    if !NAMES.iter().all(|name| profile.join(name).is_file()) {
        build(profile);
    }
    profile.join(NAMES[0])
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
    assert!(built, "{} and {} are not built, and cannot be: {status:?}", NAMES[0], NAMES[1]);
}
