//! What sVirt cannot start, each with where it stands in a document and the way out.

/// Something that sVirt cannot start.
#[derive(Debug)]
pub(super) struct Refused {
    /// Where it stands, from the domain down.
    pub(super) place: &'static str,
    /// What it is.
    pub(super) what: &'static str,
    /// What the user can do instead.
    pub(super) way: &'static str,
}

const fn no(place: &'static str, what: &'static str, way: &'static str) -> Refused {
    Refused { place, what, way }
}

const LEAVE: &str = "leave it out";
const KEEP: &str = "keep one of them";
const BLOCK: &str = "attach it to the host as a block device, and name that with type='block'";
const SERIAL: &str = "write a <serial> port of type pty, null, file or unix";
const NO_WATCHDOG: &str = "write <watchdog model='i6300esb'/>, with the action reset, shutdown, \
                           poweroff, pause or none";

// Memory, and what is booted.
pub(super) const HUGE_PAGES: Refused = no(
    "memoryBacking/hugepages",
    "huge pages",
    "leave it out: the kernel makes huge pages of ordinary ones where \
     /sys/kernel/mm/transparent_hugepage/enabled says so",
);
pub(super) const MEMORY_FILE: Refused = no(
    "memoryBacking/source",
    "guest memory in a file that is not named",
    "write <source type='memfd'/>, or leave it out",
);
pub(super) const LOCKED: Refused = no(
    "memoryBacking/locked",
    "memory that is never swapped out",
    "leave it out; a host without swap has the same effect",
);
pub(super) const NOT_MERGED: Refused = no(
    "memoryBacking/nosharepages",
    "memory whose equal pages are never merged",
    "leave it out where the host merges none: /sys/kernel/mm/ksm/run is 0",
);
pub(super) const PROTECTION: Refused =
    no("launchSecurity", "a guest whose memory is protected from the host", LEAVE);
pub(super) const FIRMWARE_FILES: Refused = no(
    "sysinfo/entry",
    "files for the firmware",
    "leave it out, or run QEMU with arguments of your own: `svirt exec -- qemu-system-x86_64 \
     -fw_cfg name=NAME,file=FILE ...`",
);
pub(super) const ARCHITECTURE: Refused = no(
    "os/type",
    "an architecture other than x86_64",
    "run its QEMU with arguments of your own: `svirt exec -- qemu-system-ARCH ...`",
);
pub(super) const SHIM: Refused = no("os/shim", "a shim", LEAVE);
pub(super) const TABLES: Refused = no("os/acpi/table", "ACPI tables of one's own", LEAVE);
pub(super) const HOST_SMBIOS: Refused = no(
    "os/smbios",
    "the host's own SMBIOS, which tells the guest which host it is on",
    "write mode='emulate', or leave it out",
);
pub(super) const SECURE: Refused = no(
    "os/loader@secure",
    "system management mode",
    "name firmware that does not need it, and leave secure out",
);
pub(super) const FIRMWARE_FORMAT: Refused = no(
    "os/loader@format",
    "firmware that is not raw",
    "convert it with `qemu-img convert -O raw`, and name that",
);
pub(super) const WRITTEN_FIRMWARE: Refused = no(
    "os/loader",
    "firmware that the guest writes",
    "write readonly='yes', and name the file of its variables with <nvram>",
);
pub(super) const VARIABLES_ALONE: Refused = no(
    "os/nvram",
    "variables without the image of their firmware",
    "name it with <loader type='pflash' readonly='yes'>",
);
pub(super) const VARIABLES_OF_ROM: Refused = no(
    "os/nvram",
    "variables of firmware in a ROM",
    "write <loader type='pflash' readonly='yes'>, or leave <nvram> out",
);
pub(super) const VARIABLES_ELSEWHERE: Refused = no(
    "os/nvram",
    "variables elsewhere than in a raw file",
    "copy them to a raw file, and name that",
);
pub(super) const VARIABLES_UNNAMED: Refused = no(
    "os/nvram",
    "variables whose file is not named",
    "copy the template to a file of the machine's, and name it: <nvram>/FILE</nvram>",
);

// Buses.
pub(super) const PCI_BUS: Refused = no(
    "devices/controller@model",
    "this PCI controller",
    "write model='pcie-root-port', pcie-to-pci-bridge, pci-bridge or a switch's, or leave it out",
);
pub(super) const PCI_NUMBER: Refused =
    no("devices/controller@index", "a PCI bus of this number", "write one from 1 to 255");
pub(super) const PCI_DOMAIN: Refused = no(
    "devices",
    "PCI domains: a guest's buses are in domain 0",
    "leave the address out: one that is free is chosen",
);
pub(super) const SATA_PLACE: Refused = no(
    "devices/controller/address",
    "the board's SATA controller elsewhere than at 00:1f.2",
    "leave its address out",
);

// Disks.
pub(super) const FLOPPY: Refused =
    no("devices/disk@device", "a floppy disk", "give its image as device='disk' or device='cdrom'");
pub(super) const LUN: Refused =
    no("devices/disk@device", "SCSI commands that are passed on", "write device='disk'");
pub(super) const MIRROR: Refused = no(
    "devices/disk/mirror",
    "a copy that is being made",
    "end the job with `virsh blockjob DOMAIN DISK --abort`, and take the document again",
);
pub(super) const RAW_IO: Refused =
    no("devices/disk@rawio", "the privilege for all SCSI commands", LEAVE);
pub(super) const SECRETS: Refused = no(
    "devices/disk/source",
    "secrets that libvirt keeps",
    "write the image without encryption, with `qemu-img convert`, or encrypt within the guest",
);
pub(super) const SLICE: Refused = no(
    "devices/disk/source/slices",
    "a part of an image",
    "copy the part to an image of its own, and name that",
);
pub(super) const DATA_STORE: Refused = no(
    "devices/disk/source/dataStore",
    "an image whose data are in another file",
    "make one file of it with `qemu-img convert`, and name that",
);
pub(super) const RESERVATIONS: Refused =
    no("devices/disk/source/reservations", "persistent reservations", LEAVE);
pub(super) const NO_SOURCE: Refused = no(
    "devices/disk",
    "a disk without a source",
    "name its image with <source>, or leave the disk out",
);
pub(super) const HANDED: Refused = no(
    "devices/disk/source@fdgroup",
    "descriptors that were handed to libvirt",
    "leave fdgroup out: the image is opened by its name",
);
pub(super) const FAT: Refused = no(
    "devices/disk/source",
    "a directory that looks like a disk",
    "make an image of what is in it, and name that",
);
pub(super) const VOLUME: Refused = no(
    "devices/disk/source",
    "volumes of storage pools",
    "name what `virsh vol-path VOLUME --pool POOL` says, with type='file' or type='block'",
);
pub(super) const REMOTE: Refused = no("devices/disk/source", "storage on other hosts", BLOCK);
pub(super) const NVME: Refused = no(
    "devices/disk/source",
    "NVMe devices that the VMM drives",
    "name the host's block device, such as /dev/nvme0n1, with type='block'",
);
pub(super) const VHOST: Refused =
    no("devices/disk/source", "disks that another process or a vDPA device serves", BLOCK);
pub(super) const IMAGE_FORMAT: Refused = no(
    "devices/disk/driver@type",
    "this format of images",
    "convert it with `qemu-img convert -O qcow2`, and name that",
);
pub(super) const SHARED_FORMAT: Refused = no(
    "devices/disk/shareable",
    "an image that several machines write and that is not raw: each would overwrite the other's map",
    "convert it with `qemu-img convert -O raw`, and name that with type='raw'",
);
pub(super) const OPEN_CHAIN: Refused = no(
    "devices/disk/backingStore",
    "a chain whose end is not said",
    "end it with <backingStore/>, or say nothing of what is below",
);

// Networks.
pub(super) const NETWORK: Refused = no(
    "devices/interface@type",
    "networks other than type='user', which a confined passt carries",
    "write <interface type='user'><backend type='passt'/></interface>, or leave it out",
);
pub(super) const CARDS: Refused = no("devices/interface", "more than one network card", KEEP);
pub(super) const UNPLUGGED: Refused = no(
    "devices/interface/link",
    "a network card that is unplugged",
    "leave the card out, or <link> if it is to be plugged in",
);
pub(super) const FORWARDS: Refused = no(
    "devices/interface/portForward",
    "ports of the host that lead to the guest",
    "leave it out: connections go outwards only",
);
pub(super) const CARD_FILES: Refused =
    no("devices/interface", "files, scripts and devices for a network card", "leave them out");

// Ports.
pub(super) const CHANNEL: Refused = no(
    "devices/channel/target@type",
    "channels other than virtio ones",
    "write <target type='virtio' name='NAME'/>",
);
pub(super) const CHANNEL_NAME: Refused = no(
    "devices/channel/target",
    "a channel without a name",
    "write <target type='virtio' name='NAME'/>: a program in the guest finds it by that",
);
pub(super) const CHANNEL_CONNECTS: Refused = no(
    "devices/channel/source@mode",
    "a channel that connects to a socket",
    "write mode='bind', and let the other side connect",
);
pub(super) const CHANNEL_SPICE: Refused = no(
    "devices/channel@type",
    "channels of Spice's",
    "leave it out: a screen is VNC's, which needs none; in the guest, spice-vdagent then does nothing",
);
pub(super) const CHANNEL_END: Refused = no(
    "devices/channel",
    "a channel that is no unix socket",
    "write type='unix' with <source mode='bind'/>, with a path or without one",
);
pub(super) const PARALLEL: Refused =
    no("devices/parallel", "parallel ports", "leave it out, or use a <serial> port");
pub(super) const OTHER_CONSOLE: Refused = no(
    "devices/console",
    "consoles that are neither a serial port nor a virtio one",
    "write <target type='serial'/> or <target type='virtio'/> in it",
);
pub(super) const PORT_LOG: Refused = no(
    "devices/serial/log",
    "a log of a port",
    "leave it out: what the console says is kept; a port of type file keeps its own",
);
pub(super) const SOCKET_LABEL: Refused =
    no("devices/serial/source/seclabel", "a label of what is no file", LEAVE);
pub(super) const TWO_CONSOLES: Refused = no(
    "devices/serial",
    "more than one pseudo-terminal: a machine has one console",
    "connect the other ports to files or sockets",
);
pub(super) const PORT_DEVICE: Refused =
    no("devices/serial", "a port that is a device of the host", SERIAL);
pub(super) const PORT_APPENDS: Refused = no(
    "devices/serial/source@append",
    "a file that is appended to",
    "leave append out: the file begins anew at each start",
);
pub(super) const PORT_PIPE: Refused = no("devices/serial", "a port that is a pipe", SERIAL);
pub(super) const PORT_CONNECTS: Refused = no(
    "devices/serial/source@mode",
    "a port that connects to a socket",
    "write mode='bind', and let the other side connect",
);
pub(super) const PORT_UNSAID: Refused = no(
    "devices/serial/source",
    "a port whose socket's path is not said",
    "say it: <source mode='bind' path='/PATH'/>",
);
pub(super) const PORT_NETWORK: Refused = no(
    "devices/serial",
    "a port on the host's network: a machine is not in it",
    "write a <serial type='unix'> port, and join it to the network with a program such as socat",
);
pub(super) const PORT_OTHER: Refused =
    no("devices/serial", "a port on a screen, on standard streams or within Spice", SERIAL);

// What a person sees, hears and touches.
pub(super) const SCREEN: Refused = no(
    "devices/graphics@type",
    "screens other than VNC",
    "write <graphics type='vnc'><listen type='socket'/></graphics>, or leave it out",
);
pub(super) const PASSWORD: Refused = no(
    "devices/graphics@passwd",
    "a password for VNC",
    "leave it out: who may open the socket may see the screen",
);
pub(super) const VNC_PORT: Refused = no(
    "devices/graphics",
    "VNC on the host's network",
    "write <listen type='socket'/>; `ssh -L 5900:SOCKET HOST` leads to it from elsewhere",
);
pub(super) const SCREENS: Refused = no("devices/graphics", "more than one screen", KEEP);
pub(super) const HOST_GRAPHICS: Refused = no(
    "devices/video",
    "the host's graphics",
    "leave <acceleration> and the driver out: the guest has a standard VGA adapter",
);
pub(super) const SCREEN_FILES: Refused =
    no("devices/graphics", "the host's graphics, or an X server's key", "leave <gl> and xauth out");
pub(super) const INPUT: Refused = no(
    "devices/input",
    "input devices of the host",
    "leave it out: a guest with a screen has a tablet and a keyboard",
);
pub(super) const AUDIO: Refused = no(
    "devices/audio",
    "the host's sound",
    "write <audio id='1' type='none'/>: the guest then has no sound card",
);

// Devices of the host, and the rest.
pub(super) const FILESYSTEM: Refused = no(
    "devices/filesystem",
    "directories of the host",
    "put the files on an image, and give it as a disk",
);
pub(super) const HOST_DISK: Refused = no(
    "devices/hostdev",
    "disks as devices of the host",
    "name the block device as a disk: <disk type='block'>",
);
pub(super) const HOST_NETWORK_CARD: Refused = no(
    "devices/hostdev",
    "network cards of the host",
    "write <interface type='user'><backend type='passt'/></interface>",
);
pub(super) const HOSTDEV: Refused = no("devices/hostdev", "devices of the host", LEAVE);
pub(super) const REDIRDEV: Refused = no("devices/redirdev", "USB devices from elsewhere", LEAVE);
pub(super) const SMARTCARD: Refused = no("devices/smartcard", "smart cards", LEAVE);
pub(super) const TPM: Refused = no(
    "devices/tpm",
    "a TPM",
    "leave it out, or run QEMU with arguments of your own, which connect to a swtpm of yours: \
     `svirt exec -- qemu-system-x86_64 -chardev socket,id=tpm,path=SOCKET -tpmdev \
     emulator,id=tpm0,chardev=tpm ...`",
);
pub(super) const EGD: Refused = no(
    "devices/rng",
    "a daemon of randomness",
    "write <backend model='builtin'/>, or model='random' with a device",
);
pub(super) const RNGS: Refused = no("devices/rng", "more than one source of randomness", KEEP);
pub(super) const WATCHDOG: Refused = no("devices/watchdog", "this watchdog", NO_WATCHDOG);
pub(super) const WATCHDOGS: Refused = no("devices/watchdog", "more than one watchdog", KEEP);
pub(super) const WATCHDOG_ACTION: Refused =
    no("devices/watchdog@action", "this action of a watchdog", NO_WATCHDOG);
pub(super) const SHMEM: Refused = no("devices/shmem", "shared memory", LEAVE);
pub(super) const MEMORY: Refused = no(
    "devices/memory",
    "memory devices",
    "leave it out, and say all of the guest's memory in <memory>",
);
pub(super) const VSOCK: Refused = no(
    "devices/vsock",
    "vsock",
    "leave it out; a <serial type='unix'> port is a way between guest and host",
);
pub(super) const IOMMU: Refused = no("devices/iommu", "an IOMMU", LEAVE);
pub(super) const CRYPTO: Refused = no(
    "devices/crypto",
    "a crypto device",
    "leave it out: the guest's processor has its own instructions",
);
pub(super) const PSTORE: Refused = no("devices/pstore", "a pstore", LEAVE);
pub(super) const LEASE: Refused = no(
    "devices/lease",
    "lock managers",
    "leave it out: sVirt itself keeps two machines from writing one image",
);
