//! What is attacked: made for the drill, on the host, and gone afterwards. Files are in directories that
//! are the drill's own changes; what belongs to a process goes with the neighbour, which ends when the drill
//! does.

use super::own::Own;
use crate::Failure;
use rustix::{
    fs::{FileType, Mode, chmod, chown, mknodat},
    io::{FdFlags, fcntl_setfd},
    process::{Gid, Uid, getegid, geteuid},
    system::uname,
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, Write},
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::{OpenOptionsExt, symlink},
            net::{SocketAddr, UnixDatagram, UnixListener},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use svirt_host::Doing;
use svirt_model::{Attribute, Confinement, Op, Value};
use svirt_probe::{Target, neighbour};

/// How the directories of a drill's decoys begin.
const PREFIX: &str = "svirt-drill-";
const SHARED_MEMORY: &str = "/dev/shm";
/// The script that says that it was executed.
const SCRIPT: &[u8] = b"#!/bin/sh\nprintf 'open\\texecute-file\\texecuted\\n'\n";
/// `null(4)`: the device that is always full.
const FULL: u64 = 0x107;
/// Disks that are none of the host's, or that wake somebody.
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "sr", "fd", "nbd", "md"];

/// The decoys of one drill. Dropping them ends what is a process; the rest is the drill's to undo.
#[derive(Debug)]
pub(super) struct Decoys {
    targets: BTreeMap<Target, String>,
    /// What differs for a process that has the user of whoever drills and not the machine's own.
    callers: BTreeMap<Target, String>,
    neighbours: Vec<Child>,
    _held: Held,
}

/// What is there as long as somebody holds it.
#[derive(Debug)]
struct Held {
    _sockets: (UnixListener, UnixDatagram, UnixListener),
    _network: (TcpListener, Option<TcpListener>, UdpSocket),
    _pipe: Option<File>,
    _forgotten: File,
}

impl Decoys {
    /// Makes them, for a drill on what has this confinement; without one, for whoever calls this.
    pub(super) fn make(
        own: &Own<'_>,
        probe: &Path,
        vmm: Option<&Confinement>,
    ) -> Result<Self, Failure> {
        let name = format!("{PREFIX}{}", own.id().simple());
        let above = std::env::temp_dir();
        let above = fs::canonicalize(&above).on("look for", &above)?;
        let (place, shared) = (above.join(&name), Path::new(SHARED_MEMORY).join(&name));
        own.make(&[directory(&place)])?;
        let other = vmm.map(|vmm| vmm.identity).filter(|identity| identity.own);
        let other = other.filter(|_| geteuid().is_root());
        let other = other.map(|identity| (identity.uid, identity.gid));
        let mut targets = BTreeMap::new();
        files(&place, other, &mut targets)?;
        let forgotten = forgotten(&place)?;
        let sockets = sockets(&place, &name, &mut targets)?;
        let network = network(&mut targets)?;
        let pipe = pipe(&place, &mut targets);
        // Not every host has it.
        if own.make(&[directory(&shared)]).is_ok() {
            public_file(&shared.join("public"))?;
            targets.insert(Target::SharedMemory, text(&shared.join("public")));
        }
        of_the_host(vmm, &mut targets);
        let mut neighbours = vec![neighbour_of(probe, other, &mut targets)?];
        let mut callers = BTreeMap::new();
        if other.is_some() {
            neighbours.push(neighbour_of(probe, None, &mut callers)?);
            let own = targets.get(&Target::PrivateFile).cloned();
            callers.extend(own.map(|own| (Target::NeighboursFile, own)));
        }
        let (_sockets, _network, _pipe) = (sockets, network, pipe);
        let held = Held { _sockets, _network, _pipe, _forgotten: forgotten };
        Ok(Self { targets, callers, neighbours, _held: held })
    }

    /// What each target is here, by its word, for whoever called this.
    pub(super) fn targets(&self) -> BTreeMap<&'static str, String> {
        self.targets_for(false, None)
    }

    /// The same for what has the machine's own user, or has not, with a library of its own to attack.
    pub(super) fn targets_for(
        &self,
        own: bool,
        library: Option<PathBuf>,
    ) -> BTreeMap<&'static str, String> {
        let mut all = self.targets.clone();
        if !own {
            all.extend(self.callers.clone());
        }
        all.extend(library.map(|path| (Target::Library, text(&path))));
        all.into_iter().map(|(target, value)| (target.word(), value)).collect()
    }
}

impl Drop for Decoys {
    fn drop(&mut self) {
        // The end of its input is its end; then it removes what it had.
        for mut neighbour in self.neighbours.drain(..) {
            drop(neighbour.stdin.take());
            let _ = neighbour.wait();
        }
    }
}

/// A directory of this user's that all may look into.
fn directory(path: &Path) -> Op {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let after = Value::Directory { uid, gid, mode: 0o755 };
    let (object, attribute) = (path.to_owned(), Attribute::Presence);
    Op { object, attribute, before: Value::Absent, after }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn mode(path: &Path, bits: u32) -> Result<(), Failure> {
    Ok(chmod(path, Mode::from_raw_mode(bits)).on("change the mode of", path)?)
}

fn public_file(path: &Path) -> Result<(), Failure> {
    write(path, b"a decoy of svirt drill's\n")?;
    mode(path, 0o666)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    Ok(file.and_then(|mut file| file.write_all(bytes)).on("make", path)?)
}

fn files(
    place: &Path,
    other: Option<(u32, u32)>,
    targets: &mut BTreeMap<Target, String>,
) -> Result<(), Failure> {
    let at = |name: &str| place.join(name);
    let (public, private, own) = (at("public"), at("private"), at("neighbours"));
    let (directory, link, script) = (at("directory"), at("link"), at("script"));
    public_file(&public)?;
    write(&private, b"a secret decoy of svirt drill's\n")?;
    write(&own, b"a decoy of a neighbour's\n")?;
    if let Some((uid, gid)) = other {
        chown(&own, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).on("give away", &own)?;
    }
    fs::create_dir(&directory).on("make", &directory)?;
    public_file(&directory.join("victim"))?;
    mode(&directory, 0o777)?;
    symlink(&public, &link).on("make", &link)?;
    write(&script, SCRIPT)?;
    mode(&script, 0o755)?;
    let all = [
        (Target::PublicFile, public),
        (Target::PrivateFile, private),
        (Target::NeighboursFile, own),
        (Target::Directory, directory),
        (Target::Link, link),
        (Target::Script, script),
    ];
    targets.extend(all.map(|(target, path)| (target, text(&path))));
    // Only root makes one, and not on every file system.
    let (node, bits) = (at("node"), Mode::from_raw_mode(0o666));
    let made = mknodat(rustix::fs::CWD, &node, FileType::CharacterDevice, bits, FULL);
    if made.is_ok() && mode(&node, 0o666).is_ok() {
        targets.insert(Target::Node, text(&node));
    }
    Ok(())
}

/// A file that whoever starts a machine has open, and did not think of closing: every program that is
/// started while it is open inherits it.
fn forgotten(place: &Path) -> Result<File, Failure> {
    let path = place.join("forgotten");
    write(&path, b"a decoy of whoever starts machines\n")?;
    let file = File::open(&path).on("open", &path)?;
    fcntl_setfd(&file, FdFlags::empty()).on("pass on", &path)?;
    Ok(file)
}

fn sockets(
    place: &Path,
    name: &str,
    targets: &mut BTreeMap<Target, String>,
) -> Result<(UnixListener, UnixDatagram, UnixListener), Failure> {
    let (stream, datagram) = (place.join("socket"), place.join("datagrams"));
    let listener = UnixListener::bind(&stream).on("listen at", &stream)?;
    let datagrams = UnixDatagram::bind(&datagram).on("listen at", &datagram)?;
    mode(&stream, 0o777)?;
    mode(&datagram, 0o777)?;
    let address = SocketAddr::from_abstract_name(name);
    let nameless = address.and_then(|address| UnixListener::bind_addr(&address));
    let nameless = nameless.doing(|| "listen at an abstract socket")?;
    targets.insert(Target::Socket, text(&stream));
    targets.insert(Target::DatagramSocket, text(&datagram));
    targets.insert(Target::AbstractSocket, name.to_owned());
    Ok((listener, datagrams, nameless))
}

fn network(
    targets: &mut BTreeMap<Target, String>,
) -> Result<(TcpListener, Option<TcpListener>, UdpSocket), Failure> {
    let tcp = TcpListener::bind(("127.0.0.1", 0)).doing(|| "listen on a port")?;
    // A host may have no IPv6.
    let tcp6 = TcpListener::bind(("::1", 0)).ok();
    let udp = UdpSocket::bind(("127.0.0.1", 0)).doing(|| "listen on a port")?;
    let address = tcp.local_addr().doing(|| "know the port")?;
    targets.insert(Target::Tcp, address.to_string());
    targets.insert(Target::Udp, udp.local_addr().doing(|| "know the port")?.to_string());
    if let Some(Ok(address)) = tcp6.as_ref().map(TcpListener::local_addr) {
        targets.insert(Target::Tcp6, address.to_string());
    }
    Ok((tcp, tcp6, udp))
}

/// It is held open for reading, so that whoever opens it for writing need not wait.
fn pipe(place: &Path, targets: &mut BTreeMap<Target, String>) -> Option<File> {
    let path = place.join("pipe");
    mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).ok()?;
    mode(&path, 0o666).ok()?;
    let reader = File::options().read(true).write(true).open(&path).ok()?;
    targets.insert(Target::Pipe, text(&path));
    Some(reader)
}

/// What is there anyway: a disk, a device that the machine was not given, the host's name.
fn of_the_host(vmm: Option<&Confinement>, targets: &mut BTreeMap<Target, String>) {
    let given = |path: &Path| vmm.is_some_and(|vmm| vmm.entries.iter().any(|e| e.at == path));
    let device = ["/dev/full", "/dev/random"].map(Path::new);
    if let Some(device) = device.into_iter().find(|path| path.exists() && !given(path)) {
        targets.insert(Target::Device, text(device));
    }
    if let Some(disk) = disk().filter(|disk| !given(disk)) {
        targets.insert(Target::Disk, text(&disk));
    }
    targets.insert(Target::HostName, uname().nodename().to_string_lossy().into_owned());
}

fn disk() -> Option<PathBuf> {
    let all = fs::read_dir("/sys/block").ok()?.flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    let disks = names.filter(|name| !NO_DISKS.iter().any(|other| name.starts_with(other)));
    disks.map(|name| Path::new("/dev").join(name)).find(|path| path.exists())
}

/// A process with the machine's user, and what belongs to it.
fn neighbour_of(
    probe: &Path,
    other: Option<(u32, u32)>,
    targets: &mut BTreeMap<Target, String>,
) -> Result<Child, Failure> {
    // Another user may not find this program by its path; by its own file it may.
    let own = std::env::current_exe().is_ok_and(|own| own == probe);
    let program = if own { Path::new("/proc/self/exe") } else { probe };
    let mut command = Command::new(program);
    command.args(neighbour::arguments()).env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // What interrupts the drill does not interrupt this, which has something to remove.
    command.process_group(0);
    if let Some((uid, gid)) = other {
        command.uid(uid).gid(gid);
    }
    let mut child = command.spawn().doing(|| "start the drill's decoy process")?;
    if let Some(out) = child.stdout.take() {
        targets.extend(neighbour::hear(BufReader::new(out)));
    }
    Ok(child)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Paths};
    use svirt_host::facts;

    #[test]
    fn decoys_are_there_and_then_gone_and_the_ledger_knew_them() {
        let place = tempfile::tempdir().unwrap();
        let at = fs::canonicalize(place.path()).unwrap();
        let paths = Paths { state: at.join("state"), runtime: at.join("run") };
        let engine = Engine { paths, facts: facts::gather().into() };
        // What stands for the probe says nothing of itself here, and ends with its input.
        let probe = at.join("probe");
        write(&probe, b"#!/bin/sh\nprintf 'process\\t%s\\n\\n' $$\nread x\n").unwrap();
        mode(&probe, 0o755).unwrap();
        let own = Own::begin(&engine, "nothing".into()).unwrap();
        let decoys = Decoys::make(&own, &probe, None).unwrap();
        let targets = decoys.targets();
        for word in ["public-file", "socket", "tcp", "process", "host-name"] {
            assert!(targets.contains_key(word), "{word}");
        }
        let places: Vec<_> = [targets.get("public-file"), targets.get("shared-memory")]
            .into_iter()
            .flatten()
            .map(|path| Path::new(path).parent().unwrap().to_owned())
            .collect();
        assert!(places.iter().all(|place| place.exists()));
        let store = engine.store().unwrap();
        let recorded = store.open_entries(own.id()).unwrap();
        assert!(places.iter().all(|place| recorded.iter().any(|e| e.op.object == *place)));
        assert!(store.runs().unwrap().is_empty(), "a drill is no machine");
        assert!(engine.recover().unwrap().machines.is_empty(), "it lives");
        drop((decoys, own));
        assert!(places.iter().all(|place| !place.exists()));
        assert!(store.holders().unwrap().is_empty());
        let process = Path::new("/proc").join(&targets["process"]);
        assert!(!process.exists());
    }
}
