//! A root file system of programs of this host, each with the libraries that the linker gives it,
//! in the same places.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Where the kernel's file systems are mounted, and where there is place for files.
const EMPTY: [&str; 7] = ["proc", "sys", "dev", "run", "tmp", "new", "usr/lib/ipxe/qemu"];

/// What the kernel starts: the script, in a bind of the root file system. The first file system of
/// a kernel cannot be left by `pivot_root(2)`; a bind of it can.
const FIRST: &str = "#!/usr/bin/busybox sh
b=/usr/bin/busybox
$b mount --bind / /new && cd /new && $b mount --move . / && exec $b chroot . /script
";

/// A root file system that is being made.
pub(super) struct Tree {
    place: TempDir,
}

impl Tree {
    pub(super) fn new() -> Self {
        let tree = Self { place: tempfile::tempdir().expect("a temporary directory") };
        // Who is not root must get past the root directory.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(tree.place.path(), open).expect("it is ours");
        EMPTY.iter().for_each(|name| tree.directory(Path::new(name)));
        for name in ["bin", "sbin", "lib", "lib64"] {
            if let Ok(to) = fs::read_link(Path::new("/").join(name)) {
                std::os::unix::fs::symlink(to, tree.place.path().join(name)).expect("a link");
            }
        }
        fs::write(tree.place.path().join("init"), FIRST).expect("a file of ours");
        let program = fs::Permissions::from_mode(0o755);
        fs::set_permissions(tree.place.path().join("init"), program).expect("it is ours");
        tree
    }

    fn directory(&self, path: &Path) {
        let path = self.place.path().join(path.strip_prefix("/").unwrap_or(path));
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Puts a file there, with its mode.
    pub(super) fn file(&mut self, from: &Path, to: &Path) {
        let above = to.parent().unwrap_or(to);
        let above = fs::canonicalize(above).unwrap_or_else(|_| above.to_owned());
        self.directory(&above);
        let below = above.strip_prefix("/").unwrap_or(&above).to_owned();
        let place = self.place.path().join(below).join(to.file_name().unwrap_or_default());
        fs::copy(from, &place).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    }

    /// Puts a program there, and its libraries.
    pub(super) fn program(&mut self, from: &Path, to: &Path) {
        self.file(from, to);
        libraries(from).iter().for_each(|library| self.file(library, library));
    }

    /// Writes it as an archive that the kernel unpacks (`newc`), in which everything is root's.
    pub(super) fn pack(&self, archive: &Path) {
        let mut names = Vec::new();
        list(self.place.path(), Path::new("."), &mut names);
        let archive = fs::File::create(archive).expect("a file of ours");
        let mut cpio = Command::new("cpio");
        cpio.args(["--quiet", "--create", "--format=newc", "--null", "--owner=0:0"]);
        cpio.current_dir(self.place.path()).stdin(Stdio::piped()).stdout(archive);
        let mut child = cpio.spawn().expect("cpio starts");
        child.stdin.take().expect("a pipe").write_all(&names).expect("cpio reads");
        assert!(child.wait().expect("cpio ends").success(), "cpio failed");
    }
}

/// What the linker gives a program of this host; a static one has none.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let said = Command::new("ldd").arg(program).stderr(Stdio::null()).output().expect("ldd starts");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    paths.filter(|path| Path::new(path).is_file()).map(PathBuf::from).collect()
}

/// Each name with its zero, a directory before what is in it.
fn list(root: &Path, below: &Path, names: &mut Vec<u8>) {
    names.extend(below.as_os_str().as_encoded_bytes());
    names.push(0);
    let path = root.join(below);
    if path.is_symlink() || !path.is_dir() {
        return;
    }
    for entry in fs::read_dir(path).expect("a directory of ours").flatten() {
        list(root, &below.join(entry.file_name()), names);
    }
}
