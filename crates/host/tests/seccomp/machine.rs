//! A machine under a profile: QEMU, a guest of a few instructions, its monitor and its console.

use crate::confined::Program;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
        unix::{fs::FileExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::Duration,
};
use svirt_model::ExecutableMemory;
use svirt_policy::seccomp::Profile;

pub(crate) const QEMU: &str = "/usr/bin/qemu-system-x86_64";

/// How long anything may take before a test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// The guest: says `B`, adds 1 to the first byte of the disk's second sector, says `W`, and then
/// repeats what it reads from its console. `p` turns the machine off, `r` resets it.
#[rustfmt::skip]
const BOOT_SECTOR: [u8; 112] = [
    // xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 0x7c00
    0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x7c,
    // mov al, 'B'; call putc; mov ah, 0x42 (read); call disk
    0xb0, 0x42, 0xe8, 0x4b, 0x00, 0xb4, 0x42, 0xe8, 0x32, 0x00,
    // inc byte [0x7e00]; mov ah, 0x43 (write); call disk; mov al, 'W'; call putc
    0xfe, 0x06, 0x00, 0x7e, 0xb4, 0x43, 0xe8, 0x29, 0x00, 0xb0, 0x57, 0xe8, 0x38, 0x00,
    // next: mov dx, 0x3fd; in al, dx; test al, 1; jz next; mov dl, 0xf8; in al, dx
    0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf8, 0xb2, 0xf8, 0xec,
    // cmp al, 'p'; jne reset; mov dx, 0x604 (PM1a control); mov ax, 0x2000; out dx, ax
    0x3c, 0x70, 0x75, 0x07, 0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef,
    // reset: cmp al, 'r'; jne echo; jmp 0xffff:0
    0x3c, 0x72, 0x75, 0x05, 0xea, 0x00, 0x00, 0xff, 0xff,
    // echo: call putc; jmp next
    0xe8, 0x16, 0x00, 0xeb, 0xdc,
    // disk: mov al, 0; mov dl, 0x80; mov si, packet; int 0x13; jc fail; ret
    0xb0, 0x00, 0xb2, 0x80, 0xbe, 0x60, 0x7c, 0xcd, 0x13, 0x72, 0x01, 0xc3,
    // fail: mov al, 'F'; call putc; hlt; jmp fail
    0xb0, 0x46, 0xe8, 0x03, 0x00, 0xf4, 0xeb, 0xf8,
    // putc: mov dx, 0x3f8; out dx, al; ret
    0xba, 0xf8, 0x03, 0xee, 0xc3,
    // packet: 16 bytes, 1 sector, to 0000:7e00, from sector 1
    0x10, 0x00, 0x01, 0x00, 0x00, 0x7e, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];

/// Makes a disk image that the guest boots from.
pub(crate) fn bootable_disk(path: &Path) -> File {
    let disk = open(path);
    disk.set_len(16 << 20).expect("the disk gets its size");
    disk.write_all_at(&BOOT_SECTOR, 0).expect("the boot sector is written");
    disk.write_all_at(&[0x55, 0xaa], 510).expect("the boot sector is signed");
    disk
}

/// How often a guest has added 1 to its disk.
pub(crate) fn count(disk: &File) -> u8 {
    let mut byte = [0];
    disk.read_exact_at(&mut byte, 512).expect("the disk can be read");
    byte[0]
}

/// Opens a file for reading and writing; makes it where there is none.
pub(crate) fn open(path: &Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).expect("the file opens")
}

/// A machine that is going to be started.
pub(crate) struct Recipe {
    pub(crate) profile: &'static Profile,
    pub(crate) memory: ExecutableMemory,
    pub(crate) arguments: Vec<String>,
    pub(crate) descriptors: Vec<(RawFd, OwnedFd)>,
}

impl Recipe {
    pub(crate) fn new(profile: &'static Profile, memory: ExecutableMemory) -> Self {
        Self { profile, memory, arguments: Vec::new(), descriptors: Vec::new() }
    }

    /// Adds arguments, which are separated by spaces.
    pub(crate) fn with(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// Adds a descriptor as the only one of the set with its own number.
    pub(crate) fn with_file(self, number: RawFd, file: impl Into<OwnedFd>) -> Self {
        self.with_descriptor(number, file).with(&format!("-add-fd fd={number},set={number}"))
    }

    pub(crate) fn with_descriptor(mut self, number: RawFd, descriptor: impl Into<OwnedFd>) -> Self {
        self.descriptors.push((number, descriptor.into()));
        self
    }

    /// Starts it and greets its monitor.
    pub(crate) fn start(self) -> Machine {
        let (monitor, theirs) = UnixStream::pair().expect("a socket pair");
        let (console, console_theirs) = UnixStream::pair().expect("a socket pair");
        let recipe = self
            .with("-nodefaults -no-user-config -display none -m 64 -name guest,debug-threads=on")
            .with("-chardev socket,id=monitor,fd=300 -mon chardev=monitor,mode=control")
            .with("-chardev socket,id=console,fd=301 -serial chardev:console")
            .with(
                "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
            )
            .with_descriptor(300, theirs)
            .with_descriptor(301, console_theirs);
        let (arguments, descriptors) = (recipe.arguments, recipe.descriptors);
        let program = Program { path: QEMU, arguments, descriptors, user: 0 };
        let child = program.start(recipe.profile, recipe.memory);
        let mut machine = Machine { child, monitor: Monitor::new(monitor), console };
        machine.console.set_read_timeout(Some(LIMIT)).expect("a timeout");
        machine.monitor.read(|m| m.get("QMP").is_some());
        machine.run("qmp_capabilities", json!({}));
        machine
    }
}

/// A machine that runs.
pub(crate) struct Machine {
    pub(crate) child: Child,
    pub(crate) monitor: Monitor,
    pub(crate) console: UnixStream,
}

impl Machine {
    /// Executes a command of the monitor.
    #[expect(clippy::needless_pass_by_value, reason = "a call reads better with json!() in it")]
    pub(crate) fn run(&mut self, command: &str, arguments: Value) -> Value {
        self.monitor.run(command, &arguments, None)
    }

    /// Executes a command that takes a descriptor.
    #[expect(clippy::needless_pass_by_value, reason = "a call reads better with json!() in it")]
    pub(crate) fn run_with(
        &mut self,
        command: &str,
        arguments: Value,
        fd: BorrowedFd<'_>,
    ) -> Value {
        self.monitor.run(command, &arguments, Some(fd))
    }

    /// Reads this much of the console.
    pub(crate) fn expect(&mut self, text: &str) {
        let mut read = vec![0; text.len()];
        self.console.read_exact(&mut read).unwrap_or_else(|e| panic!("{e}: {}", self.obituary()));
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    /// Writes to the console.
    pub(crate) fn say(&mut self, text: &str) {
        self.console.write_all(text.as_bytes()).expect("the console takes it");
    }

    /// Waits for an event.
    pub(crate) fn event(&mut self, name: &str) {
        self.monitor.read(|m| m["event"] == name);
    }

    /// Asks it to end and waits for it.
    pub(crate) fn quit(mut self) -> ExitStatus {
        self.run("quit", json!({}));
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let status = self.child.wait().expect("QEMU can be waited for");
        assert!(status.success(), "{status}: {}", self.said());
        status
    }

    fn said(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).expect("its standard error can be read");
        }
        text
    }

    fn obituary(&mut self) -> String {
        self.child.kill().expect("it can be killed");
        format!("{:?}: {}", self.child.wait(), self.said())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The client's end of QMP.
pub(crate) struct Monitor {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    /// What came before something else that was waited for: an event may be faster than the answer
    /// to the command that caused it.
    passed: VecDeque<Value>,
}

impl Monitor {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
        let reader = BufReader::new(stream.try_clone().expect("a descriptor more"));
        Self { stream, reader, passed: VecDeque::new() }
    }

    fn run(&mut self, command: &str, arguments: &Value, fd: Option<BorrowedFd<'_>>) -> Value {
        let request = json!({ "execute": command, "arguments": arguments }).to_string();
        let descriptors: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        let bytes = [IoSlice::new(request.as_bytes())];
        sendmsg(self.stream.as_fd(), &bytes, &mut ancillary, SendFlags::empty())
            .expect("the monitor takes a command");
        let reply = self.read(|m| m.get("return").is_some() || m.get("error").is_some());
        assert!(reply.get("error").is_none(), "{command}: {reply}");
        reply["return"].clone()
    }

    pub(crate) fn read(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.passed.iter().position(&wanted) {
            return self.passed.remove(index).expect("it was just found");
        }
        loop {
            let mut line = String::new();
            let length = self.reader.read_line(&mut line).expect("the monitor answers in time");
            assert!(length > 0, "QEMU closed its monitor");
            let message: Value = serde_json::from_str(&line).expect("the monitor speaks JSON");
            if wanted(&message) {
                return message;
            }
            self.passed.push_back(message);
        }
    }
}

/// Connects to a socket that QEMU listens on; it does so before it greets its monitor.
pub(crate) fn connect(path: &PathBuf) -> UnixStream {
    let stream = UnixStream::connect(path).expect("QEMU listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    stream
}
