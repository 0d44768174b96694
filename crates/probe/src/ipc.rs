//! Ways in which processes talk to each other.

use crate::{
    Attempt, Group, Target,
    attempt::{Failed, Tried, call, number, on_number, returned},
};
use rustix::fs::OFlags;
use std::{
    fs::OpenOptions,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::OpenOptionsExt,
            net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
        },
    },
    path::Path,
};
use svirt_host::sys::{Try, read_segment};

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Ipc, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a("connect", ["connect to a unix socket", "the control socket of another machine"], stream)
        .on(Target::Socket),
    a(
        "send-datagram",
        ["send a datagram to a unix socket", "a daemon of the host's that believes it"],
        datagram,
    )
    .on(Target::DatagramSocket),
    a(
        "connect-abstract",
        ["connect to a unix socket without a file", "no mode and no path guards it"],
        abstract_stream,
    )
    .on(Target::AbstractSocket),
    a(
        "listen-in-directory",
        ["listen on a unix socket where others look", "others connect to the machine"],
        listen,
    )
    .on(Target::Directory),
    a("open-pipe", ["open a named pipe for writing", "whoever reads it believes what comes"], pipe)
        .on(Target::Pipe),
    a(
        "read-segment",
        ["read System V's shared memory", "what other processes share among themselves"],
        segment,
    )
    .on(Target::Segment),
    a(
        "look-at-segment",
        ["ask for a segment's owner and size", "which users share memory with each other"],
        |t| on_number(Try::LookAtSegment, t),
    )
    .on(Target::Segment),
    a(
        "count-segments",
        ["count the host's segments of shared memory", "how much other machines have to do"],
        |_| segments(),
    ),
    a(
        "read-semaphore",
        ["read System V's semaphore", "what other processes wait for, and when"],
        |t| on_number(Try::ReadSemaphore, t),
    )
    .on(Target::Semaphore),
    a(
        "send-message",
        ["send a message to System V's queue", "whoever reads it believes what comes"],
        |t| on_number(Try::SendMessage, t),
    )
    .on(Target::Queue),
    a(
        "take-message",
        ["take a message from System V's queue", "what others tell each other"],
        |t| on_number(Try::TakeMessage, t),
    )
    .on(Target::Queue),
    a("open-posix-queue", ["open a POSIX message queue", "what others tell each other"], |t| {
        call(Try::OpenPosixQueue, t)
    })
    .on(Target::PosixQueue),
    a(
        "open-shared-memory",
        ["open POSIX shared memory", "what other processes share among themselves"],
        shared,
    )
    .on(Target::SharedMemory),
    a(
        "system-bus",
        ["connect to the system's message bus", "daemons with the host's rights"],
        |_| stream("/run/dbus/system_bus_socket"),
    ),
    a("journal", ["send to the system's log", "lines that somebody believes"], |_| {
        datagram("/run/systemd/journal/socket")
    }),
    a("system-manager", ["connect to the system's manager", "it starts programs as root"], |_| {
        stream("/run/systemd/private")
    }),
    a("container-engine", ["connect to a container engine", "it starts programs as root"], |_| {
        stream("/var/run/docker.sock")
    }),
    a("libvirt", ["connect to libvirt", "all other machines of the host at once"], |_| {
        stream("/run/libvirt/libvirt-sock")
    }),
    a("display", ["connect to a display of the host's", "what is typed and shown"], |_| {
        abstract_stream("/tmp/.X11-unix/X0")
    }),
];

fn stream(path: &str) -> Tried {
    UnixStream::connect(path)?;
    Ok("connected".into())
}

fn datagram(path: &str) -> Tried {
    UnixDatagram::unbound()?.connect(path)?;
    Ok("connected".into())
}

fn abstract_stream(name: &str) -> Tried {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    Ok("connected".into())
}

fn listen(directory: &str) -> Tried {
    let path = Path::new(directory).join(format!("socket-{}", std::process::id()));
    UnixListener::bind(&path)?;
    std::fs::remove_file(path)?;
    Ok("listened".into())
}

fn pipe(path: &str) -> Tried {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    Ok("opened for writing".into())
}

fn segment(target: &str) -> Tried {
    let id = i32::try_from(number(target)?);
    let id = id.map_err(|_| Failed::Unclear("the target is not a segment"))?;
    Ok(format!("read {:#x}", read_segment(id)?))
}

/// The index of the last one is 0 for one and for none, so a decoy is the second at least only where
/// there are others. The number of pages in use tells.
fn segments() -> Tried {
    match returned(Try::CountSegments, 0, "")? {
        0 => Err(Failed::Refused(nix::errno::Errno::ENOENT)),
        last => Ok(format!("{} segments of others", last + 1)),
    }
}

fn shared(path: &str) -> Tried {
    OpenOptions::new().read(true).write(true).open(path)?;
    Ok("opened".into())
}
