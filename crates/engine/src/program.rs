//! From a program's name to the program with all that it needs to be executed. What the linker would
//! load is remembered by the program's identity, so that it is read once.

use crate::{Code, Failure, image::absolute, resolve::Pins};
use std::{
    env,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use svirt_host::{
    Doing,
    pin::{Pin, Purpose},
    program::{Closure, closure},
};
use svirt_model::{Object, Part, Program};
use svirt_store::Store;

/// Where programs are when `PATH` says nothing.
const DIRECTORIES: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/libexec";

/// The file that a name leads to: a path, from this directory on, or a name in one of the directories
/// of `PATH`.
pub(crate) fn find_from(directory: &Path, name: &str) -> Result<PathBuf, Failure> {
    if name.contains('/') { absolute(&directory.join(name)) } else { find(name) }
}

/// The program of this name in one of the directories of `PATH`.
pub(crate) fn find(name: &str) -> Result<PathBuf, Failure> {
    let path = env::var("PATH").unwrap_or_else(|_| DIRECTORIES.to_owned());
    let mut places =
        path.split(':').filter(|d| d.starts_with('/')).map(|d| Path::new(d).join(name));
    places.find(|p| p.is_file()).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Failure {
    let failure = Failure::new(Code::Unavailable, format!("there is no program {name}"));
    let package = match name {
        "passt" => "install it (the package passt), or use --net none",
        "qemu-system-x86_64" => "install it (the package qemu-system-x86, or qemu-kvm)",
        _ => "name it with its path",
    };
    failure.hint(package)
}

/// Pins a program, the modules that it may load, and the files and directories that it reads.
pub(crate) fn resolve(
    pins: &mut Pins,
    store: &mut Store,
    path: &Path,
    modules: &[PathBuf],
    data: &[PathBuf],
) -> Result<Program, Failure> {
    let binary = pins.pin(path, Purpose::ReadFile)?;
    let key = key(&binary, modules)?;
    let remembered = store.recall(&key)?.and_then(|text| serde_json::from_str(&text).ok());
    let libraries = match remembered.and_then(|known| pin_all(pins, &known).ok()) {
        Some(libraries) => libraries,
        None => pin_all(pins, &examine(store, &key, &binary, modules)?)?,
    };
    let part =
        |name: &PathBuf| Ok(Part { name: name.clone(), object: pins.pin(name, Purpose::Any)? });
    let data = data.iter().map(part).collect::<Result<_, Failure>>()?;
    Ok(Program { binary, libraries, data })
}

fn examine(
    store: &mut Store,
    key: &str,
    binary: &Object,
    modules: &[PathBuf],
) -> Result<Closure, Failure> {
    let roots: Vec<&Path> =
        std::iter::once(&*binary.path).chain(modules.iter().map(|m| &**m)).collect();
    let mut found = closure(&roots)?;
    found.libraries.extend(modules.iter().map(|m| (m.clone(), m.clone())));
    let text =
        serde_json::to_string(&found).map_err(|e| Failure::from_error(Code::Internal, &e))?;
    store.remember(key, &text)?;
    Ok(found)
}

fn pin_all(pins: &mut Pins, closure: &Closure) -> Result<Vec<Part>, Failure> {
    let one = |(name, place): (&PathBuf, &PathBuf)| {
        let object = pins.pin(place, Purpose::ReadFile)?;
        Ok(Part { name: name.clone(), object })
    };
    closure.libraries.iter().map(one).collect()
}

/// Changes with the program, its modules and the linker's cache, and so with every library that is
/// added or replaced by a package.
fn key(binary: &Object, modules: &[PathBuf]) -> Result<String, Failure> {
    let mut key = format!("closure {}", stamp(&binary.path)?);
    for path in modules {
        key.push_str(&format!(" {}", stamp(path)?));
    }
    key.push_str(&format!(" {}", stamp(Path::new("/etc/ld.so.cache")).unwrap_or_default()));
    Ok(key)
}

/// A file's identity and the time of its last change.
pub(crate) fn stamp(path: &Path) -> Result<String, Failure> {
    let found = std::fs::metadata(path).on("look at", path)?;
    Ok(format!("{:x}.{:x}.{:x}", found.dev(), found.ino(), found.ctime_nsec() ^ found.ctime()))
}

/// Whether a program is one of QEMU's system emulators, whose command lines are read.
pub(crate) fn is_qemu(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.starts_with("qemu-system-") || name == "qemu-kvm"
}

/// QEMU's emulator for this machine's processor.
pub(crate) fn qemu() -> Result<PathBuf, Failure> {
    let name = format!("qemu-system-{}", env::consts::ARCH);
    find(&name).or_else(|failure| find("qemu-kvm").map_err(|_| failure))
}

/// passt, and how the host resolves names.
pub(crate) fn resolve_passt(pins: &mut Pins, store: &mut Store) -> Result<Program, Failure> {
    let resolver = PathBuf::from("/etc/resolv.conf");
    let data: Vec<_> = Some(resolver).filter(|path| path.is_file()).into_iter().collect();
    resolve(pins, store, &passt()?, &[], &data)
}

/// passt, in the build that it would choose for this processor by executing itself anew, which it may
/// not do in its confinement.
pub(crate) fn passt() -> Result<PathBuf, Failure> {
    let plain = find("passt")?;
    let wide = plain.with_extension("avx2");
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has_avx2 = cpu.split_whitespace().any(|flag| flag == "avx2");
    Ok(if has_avx2 && wide.exists() { wide } else { plain })
}

/// Where distributions keep QEMU's modules and its firmware.
const MODULES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/qemu",
    "/usr/lib/aarch64-linux-gnu/qemu",
    "/usr/lib64/qemu",
    "/usr/lib/qemu",
];
const FIRMWARE: [&str; 5] = [
    "/usr/share/qemu",
    "/usr/share/qemu-kvm",
    "/usr/share/seabios",
    "/usr/share/seavgabios",
    "/usr/share/qemu-firmware",
];
/// Where the ROMs of network cards are, of which sVirt's own words ask for none.
const CARDS: &str = "/usr/lib/ipxe/qemu";

/// The names of the modules that a command line may make QEMU load: the translator for its guest and
/// the devices that are modules.
pub(crate) fn modules_for(qemu: &Path) -> Vec<String> {
    let name = qemu.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let guest = name.strip_prefix("qemu-system-").unwrap_or(env::consts::ARCH);
    let translator = format!("accel-tcg-{guest}");
    let directories = MODULES.iter().filter_map(|d| std::fs::read_dir(d).ok());
    let files = directories.flatten().filter_map(Result::ok).map(|e| e.file_name());
    let names = files.filter_map(|n| Some(n.to_str()?.strip_suffix(".so")?.to_owned()));
    names.filter(|n| *n == translator || n.starts_with("hw-display-")).collect()
}

/// QEMU with the modules of these names, where it is built with modules, and its firmware; and with that of
/// devices for which its user's own words ask.
pub(crate) fn resolve_qemu(
    pins: &mut Pins,
    store: &mut Store,
    path: &Path,
    wanted: &[&str],
    own_words: bool,
) -> Result<Program, Failure> {
    let there = |path: PathBuf| path.exists().then_some(path);
    let modules: Vec<_> = MODULES
        .iter()
        .flat_map(|d| {
            wanted.iter().filter_map(move |m| there(Path::new(d).join(format!("{m}.so"))))
        })
        .collect();
    let firmware = FIRMWARE.iter().chain(Some(&CARDS).filter(|_| own_words));
    let firmware: Vec<_> = firmware.filter_map(|d| there(d.into())).collect();
    resolve(pins, store, path, &modules, &firmware)
}

impl Pins {
    /// Pins a path and keeps it.
    pub(crate) fn pin(&mut self, path: &Path, purpose: Purpose) -> Result<Object, Failure> {
        Ok(self.keep(Pin::new(path, purpose)?))
    }
}
