//! A place of its own on this host for one test: directories that nobody else uses, the programs
//! under test run as one caller, and names that tell what belongs to the test.

use crate::{
    Caller, Machine, Outcome, Said, Skipped, Talk, Traces,
    caller::{Ids, has_range, we_are_root},
    programs,
};
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};
use svirt_model::Status;
use tempfile::TempDir;

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A place of its own on this host.
#[derive(Debug)]
pub struct Host {
    caller: Caller,
    ids: Ids,
    directory: TempDir,
    svirt: PathBuf,
}

impl Host {
    /// Makes the place.
    ///
    /// # Errors
    /// There is no such caller on this host.
    ///
    /// # Panics
    /// The place cannot be made.
    pub fn new(caller: Caller) -> Result<Self, Skipped> {
        let ids = caller.ids()?;
        let mode = fs::Permissions::from_mode(0o755);
        let directory = tempfile::Builder::new().prefix("svt").permissions(mode).tempdir();
        let directory = directory.expect("a temporary directory");
        let host = Self { caller, ids, svirt: programs::svirt().to_owned(), directory };
        host.give(host.path(""));
        for name in ["home", "state", "run"] {
            host.directory(name, 0o700);
        }
        Ok(host.with_reachable_programs())
    }

    /// Programs that were built where the caller cannot go are copied to where it can.
    fn with_reachable_programs(mut self) -> Self {
        let closed = |d: &Path| fs::metadata(d).is_ok_and(|m| m.permissions().mode() & 0o001 == 0);
        if !self.is_root() && we_are_root() && self.svirt.ancestors().any(closed) {
            let place = self.directory("bin", 0o755);
            for name in programs::NAMES {
                copy_program(&self.svirt.with_file_name(name), &place.join(name));
            }
            self.svirt = place.join("svirt");
        }
        self
    }

    /// As whom the programs are run.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The caller's user.
    pub fn uid(&self) -> u32 {
        self.ids.uid
    }

    /// Whether it is root who runs the programs.
    pub fn is_root(&self) -> bool {
        self.caller == Caller::Root
    }

    /// What is in no other test's names and paths.
    pub fn tag(&self) -> String {
        let name = self.directory.path().file_name().unwrap_or_default();
        name.to_string_lossy().to_lowercase()
    }

    /// A machine's name that no other test has.
    pub fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.tag().trim_start_matches('.'))
    }

    /// A path in this place.
    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.directory.path().into()
        } else {
            self.directory.path().join(name)
        }
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The run-time directory.
    pub fn runtime(&self) -> PathBuf {
        self.path("run")
    }

    /// Makes the caller the owner of something.
    ///
    /// # Panics
    /// That cannot be.
    pub fn give(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        chown(path, Some(self.ids.uid), Some(self.ids.gid))
            .unwrap_or_else(|e| panic!("cannot give away {}: {e}", path.display()));
    }

    /// Makes a file of the caller's.
    ///
    /// # Panics
    /// That cannot be.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("cannot write {name}: {e}"));
        self.give(&path);
        path
    }

    /// Makes a directory of the caller's.
    ///
    /// # Panics
    /// That cannot be.
    pub fn directory(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap_or_else(|e| panic!("cannot make {name}: {e}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        self.give(&path);
        path
    }

    /// A program as the caller runs it: in this place, with no more environment than it needs.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.path("home"))
            .env("SVIRT_STATE_DIR", self.state())
            .env("SVIRT_RUNTIME_DIR", self.runtime())
            .current_dir(self.path(""));
        if we_are_root() && !self.is_root() {
            command.uid(self.ids.uid).gid(self.ids.gid);
        }
        command
    }

    /// `svirt` with these arguments.
    pub fn svirt(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.svirt);
        command.args(arguments);
        svirt_fault::pass_on(&mut command);
        command
    }

    /// The file that `svirt` is.
    pub fn program(&self) -> &Path {
        &self.svirt
    }

    /// Runs `svirt` to its end, with an empty standard input.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Said {
        Talk::start(self.svirt(arguments)).finish()
    }

    /// Runs any program to its end, as the caller.
    #[track_caller]
    pub fn run_program(&self, program: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(program);
        command.args(arguments);
        Talk::start(command).finish()
    }

    /// Starts `svirt run`, small and without a look at `/dev/kvm`, with the console on its streams.
    #[track_caller]
    pub fn boot(&self, name: &str, arguments: &[&str]) -> Machine<'_> {
        Machine::boot(self, name, arguments)
    }

    /// The same, with no memory and no accelerator chosen for it.
    #[track_caller]
    pub fn boot_with(&self, name: &str, arguments: &[&str]) -> Machine<'_> {
        Machine::boot_with(self, name, arguments)
    }

    /// What `svirt inspect` says of a machine.
    ///
    /// # Panics
    /// There is no such machine.
    #[track_caller]
    pub fn status(&self, name: &str) -> Status {
        let said = self.run(&["inspect", name, "--json"]).exits(0);
        let mut document: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        serde_json::from_value(document["machine"].take()).expect("a status")
    }

    /// The names of the machines that run.
    #[track_caller]
    pub fn running(&self) -> Vec<String> {
        let said = self.run(&["ps", "--json"]).exits(0);
        let document: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        let machines = document["machines"].as_array().cloned().unwrap_or_default();
        machines.iter().filter_map(|m| m["name"].as_str().map(str::to_owned)).collect()
    }

    /// Everything on this host that belongs to this place's machines.
    pub fn traces(&self) -> Traces {
        Traces::of(self)
    }

    /// Skips what needs the superuser.
    ///
    /// # Errors
    /// The caller is somebody else.
    pub fn needs_root(&self, what: &str) -> Outcome {
        if self.is_root() { Ok(()) } else { Err(Skipped::because(format!("only root can {what}"))) }
    }

    /// Skips what looks into a machine that has the user of an ordinary caller: where that caller, who
    /// runs the tests, has a range in `/etc/subuid`, it has another.
    ///
    /// # Errors
    /// The caller has one.
    pub fn needs_no_range(&self) -> Outcome {
        match self.caller == Caller::User && has_range(self.ids.uid) {
            true => Err(Skipped::because("the tests are run by a user with a range")),
            false => Ok(()),
        }
    }

    /// Goes on only where the test's machines have left nothing.
    ///
    /// # Panics
    /// They have.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        // A supervisor that has said its last word is gone a moment later.
        self.traces().processes().into_iter().for_each(|p| p.ends());
        let left = self.traces();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.traces().is_empty() {
            return;
        }
        // A test that failed cleans up as far as it can.
        for trace in self.traces().0 {
            trace.remove();
        }
    }
}

/// Copies a program in a process of its own: a child that another thread forks meanwhile would keep
/// the copy open for writing, and what is open for writing cannot be executed (`ETXTBSY`).
fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").args([from, to]).status().expect("cp runs");
    assert!(status.success(), "{} cannot be copied", from.display());
}
