//! Runs the guest in a real QEMU, without sVirt, and talks to it. It knows the words of the
//! console protocol and nothing of what a test claims.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use svirt_guest::{GUEST, PROMPT, READY_LINE};
use svirt_testkit::{Process, Talk};
use tempfile::TempDir;

const QEMU: &str = "qemu-system-x86_64";
/// Far more than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why guests cannot be run here, if they cannot.
fn obstacle() -> Option<&'static str> {
    let qemu = Command::new(QEMU).arg("--version").stdout(Stdio::null()).status();
    match (GUEST, qemu) {
        (None, _) => Some("this target has no embedded guest"),
        (_, Err(_)) => Some("qemu-system-x86_64 cannot be run"),
        _ => None,
    }
}

/// What a guest is to be started with.
pub(crate) struct Setup {
    directory: TempDir,
    arguments: Vec<OsString>,
    disks: usize,
}

impl Setup {
    /// A machine of this type with a serial console; None, said on stderr, where that cannot run.
    pub(crate) fn of_type(machine: &str) -> Option<Self> {
        if let Some(reason) = obstacle() {
            svirt_testkit::skipped(reason);
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("guest.elf"), GUEST.unwrap()).unwrap();
        let setup = Self { directory, arguments: Vec::new(), disks: 0 };
        let kernel = setup.path("guest.elf").into_os_string();
        let setup = setup
            .args(&["-machine", machine, "-accel", "tcg", "-m", "16"])
            .args(&["-nodefaults", "-display", "none"])
            .args(&["-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"]);
        Some(setup.arg("-kernel").arg(kernel))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, |setup, argument| setup.arg(*argument))
    }

    /// Adds a raw disk with this content.
    pub(crate) fn disk(self, content: &[u8]) -> Self {
        self.drive(content, "", "")
    }

    /// The same; the texts are added to QEMU's `-drive` and `-device`.
    pub(crate) fn drive(mut self, content: &[u8], drive: &str, device: &str) -> Self {
        let id = format!("disk{}", self.disks);
        self.disks += 1;
        fs::write(self.path(&id), content).unwrap();
        let file = self.path(&id);
        self.arg("-drive")
            .arg(format!("if=none,id={id},format=raw,file={}{drive}", file.display()))
            .arg("-device")
            .arg(format!("virtio-blk-pci,drive={id}{device}"))
    }

    /// The kernel command line.
    pub(crate) fn append(self, text: &str) -> Self {
        self.args(&["-append", text])
    }

    /// Starts the guest with its console on QEMU's standard input and output.
    pub(crate) fn start(self) -> Guest {
        Guest::start(self.args(&["-serial", "stdio"]))
    }

    /// Starts the guest with whatever console the arguments give it.
    pub(crate) fn start_without_console(self) -> Guest {
        Guest::start(self)
    }

    /// Runs a guest that ends by itself: QEMU's exit status and all that the guest wrote.
    pub(crate) fn run(self) -> (Option<i32>, String) {
        self.start().finish()
    }
}

/// A running guest. Dropping it kills QEMU.
pub(crate) struct Guest {
    talk: Talk,
    directory: TempDir,
}

impl Guest {
    fn start(setup: Setup) -> Self {
        let Setup { directory, arguments, .. } = setup;
        let monitor = directory.path().join("qmp");
        let mut qemu = Command::new(QEMU);
        qemu.arg("-qmp").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        qemu.args(arguments);
        Self { talk: Talk::start(qemu), directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// QEMU's process id.
    pub(crate) fn id(&self) -> u32 {
        self.talk.id()
    }

    /// Whether QEMU has not ended.
    pub(crate) fn runs(&self) -> bool {
        Process(self.id()).runs()
    }

    /// Gives all that came before `text` and was not waited for yet.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.talk.wait_for(text)
    }

    /// Waits for the prompt after boot.
    pub(crate) fn wait_until_ready(&mut self) -> String {
        self.wait_for(READY_LINE);
        self.wait_for(&format!("\n{PROMPT}"))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.talk.send(bytes);
    }

    /// Sends a line; gives the answer without the echo, with plain line ends.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r").as_bytes());
        self.wait_for("\r\n");
        let answer = self.wait_for(PROMPT);
        answer.replace("\r\n", "\n").trim_end().to_owned()
    }

    /// Waits until QEMU ends: its exit status, and all that the guest wrote.
    pub(crate) fn finish(self) -> (Option<i32>, String) {
        let said = self.talk.finish();
        (said.code, said.out.replace("\r\n", "\n"))
    }

    /// Connects to QEMU's control socket. A guest that has said anything has one.
    pub(crate) fn control(&self) -> Control {
        Control::connect(&self.path("qmp"))
    }
}

/// A QMP connection, as far as these tests need one.
pub(crate) struct Control {
    socket: UnixStream,
    heard: String,
}

impl Control {
    fn connect(path: &Path) -> Self {
        let socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut control = Self { socket, heard: String::new() };
        control.wait_for("\"QMP\"");
        control.execute("qmp_capabilities");
        control
    }

    /// Runs a command without arguments; gives the answer's line.
    pub(crate) fn execute(&mut self, command: &str) -> String {
        self.execute_with(command, "{}")
    }

    /// Runs a command with arguments in JSON.
    pub(crate) fn execute_with(&mut self, command: &str, arguments: &str) -> String {
        let command = format!("{{\"execute\": \"{command}\", \"arguments\": {arguments}}}\n");
        self.socket.write_all(command.as_bytes()).unwrap();
        self.wait_for("\"return\"")
    }

    /// Waits for a line that contains this text.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some((line, rest)) = self.heard.split_once('\n') {
                let line = line.to_owned();
                self.heard = rest.to_owned();
                if line.contains(text) {
                    return line;
                }
                continue;
            }
            let mut buffer = [0; 4096];
            let length = self.socket.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "no {text:?} before QEMU ended");
            self.heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }
}
