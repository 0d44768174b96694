//! A Linux guest: Debian's cloud kernel, and a root file system of busybox and the modules that a
//! virtio network card and a disk take. Made once and kept; the packages come from the host's own archive.

use crate::{Skipped, has_program, program};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// In the order in which each can be loaded.
const MODULES: [&str; 9] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
];

/// The files of a Linux guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linux {
    /// Its kernel.
    pub kernel: PathBuf,
    modules: Vec<PathBuf>,
}

/// A kernel from the cache, which is filled where it is empty.
///
/// # Errors
/// Its package, or a program that unpacks it, cannot be had.
///
/// # Panics
/// The cache cannot be used.
pub fn linux() -> Result<Linux, Skipped> {
    for program in ["busybox", "cpio", "apt-get", "apt-cache", "dpkg"] {
        if !has_program(program) {
            return Err(Skipped::because(format!("there is no {program}")));
        }
    }
    let cache = crate::lab::cache();
    fs::create_dir_all(&cache).unwrap_or_else(|e| panic!("cannot make {}: {e}", cache.display()));
    let lock = fs::File::create(cache.join("lock")).expect("a file of ours");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock of ours");
    let tree = cache.join("linux");
    if !tree.is_dir() {
        fetch(&cache, &tree)?;
    }
    let found = all_files(&tree);
    let kernel = found.iter().find(|p| name_of(p).starts_with("vmlinuz"));
    let module = |name: &&str| {
        found.iter().find(|p| name_of(p) == format!("{name}.ko")).cloned().ok_or_else(|| {
            Skipped::because(format!("the kernel's package has no module {name}.ko"))
        })
    };
    let modules = MODULES.iter().map(module).collect::<Result<_, _>>()?;
    let kernel = kernel.cloned().ok_or_else(|| Skipped::because("the package has no kernel"))?;
    Ok(Linux { kernel, modules })
}

impl Linux {
    /// Makes an initial file system at `path`, whose first process runs this script of busybox's
    /// shell, with the network's modules loaded and `/proc` mounted.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn initrd(&self, path: &Path, script: &str) {
        let place = tempfile::tempdir().expect("a temporary directory");
        let root = place.path();
        for name in ["bin", "proc", "dev", "sys", "modules", "etc"] {
            fs::create_dir(root.join(name)).expect("a directory of ours");
        }
        let busybox = program("busybox").expect("it was found before");
        fs::copy(busybox, root.join("bin/busybox")).expect("busybox can be read");
        for module in &self.modules {
            fs::copy(module, root.join("modules").join(name_of(module))).expect("a copy");
        }
        let load = MODULES.map(|m| format!("insmod /modules/{m}.ko\n")).concat();
        let init = format!(
            "#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexport PATH=/bin\n\
             mount -t proc proc /proc\nmount -t devtmpfs dev /dev\n{load}{script}\n"
        );
        fs::write(root.join("init"), init).expect("a file of ours");
        make_executable(&root.join("init"));
        pack(root, path);
    }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a file of ours");
}

fn pack(root: &Path, path: &Path) {
    let mut cpio = Command::new("cpio");
    cpio.args(["--quiet", "--create", "--format=newc", "--null", "--owner=0:0"]).current_dir(root);
    let archive = fs::File::create(path).expect("a file of ours");
    let mut child = cpio.stdin(Stdio::piped()).stdout(archive).spawn().expect("cpio starts");
    let mut names = Vec::new();
    for file in all_files(root) {
        names.extend(file.strip_prefix(root).unwrap_or(&file).as_os_str().as_encoded_bytes());
        names.push(0);
    }
    child.stdin.take().expect("a pipe").write_all(&names).expect("cpio reads");
    assert!(child.wait().expect("cpio ends").success(), "cpio failed");
}

fn fetch(cache: &Path, tree: &Path) -> Result<(), Skipped> {
    let no = |what: &str| Skipped::because(format!("the Linux kernel's package: {what}"));
    let depends = said(Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]));
    let package = depends
        .as_deref()
        .and_then(|text| text.lines().find_map(|l| l.trim().strip_prefix("Depends: ")))
        .ok_or_else(|| no("its name is not known to apt-cache"))?
        .to_owned();
    said(Command::new("apt-get").args(["download", &package]).current_dir(cache))
        .ok_or_else(|| no("it cannot be downloaded"))?;
    let mut files = fs::read_dir(cache).expect("a directory of ours").flatten();
    let file = files.find(|f| f.file_name().to_string_lossy().ends_with(".deb"));
    let file = file.ok_or_else(|| no("it was not downloaded"))?.path();
    let unfinished = cache.join("linux.new");
    let _ = fs::remove_dir_all(&unfinished);
    said(Command::new("dpkg").arg("-x").arg(&file).arg(&unfinished))
        .ok_or_else(|| no("it cannot be unpacked"))?;
    fs::rename(&unfinished, tree).expect("a directory of ours");
    let _ = fs::remove_file(file);
    Ok(())
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A directory's content, each directory before what is in it.
fn all_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let mut found = vec![entry.path()];
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                found.extend(all_files(&entry.path()));
            }
            found
        })
        .collect()
}
