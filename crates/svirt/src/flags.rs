//! From flags to a specification. Pure: the working directory is given, and no file is looked at.

use crate::args::{Accel, Display, ExecSpec, LayerArgs, MachineArgs, Net};
use std::path::{Path, PathBuf};
use svirt_engine::{
    Code, Failure,
    spec::{self, CommandSpec, DisplaySpec, GuestSpec, NetSpec, Spec, VERSION},
};
use svirt_model::{Accelerator, MachineName};

/// The specification of a guest that flags describe.
///
/// # Errors
/// The flags contradict each other, or a path cannot be in a specification.
pub(crate) fn guest(args: &MachineArgs, cwd: &Path) -> Result<Spec, Failure> {
    let spec = Spec { version: VERSION, guest: Some(guest_of(args)), ..Spec::default() };
    complete(spec, args.name.as_ref(), &args.layers, cwd)
}

/// The specification of a VMM with its own command line.
///
/// # Errors
/// As [`guest`].
pub(crate) fn command(args: &ExecSpec, cwd: &Path) -> Result<Spec, Failure> {
    let command = CommandSpec {
        command: args.command.clone(),
        directory: cwd.to_owned(),
        ro: args.ro.clone(),
        rw: args.rw.clone(),
        share: args.share.clone(),
        dev: args.dev.clone(),
        allow_exec: args.allow_exec.clone(),
    };
    let spec = Spec { version: VERSION, command: Some(command), ..Spec::default() };
    complete(spec, args.name.as_ref(), &args.layers, cwd)
}

/// A specification from elsewhere with what the flags beside it say, complete.
///
/// # Errors
/// As [`guest`].
pub(crate) fn complete(
    mut spec: Spec,
    name: Option<&MachineName>,
    layers: &LayerArgs,
    cwd: &Path,
) -> Result<Spec, Failure> {
    spec.name = name.cloned().or(spec.name);
    spec.require.extend(&layers.require);
    spec.weaken.extend(&layers.weaken);
    spec.seclabels.extend(layers.seclabel.iter().cloned());
    paths(&mut spec).into_iter().try_for_each(|path| make_absolute(path, cwd))?;
    spec::check(&spec)?;
    let weakened = spec.expanded()?.spec.weakened();
    if let Some(both) = spec.require.iter().find(|layer| weakened.contains(layer)) {
        let message = format!("the layer {both} is both required and weakened");
        return Err(Failure::new(Code::Usage, message));
    }
    Ok(spec)
}

fn guest_of(args: &MachineArgs) -> GuestSpec {
    let image = args
        .image
        .iter()
        .map(|path| spec::DiskSpec { path: Some(path.clone()), ..spec::DiskSpec::default() });
    let usual = GuestSpec::default();
    GuestSpec {
        memory: args.memory.unwrap_or(usual.memory),
        cpus: args.cpus.unwrap_or(usual.cpus),
        kernel: args.kernel.clone(),
        initrd: args.initrd.clone(),
        append: args.append.clone(),
        disks: image.chain(args.disk.iter().cloned()).collect(),
        cdrom: args.cdrom.clone(),
        ephemeral: args.ephemeral.is_some(),
        scratch: args.ephemeral.and_then(|e| e.0),
        net: args.net.map(net),
        display: args.display.map_or(usual.display, display),
        gdb: args.gdb,
        accelerator: args.accel.map(accelerator),
        ..usual
    }
}

fn net(flag: Net) -> NetSpec {
    match flag {
        Net::None => NetSpec::None,
        Net::User => NetSpec::User,
    }
}

fn display(flag: Display) -> DisplaySpec {
    match flag {
        Display::None => DisplaySpec::None,
        Display::Vnc => DisplaySpec::Vnc,
    }
}

fn accelerator(flag: Accel) -> Accelerator {
    match flag {
        Accel::Kvm => Accelerator::Kvm,
        Accel::Tcg => Accelerator::Tcg,
    }
}

/// Every path in a specification. Without `..` in the patterns, so that a new field is not
/// forgotten here.
fn paths(spec: &mut Spec) -> Vec<&mut PathBuf> {
    // The paths in a domain are absolute.
    let Spec {
        version: _,
        name: _,
        uuid: _,
        domain: _,
        guest,
        command,
        require: _,
        weaken: _,
        seclabels: _,
    } = spec;
    let guest = guest.iter_mut().flat_map(guest_paths);
    guest.chain(command.iter_mut().flat_map(command_paths)).collect()
}

fn guest_paths(guest: &mut GuestSpec) -> Vec<&mut PathBuf> {
    let GuestSpec {
        kernel, initrd, disks, cdrom, dtb, firmware, serial, vnc_socket, random, ..
    } = guest;
    let disks = disks.iter_mut().flat_map(|disk| {
        let below = disk.backing.iter_mut().flatten().map(|below| &mut below.path);
        disk.path.iter_mut().chain(below)
    });
    let firmware =
        firmware.iter_mut().flat_map(|f| std::iter::once(&mut f.code).chain(&mut f.vars));
    let serial = serial.iter_mut().filter_map(|port| match port {
        spec::SerialSpec::File(path) | spec::SerialSpec::Listen(path) => Some(path),
        spec::SerialSpec::Console | spec::SerialSpec::Null => None,
    });
    let single = [kernel, initrd, cdrom, dtb, vnc_socket, random].into_iter().flatten();
    single.chain(disks).chain(firmware).chain(serial).collect()
}

fn command_paths(command: &mut CommandSpec) -> Vec<&mut PathBuf> {
    let CommandSpec { command: _, directory, ro, rw, share, dev, allow_exec } = command;
    let shared = share.iter_mut().map(|share| &mut share.path);
    let lists = ro.iter_mut().chain(rw).chain(dev).chain(allow_exec);
    std::iter::once(directory).chain(lists).chain(shared).collect()
}

fn make_absolute(path: &mut PathBuf, cwd: &Path) -> Result<(), Failure> {
    if path.as_os_str().is_empty() {
        return Err(Failure::new(Code::Usage, "an empty path names nothing"));
    }
    if path.to_str().is_none() {
        let message = format!("the path {} is not UTF-8", path.display());
        return Err(Failure::new(Code::Usage, message)
            .hint("a specification can only name what is UTF-8: rename it, or make a link to it"));
    }
    *path = cwd.join(&path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command};
    use std::ffi::OsString;
    use svirt_model::{Bytes, Layer};

    const CWD: &str = "/home/ada";

    fn parse(words: &[&str]) -> Result<Command, clap::Error> {
        let words = std::iter::once("svirt").chain(words.iter().copied());
        args::parse(words.map(OsString::from).collect())
    }

    fn spec(words: &[&str]) -> Spec {
        result(words).unwrap()
    }

    fn result(words: &[&str]) -> Result<Spec, Failure> {
        match parse(words).unwrap() {
            Command::Run(args) => guest(&args.machine, CWD.as_ref()),
            Command::Exec(args) => command(&args.spec, CWD.as_ref()),
            other => panic!("{other:?}"),
        }
    }

    fn refused(words: &[&str]) -> String {
        match parse(words) {
            Err(error) => error.to_string(),
            Ok(command) => panic!("{command:?} was accepted"),
        }
    }

    #[test]
    fn no_flag_means_the_embedded_guest_with_its_defaults() {
        let spec = spec(&["run"]);
        assert_eq!(spec.guest, Some(GuestSpec::default()));
        assert_eq!((spec.version, &spec.name, &spec.command), (VERSION, &None, &None));
    }

    #[test]
    fn the_image_is_the_first_disk_and_its_commas_are_commas() {
        let guest = spec(&["run", "a,ro.qcow2", "--disk", "b,,c,ro"]).guest.unwrap();
        let paths: Vec<_> = guest.disks.iter().map(|d| d.path.clone().unwrap()).collect();
        assert_eq!(paths, [Path::new("/home/ada/a,ro.qcow2"), Path::new("/home/ada/b,c")]);
        assert_eq!([guest.disks[0].ro, guest.disks[1].ro], [false, true]);
    }

    #[test]
    fn every_flag_has_its_field() {
        let spec = spec(&[
            "run",
            "--name",
            "web",
            "-m",
            "1G",
            "-c",
            "4",
            "--kernel",
            "k",
            "--initrd",
            "/i",
            "--append",
            "-x y",
            "--disk",
            "new:20G",
            "--cdrom",
            "../d.iso",
            "--ephemeral=2G",
            "--net",
            "none",
            "--display",
            "vnc",
            "--gdb",
            "--accel",
            "tcg",
            "--require",
            "landlock",
            "--require",
            "seccomp",
            "--weaken",
            "cgroup",
            "--seclabel",
            "type=static,label=a:b:c:s0:c1,c2",
        ]);
        let json = serde_json::to_string_pretty(&spec).unwrap();
        insta::assert_snapshot!(json, @r#"
        {
          "version": 1,
          "name": "web",
          "guest": {
            "memory": "1G",
            "cpus": 4,
            "kernel": "/home/ada/k",
            "initrd": "/i",
            "append": "-x y",
            "disks": [
              {
                "new": "20G"
              }
            ],
            "cdrom": "/home/ada/../d.iso",
            "ephemeral": true,
            "scratch": "2G",
            "net": "none",
            "display": "vnc",
            "gdb": true,
            "accelerator": "tcg"
          },
          "require": [
            "landlock",
            "seccomp"
          ],
          "weaken": [
            "cgroup"
          ],
          "seclabels": [
            {
              "type": "static",
              "label": "a:b:c:s0:c1,c2"
            }
          ]
        }
        "#);
    }

    #[test]
    fn ephemeral_takes_a_size_or_none_and_never_the_image() {
        let guest = spec(&["run", "--ephemeral", "a.raw"]).guest.unwrap();
        assert!(guest.ephemeral);
        assert_eq!((guest.scratch, guest.disks.len()), (None, 1));
        let guest = spec(&["run", "--ephemeral=1M"]).guest.unwrap();
        assert_eq!(guest.scratch, Some(Bytes(1 << 20)));
        assert!(refused(&["run", "--ephemeral=lots"]).contains("is not a size"));
    }

    #[test]
    fn a_path_may_have_a_line_end_and_a_name_may_not() {
        let guest = spec(&["run", "a\nb.raw"]).guest.unwrap();
        assert_eq!(guest.disks[0].path.as_deref(), Some("/home/ada/a\nb.raw".as_ref()));
        assert!(refused(&["run", "--name", "a\nb"]).contains("only letters"));
        assert!(refused(&["run", "--disk", "a,share=a\nb"]).contains("only letters"));
    }

    #[test]
    fn a_path_that_a_specification_cannot_hold_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(b"a\xff.raw".to_vec());
        let args = vec!["svirt".into(), "run".into(), odd];
        let Ok(Command::Run(args)) = args::parse(args) else { panic!() };
        let failure = guest(&args.machine, CWD.as_ref()).unwrap_err();
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.message.contains("not UTF-8"));
        let args = MachineArgs { image: Some(PathBuf::new()), ..MachineArgs::default() };
        assert!(guest(&args, CWD.as_ref()).unwrap_err().message.contains("empty path"));
        assert!(refused(&["run", ""]).contains("value is required"));
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(refused(&["run", "--initrd", "i"]).contains("--kernel"));
        assert!(refused(&["run", "--json"]).contains("--detach"));
        assert!(refused(&["run", "--spec", "s.json", "--memory", "1G"]).contains("--spec"));
        assert!(refused(&["run", "--spec", "s.json", "a.raw"]).contains("--spec"));
        assert!(refused(&["run", "--weaken", "everything"]).contains("invalid value"));
        assert!(refused(&["exec", "--name", "x"]).contains("VMM"));
        let both = ["run", "--require", "cgroup", "--weaken", "cgroup"];
        assert_eq!(result(&both).unwrap_err().code, Code::Usage);
        let both = ["run", "--require", "smack", "--seclabel", "type=none"];
        assert_eq!(result(&both).unwrap_err().code, Code::Usage);
        for flag in ["--name=a", "--spec=s", "--seclabel=type=none", "--memory=1G", "--gdb"] {
            assert!(refused(&["run", "--xml", "d.xml", flag]).contains("--xml"), "{flag}");
        }
        assert_eq!(result(&["run", "-c", "0"]).unwrap_err().code, Code::Data);
    }

    #[test]
    fn a_command_keeps_its_own_words() {
        let spec = spec(&[
            "exec",
            "--ro",
            "a",
            "--rw",
            "/b",
            "--share",
            "c,,d,with=g",
            "--dev",
            "/dev/x",
            "--allow-exec",
            "e",
            "--weaken",
            "seccomp",
            "--",
            "qemu",
            "-drive",
            "--name",
        ]);
        let command = spec.command.unwrap();
        assert_eq!(command.command, ["qemu", "-drive", "--name"]);
        assert_eq!(command.directory, Path::new(CWD));
        assert_eq!(command.ro, [Path::new("/home/ada/a")]);
        assert_eq!(command.rw, [Path::new("/b")]);
        assert_eq!(command.share[0].path, Path::new("/home/ada/c,d"));
        assert_eq!(command.dev, [Path::new("/dev/x")]);
        assert_eq!(command.allow_exec, [Path::new("/home/ada/e")]);
        assert_eq!(spec.weaken, [Layer::Seccomp]);
    }

    #[test]
    fn flags_beside_a_file_are_added_to_what_it_says() {
        let text = br#"{"version":1,"name":"a","guest":{"kernel":"k"},"weaken":["cgroup"]}"#;
        let (require, weaken) = (vec![Layer::Seccomp], vec![Layer::User]);
        let layers = LayerArgs { require, weaken, seclabel: Vec::new() };
        let name = "b".parse().unwrap();
        let spec = complete(spec::read(text).unwrap(), Some(&name), &layers, CWD.as_ref()).unwrap();
        assert_eq!(spec.name.unwrap().as_str(), "b");
        assert_eq!(spec.weaken, [Layer::Cgroup, Layer::User]);
        assert_eq!(spec.require, [Layer::Seccomp]);
        assert_eq!(spec.guest.unwrap().kernel.as_deref(), Some("/home/ada/k".as_ref()));
    }
}
