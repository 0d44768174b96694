//! What a machine and those who ask for it can do to its supervisor and to the host: no more than
//! was counted on.

use super::control::{Control, place, stop_now};
use rustix::{
    fs::{OFlags, fchown, fcntl_getfl},
    process::{Gid, Uid},
};
use std::{
    io::{Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            net::{SocketAddr, UnixDatagram, UnixStream},
            process::CommandExt,
        },
    },
    process::{Command, Stdio},
    time::Duration,
};
use svirt_testkit::{Process, claims};

const PLAIN: [&str; 4] = ["--net", "none", "--append", "plain"];

claims! {
    /// A VMM's sockets are found by whoever started it, and it can fill nothing of the host's with
    /// names: not even whoever may write there can make more than a few.
    fn the_directory_of_sockets_is_bounded(host) {
        let mut machine = host.boot("seen", &[&PLAIN[..], &["--display", "vnc"]].concat());
        machine.ready();
        let sockets = place(host, machine.name()).join("sockets");
        let mut screen = UnixStream::connect(sockets.join("vnc")).unwrap();
        let mut banner = [0; 4];
        screen.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"RFB ");
        let fill = "i=0; while [ $i -lt 3000 ] && mkfifo \"$0/$i\"; do i=$((i+1)); done; echo $i";
        let said = host.run_program("sh", &["-c", fill, sockets.to_str().unwrap()]).exits(0);
        let made: usize = said.out.trim().parse().unwrap();
        assert!((10..300).contains(&made), "{made}");
        machine.ends_after("poweroff").exits(0);
    }

    /// Whoever connects and says nothing keeps nobody out, and is let go.
    fn silent_visitors_are_let_go(host) {
        let mut machine = host.boot("asked", &PLAIN);
        machine.ready();
        let control = place(host, machine.name()).join("control");
        let mut silent: Vec<_> =
            (0..80).map(|_| UnixStream::connect(&control).unwrap()).collect();
        assert_eq!(host.running(), [machine.name()]);
        // One that waits for the end is no silent visitor, however long that takes.
        let mut waits = UnixStream::connect(&control).unwrap();
        waits.write_all(b"\"wait\"\n").unwrap();
        for stream in &mut silent {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it is not let go");
        }
        host.run(&["stop", machine.name()]).exits(0);
        let mut answers = String::new();
        waits.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        waits.read_to_string(&mut answers).unwrap();
        assert!(answers.contains("granted") && answers.contains("ended"), "{answers}");
        machine.finish().exits(0);
    }

    /// What asks too much is told so, and let go.
    fn a_request_without_an_end_is_refused(host) {
        let mut machine = host.boot("flooded", &PLAIN);
        machine.ready();
        let mut control = Control::of(host, machine.name());
        control.say(&"x".repeat(66 * 1024).into());
        let answer = control.hear().to_string();
        assert!(answer.contains("too long"), "{answer}");
        machine.ends_after("poweroff").exits(0);
    }

    /// No file of a machine can become larger than the disk that it is: the kernel says so of the VMM,
    /// and a VMM that writes beyond that is not killed but told.
    fn an_image_cannot_grow_beyond_its_disk(host) {
        let image = host.file("disk.raw", &[0; 6000]);
        let disk = image.to_str().unwrap();
        let mut machine = host.boot("grown", &[&PLAIN[..], &["--disk", disk]].concat());
        machine.ready();
        let vmm = machine.vmm();
        let limits = vmm.text("limits");
        let line = limits.lines().find_map(|l| l.strip_prefix("Max file size")).unwrap();
        assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), ["8192", "8192"]);
        let ignored = vmm.of_every_thread("SigIgn").pop_first().unwrap();
        let ignored = u64::from_str_radix(&ignored, 16).unwrap();
        assert_eq!(ignored >> (25 - 1) & 1, 1, "SIGXFSZ would kill it");
        let said = host.run(&["inspect", machine.name()]).exits(0).out;
        let status = said.lines().find(|l| l.contains("no core dumps")).unwrap();
        assert!(status.contains("file sizes"), "{status}");
        machine.ends_after("poweroff").exits(0);
    }

    /// How a machine ended is told as the guest meant it.
    fn an_event_tells_the_guests_own_code(host) {
        host.boot("coded", &["--net", "none", "--append", "run=exit 42"]).finish().exits(42);
        host.boot("fine", &["--net", "none", "--append", "run=exit 0"]).finish().exits(0);
        let events = host.run(&["events"]).exits(0).out;
        assert!(events.contains("exited with code 42"), "{events}");
        assert!(events.contains("exited with code 0"), "{events}");
    }

    /// Whoever starts what runs is told that it runs, and how to stop it.
    fn a_machine_that_runs_is_said_to_run(host) {
        let name = host.name("twice");
        host.run(&["create", "--name", &name, "--accel", "tcg", "--net", "none"]).exits(0);
        host.run(&["start", &name]).exits(0);
        host.run(&["start", &name])
            .exits(75)
            .complains("is running")
            .complains("svirt ps")
            .complains(&format!("svirt stop {name}"));
        host.run(&["kill", &name]);
        host.run(&["rm", &name]).exits(0);
    }

    /// A VMM that outlives its supervisor, for its init stands still, is ended before anybody else
    /// may have what it held.
    fn a_vmm_without_a_supervisor_is_ended_first(host) {
        let image = host.file("disk.raw", &[0; 4096]);
        let loose = ["--weaken", "namespaces", "--weaken", "cgroup"];
        let disk = ["--disk", image.to_str().unwrap()];
        let mut machine = host.boot("loose", &[&PLAIN[..], &loose, &disk].concat());
        machine.ready();
        let (vmm, supervisor) = (machine.vmm(), machine.status().supervisor.unwrap());
        stop_now(vmm.parent().unwrap());
        Process(supervisor).kill();
        drop(machine);
        assert!(vmm.runs(), "nothing but sVirt could end it");
        host.run(&["recover"]).exits(0);
        assert!(!vmm.runs(), "it has the disk that is free again");
    }

    /// A terminal or a pipe is as it was before, also when what had it is killed.
    fn a_killed_vmm_leaves_the_standard_streams_as_they_were(host) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let owner = Some(Uid::from_raw(host.uid()));
        fchown(&reader, owner, None::<Gid>).unwrap();
        let name = host.name("stdio");
        let qemu = ["qemu-system-x86_64", "-machine", "none", "-display", "none", "-nodefaults",
            "-chardev", "stdio,id=m", "-mon", "chardev=m,mode=readline"];
        // Directly: the test's own copy of the descriptor is what is looked at afterwards.
        let mut command = host.svirt(&["exec", "--name", &name, "--"]);
        command.args(qemu).stdin(Stdio::from(reader.try_clone().unwrap()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = Vec::new();
        let mut out = child.stdout.take().unwrap();
        while !String::from_utf8_lossy(&said).contains("(qemu)") {
            let mut bytes = [0; 512];
            let count = out.read(&mut bytes).unwrap();
            assert!(count > 0, "{:?}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&bytes[..count]);
        }
        let blocks = || !fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK);
        assert!(blocks(), "while it runs");
        Process(host.status(&name).evidence.last().unwrap().pid).kill();
        child.wait().unwrap();
        assert!(blocks(), "after it was killed");
        drop(writer);
    }

    /// A user that somebody else on the host has, whichever state directory he uses, is not given to a
    /// machine: neither one that is reserved nor one that something runs as.
    fn users_are_reserved_on_the_whole_host(host) {
        host.needs_root("give machines users of their own")?;
        let name = host.name("user");
        host.run(&["create", "--name", &name, "--accel", "tcg", "--net", "none"]).exits(0);
        let user = || {
            host.run(&["start", &name]).exits(0);
            let uid = host.status(&name).plan.unwrap().vmm().confinement.identity.uid;
            let address = SocketAddr::from_abstract_name(format!("svirt/uid/{uid}")).unwrap();
            assert!(UnixDatagram::bind_addr(&address).is_err(), "{uid} is not reserved");
            host.run(&["kill", &name]);
            (uid, address)
        };
        let (first, address) = user();
        assert_eq!(user().0, first, "a machine gets its user again");
        let reserved = UnixDatagram::bind_addr(&address).unwrap();
        assert_ne!(user().0, first, "it is another's");
        drop(reserved);
        assert_eq!(user().0, first);
        let mut runs = Command::new("sleep").arg("60").uid(first).spawn().unwrap();
        let second = user().0;
        Process(runs.id()).kill();
        runs.wait().unwrap();
        assert_ne!(second, first, "something runs as it");
        host.run(&["rm", &name]).exits(0);
    }
}
