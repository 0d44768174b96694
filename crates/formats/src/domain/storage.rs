//! `<source>` of a disk, of an image below it, of a mirror, of UEFI variables: where sectors are.
//! Element and attribute names are those of libvirt's documentation of disks
//! (<https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms>).

use super::{
    error::Problem,
    label::{self, SourceLabel},
    view::{Read, View},
    words::{Format, PciAddress, SocketMode, pci_address, socket_mode},
};
use std::path::PathBuf;
use svirt_model::Origin;

/// Where sectors are, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where they are.
    pub place: Place,
    /// The image's format, where one is stated.
    pub format: Option<Format>,
    /// The number that libvirt refers to it by.
    pub index: Option<u32>,
    /// The part that is used, as offset and size in bytes; else all of it.
    pub slice: Option<(u64, u64)>,
    /// What is said about its label.
    pub labels: Vec<SourceLabel>,
    /// How it is encrypted.
    pub encryption: Option<Encryption>,
    /// Who handles persistent reservations.
    pub reservations: Option<Reservations>,
    /// Where a qcow2 image keeps its data, if not in itself.
    pub data: Option<Box<Source>>,
    /// What is below it.
    pub below: Below,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

/// Where sectors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: a drive without a medium.
    Empty,
    /// In a file.
    File {
        /// Its path.
        path: PathBuf,
        /// The group of descriptors that stand for it, handed to libvirt beforehand.
        group: Option<String>,
    },
    /// On a block device.
    Block(PathBuf),
    /// In the files of a directory, which look like a FAT file system.
    Directory(PathBuf),
    /// On another host, or behind a socket.
    Network(Box<Network>),
    /// In a volume of a storage pool of libvirt's.
    Volume {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
    },
    /// On an NVMe device that the VMM drives itself.
    Nvme {
        /// Where the device is.
        address: PciAddress,
        /// The namespace.
        namespace: u32,
    },
    /// Behind another process's socket, which gets the guest's memory.
    VhostUser(PathBuf),
    /// On a vDPA device.
    VhostVdpa(PathBuf),
}

/// Sectors on another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The protocol, such as `nbd`.
    pub protocol: String,
    /// What is exported there.
    pub name: String,
    /// Where.
    pub hosts: Vec<Host>,
    /// Ceph's configuration.
    pub config: Option<PathBuf>,
    /// The keys of the hosts that SSH believes.
    pub known_hosts: Option<PathBuf>,
    /// The user's key for SSH.
    pub key: Option<PathBuf>,
    /// The socket of an agent that has it.
    pub agent: Option<PathBuf>,
    /// Whether the connection is encrypted with the host's certificates.
    pub tls: bool,
    /// Whether a secret of libvirt's is needed.
    pub secret: Option<String>,
}

/// One place on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A host.
    Named {
        /// Its name or address.
        name: String,
        /// The port.
        port: Option<String>,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// How an image is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// The format, such as `luks`.
    pub format: String,
    /// The secrets of libvirt's that open it.
    pub secrets: Vec<String>,
}

/// Who handles persistent reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservations {
    /// A process that libvirt starts.
    Managed,
    /// One that listens on this socket.
    Socket(PathBuf),
}

/// What is below an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Below {
    /// What its header says.
    Unsaid,
    /// Nothing: the document says that the chain ends.
    Nothing,
    /// This.
    Image(Box<Source>),
}

impl Source {
    /// This image and those that the document names below it, from the top.
    pub fn chain(&self) -> impl Iterator<Item = &Source> {
        std::iter::successors(Some(self), |source| match &source.below {
            Below::Image(below) => Some(below),
            _ => None,
        })
    }
}

/// What surrounds a `<source>`: a disk, a `<backingStore>`, a `<mirror>`, `<nvram>`.
pub(super) fn read(around: &View<'_>, format: Option<Format>) -> Read<Source> {
    let kind = around.attr("type").unwrap_or("file");
    let source = around.child("source");
    let view = source.unwrap_or(around);
    let mut read = Source {
        place: place(around, source, kind)?,
        format,
        index: view.number("index")?,
        slice: None,
        labels: Vec::new(),
        encryption: None,
        reservations: None,
        data: None,
        below: Below::Unsaid,
        origin: view.origin(main_attribute(kind)),
        line: view.element.line(),
    };
    if let Some(source) = source {
        source.attr("startupPolicy");
        read.slice = slice(source)?;
        read.labels = label::source(source)?;
        read.encryption = encryption(source)?;
        read.reservations = reservations(source)?;
        read.data = source.child("dataStore").map(data_store).transpose()?;
    }
    Ok(read)
}

/// The attribute that shows best where it is.
fn main_attribute(kind: &str) -> &'static str {
    match kind {
        "block" | "vhostvdpa" => "dev",
        "dir" => "dir",
        "network" => "protocol",
        "volume" => "volume",
        "vhostuser" => "path",
        "nvme" => "namespace",
        _ => "file",
    }
}

fn place(around: &View<'_>, source: Option<&View<'_>>, kind: &str) -> Read<Place> {
    let Some(source) = source else {
        return match kind {
            "file" | "block" | "volume" => Ok(Place::Empty),
            _ => around.need_child("source").map(|_| Place::Empty),
        };
    };
    match kind {
        "file" => file(source),
        "block" => Ok(source.path_in("dev")?.map_or(Place::Empty, Place::Block)),
        "dir" => source.need_path("dir").map(Place::Directory),
        "network" => network(source).map(|network| Place::Network(Box::new(network))),
        "volume" => {
            source.attr("mode");
            let (pool, volume) =
                (source.need("pool")?.to_owned(), source.need("volume")?.to_owned());
            Ok(Place::Volume { pool, volume })
        }
        "nvme" => nvme(source),
        "vhostuser" => {
            source.need("type")?;
            source.child("reconnect").map(reconnect);
            source.need_path("path").map(Place::VhostUser)
        }
        "vhostvdpa" => source.need_path("dev").map(Place::VhostVdpa),
        other => Err(around.error_of("type", Problem::form(other, "a type of sources"))),
    }
}

fn file(source: &View<'_>) -> Read<Place> {
    let Some(path) = source.path_in("file")? else { return Ok(Place::Empty) };
    Ok(Place::File { path, group: source.attr("fdgroup").map(str::to_owned) })
}

fn nvme(source: &View<'_>) -> Read<Place> {
    source.need("type")?;
    source.flag("managed")?;
    let namespace = source.number("namespace")?;
    let namespace =
        namespace.ok_or_else(|| source.error_of("namespace", Problem::Missing("the attribute")))?;
    Ok(Place::Nvme { address: pci_address(source.need_child("address")?)?, namespace })
}

/// How a lost connection is made again: nothing of the host's.
pub(super) fn reconnect(view: &View<'_>) {
    for name in ["enabled", "timeout", "delay"] {
        view.attr(name);
    }
}

fn network(source: &View<'_>) -> Read<Network> {
    let identity = source.child("identity");
    let part = |name: &str, attribute| match source.child(name) {
        Some(child) => child.path_in(attribute),
        None => Ok(None),
    };
    let of_identity = |attribute| identity.map_or(Ok(None), |view| view.path_in(attribute));
    if let Some(identity) = identity {
        for name in ["user", "group", "username"] {
            identity.attr(name);
        }
    }
    let hosts = source.each("host").map(host).collect::<Read<_>>()?;
    source.child("reconnect").map(reconnect);
    Ok(Network {
        protocol: source.need("protocol")?.to_owned(),
        name: source.attr("name").unwrap_or_default().to_owned(),
        hosts,
        config: part("config", "file")?,
        known_hosts: part("knownHosts", "path")?,
        key: of_identity("keyfile")?,
        agent: of_identity("agentsock")?,
        tls: source.flag("tls")?.unwrap_or(false),
        secret: source.child("auth").map(auth).transpose()?,
    })
}

fn host(view: &View<'_>) -> Read<Host> {
    match view.attr("transport") {
        Some("unix") => view.need_path("socket").map(Host::Unix),
        _ => {
            let port = view.attr("port").map(str::to_owned);
            Ok(Host::Named { name: view.need("name")?.to_owned(), port })
        }
    }
}

/// `<auth username=...><secret .../></auth>`: which secret of libvirt's.
pub(super) fn auth(view: &View<'_>) -> Read<String> {
    view.need("username")?;
    let secret = view.child("secret");
    secret.map(secret_name).unwrap_or_else(|| Err(view.error(Problem::Missing("<secret>"))))
}

/// Whether the VMM gets all SCSI commands: by the privilege for them, or by a kernel that does not
/// look at them.
pub(super) fn raw_io(view: &View<'_>) -> Read<bool> {
    let unfiltered = match view.attr("sgio") {
        Some("unfiltered") => true,
        None | Some("filtered") => false,
        Some(other) => {
            let problem = Problem::form(other, "filtered or unfiltered");
            return Err(view.error_of("sgio", problem));
        }
    };
    Ok(view.flag("rawio")? == Some(true) || unfiltered)
}

/// The name of a secret of libvirt's.
fn secret_name(view: &View<'_>) -> Read<String> {
    view.attr("type");
    let name = view.attr("uuid").or(view.attr("usage"));
    name.map(str::to_owned).ok_or_else(|| view.error(Problem::Missing("uuid or usage")))
}

/// `<encryption>`, in a source or beside it.
pub(super) fn encryption(around: &View<'_>) -> Read<Option<Encryption>> {
    let Some(view) = around.child("encryption") else { return Ok(None) };
    view.attr("engine");
    let secrets = view.each("secret").map(secret_name).collect::<Read<_>>()?;
    Ok(Some(Encryption { format: view.need("format")?.to_owned(), secrets }))
}

fn reservations(source: &View<'_>) -> Read<Option<Reservations>> {
    let Some(view) = source.child("reservations") else { return Ok(None) };
    view.attr("migration");
    if view.flag("managed")? != Some(false) {
        // What libvirt writes about its own process while the domain runs.
        return match view.child("source") {
            Some(own) => socket(own).map(Some),
            None => Ok(Some(Reservations::Managed)),
        };
    }
    socket(view.need_child("source")?).map(Some)
}

fn socket(view: &View<'_>) -> Read<Reservations> {
    view.need("type")?;
    view.child("reconnect").map(reconnect);
    if socket_mode(view)? == Some(SocketMode::Bind) {
        let what = "a helper that connects to the VMM";
        let way = "let the helper listen, and write mode='client'";
        return Err(view.error_of("mode", Problem::Unsupported { what, way }));
    }
    view.need_path("path").map(Reservations::Socket)
}

fn slice(source: &View<'_>) -> Read<Option<(u64, u64)>> {
    let Some(slices) = source.child("slices") else { return Ok(None) };
    let mut one = None;
    for view in slices.each("slice") {
        view.attr("type");
        let missing = || view.error(Problem::Missing("offset and size"));
        let part = (view.number("offset")?, view.number("size")?);
        let (Some(offset), Some(size)) = part else { return Err(missing()) };
        if one.replace((offset, size)).is_some() {
            return Err(view.error(Problem::Twice));
        }
    }
    Ok(one)
}

fn data_store(view: &View<'_>) -> Read<Box<Source>> {
    let format = format(view)?;
    read(view, format).map(Box::new)
}

/// `<format type=...>` of an image that is not a disk's own.
pub(super) fn format(around: &View<'_>) -> Read<Option<Format>> {
    around.child("format").map_or(Ok(None), |view| view.word("type"))
}

/// `<backingStore>` and all those in it. Below the first element that is empty there is nothing.
pub(super) fn below(around: &View<'_>) -> Read<Below> {
    let Some(view) = around.child("backingStore") else { return Ok(Below::Unsaid) };
    view.attr("index");
    if view.attr("type").is_none() && view.children().next().is_none() {
        return Ok(Below::Nothing);
    }
    let format = format(view)?;
    let mut source = read(view, format)?;
    source.below = below(view)?;
    Ok(Below::Image(Box::new(source)))
}
