//! `./demo` and `./test` where nothing of this project, and next to nothing else, has ever been: a
//! minimal Debian 12 and a clean clone of the last commit. Only the Rust toolchain comes from
//! this machine, read-only; crates and packages come from wherever this machine gets them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::command::{output, run as run_command, tree};
use crate::error::{Error, Result};

/// Debian 12.
const SUITE: &str = "bookworm";

/// Where the clone is, in the new root.
const CLONE: &str = "root/svirt";

/// What makes a directory a root and runs a command in it.
const ENTER: &str = include_str!("enter.sh");

/// Settings of this machine that also hold in the new root, by how their names begin.
const SETTINGS: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "cargo_http_",
    "cargo_net_",
    "cargo_registries_",
    "cargo_source_",
];

/// Files of this machine without which the new root has no network.
const NETWORK_FILES: &[&str] = &["etc/resolv.conf", "etc/hosts"];

/// Certificates that this machine's administrator trusts besides the distribution's.
const LOCAL_CERTIFICATES: &str = "usr/local/share/ca-certificates";

/// Runs the trial and prints its figures.
///
/// # Errors
/// If this machine lacks what it takes, or anything in the trial fails.
pub(super) fn run() -> Result {
    check_machine()?;
    let place = tempfile::Builder::new()
        .prefix("svirt-fresh-")
        .tempdir_in("/var/tmp")
        .map_err(Error::file("/var/tmp"))?;
    let trial = Trial::new(place.path())?;
    let mut figures = Vec::new();
    let mut timed = |what: &'static str, work: &dyn Fn() -> Result| {
        eprintln!("soak: {what}");
        let start = Instant::now();
        let result = work();
        figures.push((what, start.elapsed().as_secs_f64()));
        result
    };
    let result = timed("debootstrap", &|| trial.bootstrap())
        .and_then(|()| timed("clone", &|| trial.clone_tree()))
        .and_then(|()| timed("demo, the first time", &|| trial.enter("./demo")))
        .and_then(|()| timed("demo, again", &|| trial.enter("./demo")))
        .and_then(|()| timed("test", &|| trial.enter("./test")));
    for (what, seconds) in figures {
        eprintln!("soak: {what:<20} {seconds:7.1} s");
    }
    result
}

fn check_machine() -> Result {
    let user = fs::metadata("/proc/self").map_err(Error::file("/proc/self"))?.uid();
    if user != 0 {
        return Err(Error::Needs("a new root needs root: sudo cargo xtask soak --fresh"));
    }
    if !Path::new("/usr/sbin/debootstrap").exists() {
        return Err(Error::Needs("debootstrap is missing: apt-get install debootstrap"));
    }
    Ok(())
}

/// One root, and what of this machine it uses.
struct Trial {
    root: PathBuf,
    /// The toolchain's directory on this machine.
    toolchain: PathBuf,
    sources: Vec<Source>,
}

impl Trial {
    fn new(root: &Path) -> Result<Self> {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let targets = output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
            "Origin: Debian",
        ]))?;
        let toolchain = sysroot.trim().into();
        Ok(Self { root: root.to_path_buf(), toolchain, sources: sources(&targets) })
    }

    fn bootstrap(&self) -> Result {
        let main = self.sources.iter().find(|source| source.release == SUITE);
        let Some(main) = main else {
            return Err(Error::Needs(
                "no apt source of this machine has Debian 12 (apt-get update?)",
            ));
        };
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", SUITE]).arg(&self.root).arg(&main.uri);
        run_command(debootstrap.stdout(Stdio::null()))?;
        self.copy_settings()
    }

    /// How this machine reaches its registries, file by file.
    fn copy_settings(&self) -> Result {
        let lines: String = self.sources.iter().map(Source::line).collect();
        self.write("etc/apt/sources.list", &lines)?;
        let mut proxies = output(Command::new("apt-config").args(["dump", "Acquire::http"]))?;
        proxies += &output(Command::new("apt-config").args(["dump", "Acquire::https"]))?;
        self.write("etc/apt/apt.conf.d/90this-machine", &proxies)?;
        for file in NETWORK_FILES {
            self.copy(&Path::new("/").join(file), file)?;
        }
        self.copy_certificates()?;
        self.copy_cargo_config()
    }

    fn copy_certificates(&self) -> Result {
        let host = Path::new("/").join(LOCAL_CERTIFICATES);
        let Ok(entries) = fs::read_dir(&host) else { return Ok(()) };
        for entry in entries {
            let entry = entry.map_err(Error::file(&host))?;
            let name = entry.file_name();
            self.copy(&entry.path(), &format!("{LOCAL_CERTIFICATES}/{}", name.to_string_lossy()))?;
        }
        Ok(())
    }

    fn copy_cargo_config(&self) -> Result {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let config = home.unwrap_or_default().join("config.toml");
        if config.is_file() { self.copy(&config, "root/.cargo/config.toml") } else { Ok(()) }
    }

    fn write(&self, file: &str, content: &str) -> Result {
        let path = self.make_room(file)?;
        fs::write(&path, content).map_err(Error::file(path))
    }

    fn copy(&self, from: &Path, file: &str) -> Result {
        let path = self.make_room(file)?;
        fs::copy(from, path).map_err(Error::file(from)).map(drop)
    }

    /// The path of a file in the new root, in a directory that exists.
    fn make_room(&self, file: &str) -> Result<PathBuf> {
        let path = self.root.join(file);
        let directory = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(directory).map_err(Error::file(directory))?;
        Ok(path)
    }

    /// The last commit, without anything that is only in this working tree.
    fn clone_tree(&self) -> Result {
        let mut git = Command::new("git");
        // The tree may be its user's, while this runs as root.
        git.arg("-c").arg(format!("safe.directory={}", tree().display()));
        git.args(["clone", "--quiet", "--no-local"]).arg(tree()).arg(self.root.join(CLONE));
        run_command(&mut git)
    }

    /// Runs a command in the clone, in the new root.
    fn enter(&self, command: &str) -> Result {
        let toolchain = self.root.join("opt/rust");
        fs::create_dir_all(&toolchain).map_err(Error::file(&toolchain))?;
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--mount", "--pid", "--fork", "--kill-child", "--propagation=private"])
            .args(["sh", "-c", ENTER, "enter.sh"])
            .args([&self.root, &self.toolchain])
            .args(["/bin/sh", "-c", &format!("cd /{CLONE} && exec {command}")])
            .stdin(Stdio::null())
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())))
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .env(
                "PATH",
                "/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            );
        run_command(&mut unshare)
    }
}

fn is_setting(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SETTINGS.iter().any(|setting| name.starts_with(setting))
}

/// One part of an archive of packages.
#[derive(Debug, PartialEq)]
struct Source {
    uri: String,
    release: String,
    component: String,
}

impl Source {
    /// As `sources.list` has it.
    fn line(&self) -> String {
        format!("deb {} {} {}\n", self.uri, self.release, self.component)
    }
}

/// The parts of `SUITE` among what `apt-get indextargets` prints, each once.
fn sources(targets: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for line in targets.lines() {
        let mut words = line.split(' ').map(str::to_owned);
        let (Some(uri), Some(release), Some(component)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let source = Source { uri, release, component };
        if source.release.starts_with(SUITE) && !found.contains(&source) {
            found.push(source);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_the_suite_are_taken_once() {
        let targets = "http://a.test/debian/ bookworm main\n\
                       http://a.test/debian/ bookworm main\n\
                       http://a.test/debian/ sid main\n\
                       \n\
                       http://a.test/security/ bookworm-security main\n";
        let lines: Vec<String> = sources(targets).iter().map(Source::line).collect();
        assert_eq!(
            lines,
            [
                "deb http://a.test/debian/ bookworm main\n",
                "deb http://a.test/security/ bookworm-security main\n",
            ]
        );
    }

    #[test]
    fn only_settings_of_the_network_reach_the_new_root() {
        assert!(is_setting("HTTPS_PROXY") && is_setting("CARGO_REGISTRIES_X_INDEX"));
        assert!(!is_setting("CARGO_MANIFEST_DIR") && !is_setting("RUSTFLAGS"));
    }
}
