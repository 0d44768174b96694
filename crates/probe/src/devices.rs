//! Devices of the host.

use crate::{Attempt, Given, Group, Target, attempt::Tried, files::made_at};
use rustix::fs::OFlags;
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt};
use svirt_host::sys::Try;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Devices, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "open-device",
        ["open a device that everybody may use", "each is a driver with the kernel's rights"],
        open,
    )
    .on(Target::Device),
    a("open-node", ["open a device by another name", "a node anywhere is the same device"], open)
        .on(Target::Node),
    a("make-device", ["make the node of a device", "whoever can has every device"], |t| {
        made_at(Try::MakeDevice, t)
    })
    .on(Target::Directory),
    a("open-disk", ["open a disk of the host's", "every file of every machine"], open)
        .on(Target::Disk),
    a(
        "open-memory",
        ["open the host's memory (/dev/mem)", "every secret of every machine"],
        |_| open("/dev/mem"),
    ),
    a(
        "open-ports",
        ["open the processor's ports (/dev/port)", "every device, past its driver"],
        |_| open("/dev/port"),
    ),
    a(
        "open-log",
        ["open the kernel's log (/dev/kmsg)", "addresses, and lines that somebody believes"],
        |_| open("/dev/kmsg"),
    ),
    a(
        "open-kvm",
        [
            "open KVM (/dev/kvm)",
            "a large part of the kernel, which a machine without it does not need",
        ],
        |_| open("/dev/kvm"),
    )
    .unless(Given::Device("/dev/kvm")),
    a(
        "open-vhost",
        [
            "open the kernel's network card (/dev/vhost-net)",
            "packets that the host's own code handles",
        ],
        |_| open("/dev/vhost-net"),
    )
    .unless(Given::Device("/dev/vhost-net")),
    a(
        "open-vsock",
        [
            "open the kernel's machine sockets (/dev/vhost-vsock)",
            "connections to machines by number",
        ],
        |_| open("/dev/vhost-vsock"),
    )
    .unless(Given::Device("/dev/vhost-vsock")),
    a(
        "open-tun",
        ["open the maker of network cards (/dev/net/tun)", "packets into the host's network"],
        |_| open("/dev/net/tun"),
    )
    .unless(Given::Device("/dev/net/tun")),
    a(
        "open-fuse",
        ["open the maker of file systems (/dev/fuse)", "the kernel waits for whoever answers"],
        |_| open("/dev/fuse"),
    )
    .unless(Given::Device("/dev/fuse")),
    a(
        "open-vfio",
        ["open the giver of devices (/dev/vfio/vfio)", "devices that write to memory"],
        |_| open("/dev/vfio/vfio"),
    )
    .unless(Given::Device("/dev/vfio/vfio")),
    a(
        "open-loop",
        ["open the maker of disks (/dev/loop-control)", "files become disks, which become mounts"],
        |_| open("/dev/loop-control"),
    ),
    a(
        "open-mapper",
        ["open the mapper of disks (/dev/mapper/control)", "every disk in another's place"],
        |_| open("/dev/mapper/control"),
    ),
    a(
        "open-input",
        ["open the maker of keyboards (/dev/uinput)", "it types what it wants to whoever is there"],
        |_| open("/dev/uinput"),
    ),
    a(
        "open-terminals",
        ["open the maker of terminals (/dev/ptmx)", "input and job control of others"],
        |_| open("/dev/ptmx"),
    )
    .unless(Given::Device("/dev/ptmx")),
    a(
        "open-console",
        ["open the host's console (/dev/console)", "what it prints, somebody believes"],
        |_| open("/dev/console"),
    ),
    a(
        "open-graphics",
        ["open the graphics card (/dev/dri/card0)", "a driver of millions of lines"],
        |_| open("/dev/dri/card0"),
    )
    .unless(Given::Device("/dev/dri/card0")),
    a(
        "open-clock",
        ["open the host's clock (/dev/rtc0)", "it wakes the host and stops it"],
        |_| open("/dev/rtc0"),
    ),
    a(
        "open-watchdog",
        [
            "find the host's watchdog (/dev/watchdog)",
            "whoever opens it and goes away restarts the host",
        ],
        |_| found("/dev/watchdog"),
    ),
];

fn open(path: &str) -> Tried {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = flags.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    Ok("opened".into())
}

/// To open it would be to start it.
fn found(path: &str) -> Tried {
    std::fs::metadata(path)?;
    Ok("it is there".into())
}
