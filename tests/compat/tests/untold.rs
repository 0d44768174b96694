//! Clients that are told nothing, and who finds what: sockets at libvirt's own path.

use crate::domains::plain;
use std::{
    os::unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    path::Path,
    process::Command,
};
use svirt_testkit::{Daemon, Host, Skipped, Talk, claims};

/// Somebody who is nobody here.
const STRANGER: u32 = 65_534;

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// A daemon that is to be found as libvirt's is.
fn as_libvirt(host: &Host) -> Command {
    let mut command = host.command(Daemon::program(host));
    command.arg("--libvirt-socket");
    command
}

claims! { delegated too:
    /// Plain virsh, with no argument and no setting, leads a machine.
    fn plain_virsh_finds_the_daemon(host) {
        let daemon = Daemon::start_as_libvirt(host);
        let virsh = |words: &[&str]| Talk::start(daemon.plain_client("virsh", &[&["-q"], words].concat())).finish();
        let uri = if host.is_root() { "qemu:///system" } else { "qemu:///session" };
        assert_eq!(virsh(&["uri"]).exits(0).out.trim(), uri);
        let name = host.name("plain");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        virsh(&["define", document.to_str().unwrap()]).exits(0);
        virsh(&["start", &name]).exits(0);
        assert_eq!(host.running(), std::slice::from_ref(&name));
        let info = virsh(&["-c", uri, "dominfo", &name]).exits(0).out;
        assert!(info.contains("Security label:") && info.contains("(enforcing)"), "{info}");
        host.run(&["verify", &name]).exits(0);
        virsh(&["destroy", &name]).exits(0);
        virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// Of an ordinary user's sockets others see nothing, and of root's they get no answer.
    fn others_do_not_get_in(host) {
        if !rustix::process::geteuid().is_root() {
            return Err(Skipped::because("only root becomes somebody else"));
        }
        let daemon = Daemon::start_as_libvirt(host);
        let paths = match host.is_root() {
            true => vec![daemon.socket()],
            false => vec![daemon.socket(), host.path("user/libvirt/libvirt-sock")],
        };
        for path in &paths {
            assert_eq!(mode(path), 0o600, "{}", path.display());
            if !host.is_root() {
                assert_eq!(mode(path.parent().unwrap()), 0o700, "{}", path.display());
            }
            let script = "import socket, sys\n\
                try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n\
                except PermissionError: sys.exit(7)";
            let mut stranger = Command::new("/usr/bin/python3");
            stranger.args(["-c", script]).arg(path).uid(STRANGER).gid(STRANGER).env_clear();
            Talk::start(stranger).finish().exits(7);
        }
        daemon.end();
    }

    /// Without a run-time directory it is where libvirt's own library looks then.
    fn a_user_without_a_run_time_directory_has_one_in_his_cache(host) {
        if host.is_root() {
            return Ok(());
        }
        let daemon = Daemon::start_by(host, as_libvirt(host));
        assert_eq!(mode(&host.path("home/.cache/libvirt/libvirt-sock")), 0o600);
        let said = host.run_program("virsh", &["-q", "uri"]).exits(0);
        assert_eq!(said.out.trim(), "qemu:///session");
        daemon.end();
        let mut nowhere = as_libvirt(host);
        nowhere.env_remove("HOME");
        Talk::start(nowhere).finish().exits(1).complains("set XDG_RUNTIME_DIR");
    }

    /// A client would go there first, and to sVirt only by chance.
    fn it_does_not_hide_behind_libvirts_own_daemon(host) {
        if host.is_root() {
            return Ok(());
        }
        let place = host.directory("user", 0o700).join("libvirt");
        std::fs::create_dir(&place).unwrap();
        host.give(&place);
        for name in ["virtqemud-sock", "libvirt-sock"] {
            let socket = place.join(name);
            let own = UnixListener::bind(&socket).unwrap();
            std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
            host.give(&socket);
            let start = || {
                let mut command = as_libvirt(host);
                command.env("XDG_RUNTIME_DIR", host.path("user"));
                command
            };
            let answers = format!("another daemon answers at {}", socket.display());
            Talk::start(start()).finish().exits(1).complains(&answers);
            // What is left of one that is gone is in nobody's way.
            drop(own);
            let daemon = Daemon::start_by(host, start());
            Talk::start(daemon.plain_client("virsh", &["-q", "uri"])).finish().exits(0);
            daemon.end();
            assert!(!socket.exists());
        }
    }

    /// systemd's sockets and libvirt's path, of which systemd may have made one too.
    fn what_is_handed_over_is_not_all(host) {
        if host.is_root() {
            return Ok(());
        }
        let place = host.directory("user", 0o700).join("libvirt");
        let usual = host.runtime().join("svirtd.sock");
        let libvirts = place.join("libvirt-sock");
        for handed_over in [&usual, &libvirts] {
            let script = "import os, socket, sys\n\
                os.makedirs(os.path.dirname(sys.argv[2]), exist_ok=True)\n\
                one = socket.socket(socket.AF_UNIX); one.bind(sys.argv[2]); one.listen()\n\
                os.dup2(one.fileno(), 3) if one.fileno() != 3 else os.set_inheritable(3, True)\n\
                os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='svirtd')\n\
                os.execv(sys.argv[1], [sys.argv[1], '--libvirt-socket'])";
            let mut command = host.command("/usr/bin/python3");
            command.args(["-c", script]).arg(Daemon::program(host)).arg(handed_over);
            command.env("XDG_RUNTIME_DIR", host.path("user"));
            let daemon = Daemon::start_by(host, command);
            Talk::start(daemon.plain_client("virsh", &["-q", "uri"])).finish().exits(0);
            assert_eq!(usual.exists(), handed_over == &usual);
            daemon.end();
            std::fs::remove_file(handed_over).unwrap();
        }
    }
}
