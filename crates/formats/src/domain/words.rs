//! Words of which an attribute can be one, and other small values.

use super::{
    error::Problem,
    view::{Read, View},
};
use crate::command_line::shortened;
use svirt_model::Bytes;

/// A value that is one of some words.
pub(super) trait Word: Copy + 'static {
    /// Each word with what it means.
    const ALL: &'static [(&'static str, Self)];

    /// The value that a word means.
    fn read(given: &str) -> Result<Self, Problem> {
        let found = Self::ALL.iter().find(|(word, _)| *word == given);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
            Problem::Word { given: shortened(given), known: words.join(", ") }
        })
    }
}

macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`.")] $variant),+
        }

        impl Word for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }

        impl $name {
            /// The word that stands for it in a domain.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    )+};
}

words! {
    /// How guest code is run.
    DomainType { Kvm = "kvm", Qemu = "qemu" }
    /// How a disk looks to the guest.
    DiskDevice { Disk = "disk", Cdrom = "cdrom", Floppy = "floppy", Lun = "lun" }
    /// What a disk hangs on.
    Bus {
        Virtio = "virtio", Sata = "sata", Ide = "ide", Scsi = "scsi", Usb = "usb", Fdc = "fdc",
        Sd = "sd", Nvme = "nvme",
    }
    /// A format of disk images, in libvirt's words.
    Format {
        Raw = "raw", Qcow2 = "qcow2", Vmdk = "vmdk", Vdi = "vdi", Vhdx = "vhdx", Vpc = "vpc",
        Qcow = "qcow", Qed = "qed", Bochs = "bochs", Cloop = "cloop", Dmg = "dmg", Iso = "iso",
        Luks = "luks", Ploop = "ploop", Fat = "fat",
    }
    /// Who changes an image below or beside a disk's.
    Job { Copy = "copy", ActiveCommit = "active-commit" }
    /// Who waits for whom on a socket.
    SocketMode { Bind = "bind", Connect = "connect" }
    /// What is spoken on a character device's TCP connection.
    Protocol { Raw = "raw", Telnet = "telnet", Telnets = "telnets", Tls = "tls" }
    /// What a firmware image is.
    LoaderType { Rom = "rom", Pflash = "pflash" }
    /// What carries the packets of a network card.
    InterfaceType {
        User = "user", Network = "network", Bridge = "bridge", Ethernet = "ethernet",
        Direct = "direct", Hostdev = "hostdev", VhostUser = "vhostuser", Vdpa = "vdpa",
        Null = "null", Mcast = "mcast", Client = "client", Server = "server", Udp = "udp",
        Internal = "internal", Vds = "vds",
    }
    /// Who carries the packets of a `user` interface.
    UserBackend { Default = "default", Passt = "passt" }
    /// What a directory of the host is shown through.
    FilesystemDriver {
        Path = "path", Handle = "handle", Loop = "loop", Nbd = "nbd", Ploop = "ploop",
        Virtiofs = "virtiofs", Mtp = "mtp",
    }
    /// What a filesystem's source is.
    FilesystemType {
        Mount = "mount", Bind = "bind", Block = "block", File = "file", Ram = "ram",
        Template = "template",
    }
    /// What a host device is.
    HostdevType {
        Pci = "pci", Usb = "usb", Scsi = "scsi", ScsiHost = "scsi_host", Mdev = "mdev",
        Storage = "storage", Misc = "misc", Net = "net",
    }
    /// How the source of randomness is used.
    RngBackend { Random = "random", Egd = "egd", Builtin = "builtin" }
    /// What a TPM is.
    TpmBackend { Passthrough = "passthrough", Emulator = "emulator", External = "external" }
    /// What an input device is.
    InputType {
        Tablet = "tablet", Mouse = "mouse", Keyboard = "keyboard", Passthrough = "passthrough",
        Evdev = "evdev",
    }
    /// How a screen is seen.
    GraphicsType {
        Vnc = "vnc", Spice = "spice", Sdl = "sdl", Rdp = "rdp", EglHeadless = "egl-headless",
        Desktop = "desktop", Dbus = "dbus",
    }
    /// What a screen listens on.
    ListenType { Address = "address", Network = "network", Socket = "socket", None = "none" }
    /// Where sound goes.
    AudioType {
        None = "none", Alsa = "alsa", CoreAudio = "coreaudio", Jack = "jack", Oss = "oss",
        PulseAudio = "pulseaudio", Pipewire = "pipewire", Sdl = "sdl", Spice = "spice",
        File = "file", Dbus = "dbus",
    }
    /// What keeps a memory device's contents.
    MemoryModel {
        Dimm = "dimm", Nvdimm = "nvdimm", VirtioPmem = "virtio-pmem", VirtioMem = "virtio-mem",
        SgxEpc = "sgx-epc",
    }
    /// Where guest memory comes from.
    MemorySource { Anonymous = "anonymous", File = "file", Memfd = "memfd" }
    /// Whether guest memory can be shared with other processes.
    MemoryAccess { Shared = "shared", Private = "private" }
    /// How shared memory is organised.
    ShmemModel {
        Ivshmem = "ivshmem", Plain = "ivshmem-plain", Doorbell = "ivshmem-doorbell",
    }
    /// What a smart card is.
    SmartcardMode {
        Host = "host", HostCertificates = "host-certificates", Passthrough = "passthrough",
    }
    /// How a guest's memory is protected from the host.
    LaunchSecurity { Sev = "sev", SevSnp = "sev-snp", Tdx = "tdx", S390Pv = "s390-pv" }
    /// What happens when a guest ends in some way.
    Event {
        Destroy = "destroy", Restart = "restart", Preserve = "preserve",
        RenameRestart = "rename-restart", CoredumpDestroy = "coredump-destroy",
        CoredumpRestart = "coredump-restart",
    }
    /// What a watchdog does.
    WatchdogAction {
        Reset = "reset", Shutdown = "shutdown", Poweroff = "poweroff", Pause = "pause",
        None = "none", Dump = "dump", InjectNmi = "inject-nmi",
    }
    /// How a security label comes about.
    LabelType { Dynamic = "dynamic", Static = "static", None = "none" }
    /// From where a guest boots.
    BootDevice { Disk = "hd", Floppy = "fd", Cdrom = "cdrom", Network = "network" }
}

/// Who waits for whom on a socket: `bind` and `connect` of a character device, `server` and `client`
/// of a network card or a helper.
pub(super) fn socket_mode(view: &View<'_>) -> Read<Option<SocketMode>> {
    match view.attr("mode") {
        Some("server") => Ok(Some(SocketMode::Bind)),
        Some("client") => Ok(Some(SocketMode::Connect)),
        _ => view.word("mode"),
    }
}

/// A whole number with libvirt's unit: the text of an element, with its attribute `unit`.
/// Without one it is `usual` bytes. `KB` and `kB` are powers of 1000, `K` and `KiB` of 1024.
pub(super) fn scaled(view: &View<'_>, usual: u64) -> Read<Bytes> {
    let number: u64 = view.text_number()?;
    let unit = match view.attr("unit") {
        None => usual,
        Some(word) => unit(word)
            .ok_or_else(|| view.error_of("unit", Problem::form(word, "a unit such as KiB")))?,
    };
    let bytes = number.checked_mul(unit).map(Bytes);
    bytes.ok_or_else(|| {
        view.error(Problem::form(&number.to_string(), "a number of bytes below 2^64"))
    })
}

/// The bytes of a unit.
pub(super) fn unit(word: &str) -> Option<u64> {
    let word = word.to_ascii_lowercase();
    let (power, base) = match word.as_str() {
        "b" | "byte" | "bytes" => return Some(1),
        short if short.len() == 1 => (short.to_owned(), 1024),
        long if long.len() == 3 && long.ends_with("ib") => (long.replace("ib", ""), 1024),
        long if long.len() == 2 && long.ends_with('b') => (long.replace('b', ""), 1000),
        _ => return None,
    };
    let power = ["k", "m", "g", "t", "p", "e"].iter().position(|letter| *letter == power)?;
    u64::checked_pow(base, u32::try_from(power).ok()? + 1)
}

/// Where a PCI device is: `DOMAIN:BUS:SLOT.FUNCTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciAddress {
    /// The domain.
    pub domain: u32,
    /// The bus.
    pub bus: u8,
    /// The slot, below 32.
    pub slot: u8,
    /// The function, below 8.
    pub function: u8,
}

impl std::fmt::Display for PciAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { domain, bus, slot, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
    }
}

/// The host address in an element.
pub(super) fn pci_address(view: &View<'_>) -> Read<PciAddress> {
    let part = |name, most| {
        let Some(given) = view.attr(name) else { return Ok(0) };
        let wrong = || view.error_of(name, Problem::form(given, "a number of a PCI address"));
        hex_or_decimal(given).filter(|number| *number <= most).ok_or_else(wrong)
    };
    // Of the guest's own address, and without a meaning here.
    view.attr("multifunction");
    let small = |name, most| part(name, most).map(|number| u8::try_from(number).unwrap_or(0));
    Ok(PciAddress {
        domain: part("domain", u32::MAX)?,
        bus: small("bus", 0xff)?,
        slot: small("slot", 0x1f)?,
        function: small("function", 7)?,
    })
}

/// A number, hexadecimal where it begins with `0x`.
pub(super) fn hex_or_decimal(given: &str) -> Option<u32> {
    let digits = given.strip_prefix("0x").or_else(|| given.strip_prefix("0X"));
    let (digits, radix) = digits.map_or((given, 10), |hex| (hex, 16));
    let clean = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    clean.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_libvirt() {
        for (word, bytes) in [
            ("b", 1),
            ("bytes", 1),
            ("KB", 1000),
            ("k", 1024),
            ("KiB", 1024),
            ("MB", 1_000_000),
            ("M", 1 << 20),
            ("GiB", 1 << 30),
            ("T", 1 << 40),
            ("PB", 1_000_000_000_000_000),
            ("EiB", 1 << 60),
        ] {
            assert_eq!(unit(word), Some(bytes), "{word}");
        }
        for word in ["", "x", "kk", "ib", "KiBi", "zib", "bb"] {
            assert_eq!(unit(word), None, "{word}");
        }
    }

    #[test]
    fn numbers_are_decimal_or_marked_as_hexadecimal() {
        assert_eq!(hex_or_decimal("0x1f"), Some(31));
        assert_eq!(hex_or_decimal("10"), Some(10));
        for bad in ["", "0x", "1f", "-1", "+1", "0x100000000", " 1"] {
            assert_eq!(hex_or_decimal(bad), None, "{bad:?}");
        }
    }
}
