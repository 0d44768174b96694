//! `-object TYPE,...`: what each type of user-creatable object opens.

use super::{
    address::{self, Side},
    current::Current,
    keys::{Keys, NETWORK, Unknown, Use},
    keyval::{Entry, Options},
};
use crate::command_line::{Problem, Refusal, Thing};
use std::path::PathBuf;
use svirt_model::Access;

/// A type of objects.
struct Object {
    name: &'static str,
    keys: Keys,
    more: More,
}

/// What an object opens besides what its keys say.
enum More {
    /// Nothing.
    No,
    /// Guest memory at `mem-path`.
    Memory,
    /// A device node, unless `key` names another or, where `key` is one that takes a descriptor,
    /// passes it.
    Device {
        /// The node that QEMU opens.
        path: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A socket with an address under this key.
    Address(&'static str, Side),
    /// A D-Bus address at `addr`.
    Bus,
    /// Nothing that a machine can have.
    Refused(&'static Refusal),
}

const PAM: Refusal = Refusal {
    why: "it asks the host's PAM, which the machine cannot reach",
    hint: "use `authz-list` or `authz-list-file`",
};
const CAN: Refusal = Refusal {
    why: "the machine never has the host's network interfaces, CAN among them",
    hint: "connect the guest's CAN bus to another guest's with `can-bus` alone",
};
const BUS: Refusal = Refusal {
    why: "sVirt reads only D-Bus addresses of the form `unix:path=PATH`",
    hint: "write the address as `unix:path=PATH`",
};
const fn keys(named: &'static [(&'static str, Use)], plain: &'static [&'static str]) -> Keys {
    Keys { named, plain }
}

const fn plain(name: &'static str, plain: &'static [&'static str]) -> Object {
    Object { name, keys: keys(&[], plain), more: More::No }
}

const fn named(
    name: &'static str,
    named: &'static [(&'static str, Use)],
    plain: &'static [&'static str],
) -> Object {
    Object { name, keys: keys(named, plain), more: More::No }
}

const fn with(name: &'static str, plain: &'static [&'static str], more: More) -> Object {
    Object { name, keys: keys(&[], plain), more }
}

const READ: Use = Use::File(Access::Read);

/// Keys that every object has.
const COMMON: Keys = keys(&[], &["qom-type", "id", "loaded", "opened"]);
const FILTER: &[&str] = &[
    "netdev",
    "queue",
    "status",
    "position",
    "insert",
    "interval",
    "maxlen",
    "indev",
    "outdev",
    "vnet_hdr_support",
];
const MEMORY: &[&str] = &[
    "size",
    "share",
    "reserve",
    "merge",
    "dump",
    "policy",
    "host-nodes",
    "host-nodes.*",
    "prealloc",
    "prealloc-threads",
    "prealloc-context",
    "align",
    "offset",
    "discard-data",
    "mem-path",
    "pmem",
    "readonly",
    "rom",
    "hugetlb",
    "hugetlbsize",
    "seal",
    "x-use-canonical-path-for-ramblock-id",
];
const LOOP: &[&str] = &[
    "aio-max-batch",
    "poll-max-ns",
    "poll-grow",
    "poll-shrink",
    "poll-weight",
    "thread-pool-min",
    "thread-pool-max",
];
const TLS: &[&str] =
    &["endpoint", "verify-peer", "priority", "sanity-check", "passwordid", "username"];
const TLS_DIRECTORY: &[(&str, Use)] = &[("dir", Use::Directory(Access::Read))];
const CRYPTO: &[&str] = &["queues", "throttle-bps", "throttle-ops", "chardev"];
/// The base64 and numbers of confidential guests' launch measurements, which may contain `/`.
const SEV: &[&str] = &[
    "sev-device",
    "policy",
    "handle",
    "cbitpos",
    "reduced-phys-bits",
    "kernel-hashes",
    "legacy-vm-type",
    "guest-visible-workarounds",
    "id-block",
    "id-auth",
    "author-key-enabled",
    "host-data",
    "vcek-disabled",
    "tsc-frequency",
    "secure-tsc",
    "vcek-required",
    "debug-swap",
];

const OBJECTS: &[Object] = &[
    plain("authz-list", &["policy", "rules", "rules.*"]),
    named("authz-list-file", &[("filename", READ)], &["refresh"]),
    with("authz-pam", &["service"], More::Refused(&PAM)),
    plain("authz-simple", &["identity"]),
    plain("can-bus", &[]),
    with("can-host-socketcan", &["if", "canbus"], More::Refused(&CAN)),
    plain(
        "colo-compare",
        &[
            "primary_in",
            "secondary_in",
            "outdev",
            "iothread",
            "notify_dev",
            "compare_timeout",
            "expired_scan_cycle",
            "max_queue_size",
            "vnet_hdr_support",
        ],
    ),
    plain("cryptodev-backend", CRYPTO),
    plain("cryptodev-backend-builtin", CRYPTO),
    plain("cryptodev-backend-lkcf", CRYPTO),
    plain("cryptodev-vhost-user", CRYPTO),
    with("dbus-vmstate", &["addr", "id-list"], More::Bus),
    plain("filter-buffer", FILTER),
    named("filter-dump", &[("file", Use::Output)], FILTER),
    plain("filter-mirror", FILTER),
    plain("filter-redirector", FILTER),
    plain("filter-replay", FILTER),
    plain("filter-rewriter", FILTER),
    with(
        "input-barrier",
        &["name", "server", "port", "x-origin", "y-origin", "width", "height"],
        More::Refused(&NETWORK),
    ),
    named("input-linux", &[("evdev", Use::HostDevice)], &["grab_all", "repeat", "grab-toggle"]),
    plain("iothread", LOOP),
    plain("main-loop", LOOP),
    plain("thread-context", &["cpu-affinity*", "node-affinity*"]),
    plain("throttle-group", &["limits.*", "x-bps-*", "x-iops-*"]),
    with("memory-backend-file", MEMORY, More::Memory),
    plain("memory-backend-memfd", MEMORY),
    plain("memory-backend-ram", MEMORY),
    plain("memory-backend-shm", MEMORY),
    with("memory-backend-epc", MEMORY, More::Device { path: "/dev/sgx_vepc", key: "" }),
    with("iommufd", &["fd"], More::Device { path: "/dev/iommu", key: "fd" }),
    named("pr-manager-helper", &[("path", Use::Connect)], &[]),
    named("qtest", &[("log", Use::Output)], &["chardev"]),
    plain("rng-builtin", &[]),
    plain("rng-egd", &["chardev"]),
    with("rng-random", &["filename"], More::Device { path: "/dev/urandom", key: "filename" }),
    named("secret", &[("file", READ)], &["data", "format", "keyid", "iv"]),
    plain("secret_keyring", &["serial", "format", "keyid", "iv"]),
    Object {
        name: "sev-guest",
        keys: keys(&[("dh-cert-file", READ), ("session-file", READ)], SEV),
        more: More::Device { path: "/dev/sev", key: "sev-device" },
    },
    with("sev-snp-guest", SEV, More::Device { path: "/dev/sev", key: "sev-device" }),
    with(
        "tdx-guest",
        &[
            "attributes",
            "sept-ve-disable",
            "mrconfigid",
            "mrowner",
            "mrownerconfig",
            "quote-generation-socket.*",
        ],
        More::Address("quote-generation-socket", Side::Connect),
    ),
    plain("pef-guest", &[]),
    plain("s390-pv-guest", &[]),
    named("igvm-cfg", &[("file", READ)], &[]),
    plain("acpi-generic-initiator", &["pci-dev", "node"]),
    plain("acpi-generic-port", &["pci-bus", "node"]),
    named("tls-creds-anon", TLS_DIRECTORY, TLS),
    named("tls-creds-psk", TLS_DIRECTORY, TLS),
    named("tls-creds-x509", TLS_DIRECTORY, TLS),
    named("tls-cipher-suites", TLS_DIRECTORY, TLS),
    named("x-remote-object", &[("fd", Use::Descriptor)], &["devid"]),
    with("x-vfio-user-server", &["device", "socket.*"], More::Address("socket", Side::Listen)),
];

/// `-object`.
pub(super) fn object(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("qom-type"))? else { return Ok(()) };
    let name = options.need("qom-type")?.text().to_owned();
    let object = OBJECTS.iter().find(|object| object.name == name);
    let object = object.ok_or_else(|| Problem::kind("object", &name))?;
    if let More::Refused(refusal) = object.more {
        return Err(Problem::refused(name, refusal));
    }
    at.by_tables(
        &options,
        &format!("the object {name:?}"),
        &[&object.keys, &COMMON],
        Unknown::Refuse,
    )?;
    match &object.more {
        More::No | More::Refused(_) => Ok(()),
        More::Memory => memory(at, &options),
        More::Device { path, key } => device(at, &options, path, key),
        More::Address(key, side) => optional_address(at, &options, key, *side),
        More::Bus => bus(at, options.need("addr")?),
    }
}

fn memory(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    let read_only = options.flag(&["readonly"])? == Some(true);
    let access = if read_only { Access::Read } else { Access::Write };
    at.add_path(options.need("mem-path")?, |path| Thing::Memory { path, access })
}

/// A device node with a default. Random bytes are only read.
fn device(at: &mut Current<'_>, options: &Options, usual: &str, key: &str) -> Result<(), Problem> {
    let access = if key == "filename" { Access::Read } else { Access::Write };
    match options.get(key)? {
        Some(entry) if key == "fd" => at.descriptor(entry),
        Some(entry) if !entry.text().starts_with("/dev/") => at.used(entry, Use::File(access)),
        Some(entry) => at.add_path(entry, |path| Thing::HostDevice { path, access }),
        None => {
            let path = PathBuf::from(usual);
            let words = options.need("qom-type")?;
            at.add(words, Thing::HostDevice { path, access });
            Ok(())
        }
    }
}

fn optional_address(
    at: &mut Current<'_>,
    options: &Options,
    key: &str,
    side: Side,
) -> Result<(), Problem> {
    let address = options.under(key);
    match address.is_empty() {
        true => Ok(()),
        false => address::read(at, &address, side),
    }
}

/// A D-Bus address: `unix:path=PATH`, perhaps with the server's identity behind it.
pub(super) fn bus(at: &mut Current<'_>, entry: &Entry) -> Result<(), Problem> {
    let refused = || Problem::refused(entry.text(), &BUS);
    let rest = entry.text().strip_prefix("unix:path=").ok_or_else(refused)?;
    let path = rest.split(',').next().unwrap_or_default();
    if path.contains(['%', ';']) {
        return Err(refused());
    }
    let inner = Entry { value: Some(path.to_owned()), ..entry.clone() };
    at.add_path(&inner, |path| Thing::Connect { path })
}
