//! The kernels, and how each is booted.

use super::{package, tree};
use crate::{Host, Linux, Skipped, has_program, linux, svirt};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What a script needs of this host.
const PROGRAMS: [&str; 3] = ["/usr/bin/busybox", "/usr/bin/setpriv", "/bin/true"];

/// What a script about labels needs of this host, besides.
pub(super) const LABELLING: [&str; 2] = ["/usr/bin/perl", "/usr/bin/chcon"];

/// What a QEMU in a lab needs of this host, besides its libraries.
const QEMU: [&str; 2] =
    ["/usr/bin/qemu-system-x86_64", "/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"];

/// The firmware with which it starts the embedded guest, and a screen's.
const FIRMWARE: [&str; 6] = [
    "/usr/share/seabios/bios-256k.bin",
    "/usr/share/seabios/vgabios-stdvga.bin",
    "/usr/share/qemu/keymaps/en-us",
    "/usr/share/qemu/kvmvapic.bin",
    "/usr/share/qemu/linuxboot_dma.bin",
    "/usr/share/qemu/pvh.bin",
];

/// `q35`, because `microvm` hangs now and then while it measures its clock.
const MACHINE: &str = "-accel tcg -machine q35 -cpu max -m 1024 -nodefaults -display none \
                       -no-reboot -serial stdio";
/// Without `random.trust_cpu` a program that wants randomness waits for a minute; without
/// `no_timer_check` the kernel finds its timer wanting where this host is busy.
const CLOUD_LINE: &str =
    "console=ttyS0 loglevel=4 panic=-1 reboot=t random.trust_cpu=on no_timer_check";
const USER_MODE: &str = "rootfstype=hostfs hostfs=/ root=/dev/root ro mem=768M con=null \
                         con0=null,fd:1 panic=1 quiet";

/// A kernel that can be booted.
#[derive(Debug)]
pub(super) enum Kernel {
    /// In a QEMU, with a root file system in memory, and the security module that it activates
    /// beside Landlock.
    Cloud(Linux, Option<&'static str>),
    /// A program, with this host's root file system, and the security module that it activates.
    UserMode(PathBuf, Option<&'static str>),
}

impl Kernel {
    pub(super) fn cloud(module: Option<&'static str>) -> Result<Self, Skipped> {
        all_there(["qemu-system-x86_64", "cpio", "ldd"])?;
        Ok(Self::Cloud(linux()?, module))
    }

    pub(super) fn user_mode(module: Option<&'static str>) -> Result<Self, Skipped> {
        // A lab of labels starts programs of its own and no machine.
        match module {
            Some(_) => all_there(["apt-get", "dpkg"])?,
            None => all_there(["qemu-system-x86_64", "apt-get", "dpkg"])?,
        }
        let program = package::unpacked("user-mode-linux")?.join("usr/bin/linux.uml");
        match program.is_file() {
            true => Ok(Self::UserMode(program, module)),
            false => Err(Skipped::because("the package user-mode-linux has no linux.uml")),
        }
    }

    /// How the script begins: it makes itself at home where the kernel starts it.
    pub(super) fn first_words(&self) -> String {
        let places = match self {
            Self::Cloud(..) => "BIN=/usr/local/bin REPORT=/dev/ttyS1 PLACE=",
            Self::UserMode(..) => "PLACE=${0%/*} BIN=${0%/*} REPORT=/run/host/report",
        };
        format!("#!/usr/bin/busybox sh\n{places}\n")
    }

    /// The command that boots it; what it needs is put into `place` first.
    pub(super) fn command(&self, host: &Host, place: &Path, carried: &[PathBuf]) -> Command {
        match self {
            Self::Cloud(linux, module) => cloud(host, linux, *module, place, carried),
            Self::UserMode(program, module) => user_mode(host, program, *module, place, carried),
        }
    }
}

fn all_there<const N: usize>(programs: [&str; N]) -> Result<(), Skipped> {
    let missing = programs.into_iter().find(|program| !has_program(program));
    let missing = missing.or_else(|| PROGRAMS.into_iter().find(|p| !Path::new(p).is_file()));
    missing.map_or(Ok(()), |program| Err(Skipped::because(format!("there is no {program}"))))
}

fn ours() -> [PathBuf; 2] {
    [svirt().to_owned(), svirt().with_file_name("svirt-launch")]
}

fn cloud(
    host: &Host,
    linux: &Linux,
    module: Option<&str>,
    place: &Path,
    carried: &[PathBuf],
) -> Command {
    let mut root = tree::Tree::new();
    let labelling = LABELLING.iter().filter(|_| module.is_some());
    for path in PROGRAMS.iter().chain(&QEMU).chain(labelling) {
        root.program(Path::new(path), Path::new(path));
    }
    for path in ours().iter().chain(carried) {
        let name = path.file_name().unwrap_or_default();
        root.program(path, &Path::new("/usr/local/bin").join(name));
    }
    FIRMWARE.iter().for_each(|path| root.file(Path::new(path), Path::new(path)));
    root.file(&place.join("script"), Path::new("/script"));
    let initrd = place.join("root.cpio");
    root.pack(&initrd);
    let mut command = host.command("qemu-system-x86_64");
    command.args(MACHINE.split_whitespace()).arg("-serial");
    command.arg(format!("file:{}", place.join("report").display()));
    command.arg("-kernel").arg(&linux.kernel).arg("-initrd").arg(initrd);
    let modules = module.map(|name| format!(" lsm=landlock,{name} security={name}"));
    command.arg("-append").arg(format!("{CLOUD_LINE}{}", modules.unwrap_or_default()));
    command
}

fn user_mode(
    host: &Host,
    program: &Path,
    module: Option<&str>,
    place: &Path,
    carried: &[PathBuf],
) -> Command {
    for path in ours().iter().chain(carried) {
        fs::copy(path, place.join(path.file_name().unwrap_or_default())).expect("a copy");
    }
    let mut command = host.command(program);
    command.args(USER_MODE.split_whitespace());
    if let Some(module) = module {
        command.args([format!("lsm={module}"), format!("security={module}")]);
    }
    command.arg(format!("init={}", place.join("script").display()));
    command.arg(format!("umid={}", host.tag())).env("TMPDIR", host.path("home"));
    command
}
