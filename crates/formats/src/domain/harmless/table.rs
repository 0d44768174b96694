//! The table of what may be left, with a reason for each row.

use super::Harmless;

/// All attributes.
const ANY: &[&str] = &["*"];

const fn row(
    path: &'static str,
    attributes: &'static [&'static str],
    why: &'static str,
) -> Harmless {
    Harmless { path, attributes, why }
}

const CIPHER: &str = "how an image is encrypted whose secret is named elsewhere";
const INSIDE: &str = "where the guest finds the device";
const LOOK: &str = "how the device looks to the guest";
const SPEED: &str = "how fast the device is, not what it reaches";
const POLICY: &str = "what the VMM does in a situation; it opens nothing";
const OFFLOAD: &str = "what a network card computes itself";
const REMOTE: &str = "how a server that is named elsewhere is spoken to";
const NETWORK: &str = "a property of a network that is named elsewhere";
const HELPER: &str = "how a helper treats files that it has";
const SOUND: &str = "how samples are made, not where they go";
const SCREEN: &str = "how a connection that was made is treated";

/// The table.
pub const HARMLESS: &[Harmless] = &[
    // Not libvirt's.
    row("metadata/**", ANY, "notes of other programs, which libvirt keeps and never reads"),
    row("qemu:capabilities", &[], "what libvirt believes of QEMU; sVirt does not ask"),
    row("qemu:capabilities/qemu:add", &["capability"], "what libvirt believes of QEMU"),
    row("qemu:capabilities/qemu:del", &["capability"], "what libvirt believes of QEMU"),
    row("qemu:deprecation", &["behavior"], POLICY),
    // Disks.
    row("devices/disk", &["snapshot", "model"], "the default of snapshots, or the device's looks"),
    row(
        "devices/disk/driver",
        &[
            "io",
            "ioeventfd",
            "event_idx",
            "iothread",
            "detect_zeroes",
            "queues",
            "queue_size",
            "discard_no_unref",
        ],
        SPEED,
    ),
    row("devices/disk/driver", &["error_policy", "rerror_policy"], POLICY),
    row("devices/disk/driver/iothreads", &[], SPEED),
    row("devices/disk/driver/iothreads/iothread", &["id"], SPEED),
    row("devices/disk/driver/iothreads/iothread/queue", &["id"], SPEED),
    row("devices/disk/**/metadata_cache", &[], SPEED),
    row("devices/disk/**/metadata_cache/max_size", &["unit"], SPEED),
    row("devices/disk/target", &["dev", "bus", "tray", "removable", "rotation_rate"], LOOK),
    row("devices/disk/transient", &["shareBacking"], "whether the image may be hot-plugged later"),
    row("devices/disk/geometry", &["cyls", "heads", "secs", "trans"], LOOK),
    row(
        "devices/disk/blockio",
        &["logical_block_size", "physical_block_size", "discard_granularity"],
        LOOK,
    ),
    row("devices/disk/iotune", &[], SPEED),
    row(
        "devices/disk/iotune/total_bytes_sec|read_bytes_sec|write_bytes_sec|total_iops_sec|\
         read_iops_sec|write_iops_sec|total_bytes_sec_max|read_bytes_sec_max|\
         write_bytes_sec_max|total_iops_sec_max|read_iops_sec_max|write_iops_sec_max|\
         size_iops_sec|group_name|total_bytes_sec_max_length|read_bytes_sec_max_length|\
         write_bytes_sec_max_length|total_iops_sec_max_length|read_iops_sec_max_length|\
         write_iops_sec_max_length",
        &[],
        SPEED,
    ),
    row("devices/disk/throttlefilters", &[], SPEED),
    row("devices/disk/throttlefilters/throttlefilter", &["group"], SPEED),
    row("devices|os/disk|nvram/**/encryption/cipher", &["name", "size", "mode", "hash"], CIPHER),
    row("devices|os/disk|nvram/**/encryption/ivgen", &["name", "hash"], CIPHER),
    row("devices/disk/wwn", &[], LOOK),
    row("devices/disk/vendor", &[], LOOK),
    row("devices/disk/product", &[], LOOK),
    row("devices|os/disk|nvram/**/source", &["query", "tlsHostname"], REMOTE),
    row("devices|os/disk|nvram/**/source/ssl", &["verify"], REMOTE),
    row("devices|os/disk|nvram/**/source/cookies", &[], REMOTE),
    row("devices|os/disk|nvram/**/source/cookies/cookie", &["name"], REMOTE),
    row("devices|os/disk|nvram/**/source/readahead", &["size"], REMOTE),
    row("devices|os/disk|nvram/**/source/timeout", &["seconds"], REMOTE),
    row("devices|os/disk|nvram/**/source/snapshot", &["name"], REMOTE),
    row("devices|os/disk|nvram/**/source/initiator", &[], REMOTE),
    row("devices|os/disk|nvram/**/source/initiator/iqn", &["name"], REMOTE),
    // Controllers.
    row("devices/controller", &["ports", "vectors"], LOOK),
    row("devices/controller/model", &["name"], LOOK),
    row(
        "devices/controller/target",
        &["chassisNr", "chassis", "port", "busNr", "index", "hotplug", "memReserve"],
        LOOK,
    ),
    row("devices/controller/target/node", &[], LOOK),
    row("devices/controller/pcihole64", &["unit"], LOOK),
    row("devices/controller/master", &["startport"], LOOK),
    row(
        "devices/controller/driver",
        &["queues", "cmd_per_lun", "max_sectors", "ioeventfd", "iothread"],
        SPEED,
    ),
    row("devices/controller/driver/iothreads", &[], SPEED),
    row("devices/controller/driver/iothreads/iothread", &["id"], SPEED),
    row("devices/controller/driver/iothreads/iothread/queue", &["id"], SPEED),
    // Filesystems.
    row("devices/filesystem", &["accessmode", "multidevs", "fmode", "dmode", "model"], HELPER),
    row("devices/filesystem/driver", &["queue", "wrpolicy"], SPEED),
    row("devices/filesystem/binary", &["xattr"], HELPER),
    row("devices/filesystem/binary/cache", &["mode"], HELPER),
    row(
        "devices/filesystem/binary/sandbox",
        &["mode"],
        "how a helper confines itself, inside the confinement that it gets anyway",
    ),
    row("devices/filesystem/binary/lock", &["posix", "flock"], HELPER),
    row("devices/filesystem/binary/thread_pool", &["size"], SPEED),
    row("devices/filesystem/binary/openfiles", &["max"], HELPER),
    row("devices/filesystem/space_hard_limit", &["unit"], HELPER),
    row("devices/filesystem/space_soft_limit", &["unit"], HELPER),
    row("devices/filesystem/idmap", &[], HELPER),
    row("devices/filesystem/idmap/uid|gid", &["start", "target", "count"], HELPER),
    // Network cards.
    row("devices/interface", &["trustGuestRxFilters"], NETWORK),
    row(
        "devices/interface/source",
        &[
            "portgroup",
            "portgroupid",
            "portid",
            "connectionid",
            "bridge",
            "network",
            "macTableManager",
            "mode",
            "missing",
        ],
        "which port of the network; the kind of the interface says what of this names it",
    ),
    row("devices/interface/mac", &["type", "check", "currentAddress"], LOOK),
    row("devices/interface/mtu", &["size"], LOOK),
    row("devices/interface/coalesce", &[], SPEED),
    row("devices/interface/coalesce/rx", &[], SPEED),
    row("devices/interface/coalesce/rx/frames", &["max"], SPEED),
    row("devices/interface/target", &["managed"], "whether libvirt makes the host's side"),
    row("devices/interface/guest", &["dev", "actual"], LOOK),
    row("devices/interface/ip", &["address", "family", "prefix", "peer", "dev"], LOOK),
    row(
        "devices/interface/route",
        &["family", "address", "netmask", "prefix", "gateway", "metric"],
        LOOK,
    ),
    row(
        "devices/interface/driver",
        &[
            "rx_queue_size",
            "tx_queue_size",
            "txmode",
            "ioeventfd",
            "event_idx",
            "rss",
            "rss_hash_report",
        ],
        SPEED,
    ),
    row(
        "devices/interface/driver/host",
        &["csum", "gso", "tso4", "tso6", "ecn", "ufo", "mrg_rxbuf"],
        OFFLOAD,
    ),
    row("devices/interface/driver/guest", &["csum", "tso4", "tso6", "ecn", "ufo"], OFFLOAD),
    row("devices/interface/filterref", &["filter"], "libvirt's packet filter on the host's side"),
    row("devices/interface/filterref/parameter", &["name", "value"], "of libvirt's packet filter"),
    row("devices/interface/tune", &[], SPEED),
    row("devices/interface/tune/sndbuf", &[], SPEED),
    row("devices/interface/bandwidth", &["classID"], SPEED),
    row(
        "devices/interface/bandwidth/inbound|outbound",
        &["average", "peak", "burst", "floor"],
        SPEED,
    ),
    row("devices/interface/vlan", &["trunk"], NETWORK),
    row("devices/interface/vlan/tag", &["id", "nativeMode"], NETWORK),
    row("devices/interface/port", &["isolated"], NETWORK),
    row("devices/interface/virtualport", &["type"], NETWORK),
    row(
        "devices/interface/virtualport/parameters",
        &["managerid", "typeid", "typeidversion", "instanceid", "profileid", "interfaceid"],
        NETWORK,
    ),
    row("devices/interface/backend", &["hostname", "fqdn"], "what the helper tells the guest"),
    // Devices of the host.
    row("devices/hostdev", &["model", "display", "ramfb"], LOOK),
    row(
        "devices/hostdev/driver",
        &["name"],
        "which of the kernel's drivers: a guest's device is always VFIO's",
    ),
    row(
        "devices/hostdev/source",
        &["startupPolicy", "writeFiltering", "guestReset", "missing"],
        POLICY,
    ),
    row("devices/hostdev/source/address", &["type"], "the address says it itself"),
    row("devices/hostdev/source/initiator", &[], REMOTE),
    row("devices/hostdev/source/initiator/iqn", &["name"], REMOTE),
    row("devices/redirfilter", &[], "which USB devices may be handed to the guest"),
    row(
        "devices/redirfilter/usbdev",
        &["class", "vendor", "product", "version", "allow"],
        "which USB devices may be handed to the guest",
    ),
    // Ports, screens, sound.
    row("devices/*/source/clipboard", &["copypaste"], "whether the clipboard is shared"),
    row("devices/*/source/mouse", &["mode"], SCREEN),
    row("devices/input", &["model"], LOOK),
    row("devices/input/source", &["grab", "grabToggle", "repeat"], LOOK),
    row(
        "devices/graphics",
        &[
            "passwdValidTo",
            "connected",
            "sharePolicy",
            "powerControl",
            "defaultMode",
            "fullscreen",
            "replaceUser",
            "multiUser",
            "p2p",
        ],
        SCREEN,
    ),
    row("devices/graphics/channel", &["name", "mode"], SCREEN),
    row("devices/graphics/image", &["compression"], SCREEN),
    row("devices/graphics/jpeg", &["compression"], SCREEN),
    row("devices/graphics/zlib", &["compression"], SCREEN),
    row("devices/graphics/playback", &["compression"], SCREEN),
    row("devices/graphics/streaming", &["mode"], SCREEN),
    row("devices/graphics/clipboard", &["copypaste"], SCREEN),
    row("devices/graphics/mouse", &["mode"], SCREEN),
    row("devices/graphics/filetransfer", &["enable"], SCREEN),
    row("devices/graphics/audio", &["id"], "which of the <audio> elements"),
    row(
        "devices/video/model",
        &["ram", "vram", "vram64", "vgamem", "heads", "primary", "blob", "edid"],
        LOOK,
    ),
    row("devices/video/model/acceleration", &["accel2d"], LOOK),
    row("devices/video/model/resolution", &["x", "y"], LOOK),
    row("devices/video/driver", &["vgaconf"], LOOK),
    row("devices/sound", &["multichannel", "streams"], SOUND),
    row("devices/sound/codec", &["type"], SOUND),
    row("devices/sound/audio", &["id"], "which of the <audio> elements"),
    row("devices/audio", &["timerPeriod", "tryMMap", "exclusive", "dspPolicy"], SOUND),
    row(
        "devices/audio/input|output",
        &[
            "mixingEngine",
            "fixedSettings",
            "voices",
            "bufferLength",
            "bufferCount",
            "clientName",
            "connectPorts",
            "exactName",
            "tryPoll",
            "name",
            "streamName",
            "latency",
        ],
        SOUND,
    ),
    row("devices/audio/input|output/settings", &["frequency", "channels", "format"], SOUND),
    // The rest.
    row("devices/hub", &["type"], LOOK),
    row("devices/memballoon", &["autodeflate", "freePageReporting"], POLICY),
    row("devices/memballoon/stats", &["period"], POLICY),
    row("devices/memballoon/driver", &[], LOOK),
    row("devices/rng", &["model"], LOOK),
    row("devices/rng/rate", &["bytes", "period"], SPEED),
    row("devices/shmem/msi", &["enabled", "ioeventfd", "vectors"], LOOK),
    row("devices/memory", &["discard"], POLICY),
    row("devices/memory/uuid", &[], LOOK),
    row("devices/memory/source/nodemask", &[], SPEED),
    row("devices/memory/source/alignsize", &["unit"], LOOK),
    row("devices/memory/target", &["dynamicMemslots"], LOOK),
    row(
        "devices/memory/target/node|block|requested|current|label|address",
        &["unit", "base"],
        LOOK,
    ),
    row("devices/memory/target/label/size", &["unit"], LOOK),
    row("devices/tpm/backend", &["version", "persistent_state", "debug"], LOOK),
    row("devices/tpm/backend/active_pcr_banks", &[], LOOK),
    row("devices/tpm/backend/active_pcr_banks/sha1|sha256|sha384|sha512", &[], LOOK),
    row("devices/vsock", &["model"], LOOK),
    row(
        "devices/iommu/driver",
        &["intremap", "caching_mode", "eim", "iotlb", "aw_bits", "dma_translation"],
        LOOK,
    ),
    row("devices/crypto", &["model"], LOOK),
    row("devices/crypto/backend", &["queues"], SPEED),
    row("devices/nvram", &[], "where a PowerPC guest finds its variables"),
    // Every device. A row above says more of its own.
    row("devices/*/alias", &["name"], "the name by which QEMU calls the device"),
    row(
        "devices/*/address",
        &[
            "type",
            "domain",
            "bus",
            "slot",
            "function",
            "multifunction",
            "controller",
            "target",
            "unit",
            "port",
            "cssid",
            "ssid",
            "devno",
            "iobase",
            "irq",
            "reg",
            "base",
        ],
        INSIDE,
    ),
    row("devices/*/address/zpci", &["uid", "fid"], INSIDE),
    row("devices/*/acpi", &["index", "nodeset"], INSIDE),
    row("devices/*/boot", &["order", "loadparm"], "the order of booting"),
    row("devices/*/driver", &["iommu", "ats", "packed", "page_per_vq"], LOOK),
    row("devices/*/target", &["type", "port", "name", "state", "address"], LOOK),
    row("devices/*/target/model", &["name"], LOOK),
    row("devices/*/rom", &["bar"], LOOK),
    row("devices/*/teaming", &["type", "persistent"], "which cards the guest takes as one"),
    // Beside the devices.
    row("os/bootmenu", &["enable", "timeout"], LOOK),
    row("os/bios", &["useserial", "rebootTimeout"], LOOK),
    row("memoryBacking/discard", &[], POLICY),
    row("memoryBacking/allocation", &["mode", "threads"], SPEED),
];

/// Variables of the VMM's environment that name nothing of the host, each with what it changes: a
/// machine's environment is empty, so that they are left out.
pub const VARIABLES: &[(&str, &str)] = &[
    ("LANG", "the language of messages"),
    ("LC_ALL", "the language of messages"),
    ("LC_MESSAGES", "the language of messages"),
    ("G_DEBUG", "whether GLib ends the process at a warning"),
    ("G_MESSAGES_DEBUG", "which messages of GLib are shown"),
    ("G_SLICE", "how GLib takes memory from the C library"),
    ("MALLOC_ARENA_MAX", "how the C library divides memory"),
    ("MALLOC_CHECK_", "whether the C library looks for errors in the use of memory"),
    ("MALLOC_PERTURB_", "what freed memory is filled with"),
];
