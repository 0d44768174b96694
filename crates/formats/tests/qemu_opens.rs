//! What QEMU itself opens for a command line, compared with what was read from it.

mod qemu_support;

use qemu_support::line;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use svirt_formats::command_line::Thing;
use svirt_formats::qemu::{Reading, read};
use svirt_model::{Access, Argument, ImageFormat, Piece};

const QEMU: &str = "qemu-system-x86_64";
/// A machine that starts at once, speaks QMP, and makes nothing that is not asked for.
const ALWAYS: &str = "-machine pc -accel tcg -S -nodefaults -display none -nic none -qmp stdio";

/// A directory with images, and its path as a QEMU that runs in it sees it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Nothing, after saying so, if QEMU or qemu-img is not installed.
    fn new() -> Option<Self> {
        let place = Self { directory: tempfile::tempdir().expect("a directory") };
        for (name, format) in
            [("raw", "raw"), ("qcow2", "qcow2"), ("base", "raw"), ("vmdk", "vmdk")]
        {
            place.image(&[name, "1M", "-f", format])?;
        }
        place.image(&["top", "-f", "qcow2", "-b", "base", "-F", "raw"])?;
        let raw_file = ["data,1", "1M", "-f", "raw"];
        place.image(&raw_file)?;
        Some(place)
    }

    fn image(&self, words: &[&str]) -> Option<()> {
        let mut command = Command::new("qemu-img");
        command.arg("create").args(words).current_dir(&self.directory).stdout(Stdio::null());
        match (command.status(), Command::new(QEMU).arg("-version").stdout(Stdio::null()).status())
        {
            (Ok(status), Ok(_)) => assert!(status.success(), "{words:?}"),
            (made, version) => {
                svirt_testkit::skipped(format!("qemu-img or {QEMU}: {made:?} {version:?}"));
                return None;
            }
        }
        Some(())
    }

    /// Starts QEMU with the arguments of a reading, with endpoints at `endpoint-N`, and calls
    /// `look` once it has opened everything.
    fn run<T>(&self, reading: &Reading, look: impl FnOnce(&Child) -> T) -> T {
        let text = line(&reading.arguments);
        let mut command = Command::new(QEMU);
        command
            .args(ALWAYS.split(' '))
            .args(reading.arguments.iter().map(written))
            .current_dir(&self.directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("QEMU starts");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut input = child.stdin.take().expect("it is piped");
        // QEMU greets before it has opened everything, and answers only afterwards.
        input.write_all(b"{\"execute\":\"qmp_capabilities\"}").expect("QEMU listens");
        let answer = answers.by_ref().map_while(Result::ok).find(|line| line.contains("return"));
        assert!(answer.is_some(), "{text}");
        let seen = look(&child);
        input.write_all(b"{\"execute\":\"quit\"}").expect("QEMU listens");
        child.wait().expect("QEMU ends");
        seen
    }

    /// The files under this directory that a process has open.
    fn open_files(&self, child: &Child) -> BTreeMap<PathBuf, Access> {
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        let descriptors = std::fs::read_dir(process.join("fd")).expect("a directory");
        let mut open = BTreeMap::new();
        for entry in descriptors.map(|entry| entry.expect("an entry")) {
            let Ok(target) = std::fs::read_link(entry.path()) else { continue };
            let Ok(name) = target.strip_prefix(self.directory.path()) else { continue };
            let number = entry.file_name();
            let access = access(&process.join("fdinfo").join(number));
            let before = open.insert(name.to_owned(), access);
            if before == Some(Access::Write) {
                open.insert(name.to_owned(), Access::Write);
            }
        }
        open
    }
}

/// An argument, with `endpoint-N` where sVirt would put a path of its own.
fn written(argument: &Argument) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Endpoint(number) => format!("endpoint-{number}"),
    };
    argument.0.iter().map(piece).collect()
}

/// How a descriptor was opened.
fn access(info: &Path) -> Access {
    let text = std::fs::read_to_string(info).expect("it is readable");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags");
    match u32::from_str_radix(flags.trim(), 8).expect("octal digits") & 3 {
        0 => Access::Read,
        _ => Access::Write,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The files of a reading, without those of the kinds that QEMU closes again.
fn files(reading: &Reading) -> BTreeMap<PathBuf, Access> {
    let file = |thing: &Thing| match thing {
        Thing::Image(image) => Some((image.path.clone(), image.access)),
        Thing::Output { path } => Some((path.clone(), Access::Write)),
        _ => None,
    };
    reading.found.iter().filter_map(|found| file(&found.what)).collect()
}

#[test]
fn qemu_opens_the_files_that_were_found_and_as_was_said() {
    let Some(place) = Place::new() else { return };
    let lines = [
        "-drive file=raw,format=raw,if=virtio",
        "-drive file=raw,format=raw,if=none,id=d,readonly=on",
        "-drive file=data,,1,format=raw,if=virtio",
        "-drive file=raw,format=raw,media=cdrom",
        "-drive file=raw,format=raw,snapshot=on",
        "-snapshot -drive file=raw,format=raw -drive file=qcow2,format=qcow2",
        "-drive file.filename=qcow2,format=qcow2",
        "-drive driver=qcow2,file.driver=file,file.filename=top,backing.driver=raw,backing.file.filename=base",
        "-drive file=top,format=qcow2,backing.driver=raw,backing.file.filename=base",
        "-drive file=vmdk,format=vmdk",
        "-hda raw -hdb data,1",
        "-cdrom raw",
        "raw",
        r#"-drive file=json:{"driver":"qcow2",,"file":{"driver":"file",,"filename":"qcow2"}}"#,
        "-blockdev file,node-name=f,filename=raw",
        "-blockdev file,node-name=f,filename=raw,read-only=on",
        "-blockdev file,node-name=f,filename=qcow2 -blockdev qcow2,node-name=q,file=f -device virtio-blk-pci,drive=q",
        "-blockdev file,node-name=f,filename=qcow2,read-only=on -blockdev qcow2,node-name=q,file=f,read-only=on",
        "-blockdev qcow2,node-name=q,read-only=on,file.driver=file,file.filename=qcow2",
        "-blockdev raw,node-name=b,read-only=on,file.driver=file,file.filename=base -blockdev qcow2,node-name=q,file.driver=file,file.filename=top,backing=b",
        r#"-blockdev {"driver":"qcow2","node-name":"q","file":{"driver":"file","filename":"top"},"backing":{"driver":"raw","file":{"driver":"file","filename":"base"}}}"#,
        r#"-blockdev {"driver":"qcow2","node-name":"q","file":{"driver":"file","filename":"top"},"backing":null}"#,
        r#"-blockdev {"driver":"file","filename":"raw","node-name":"f","auto-read-only":true} -blockdev {"driver":"raw","file":"f","node-name":"r","read-only":true}"#,
        r#"-blockdev {"driver":"file","filename":"raw","node-name":"f","auto-read-only":true} -blockdev {"driver":"raw","file":"f","node-name":"r"} -device virtio-blk-pci,drive=r"#,
        "-object throttle-group,id=g -blockdev throttle,node-name=t,throttle-group=g,file.driver=file,file.filename=raw -device virtio-blk-pci,drive=t",
        "-chardev file,id=c,path=log,logfile=other -device isa-serial,chardev=c",
        "-serial file:log,x",
    ];
    for text in lines {
        let mut reading = read(&words(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
        for number in 0..reading.found.len() {
            // So that QEMU prints no warning about a guess.
            reading.state_format(number, ImageFormat::Raw);
        }
        let open = place.run(&reading, |child| place.open_files(child));
        assert_eq!(open, files(&reading), "{text}");
    }
}

#[test]
fn qemu_listens_where_the_endpoint_is() {
    let Some(place) = Place::new() else { return };
    let lines = [
        "-chardev socket,id=c,path=/elsewhere/a,,b,server=on,wait=off",
        "-serial unix:/elsewhere/s,server=on,wait=off",
        "-monitor unix:/elsewhere/s,server,nowait",
        "-gdb unix:/elsewhere/s,server=on,wait=off",
        "-vnc unix:/elsewhere/s,share=ignore",
        "-display vnc=unix:/elsewhere/s",
        "-incoming unix:/elsewhere/s",
        "-netdev stream,id=n,server=on,addr.type=unix,addr.path=/elsewhere/s",
        r#"-netdev {"type":"stream","id":"n","server":true,"addr":{"type":"unix","path":"/elsewhere/s"}}"#,
        "-netdev dgram,id=n,local.type=unix,local.path=/elsewhere/s,remote.type=unix,remote.path=/r",
    ];
    for text in lines {
        let reading = read(&words(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
        let socket = place.directory.path().join("endpoint-0");
        let bound = place.run(&reading, |_| socket.exists());
        assert!(bound, "{text}");
        let _ = std::fs::remove_file(socket);
    }
}
