//! Runs the guest in a real QEMU, without sVirt, and talks to it. It knows the words of the
//! console protocol and nothing of what a test claims.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use svirt_guest::{GUEST, PROMPT, READY_LINE};
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
            eprintln!("skipped: {reason}");
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
        let mut guest = self.start();
        guest.finish()
    }
}

/// A running guest. Dropping it kills QEMU.
pub(crate) struct Guest {
    qemu: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    errors: Option<ChildStderr>,
    directory: TempDir,
    heard: String,
    deadline: Instant,
}

impl Guest {
    fn start(setup: Setup) -> Self {
        let Setup { directory, arguments, .. } = setup;
        let mut qemu = Command::new(QEMU)
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", directory.path().join("qmp").display()))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = stream(qemu.stdout.take().unwrap());
        let (input, errors) = (qemu.stdin.take(), qemu.stderr.take());
        let deadline = Instant::now() + PATIENCE;
        Self { qemu, input, output, errors, directory, heard: String::new(), deadline }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// QEMU's process id.
    pub(crate) fn id(&self) -> u32 {
        self.qemu.id()
    }

    /// Whether QEMU has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.qemu.try_wait().unwrap().is_none()
    }

    /// Gives all that came before `text`, and takes that and `text` out of what was heard.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some((before, after)) = self.heard.split_once(text) {
                let before = before.to_owned();
                self.heard = after.to_owned();
                return before;
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.heard.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => {
                    let errors = self.qemu_errors();
                    panic!("no {text:?} ({why}) in {:?}; QEMU said {errors:?}", self.heard)
                }
            }
        }
    }

    /// Waits for the prompt after boot.
    pub(crate) fn wait_until_ready(&mut self) -> String {
        self.wait_for(READY_LINE);
        self.wait_for(&format!("\n{PROMPT}"))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    /// Sends a line; gives the answer without the echo, with plain line ends.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r").as_bytes());
        self.wait_for("\r\n");
        let answer = self.wait_for(PROMPT);
        answer.replace("\r\n", "\n").trim_end().to_owned()
    }

    /// Waits until QEMU ends: its exit status, and what the guest wrote that nobody waited for.
    pub(crate) fn finish(&mut self) -> (Option<i32>, String) {
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.heard.push_str(&String::from_utf8_lossy(&bytes));
            assert!(Instant::now() < self.deadline, "QEMU goes on: {:?}", self.heard);
        }
        let status = self.qemu.wait().unwrap();
        (status.code(), self.heard.replace("\r\n", "\n"))
    }

    /// Connects to QEMU's control socket. A guest that has said anything has one.
    pub(crate) fn control(&self) -> Control {
        Control::connect(&self.path("qmp"))
    }

    fn qemu_errors(&mut self) -> String {
        let mut text = String::new();
        self.qemu.kill().unwrap();
        if let Some(mut errors) = self.errors.take() {
            errors.read_to_string(&mut text).unwrap();
        }
        text
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Reads in a thread, so that waiting can have a limit.
fn stream(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
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
