//! QEMU does its work under its profile.

use crate::{
    confined::Program,
    machine::{Machine, QEMU, Recipe, bootable_disk, connect, count, open},
};
use serde_json::json;
use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
};
use svirt_model::{
    ExecutableMemory::{Allowed, Denied},
    SyscallProfile,
};
use svirt_policy::seccomp::{Profile, profile};
use tempfile::TempDir;

const TCG: &str = "-machine q35,accel=tcg";
const BOOT_DISK: &str = "-device virtio-blk-pci,drive=disk,bootindex=0";

fn qemu() -> &'static Profile {
    profile(SyscallProfile::Qemu)
}

fn directory() -> TempDir {
    // Not /tmp, which may be a tmpfs: direct input and output needs a file system on a device.
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

/// A machine with a raw disk, as the only one in fdset 310.
fn with_raw_disk(disk: &File, options: &str) -> Recipe {
    add_raw_disk(Recipe::new(qemu(), Allowed), disk, options)
}

fn add_raw_disk(recipe: Recipe, disk: &File, options: &str) -> Recipe {
    recipe
        .with(TCG)
        .with_file(310, disk.try_clone().expect("a descriptor more"))
        .with("-blockdev driver=file,node-name=file,filename=/dev/fdset/310")
        .with(options)
        .with(BOOT_DISK)
}

const RAW: &str = "-blockdev driver=raw,node-name=disk,file=file";

fn qemu_img(arguments: &[&str]) {
    let status = Command::new("qemu-img").args(arguments).status().expect("qemu-img starts");
    assert!(status.success());
}

/// An overlay of `base.raw` in this directory.
fn overlay(directory: &Path, name: &str) -> File {
    let path = directory.join(name);
    let base = directory.join("base.raw");
    let (base, overlay) = (base.to_str().expect("UTF-8"), path.to_str().expect("UTF-8"));
    qemu_img(&["create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, overlay]);
    open(&path)
}

#[test]
fn a_guest_writes_its_disk_resets_and_turns_itself_off() {
    let directory = directory();
    let disk = bootable_disk(&directory.path().join("disk"));
    let mut machine = with_raw_disk(&disk, RAW).start();
    machine.expect("BW");
    machine.say("echo");
    machine.expect("echo");
    machine.run("stop", json!({}));
    machine.run("cont", json!({}));
    machine.say("r");
    machine.expect("BW");
    machine.run("system_reset", json!({}));
    machine.expect("BW");
    machine.run("block_resize", json!({ "node-name": "disk", "size": 32 << 20 }));
    assert_eq!(disk.metadata().expect("the disk").len(), 32 << 20);
    machine.say("p");
    machine.event("SHUTDOWN");
    machine.wait();
    assert_eq!(count(&disk), 3);
}

#[test]
fn an_overlay_takes_the_writes_and_its_base_none() {
    let directory = directory();
    let base = bootable_disk(&directory.path().join("base.raw"));
    let overlay = overlay(directory.path(), "overlay");
    let empty = overlay.metadata().expect("the overlay").len();
    let mut machine = Recipe::new(qemu(), Allowed)
        .with(TCG)
        .with_file(310, File::open(directory.path().join("base.raw")).expect("the base"))
        .with_file(311, overlay.try_clone().expect("a descriptor more"))
        .with("-blockdev driver=file,node-name=bf,filename=/dev/fdset/310,read-only=on")
        .with("-blockdev driver=raw,node-name=base,file=bf,read-only=on")
        .with("-blockdev driver=file,node-name=of,filename=/dev/fdset/311,discard=unmap")
        .with("-blockdev driver=qcow2,node-name=disk,file=of,backing=base,discard=unmap,detect-zeroes=unmap")
        .with(BOOT_DISK)
        .start();
    machine.expect("BW");
    machine.run("block_resize", json!({ "node-name": "disk", "size": 64 << 20 }));
    let read = json!({ "command-line": "qemu-io disk \"readv 0 512 1024\"" });
    machine.run("human-monitor-command", read);
    machine.quit();
    assert_eq!(count(&base), 0);
    assert!(overlay.metadata().expect("the overlay").len() > empty, "it holds what was written");
}

#[test]
fn native_asynchronous_input_and_output_works() {
    let directory = directory();
    let disk = bootable_disk(&directory.path().join("disk"));
    let file =
        "-blockdev driver=file,node-name=direct,filename=/dev/fdset/310,aio=native,cache.direct=on";
    let mut machine = Recipe::new(qemu(), Allowed)
        .with(TCG)
        .with_file(310, direct(&directory.path().join("disk")))
        .with(file)
        .with("-blockdev driver=raw,node-name=disk,file=direct,cache.direct=on")
        .with(BOOT_DISK)
        .start();
    machine.expect("BW");
    // The queue of a thread is taken down with the thread.
    let second = directory.path().join("second");
    bootable_disk(&second);
    let second = direct(&second);
    machine.run_with("add-fd", json!({ "fdset-id": 8 }), second.as_fd());
    machine.run("object-add", json!({ "qom-type": "iothread", "id": "thread" }));
    let node = json!({ "driver": "file", "node-name": "threaded", "filename": "/dev/fdset/8",
        "aio": "native", "cache": { "direct": true } });
    machine.run("blockdev-add", node);
    let home = |thread| json!({ "node-name": "threaded", "iothread": thread });
    machine.run("x-blockdev-set-iothread", home(json!("thread")));
    machine.run("x-blockdev-set-iothread", home(json!(null)));
    machine.run("object-del", json!({ "id": "thread" }));
    machine.quit();
    assert_eq!(count(&disk), 1);
}

fn direct(path: &Path) -> File {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_DIRECT).open(path).expect("the file opens")
}

#[test]
fn a_disk_that_wants_io_uring_gets_an_error_and_not_a_signal() {
    let arguments = "-machine none -nodefaults -display none -blockdev \
                     driver=file,node-name=f,filename=/dev/zero,aio=io_uring,cache.direct=on";
    let program = Program::new(QEMU, arguments);
    let output = program.start(qemu(), Allowed).wait_with_output().expect("QEMU ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}: {said}", output.status);
    assert!(said.contains("aio=io_uring"), "{said}");
}

#[test]
fn disks_come_snapshots_are_taken_and_committed_through_passed_descriptors() {
    let directory = directory();
    let disk = bootable_disk(&directory.path().join("base.raw"));
    let file = "-blockdev driver=raw,node-name=disk,file=file -device pcie-root-port,id=root";
    let mut machine = with_raw_disk(&disk, file).start();
    machine.expect("BW");
    copy(&mut machine, directory.path());
    let overlay = overlay(directory.path(), "overlay");
    let node = json!({ "driver": "qcow2", "node-name": "top", "backing": null,
        "file": { "driver": "file", "filename": "/dev/fdset/9" } });
    machine.run_with("add-fd", json!({ "fdset-id": 9 }), overlay.as_fd());
    machine.run("blockdev-add", node);
    machine.run("blockdev-snapshot", json!({ "node": "disk", "overlay": "top" }));
    machine.say("r");
    machine.expect("BW");
    assert_eq!(count(&disk), 1, "the snapshot takes the second write");
    let commit = json!({ "job-id": "commit", "device": "top", "base-node": "disk" });
    machine.run("block-commit", commit);
    machine.event("BLOCK_JOB_READY");
    machine.run("job-complete", json!({ "id": "commit" }));
    machine.event("BLOCK_JOB_COMPLETED");
    assert_eq!(count(&disk), 2, "the commit brings it down");
    hot_plug(&mut machine, directory.path());
    machine.quit();
}

/// Copies the disk, most of which is zeroes, into a new image.
fn copy(machine: &mut Machine, directory: &Path) {
    let target = open(&directory.join("copy"));
    target.set_len(16 << 20).expect("the target gets its size");
    machine.run_with("add-fd", json!({ "fdset-id": 11 }), target.as_fd());
    let file = json!({ "driver": "file", "filename": "/dev/fdset/11", "discard": "unmap" });
    machine.run("blockdev-add", json!({ "driver": "raw", "node-name": "target", "file": file }));
    let mirror =
        json!({ "job-id": "mirror", "device": "disk", "target": "target", "sync": "full" });
    machine.run("blockdev-mirror", mirror);
    machine.event("BLOCK_JOB_READY");
    machine.run("block-job-cancel", json!({ "device": "mirror" }));
    machine.event("BLOCK_JOB_COMPLETED");
    assert_eq!(count(&target), 1, "the copy is the disk");
}

fn hot_plug(machine: &mut Machine, directory: &Path) {
    let disk = open(&directory.join("second"));
    disk.set_len(1 << 20).expect("the disk gets its size");
    machine.run_with("add-fd", json!({ "fdset-id": 10 }), disk.as_fd());
    let file = json!({ "driver": "file", "filename": "/dev/fdset/10", "locking": "on" });
    machine.run("blockdev-add", json!({ "driver": "raw", "node-name": "second", "file": file }));
    machine.run("object-add", json!({ "qom-type": "iothread", "id": "thread" }));
    let device = json!({ "driver": "virtio-blk-pci", "id": "plugged", "drive": "second",
        "iothread": "thread", "bus": "root" });
    machine.run("device_add", device);
    machine.run("device_del", json!({ "id": "plugged" }));
    let backend = json!({ "type": "null", "data": {} });
    machine.run("chardev-add", json!({ "id": "extra", "backend": backend }));
    machine.run("query-iothreads", json!({}));
}

#[test]
fn an_event_loop_with_many_descriptors_works() {
    let directory = directory();
    let disk = bootable_disk(&directory.path().join("disk"));
    let mut machine = Recipe::new(qemu(), Allowed)
        .with(TCG)
        .with_file(310, disk.try_clone().expect("a descriptor more"))
        .with("-blockdev driver=file,node-name=file,filename=/dev/fdset/310")
        .with(RAW)
        .with("-object iothread,id=thread")
        .with("-device virtio-blk-pci,drive=disk,iothread=thread,num-queues=70,bootindex=0")
        .start();
    machine.expect("BW");
    machine.quit();
    assert_eq!(count(&disk), 1);
}

#[test]
fn a_viewer_sees_the_screen_over_a_socket() {
    let directory = directory();
    let socket = directory.path().join("vnc");
    let machine = Recipe::new(qemu(), Allowed)
        .with(TCG)
        .with("-vga std -device virtio-keyboard-pci")
        .with(&format!("-vnc unix:{}", socket.display()))
        .start();
    let mut viewer = connect(&socket);
    let mut version = [0; 12];
    viewer.read_exact(&mut version).expect("the server's version");
    assert_eq!(&version, b"RFB 003.008\n");
    viewer.write_all(&version).expect("the same version");
    let mut security = [0; 2];
    viewer.read_exact(&mut security).expect("the kinds of security");
    // No security; a shared screen.
    viewer.write_all(&[security[1]]).expect("the choice");
    viewer.read_exact(&mut [0; 4]).expect("the result");
    viewer.write_all(&[1]).expect("shared");
    let mut screen = [0; 24];
    viewer.read_exact(&mut screen).expect("the screen's size");
    // FramebufferUpdateRequest: not incremental, 16 by 16 from 0, 0; then a key.
    viewer.write_all(&[3, 0, 0, 0, 0, 0, 0, 16, 0, 16]).expect("the request");
    viewer.write_all(&[4, 1, 0, 0, 0, 0, 0, 0x61]).expect("a key");
    let name = u32::from_be_bytes([screen[20], screen[21], screen[22], screen[23]]);
    viewer.read_exact(&mut vec![0; name as usize]).expect("the machine's name");
    let mut update = [0; 16];
    viewer.read_exact(&mut update).expect("the update");
    assert_eq!(update[0], 0, "a FramebufferUpdate");
    machine.quit();
}

#[test]
fn a_debugger_stops_and_steps_the_guest() {
    let directory = directory();
    let socket = directory.path().join("gdb");
    let disk = bootable_disk(&directory.path().join("disk"));
    let server = format!("-chardev socket,id=gdb,path={},server=on,wait=off", socket.display());
    let mut machine = with_raw_disk(&disk, RAW).with(&server).with("-gdb chardev:gdb").start();
    machine.expect("BW");
    let mut debugger = connect(&socket);
    let stopped = |reply: &str| reply.starts_with('T');
    exchange(&mut debugger, "?", stopped);
    // The guest's first instruction; the stub may tell of the stop again before it answers.
    exchange(&mut debugger, "m7c00,2", |reply| reply == "31c0");
    exchange(&mut debugger, "s", stopped);
    machine.quit();
}

/// Sends a packet of the debugger's protocol and reads up to the wanted reply.
fn exchange(debugger: &mut UnixStream, text: &str, wanted: impl Fn(&str) -> bool) {
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    write!(debugger, "${text}#{sum:02x}").expect("the stub takes a packet");
    while !wanted(&packet(debugger)) {}
}

/// Reads one packet and acknowledges it.
fn packet(debugger: &mut UnixStream) -> String {
    let mut packet = Vec::new();
    let mut byte = [0];
    while packet.last() != Some(&b'#') {
        debugger.read_exact(&mut byte).expect("the stub answers");
        packet.push(byte[0]);
    }
    debugger.read_exact(&mut [0; 2]).expect("the sum");
    debugger.write_all(b"+").expect("the stub takes an acknowledgement");
    let packet = String::from_utf8(packet).expect("text");
    let start = packet.find('$').expect("a packet");
    packet[start + 1..packet.len() - 1].to_owned()
}

#[test]
fn packets_leave_through_a_passed_socket() {
    let (mut network, theirs) = UnixStream::pair().expect("a socket pair");
    let machine = Recipe::new(qemu(), Allowed)
        .with(TCG)
        .with_descriptor(320, theirs)
        .with("-netdev stream,id=net,server=off,addr.type=fd,addr.str=320")
        .with("-device virtio-net-pci,netdev=net,mac=52:54:00:12:34:56,bootindex=0")
        .start();
    let mut header = [0; 4 + 14];
    network.read_exact(&mut header).expect("the boot ROM sends a frame");
    assert_eq!(header[10..16], [0x52, 0x54, 0x00, 0x12, 0x34, 0x56], "from the guest's card");
    machine.quit();
}

#[test]
fn it_connects_to_a_socket_and_speaks_over_a_serial_port() {
    let directory = directory();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let (mut port, name) = terminal();
    let disk = bootable_disk(&directory.path().join("disk"));
    let mut machine = with_raw_disk(&disk, RAW)
        .with(&format!("-chardev socket,id=agent,path={}", path.display()))
        .with("-device virtio-serial-pci -device virtserialport,chardev=agent,name=agent")
        .with(&format!("-chardev serial,id=port,path={name} -device isa-serial,chardev=port"))
        .start();
    listener.accept().expect("QEMU connects");
    machine.expect("BW");
    machine.run("chardev-send-break", json!({ "id": "port" }));
    let dump = json!({ "command-line": "o /b 0x2f8 0x21" });
    machine.run("human-monitor-command", dump);
    let mut byte = [0];
    port.read_exact(&mut byte).expect("the serial port speaks");
    assert_eq!(byte, *b"!");
    machine.quit();
}

/// A new terminal: the end that a program holds, and the other's name.
fn terminal() -> (File, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("a terminal");
    unlockpt(&ours).expect("a terminal");
    let name = ptsname(&ours, Vec::new()).expect("its name");
    (ours.into(), name.into_string().expect("UTF-8"))
}

/// Begins to save the guest into a passed descriptor; `migration` events tell how it goes.
fn save(machine: &mut Machine, into: impl AsFd) {
    let events = json!([{ "capability": "events", "state": true }]);
    machine.run("migrate-set-capabilities", json!({ "capabilities": events }));
    machine.run_with("getfd", json!({ "fdname": "state" }), into.as_fd());
    machine.run("migrate", json!({ "uri": "fd:state" }));
}

#[test]
fn the_guest_is_saved_into_a_passed_file_and_goes_on() {
    let directory = directory();
    let state = open(&directory.path().join("state"));
    let disk = bootable_disk(&directory.path().join("disk"));
    let mut machine = with_raw_disk(&disk, RAW).start();
    machine.expect("BW");
    machine.run("stop", json!({}));
    save(&mut machine, &state);
    machine.monitor.read(|m| m["data"]["status"] == "completed");
    // Of the end of its work it tells nothing, and until then no guest goes on.
    while machine.run("query-status", json!({}))["status"] == "finish-migrate" {}
    // It takes its disk again.
    machine.run("cont", json!({}));
    machine.say("echo");
    machine.expect("echo");
    machine.quit();
    assert!(state.metadata().expect("the state").len() > 0);
}

#[test]
fn a_saved_stream_that_is_given_up_is_no_end() {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let mut machine = Recipe::new(qemu(), Allowed).with(TCG).start();
    // Nobody reads, so it cannot complete.
    save(&mut machine, &theirs);
    machine.run("migrate_cancel", json!({}));
    machine.monitor.read(|m| m["data"]["status"] == "cancelled");
    drop(ours);
    machine.quit();
}

#[test]
fn devices_of_a_full_machine_are_made() {
    let (serial, theirs) = UnixStream::pair().expect("a socket pair");
    let directory = directory();
    let disk = bootable_disk(&directory.path().join("disk"));
    let mut machine = with_raw_disk(&disk, "-blockdev driver=raw,node-name=disk,file=file")
        .with_descriptor(321, theirs)
        .with("-smp 2 -rtc base=utc,clock=host -global kvm-pit.lost_tick_policy=delay")
        .with("-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng")
        .with("-chardev socket,id=agent,fd=321 -device virtio-serial-pci")
        .with("-device virtserialport,chardev=agent,name=org.svirt.agent")
        .with("-device virtio-balloon-pci -device qemu-xhci -device usb-tablet")
        .with("-object memory-backend-ram,id=ram,size=64M -machine memory-backend=ram")
        .start();
    machine.expect("BW");
    machine.run("query-cpus-fast", json!({}));
    machine.run("query-memdev", json!({}));
    let save = json!({ "val": 0x7c00, "size": 16, "filename": "/dev/null" });
    machine.run("memsave", save);
    machine.run("system_powerdown", json!({}));
    drop(serial);
    machine.quit();
}

#[test]
fn the_generic_profile_is_wide_enough_for_it() {
    let directory = directory();
    let disk = bootable_disk(&directory.path().join("disk"));
    let recipe = Recipe::new(profile(SyscallProfile::Generic), Allowed);
    let mut machine = add_raw_disk(recipe, &disk, RAW).start();
    machine.expect("BW");
    machine.quit();
    assert_eq!(count(&disk), 1);
}

#[test]
fn a_signal_ends_it_as_if_asked() {
    let mut machine = Recipe::new(qemu(), Allowed).with(TCG).start();
    let pid = rustix::process::Pid::from_child(&machine.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
    machine.event("SHUTDOWN");
    machine.wait();
}

#[test]
fn kvm_runs_without_executable_memory() {
    if File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return svirt_testkit::skipped("this host has no /dev/kvm that the test may open");
    }
    let mut machine = Recipe::new(qemu(), Denied).with("-machine q35,accel=kvm").start();
    let status = machine.run("query-kvm", json!({}));
    assert_eq!(status["enabled"], true);
    machine.run("stop", json!({}));
    machine.run("cont", json!({}));
    machine.quit();
}

#[test]
fn executable_memory_is_refused_where_it_is_denied() {
    let arguments = "-machine q35,accel=tcg -nodefaults -display none";
    let program = Program::new(QEMU, arguments);
    let output = program.start(qemu(), Denied).wait_with_output().expect("QEMU ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}: {said}", output.status);
    assert!(said.contains("Operation not permitted"), "{said}");
}
