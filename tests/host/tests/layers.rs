//! Each layer by itself: what it forbids fails, for this layer's reason, with the others given up;
//! and does not fail with this one given up too.
//!
//! Something must hold a machine, so Landlock or a root of its own is always there: where neither is
//! what is tried, Landlock is kept and is not what refuses.

use crate::{
    probe::{BUSYBOX, SIGSYS, busybox, compiled, needs_busybox, only, start},
    watch::Watch,
};
use std::{fs, io::Write, net::TcpListener, os::unix::fs::PermissionsExt};
use svirt_model::{Enforced, Layer};
use svirt_testkit::{Host, Process, claims};

/// Of `errno(3)`: no such system call.
const ENOSYS: i32 = 38;

/// A layer with what it takes: an ordinary user makes every namespace within one of users.
fn with_namespace(host: &Host, layer: Layer) -> Vec<Layer> {
    if host.is_root() { vec![layer] } else { vec![layer, Layer::UserNamespace] }
}

/// A process with only these layers on, which does nothing.
fn asleep(host: &Host, kept: &[Layer]) -> Process {
    let (name, flags) = (host.name("asleep"), only(kept));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let (start, sleep) = (["exec", "--detach", "--name", &name], ["--", BUSYBOX, "sleep", "60"]);
    host.run(&[&start[..], &flags[..], &sleep[..]].concat()).exits(0);
    let status = host.status(&name);
    Process(status.evidence.last().unwrap().pid)
}

claims! {
    /// A file that was not named is refused by Landlock, with the host's root and user in place.
    fn landlock_alone_refuses_other_files(host) {
        needs_busybox()?;
        let watch = Watch::begin();
        let (secret, named) = (host.file("secret", b"s3cret"), host.file("named", b"for all"));
        let (secret, named) = (secret.to_str().unwrap(), named.to_str().unwrap());
        let flags = ["--ro", named];
        let read = |path| start(host, &[Layer::Landlock], &flags, &[BUSYBOX, "cat", path]).finish();
        assert_eq!(read(named).exits(0).out, "for all");
        read(secret).exits(1).complains("Permission denied");
        watch.was_refused_by("landlock", secret);
        start(host, &[Layer::Landlock], &flags, &[BUSYBOX, "sh", "-c", &format!("echo >{named}")])
            .finish()
            .exits(1)
            .complains("Permission denied");
        assert_eq!(fs::read(named).unwrap(), b"for all");
    }

    /// TCP is refused by Landlock, with the host's network in place.
    fn landlock_alone_refuses_tcp(host) {
        needs_busybox()?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let connect = ["nc", "-w", "2", "127.0.0.1", &port];
        busybox(host, &[Layer::Landlock], &connect).exits(1).complains("Permission denied");
        // Without Landlock the same connection is made.
        let answer = std::thread::spawn(move || {
            listener.accept().and_then(|(mut s, _)| s.write_all(b"hello"))
        });
        let kept = with_namespace(host, Layer::Root);
        assert_eq!(busybox(host, &kept, &connect).exits(0).out, "hello");
        answer.join().unwrap().unwrap();
    }

    /// A process outside cannot be sent a signal: Landlock's scope, with the host's processes there.
    fn landlock_alone_refuses_signals(host) {
        needs_busybox()?;
        let stranger = host.command("sleep").arg("60").spawn().unwrap();
        let number = stranger.id().to_string();
        let said = busybox(host, &[Layer::Landlock], &["kill", "-0", &number]);
        let root = busybox(host, &with_namespace(host, Layer::Root), &["kill", "-0", &number]);
        Process(stranger.id()).kill();
        drop({ stranger }.wait());
        said.exits(1).complains("Operation not permitted");
        root.exits(0);
    }

    /// A file's mode, which no other layer guards where writing is granted, cannot be changed.
    fn seccomp_alone_refuses_to_change_modes(host) {
        needs_busybox()?;
        let directory = host.directory("named", 0o777);
        let file = host.file("named/file", b"");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let flags = ["--rw", directory.to_str().unwrap()];
        let change = |kept: &[Layer], mode| {
            let command = [BUSYBOX, "chmod", mode, file.to_str().unwrap()];
            start(host, kept, &flags, &command).finish()
        };
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
        let kept = [Layer::Root, Layer::UserNamespace];
        change(&kept, "600").exits(0);
        assert_eq!(mode(), 0o600);
        let kept = [&kept[..], &[Layer::Seccomp]].concat();
        let said = change(&kept, "666");
        assert_eq!(mode(), 0o600);
        if said.code != Some(SIGSYS) {
            said.exits(1).complains("Operation not permitted");
        }
    }

    /// A call that the profile does not have kills, even one that no kernel has; without the filter
    /// the kernel says only that it does not know it.
    fn seccomp_alone_kills_for_an_unknown_call(host) {
        let program = compiled(host)?;
        let watch = Watch::begin();
        let call = ["call", "999"];
        let words = [&[program.as_str()], &call[..]].concat();
        let kept = [Layer::Root, Layer::UserNamespace];
        start(host, &kept, &[], &words).finish().exits(ENOSYS);
        let kept = [&kept[..], &[Layer::Seccomp]].concat();
        start(host, &kept, &[], &words).finish().exits(SIGSYS);
        watch.was_refused_by("seccomp", "syscall=999");
        let events = host.run(&["events"]).exits(0).out;
        assert!(events.contains("killed for a forbidden system call (SIGSYS)"), "{events}");
    }

    /// What was not named is not there, and nothing can be made, with Landlock given up.
    fn a_root_of_its_own_alone_hides_and_keeps(host) {
        needs_busybox()?;
        let secret = host.file("secret", b"s3cret");
        let kept = with_namespace(host, Layer::Root);
        let secret = secret.to_str().unwrap();
        busybox(host, &kept, &["cat", secret]).exits(1).complains("No such file or directory");
        busybox(host, &kept, &["cat", "/etc/passwd"]).exits(1).complains("No such file");
        let seen = busybox(host, &kept, &["ls", "/"]).exits(0).out;
        let seen: Vec<_> = seen.split_whitespace().filter(|n| *n != "tmp").collect();
        assert_eq!(seen, ["dev", "usr"], "and the working directory");
        busybox(host, &kept, &["touch", "/new"]).exits(1).complains("Read-only file system");
    }

    /// The processes, the network and the name are its own, with the host's files in place.
    fn namespaces_alone_hide_processes_and_network(host) {
        needs_busybox()?;
        let kept = [with_namespace(host, Layer::Root), vec![Layer::Namespaces]].concat();
        let name = busybox(host, &kept, &["hostname"]).exits(0).out;
        assert_eq!(name.trim(), host.name("probe"));
        let we = std::process::id().to_string();
        busybox(host, &kept, &["kill", "-0", &we]).exits(1).complains("No such process");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let said = busybox(host, &kept, &["nc", "-w", "2", "127.0.0.1", &port]).exits(1);
        assert!(said.err.contains("unreachable"), "{said:#?}");
    }

    /// In the user namespace there is one user, by its own number: nobody in it can become root.
    fn a_user_namespace_alone_has_one_user(host) {
        needs_busybox()?;
        let alone = asleep(host, &[Layer::Root, Layer::UserNamespace]);
        let map = alone.text("uid_map");
        let uid = host.uid().to_string();
        assert_eq!(map.split_whitespace().collect::<Vec<_>>(), [&uid, &uid, "1"]);
        assert_ne!(alone.link("ns/user"), Process(std::process::id()).link("ns/user"));
        if host.is_root() {
            host.run(&["kill", &host.name("asleep")]).exits(0);
            let without = asleep(host, &[Layer::Root]);
            assert_eq!(without.link("ns/user"), Process(std::process::id()).link("ns/user"));
        } else {
            assert_eq!(alone.text("setgroups").trim(), "deny");
        }
        host.run(&["kill", &host.name("asleep")]).exits(0);
    }

    /// As a user of its own the program has no rights to root's files, whatever hides them.
    fn a_user_of_its_own_alone_has_no_rights(host) {
        needs_busybox()?;
        host.needs_root("give machines users")?;
        let directory = host.directory("named", 0o755);
        let secret = host.file("named/secret", b"s3cret");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let flags = ["--ro", directory.to_str().unwrap()];
        let read = [BUSYBOX, "cat", secret.to_str().unwrap()];
        assert_eq!(start(host, &[Layer::Root], &flags, &read).finish().exits(0).out, "s3cret");
        let kept = [Layer::Root, Layer::User];
        start(host, &kept, &flags, &read).finish().exits(1).complains("Permission denied");
        let uid = busybox(host, &kept, &["id", "-u"]).exits(0).out;
        assert!(uid.trim().parse::<u32>().unwrap() >= 0x7000_0000, "{uid}");
    }

    /// No capability in any set, and no exec that could give one.
    fn privileges_alone_leaves_none_and_no_way_to_any(host) {
        needs_busybox()?;
        let kept = with_namespace(host, Layer::Root);
        let process = asleep(host, &[&kept[..], &[Layer::Privileges]].concat());
        for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let sets = process.of_every_thread(field);
            assert!(sets.iter().all(|s| s.chars().all(|c| c == '0')), "{field}: {sets:?}");
        }
        assert_eq!(process.of_every_thread("NoNewPrivs").pop_first().as_deref(), Some("1"));
        host.run(&["kill", &host.name("asleep")]).exits(0);
        let process = asleep(host, &kept);
        assert_eq!(process.of_every_thread("NoNewPrivs").pop_first().as_deref(), Some("0"));
        host.run(&["kill", &host.name("asleep")]).exits(0);
    }

    /// More files than the limit cannot be opened.
    fn limits_alone_stop_at_open_files(host) {
        needs_busybox()?;
        let kept = with_namespace(host, Layer::Root);
        let all: Vec<_> = std::iter::repeat_n("/dev/null", 1100).collect();
        let tail = [&["tail", "-c", "0"], &all[..]].concat();
        let kept = [&kept[..], &[Layer::Limits]].concat();
        busybox(host, &kept, &tail).exits(1).complains("Too many open files");
        let sets = busybox(host, &kept, &["sh", "-c", "ulimit -n; ulimit -c"]).exits(0).out;
        assert_eq!(sets, "1024\n0\n");
    }

    /// A machine that multiplies itself stops at its control group, and all of it ends with it.
    fn a_control_group_alone_stops_multiplication(host) {
        needs_busybox()?;
        host.needs_root("make control groups here")?;
        let kept = [Layer::Root, Layer::Namespaces, Layer::Cgroup];
        // It ends after more than it may start, whatever becomes of them.
        let shell = "i=0; while [ $i -lt 1200 ]; do i=$((i+1)); $0 sleep 100 & done; echo all";
        let program = svirt_testkit::program(BUSYBOX).unwrap();
        let said = busybox(host, &kept, &["sh", "-c", shell, program.to_str().unwrap()]);
        assert!(!said.out.contains("all"), "1200 processes were started");
        said.complains("can't fork");
    }

    /// What is given up is said, for as long as the machine runs, and everything else is in force.
    fn what_is_given_up_is_shown(host) {
        needs_busybox()?;
        let name = host.name("weak");
        let weaken = ["exec", "--detach", "--name", &name, "--weaken", "seccomp"];
        host.run(&[&weaken[..], &["--weaken", "limits", "--", BUSYBOX, "sleep", "60"]].concat()).exits(0);
        let status = host.status(&name);
        let given_up = |l: &&svirt_model::LayerStatus| !l.asked;
        let layers = &status.plan.as_ref().unwrap().vmm().layers;
        let words: Vec<_> = layers.iter().filter(given_up).map(|l| l.layer.word()).collect();
        assert_eq!(words, ["seccomp", "limits"]);
        let given_up = layers.iter().filter(given_up);
        assert!(given_up.into_iter().all(|l| l.enforced == Enforced::No && !l.why_not.is_empty()));
        let shown = host.run(&["ps"]).exits(0).out;
        assert!(shown.contains("seccomp") && shown.contains("limits"), "{shown}");
        let vmm = Process(status.evidence[0].pid);
        assert_eq!(vmm.of_every_thread("Seccomp").pop_first().as_deref(), Some("0"));
        host.run(&["kill", &name]).exits(0);
    }

    /// A layer that is required and cannot be had stops the start, and says why.
    fn what_is_required_and_missing_stops_the_start(host) {
        host.needs_no_range()?;
        needs_busybox()?;
        let mut missing = vec!["executable-memory"];
        if !host.is_root() {
            missing.extend(["user", "cgroup"]);
        }
        for layer in missing {
            let said = host.run(&["exec", "--require", layer, "--", BUSYBOX, "true"]).exits(78);
            said.complains(&format!("layer {layer} is required"));
        }
        host.run(&["exec", "--require", "seccomp", "--weaken", "seccomp", "--", BUSYBOX, "true"])
            .exits(64);
        host.run(&["exec", "--require", "landlock", "--require", "root", "--", BUSYBOX, "true"])
            .exits(0);
    }

    /// With everything given up nothing would hold the machine, so it does not start.
    fn something_always_holds_a_machine(host) {
        needs_busybox()?;
        let flags = only(&[]);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        host.run(&[&["exec"], &flags[..], &["--", BUSYBOX, "true"]].concat()).exits(78);
    }
}
