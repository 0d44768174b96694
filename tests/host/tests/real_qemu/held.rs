//! What a VMM that runs holds and sees, read from outside and compared with what was planned.

use crate::watch::Watch;
use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, path::PathBuf};
use svirt_model::{Descriptor, DescriptorSource, EntrySource, Namespace};
use svirt_testkit::{Caller, Host, Machine, Process, claims};

/// A machine with a disk, and its image.
fn machine(host: &Host) -> (Machine<'_>, PathBuf) {
    let image = host.file("disk.raw", &[0; 8192]);
    let disk = image.to_str().unwrap().to_owned();
    let mut machine = host.boot("held", &["--net", "none", "--append", "x", "--disk", &disk]);
    machine.ready();
    (machine, image)
}

fn zero(set: &str) -> bool {
    set.chars().all(|c| c == '0')
}

claims! {
    delegated too:

    /// At its first instruction a VMM holds exactly what was planned, each object the very one; later
    /// besides only what it made for itself: no file and no connection of anybody else.
    fn the_descriptors_are_those_that_were_planned(host) {
        host.needs_no_range()?;
        let (machine, image) = machine(host);
        let status = machine.status();
        let confinement = &status.plan.as_ref().unwrap().vmm().confinement;
        let [evidence] = &status.evidence[..] else { panic!("{status:#?}") };
        let at_first = evidence.findings.iter().find(|f| f.what == "descriptors").unwrap();
        let identity = fs::metadata(&image).unwrap();
        let disk = format!("regular file {}:{}", identity.dev(), identity.ino());
        let rows: Vec<&str> = at_first.observed.split(", ").collect();
        assert_eq!(rows.len(), confinement.descriptors.len(), "{rows:?}");
        for (row, planned) in rows.iter().zip(&confinement.descriptors) {
            let kind = match &planned.source {
                DescriptorSource::ReadWrite(_) => disk.as_str(),
                DescriptorSource::Channel(_) => "socket ",
                _ => "character device ",
            };
            assert!(row.starts_with(&format!("{} reads and writes a {kind}", planned.number)), "{row}");
        }
        let (mut sockets, mut disks) = (0, 0);
        for (number, leads_to) in machine.vmm().descriptors() {
            let text = leads_to.to_string_lossy().into_owned();
            sockets += usize::from(text.starts_with("socket:"));
            disks += usize::from(leads_to == image);
            let its = ["anon_inode:", "/memfd:", "socket:"].iter().any(|p| text.starts_with(p))
                || leads_to == image
                || text == "/dev/null";
            assert!(its, "{number} leads to {text}");
        }
        let is_channel = |d: &&Descriptor| matches!(d.source, DescriptorSource::Channel(_));
        // It closes what it does not use, and makes no other.
        assert!(sockets <= confinement.descriptors.iter().filter(is_channel).count());
        assert!(disks >= 1);
        machine.ends_after("poweroff").exits(0);
    }

    /// The environment is empty, on the command line is nothing of the host's directories.
    fn the_environment_is_empty(host) {
        let (machine, _) = machine(host);
        let vmm = machine.vmm();
        assert!(vmm.arguments().len() > 10, "it is the VMM that is looked at");
        assert_eq!(vmm.text("environ"), "");
        let place = host.path("").to_string_lossy().into_owned();
        assert!(!vmm.arguments().iter().any(|a| a.contains(&place)), "{:?}", vmm.arguments());
        machine.ends_after("poweroff").exits(0);
    }

    /// No thread has a capability, or could gain one; every thread is filtered.
    fn every_thread_is_without_privileges_and_filtered(host) {
        let (machine, _) = machine(host);
        let vmm = machine.vmm();
        assert!(vmm.threads() > 1, "QEMU has several threads");
        for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(vmm.of_every_thread(field).iter().all(|set| zero(set)), "{field}");
        }
        assert_eq!(vmm.of_every_thread("NoNewPrivs"), BTreeSet::from(["1".to_owned()]));
        assert_eq!(vmm.of_every_thread("Seccomp"), BTreeSet::from(["2".to_owned()]));
        let filters = vmm.of_every_thread("Seccomp_filters");
        // Ours is one, and QEMU's own is another on top.
        let enough = |n: &String| n.parse::<u32>().is_ok_and(|n| n >= 2);
        assert!(filters.iter().all(enough), "{filters:?}");
        machine.ends_after("poweroff").exits(0);
    }

    /// As root, and with delegated users, a machine has a user that nobody else has, and no group; any
    /// other user's has the user's.
    fn the_user_is_the_machines(host) {
        host.needs_no_range()?;
        let (machine, _) = machine(host);
        let vmm = machine.vmm();
        let uid = vmm.of_every_thread("Uid").pop_first().unwrap();
        let uids: BTreeSet<&str> = uid.split(' ').collect();
        assert_eq!(uids.len(), 1, "real, effective, saved and file system user are one: {uid}");
        let uid: u32 = uids.first().unwrap().parse().unwrap();
        let own = machine.status().plan.unwrap().vmm().confinement.identity;
        assert_eq!((uid, own.own), (own.uid, host.caller() != Caller::User));
        if host.caller() != Caller::User {
            let first = if host.is_root() { 0x7000_0000 } else { 0x6000_8000 };
            assert!((first..first + 0x10000).contains(&uid), "{uid}");
            assert_eq!(vmm.of_every_thread("Groups"), BTreeSet::from([String::new()]));
            let sharers = svirt_testkit::all_processes().into_iter().filter(|p| {
                *p != vmm && p.of_every_thread("Uid").iter().any(|u| u.starts_with(&uid.to_string()))
            });
            // The init of its own pid namespace is the machine's too.
            let strangers: Vec<Process> = sharers.filter(|p| !p.children().contains(&vmm)).collect();
            assert!(strangers.is_empty(), "{strangers:?}");
        } else {
            assert_eq!(uid, host.uid());
        }
        machine.ends_after("poweroff").exits(0);
    }

    /// Every namespace is the machine's own, and in its network there is nothing but a loopback.
    fn every_namespace_is_its_own(host) {
        let (machine, _) = machine(host);
        let (vmm, we) = (machine.vmm(), Process(std::process::id()));
        for namespace in Namespace::ALL {
            let file = format!("ns/{}", namespace.file());
            let (its, ours) = (vmm.link(&file), we.link(&file));
            assert!(its.is_some() && its != ours, "{file}: {its:?}");
        }
        let network = vmm.text("net/dev");
        let devices: Vec<_> =
            network.lines().skip(2).filter_map(|l| l.split(':').next().map(str::trim)).collect();
        // The loopback, and what some kernels put into every network namespace.
        let fallback = ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0",
            "ip6tnl0", "ip6gre0"];
        let real: Vec<_> = devices.iter().filter(|d| !fallback.contains(d)).collect();
        assert_eq!(real, [&"lo"], "{network}");
        assert!(vmm.text("net/route").lines().count() <= 1, "it has a route");
        machine.ends_after("poweroff").exits(0);
    }

    /// It sees the manifest and nothing else: every mount is planned, writable only where that is.
    fn the_mounts_are_the_manifest(host) {
        let (machine, _) = machine(host);
        let status = machine.status();
        let confinement = &status.plan.as_ref().unwrap().vmm().confinement;
        let bound = |e: &&svirt_model::Entry| !matches!(e.source, EntrySource::Node(_));
        let mut planned: BTreeSet<_> = confinement
            .entries
            .iter()
            .filter(bound)
            .map(|e| (e.at.clone(), e.grant.writes()))
            .collect();
        planned.insert(("/".into(), false));
        assert_eq!(machine.vmm().mounts(), planned);
        let writable: Vec<_> = planned.iter().filter(|(_, w)| *w).map(|(p, _)| p).collect();
        assert_eq!(writable, [std::path::Path::new("/dev/null")]);
        machine.ends_after("poweroff").exits(0);
    }

    /// Of the host's `/etc`, homes, `/proc`, `/sys` and of sVirt's own state nothing is there.
    fn nothing_else_of_the_host_is_visible(host) {
        let (machine, image) = machine(host);
        let root = PathBuf::from(format!("/proc/{}/root", machine.vmm().0));
        let seen: BTreeSet<_> = fs::read_dir(&root)
            .unwrap_or_else(|e| panic!("cannot look into {}: {e}", root.display()))
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        for name in &seen {
            assert!(["boot", "dev", "lib", "lib64", "usr"].contains(&name.as_str()), "{seen:?}");
        }
        for hidden in [host.state(), host.runtime(), host.path("home"), image] {
            assert!(hidden.exists());
            assert!(!root.join(hidden.strip_prefix("/").unwrap()).exists(), "{hidden:?} is visible");
        }
        machine.ends_after("poweroff").exits(0);
    }

    /// What has taken the VMM over is killed for a system call that QEMU never makes.
    fn a_call_that_the_vmm_has_no_need_of_kills(host) {
        let (machine, _image) = machine(host);
        let watch = Watch::begin();
        let own = std::process::id().to_string();
        let drill = ["drill", machine.name(), "--attempt", "ptrace", "--target", &own];
        let said = host.run(&drill).exits(0);
        assert!(said.out.starts_with("refused: SIGSYS"), "{said:#?}");
        watch.was_refused_by("seccomp", "sig=31");
        machine.ends_after("poweroff").exits(0);
    }

    /// The limits are those that were planned, and no core is ever written.
    fn the_limits_are_set(host) {
        let (machine, _) = machine(host);
        let limits = machine.vmm().text("limits");
        let limit = |name: &str| {
            let line = limits.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(limit("Max core file size"), ["0", "0"]);
        assert_eq!(limit("Max processes"), ["512", "512"]);
        assert_eq!(limit("Max open files"), ["1024", "1024"]);
        machine.ends_after("poweroff").exits(0);
    }

    /// What is shown as evidence is complete and agrees.
    fn the_evidence_agrees(host) {
        let watch = Watch::begin();
        let (machine, _) = machine(host);
        let status = machine.status();
        let [evidence] = &status.evidence[..] else { panic!("{status:#?}") };
        assert!(evidence.holds());
        for what in ["descriptors", "environment", "mounts", "Seccomp of every thread"] {
            assert!(evidence.findings.iter().any(|f| f.what == what), "{what}");
        }
        let processes = host.traces().processes();
        machine.ends_after("poweroff").exits(0);
        watch.nothing_was_refused_to(&processes);
    }
}
