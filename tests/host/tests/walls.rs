//! What one machine has and another must not get by another name; and what a machine is not given by
//! half.

use rustix::fs::{FileType, Mode};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};
use svirt_testkit::{Host, Outcome, Said, Skipped, claims, has_program, program};

/// A loop device upon a file, with two partitions, as nodes that everybody may use.
struct Disk<'a> {
    host: &'a Host,
    device: String,
    file: PathBuf,
}

impl<'a> Disk<'a> {
    fn make(host: &'a Host) -> Result<Self, Skipped> {
        host.needs_root("make block devices")?;
        if !["losetup", "addpart"].into_iter().all(has_program) {
            return Err(Skipped::because("there is no losetup or no addpart"));
        }
        let file = host.file("behind.raw", &vec![0; 1 << 20]);
        let said = host.run_program("losetup", &["-f", "--show", file.to_str().unwrap()]);
        let device = said.out.trim().to_owned();
        if said.code != Some(0) {
            return Err(Skipped::because("there is no loop device"));
        }
        let disk = Self { host, device, file };
        for (number, first) in [("1", "8"), ("2", "512")] {
            host.run_program("addpart", &[&disk.device, number, first, "256"]).exits(0);
        }
        Ok(disk)
    }

    /// A node of our own for one of its block devices.
    fn node(&self, suffix: &str) -> String {
        let number = fs::metadata(format!("{}{suffix}", self.device)).unwrap().rdev();
        let path = self.host.path(&format!("block{suffix}"));
        let mode = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::BlockDevice, mode, number).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        for number in ["1", "2"] {
            self.host.run_program("delpart", &[&self.device, number]);
        }
        self.host.run_program("losetup", &["-d", &self.device]);
    }
}

/// What becomes of a machine with the one thing while another has the other.
fn beside(host: &Host, one: &[&str], other: &[&str]) -> Said {
    let (first, second) = (host.name("first"), host.name("second"));
    let sleep = ["--", "/bin/sleep", "60"];
    let start = ["exec", "--detach", "--name", &first];
    host.run(&[&start[..], one, &sleep[..]].concat()).exits(0);
    let start = ["exec", "--name", &second];
    let said = host.run(&[&start[..], other, &["--", "/bin/true"]].concat());
    host.run(&["kill", &first]).exits(0);
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn needs_kvm() -> Outcome {
    match fs::metadata("/dev/kvm") {
        Ok(found) if found.mode() & 0o006 != 0o006 => Ok(()),
        _ => Err(Skipped::because("there is no /dev/kvm that is not for all")),
    }
}

claims! {
    /// A disk, its partition and the file behind it are one thing; two partitions are two.
    fn a_partition_its_disk_and_the_file_behind_it_are_one(host) {
        let disk = Disk::make(host)?;
        let (whole, first, second) = (disk.node(""), disk.node("p1"), disk.node("p2"));
        let (dev, ro, file) = ("--dev", "--ro", text(&disk.file));
        for (one, other) in [
            ([dev, &whole], [dev, &first]),
            ([dev, &first], [dev, &whole]),
            ([dev, &whole], [ro, file]),
            ([ro, file], [dev, &first]),
        ] {
            beside(host, &one, &other).exits(75).complains("is in use by machine first-");
        }
        beside(host, &[dev, &first], &[dev, &second]).exits(0);
    }

    /// What a machine executes no other may write, also where it is root's.
    fn what_a_machine_executes_no_other_writes(host) {
        let place = host.directory("programs", 0o755);
        let copy = place.join("sleeper");
        fs::copy(program("sleep").unwrap(), &copy).unwrap();
        let name = host.name("first");
        host.run(&["exec", "--detach", "--name", &name, "--", text(&copy), "60"]).exits(0);
        for path in [&place, &copy] {
            let said = host.run(&["exec", "--rw", text(path), "--", "/bin/true"]);
            said.exits(75).complains("is in use by machine first-");
        }
        host.run(&["exec", "--", text(&copy), "0"]).exits(0);
        host.run(&["kill", &name]).exits(0);
    }

    /// To connect is to write, so nobody connects to what was given for reading.
    fn a_socket_is_not_given_for_reading(host) {
        let path = host.path("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        host.give(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let said = host.run(&["exec", "--ro", text(&path), "--", "/bin/true"]);
        said.exits(65).complains("to connect is to write").complains("--rw");
        host.run(&["exec", "--rw", text(&path), "--", "/bin/true"]).exits(0);
    }

    /// A file that sets the user of whoever executes it is not given for writing.
    fn what_gives_rights_away_is_not_written(host) {
        let path = host.file("tool", b"");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
        let said = host.run(&["exec", "--rw", text(&path), "--", "/bin/true"]);
        said.exits(65).complains("gives its owner's rights").complains("chmod");
        host.run(&["exec", "--ro", text(&path), "--", "/bin/true"]).exits(0);
    }

    /// In the host's root QEMU is told of sockets in a directory whose name has a comma in it.
    fn a_comma_in_the_runtime_directory_is_a_character(host) {
        let odd = host.directory("ru,n=x", 0o700);
        let name = host.name("comma");
        let flags = ["run", "--detach", "--name", &name, "--accel", "tcg", "--memory", "64M"];
        let more = ["--net", "none", "--append", "x", "--gdb", "--display", "vnc"];
        let mut command = host.svirt(&[&flags[..], &more[..], &["--weaken", "root"]].concat());
        command.env("SVIRT_RUNTIME_DIR", &odd);
        svirt_testkit::Talk::start(command).finish().exits(0);
        let place = fs::read_dir(&odd).unwrap().next().unwrap().unwrap().path();
        let sockets = ["gdb", "vnc"].map(|socket| place.join("sockets").join(socket).exists());
        let mut command = host.svirt(&["kill", &name]);
        command.env("SVIRT_RUNTIME_DIR", &odd);
        svirt_testkit::Talk::start(command).finish().exits(0);
        assert_eq!(sockets, [true, true]);
    }

    /// Who may not use KVM is told so before QEMU stumbles over it.
    fn who_may_not_use_kvm_is_told(host) {
        needs_kvm()?;
        let flags = ["run", "--accel", "kvm", "--net", "none", "--append", "x", "--weaken", "root"];
        let said = host.run(&flags).exits(77).complains("/dev/kvm");
        said.complains(if host.is_root() { "--weaken user" } else { "--accel tcg" });
    }
}
