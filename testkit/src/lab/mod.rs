//! Other kernels to run sVirt on: each boots with this host's own programs, runs a script, and is
//! gone. What a script tells comes back as it was, past whatever the kernel says on its console.
//!
//! It knows how to boot a kernel and how to hear what was said, and nothing of what is claimed.

mod kernel;
mod package;
mod report;
mod tree;

pub use package::{cached, unpacked as package};
pub use report::Report;

pub(crate) use package::cache;

use crate::{
    Host, Skipped,
    talk::{pid, readable},
};
use kernel::Kernel;
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The words that a script may use; each says what it does.
const WORDS: &str = include_str!("words.sh");

/// Many times what a script takes on a host with nothing else to do, and less than a runner of tests waits:
/// what was said until then is shown.
const PATIENCE: Duration = Duration::from_secs(170);

/// A kernel, and a place on this host for what it is booted with.
#[derive(Debug)]
pub struct Lab<'a> {
    host: &'a Host,
    kernel: Kernel,
    carried: Vec<PathBuf>,
    disk: Option<PathBuf>,
    patience: Duration,
}

impl<'a> Lab<'a> {
    fn of(host: &'a Host, kernel: Kernel) -> Self {
        Self { host, kernel, carried: Vec::new(), disk: None, patience: PATIENCE }
    }

    /// Debian's cloud kernel, Linux 6.1, with Landlock at ABI 2, in a QEMU that translates.
    ///
    /// # Errors
    /// It, or a program that takes it there, cannot be had.
    pub fn with_landlock(host: &'a Host) -> Result<Self, Skipped> {
        Ok(Self::of(host, Kernel::cloud(None)?))
    }

    /// The same kernel with this security module active besides. It checks what memory is executed,
    /// which user-mode-linux, whose own data is executable, leaves out.
    ///
    /// # Errors
    /// It, or a program that takes it there, cannot be had.
    pub fn with_landlock_and(host: &'a Host, module: &'static str) -> Result<Self, Skipped> {
        let needed = kernel::LABELLING.iter().find(|path| !Path::new(path).is_file());
        if let Some(path) = needed {
            return Err(Skipped::because(format!("there is no {path}")));
        }
        Ok(Self::of(host, Kernel::cloud(Some(module))?))
    }

    /// Linux 6.1 as a program of this host (user-mode-linux), without Landlock.
    ///
    /// # Errors
    /// It, or a program that takes it there, cannot be had.
    pub fn without_landlock(host: &'a Host) -> Result<Self, Skipped> {
        Ok(Self::of(host, Kernel::user_mode(None)?))
    }

    /// Linux 6.1 as a program of this host, with this security module active: `selinux`, `apparmor` or `smack`. Its file
    /// system is mounted where distributions have it.
    ///
    /// # Errors
    /// It, or a program that takes it there, cannot be had.
    pub fn with_module(host: &'a Host, module: &'static str) -> Result<Self, Skipped> {
        Ok(Self::of(host, Kernel::user_mode(Some(module))?))
    }

    /// Takes another file there, beside the programs of sVirt, where `$BIN` leads.
    #[must_use]
    pub fn carrying(mut self, file: impl Into<PathBuf>) -> Self {
        self.carried.push(file.into());
        self
    }

    /// Gives it a disk that outlives it: `/dev/ubda`. Only a kernel that is a program of this host has it.
    #[must_use]
    pub fn with_disk(mut self, file: impl Into<PathBuf>) -> Self {
        self.disk = Some(file.into());
        self
    }

    /// Waits so long for a script that lasts.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Boots the kernel, runs a script in its first process, and gives what the script told. The
    /// script is for busybox's shell; `words.sh` is what it may say besides.
    ///
    /// # Panics
    /// The kernel does not boot, or the script does not come to its end in time.
    #[track_caller]
    pub fn run(&self, script: &str) -> Report {
        let (told, console) = self.boot(&format!("{script}\nthe_end"));
        Report::read(&told, console)
    }

    /// The same of a script that does not come to its end, for the power is cut in it.
    ///
    /// # Panics
    /// The kernel does not boot, or goes on for too long.
    #[track_caller]
    pub fn cut(&self, script: &str) -> Report {
        let (told, console) = self.boot(&format!("{script}\ntold not-cut true\nthe_end"));
        Report::of_a_part(&told, console)
    }

    #[track_caller]
    fn boot(&self, script: &str) -> (Vec<u8>, String) {
        // It may have been booted before.
        let _ = fs::remove_dir_all(self.host.path("lab"));
        let place = self.host.directory("lab", 0o755);
        let first = self.kernel.first_words();
        let init = place.join("script");
        fs::write(&init, format!("{first}\n{WORDS}\n{script}\n")).expect("ours");
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::write(place.join("report"), "").expect("a file of ours");
        self.host.give(place.join("report"));
        let mut command = self.kernel.command(self.host, &place, &self.carried);
        command.args(self.disk.iter().map(|disk| format!("ubd0={}", disk.display())));
        let ended = boot(command, &place.join("console"), self.patience);
        let console = fs::read(place.join("console")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console).into_owned();
        let told = fs::read(place.join("report")).expect("a file of ours");
        let so_far = || String::from_utf8_lossy(&told).into_owned();
        assert!(ended, "the kernel goes on after {:?}: {console}{}", self.patience, so_far());
        (told, console)
    }
}

/// A kernel that runs, with all its processes. Dropping it ends it.
struct Running(Child);

/// Whether it ended by itself.
fn boot(mut command: Command, console: &Path, patience: Duration) -> bool {
    let log = fs::File::create(console).expect("a file of ours");
    let errors = log.try_clone().expect("a descriptor");
    command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    let running = Running(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")));
    let id = pid(running.0.id());
    let flags = rustix::process::PidfdFlags::empty();
    let handle = rustix::process::pidfd_open(id, flags).expect("it was not waited for");
    readable(&handle, patience)
}

impl Drop for Running {
    fn drop(&mut self) {
        // It leads its group until it is waited for; what it left there is no longer of use.
        let _ =
            rustix::process::kill_process_group(pid(self.0.id()), rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}
