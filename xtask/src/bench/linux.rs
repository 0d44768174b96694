//! A Linux kernel up to its init: what a user's own guest has of it. Kernel and busybox are
//! Debian's, fetched by apt once and kept in `target`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::peer::{Ends, Planned};
use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use super::watch::to_the_line;
use crate::command::{line, output, run, succeeded, tree};
use crate::error::{Error, Result};

const TARGET: Target = Target::AtMost(1.02);
const WARM_UP: usize = 1;

/// The package that names the newest kernel for guests.
const NEWEST: &str = "linux-image-cloud-amd64";

/// What the init says.
const LINE: &str = "svirt bench: init";

const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox echo 'svirt bench: init'\n\
    /bin/busybox poweroff -f\n";

const APPEND: &str = "console=ttyS0 quiet panic=-1";

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Measurement> {
    let (kernel, initrd) = fetch(place)?;
    let (kernel, initrd) = (kernel.to_string_lossy(), initrd.to_string_lossy());
    let arguments = ["--net=none", "--kernel", &kernel, "--initrd", &initrd, "--append", APPEND];
    let mut ours = place.svirt(person, ["run"].into_iter().chain(arguments));
    let monitor =
        format!("socket,id=monitor,server=on,wait=off,path={}", person.file("m").display());
    let ends = Ends { monitor: &monitor, console: "stdio,id=console,signal=off" };
    let mut alone = Planned::ask(place, person, &arguments)?.alone(person, &ends, &[]);
    let mut series = [Series::new("svirt run"), Series::new("qemu alone")];
    for round in 0..rounds + WARM_UP {
        for (command, series) in [&mut ours, &mut alone].into_iter().zip(&mut series) {
            let time = to_the_line(command, LINE, "")?;
            if round >= WARM_UP {
                series.add(time);
            }
        }
    }
    Ok(Measurement {
        name: "run to a Linux guest's init".to_owned(),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "ms",
        target: Some(TARGET),
        compared: true,
        series: series.into(),
    })
}

/// A kernel and an initial file system, copied to where everybody may read them.
fn fetch(place: &Place) -> Result<(PathBuf, PathBuf)> {
    let (kernel, initrd) = (place.file("vmlinuz"), place.file("initrd"));
    if !kernel.exists() {
        let cache = tree().join("target/bench");
        fs::create_dir_all(&cache).map_err(Error::file(&cache))?;
        let image = unpack(&cache, &newest_kernel()?)?;
        let found = only_file(&image.join("boot"), "vmlinuz-")?;
        fs::copy(&found, &kernel).map_err(Error::file(&found))?;
        make_initrd(&unpack(&cache, "busybox-static")?, &place.file("initrd.d"), &initrd)?;
        for file in [&kernel, &initrd] {
            fs::set_permissions(file, Permissions::from_mode(0o644)).map_err(Error::file(file))?;
        }
    }
    Ok((kernel, initrd))
}

fn newest_kernel() -> Result<String> {
    let text = output(Command::new("apt-cache").args(["depends", NEWEST]))?;
    let name = text.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let missing = || Error::Needs("apt does not know linux-image-cloud-amd64 (apt-get update?)");
    Ok(format!("linux-image-{}", name.ok_or_else(missing)?))
}

/// A package's files, fetched and unpacked once.
fn unpack(cache: &Path, package: &str) -> Result<PathBuf> {
    let directory = cache.join(package);
    if directory.is_dir() {
        return Ok(directory);
    }
    let fetched = tempfile::tempdir_in(cache).map_err(Error::file(cache))?;
    run(Command::new("apt-get")
        .args(["-q", "-o", "APT::Sandbox::User=root", "download", package])
        .current_dir(fetched.path()))?;
    let unpacked = fetched.path().join("files");
    let archive = only_file(fetched.path(), package)?;
    run(Command::new("dpkg").arg("-x").arg(archive).arg(&unpacked))?;
    fs::rename(&unpacked, &directory).map_err(Error::file(&directory))?;
    Ok(directory)
}

fn only_file(directory: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(directory).map_err(Error::file(directory))?;
    let mut names = entries.filter_map(std::result::Result::ok).map(|entry| entry.file_name());
    let found = names.find(|name| name.to_string_lossy().starts_with(prefix));
    let missing = || Error::Answer(format!("{} has no {prefix}", directory.display()));
    Ok(directory.join(found.ok_or_else(missing)?))
}

/// `/init` and busybox, and nothing else; the kernel brings a console of its own.
fn make_initrd(busybox: &Path, directory: &Path, initrd: &Path) -> Result {
    let bin = directory.join("bin");
    fs::create_dir_all(&bin).map_err(Error::file(&bin))?;
    let program = busybox.join("bin/busybox");
    fs::copy(&program, bin.join("busybox")).map_err(Error::file(&program))?;
    let init = directory.join("init");
    fs::write(&init, INIT).map_err(Error::file(&init))?;
    fs::set_permissions(&init, Permissions::from_mode(0o755)).map_err(Error::file(&init))?;
    archive(directory, initrd)
}

fn archive(directory: &Path, file: &Path) -> Result {
    let output = fs::File::create(file).map_err(Error::file(file))?;
    let mut cpio = Command::new("sh");
    cpio.args(["-c", "find . -print | cpio --quiet -o -H newc"]).current_dir(directory);
    let status = cpio.stdin(Stdio::null()).stdout(output).status();
    let status = status.map_err(|source| Error::Run { line: line(&cpio), source })?;
    succeeded(&cpio, status)
}
