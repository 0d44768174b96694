//! The life of a machine, as virsh leads it. Every test here starts real QEMU.

mod killed;
mod lives;

use crate::domains::plain;
use svirt_testkit::{Daemon, claims};

claims! {
    /// From its definition to its end; svirt itself shows the same.
    fn virsh_leads_a_machine(host) {
        let daemon = Daemon::start(host);
        let name = host.name("led");
        // libvirt's own files begin with a comment, and no client expects one of a daemon.
        let document = host.file("domain.xml", format!("<!-- mine -->\n{}", plain(&name)).as_bytes());
        daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
        let shown = daemon.virsh(&["dumpxml", &name]).exits(0).out;
        assert!(shown.starts_with("<domain") && shown.contains("<!-- mine -->"), "{shown}");
        assert!(daemon.virsh(&["list", "--all", "--name"]).exits(0).out.contains(&name));
        daemon.virsh(&["start", &name, "--paused"]).exits(0);
        assert_eq!(host.running(), std::slice::from_ref(&name));
        let state = daemon.virsh(&["domstate", "--reason", &name]).exits(0).out;
        assert_eq!(state.trim(), "paused (starting up)");
        daemon.virsh(&["resume", &name]).exits(0);
        let info = daemon.virsh(&["dominfo", &name]).exits(0).out;
        assert!(info.contains("Security label:") && info.contains("(enforcing)"), "{info}");
        host.run(&["verify", &name]).exits(0);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.virsh(&["dominfo", &name]).exits(1).complains("failed to get domain");
        daemon.end();
    }

    /// A daemon that is killed takes no machine with it, and the next one finds it.
    fn machines_outlive_the_daemon(host) {
        let daemon = Daemon::start(host);
        let name = host.name("left");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        daemon.virsh(&["create", document.to_str().unwrap()]).exits(0);
        daemon.process().kill();
        drop(daemon);
        host.run(&["verify", &name]).exits(0);
        let daemon = Daemon::start(host);
        assert_eq!(daemon.virsh(&["list", "--name"]).exits(0).out.trim(), name);
        daemon.virsh(&["destroy", &name]).exits(0);
        assert_eq!(daemon.virsh(&["list", "--all", "--name"]).exits(0).out.trim(), "");
        daemon.end();
    }

    /// Nothing of sVirt's has run on the host before.
    fn a_daemon_may_be_the_first_of_all(host) {
        for place in [host.state(), host.runtime()] {
            let _ = std::fs::remove_dir_all(place);
        }
        let daemon = Daemon::start(host);
        assert_eq!(daemon.virsh(&["list", "--all", "--name"]).exits(0).out.trim(), "");
        daemon.end();
    }

    /// As systemd does: the sockets are there before the daemon, and by their names it knows which is which.
    fn sockets_may_be_handed_over(host) {
        let [usual, to_look] = ["svirtd", "svirtd-ro"].map(|name| host.runtime().join(format!("{name}.sock")));
        let script = "import os, socket, sys\n\
            all = [socket.socket(socket.AF_UNIX) for _ in range(8)][-2:]\n\
            for number, (one, path) in enumerate(zip(all, sys.argv[2:])):\n    \
                one.bind(path); one.listen(); os.dup2(one.fileno(), 3 + number)\n\
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='svirtd:svirtd-ro')\n\
            os.execv(sys.argv[1], sys.argv[1:2])";
        let mut command = host.command("/usr/bin/python3");
        command.args(["-c", script]).arg(Daemon::program(host)).args([&usual, &to_look]);
        let daemon = Daemon::start_by(host, command);
        daemon.virsh(&["list"]).exits(0);
        let mut looks = host.command("virsh");
        looks.args(["-q", "-c", &daemon.uri_to_look(), "undefine", "nobody"]);
        svirt_testkit::Talk::start(looks).finish().exits(1);
        daemon.end();
        // They are whose who made them.
        for socket in [usual, to_look] {
            std::fs::remove_file(socket).unwrap();
        }
    }

    /// Who asks before the daemon has begun, as systemd lets them, is not told that a machine goes on which is held.
    fn the_first_answer_is_true(host) {
        let daemon = Daemon::start(host);
        let name = host.name("held");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        daemon.virsh(&["create", "--paused", document.to_str().unwrap()]).exits(0);
        daemon.end();
        let usual = host.runtime().join("svirtd.sock");
        let script = "import os, socket, sys\n\
            one = socket.socket(socket.AF_UNIX); one.bind(sys.argv[2]); one.listen()\n\
            if os.fork() == 0: os.execvp('sh', ['sh', '-c', sys.argv[3] + ' > answer'])\n\
            os.dup2(one.fileno(), 3) if one.fileno() != 3 else os.set_inheritable(3, True)\n\
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='svirtd')\n\
            os.execv(sys.argv[1], sys.argv[1:2])";
        let whose = if host.is_root() { "system" } else { "session" };
        let uri = format!("qemu+unix:///{whose}?socket={}", usual.display());
        let asks = format!("virsh -q -c '{uri}' domstate {name}");
        host.run_program("mkfifo", &["answer"]).exits(0);
        let mut command = host.command("/usr/bin/python3");
        command.args(["-c", script]).arg(Daemon::program(host)).arg(&usual).arg(asks);
        let daemon = Daemon::start_by(host, command);
        assert_eq!(std::fs::read_to_string(host.path("answer")).unwrap().trim(), "paused");
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.end();
        std::fs::remove_file(usual).unwrap();
    }

    /// A machine that is saved goes on where it was: from a file, and from where its next start finds it.
    fn a_saved_machine_goes_on(host) {
        let daemon = Daemon::start(host);
        let name = host.name("saved");
        let document = host.file("domain.xml", plain(&name).as_bytes());
        let file = host.path("home").join("memory");
        let file = file.to_str().unwrap();
        daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
        daemon.virsh(&["start", &name]).exits(0);
        daemon.virsh(&["save", &name, file]).exits(0);
        assert_eq!(host.running(), Vec::<String>::new());
        let state = daemon.virsh(&["domstate", "--reason", &name]).exits(0).out;
        assert_eq!(state.trim(), "shut off (saved)");
        let document = daemon.virsh(&["save-image-dumpxml", file]).exits(0).out;
        assert!(document.contains(&format!("<name>{name}</name>")), "{document}");
        daemon.virsh(&["restore", file, "--paused"]).exits(0);
        assert_eq!(daemon.virsh(&["domstate", &name]).exits(0).out.trim(), "paused");
        daemon.virsh(&["resume", &name]).exits(0);
        host.run(&["verify", &name]).exits(0);
        // What is there already is not written over.
        daemon.virsh(&["save", &name, file]).exits(1).complains("that is not there yet");
        // What the guest does then may be said when it is saved, and otherwise when it goes on.
        let (other, paused) = (format!("{file}.paused"), ["--paused"]);
        let other = other.as_str();
        daemon.virsh(&[&["save", &name, other], &paused[..]].concat()).exits(0);
        daemon.virsh(&["restore", other]).exits(0);
        assert_eq!(daemon.virsh(&["domstate", &name]).exits(0).out.trim(), "paused");
        std::fs::remove_file(other).unwrap();
        daemon.virsh(&["save", &name, other]).exits(0);
        daemon.virsh(&["restore", other, "--running"]).exits(0);
        assert_eq!(daemon.virsh(&["domstate", &name]).exits(0).out.trim(), "running");
        daemon.virsh(&["managedsave", &name]).exits(0);
        let kept = daemon.virsh(&["managedsave-dumpxml", &name]).exits(0).out;
        assert!(kept.contains(&format!("<name>{name}</name>")), "{kept}");
        let listed = daemon.virsh(&["list", "--all", "--with-managed-save", "--name"]).exits(0).out;
        assert_eq!(listed.trim(), name);
        daemon.virsh(&["undefine", &name]).exits(1).complains("managed save image exists");
        daemon.virsh(&["start", &name]).exits(0);
        assert_eq!(daemon.virsh(&["domstate", &name]).exits(0).out.trim(), "running");
        daemon.virsh(&["domjobinfo", &name]).exits(0);
        daemon.virsh(&["domjobabort", &name]).exits(1).complains("no job is active");
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// Nobody who undefines a domain expects its disks to go with it.
    fn disks_that_svirt_made_are_not_undefined(host) {
        let daemon = Daemon::start(host);
        let name = host.name("disks");
        host.run(&["create", "--name", &name, "--memory", "64M", "--net", "none", "--disk", "new:1M"]).exits(0);
        daemon.virsh(&["undefine", &name]).exits(1).complains("svirt rm");
        let kept = std::fs::read_dir(host.state().join("images")).unwrap().count();
        assert_eq!(kept, 1);
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }
}
