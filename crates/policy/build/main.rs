//! Turns the data files of seccomp, SELinux and AppArmor into constant tables, so that nothing is parsed when
//! a machine starts, and stops the build where a file is not well formed or an entry has no reason.
//!
//! It knows what a file may say, not which calls are wise. Whether a name is a system call of the
//! target is left to the compiler: the tables refer to the kernel's own constants.

mod apparmor;
mod check;
mod emit;
mod selinux;
mod source;

use std::{collections::BTreeMap, env, error::Error, fs, path::Path, process};

/// The data file of each profile.
const PROFILES: &[&str] = &["generic", "init", "passt", "qemu"];

fn main() {
    if let Err(error) = build() {
        eprintln!("{error}");
        process::exit(1);
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    for input in ["apparmor", "build", "seccomp", "selinux"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    if !source::ARCHITECTURES.contains(&architecture.as_str()) {
        return Err(format!("there are no system call tables for {architecture}").into());
    }
    let files = read(Path::new("seccomp"))?;
    let mut tables = String::new();
    for profile in PROFILES {
        let rules = check::profile(&files, profile)?;
        tables.push_str(&emit::profile(profile, &rules, &architecture));
    }
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("seccomp.rs"), tables)?;
    fs::write(Path::new(&out).join("selinux.rs"), selinux()?)?;
    fs::write(Path::new(&out).join("apparmor.rs"), apparmor()?)?;
    Ok(())
}

/// The table of the SELinux module.
fn selinux() -> Result<String, String> {
    let path = "selinux/module.toml";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let file = selinux::source::parse(path, &text)?;
    selinux::check::file(&file).map_err(|e| format!("{path}: {e}"))?;
    Ok(selinux::emit::module(&file))
}

/// The table of what every AppArmor profile has.
fn apparmor() -> Result<String, String> {
    let path = "apparmor/rules.toml";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    Ok(apparmor::emit(&apparmor::parse(path, &text)?))
}

/// Reads all files of a directory.
fn read(directory: &Path) -> Result<BTreeMap<String, source::File>, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", directory.display());
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let text = fs::read_to_string(&path).map_err(fail)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name.clone(), source::parse(&name, &text)?);
    }
    Ok(files)
}
