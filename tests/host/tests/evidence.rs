//! A job that was altered between the plan and the launch: each thing that the kernel is asked about
//! is made different from the plan, on a real launch of a real plan, and is found before the first
//! instruction.

use rustix::fs::makedev;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use svirt_host::{
    evidence::{self, Handed},
    launch::{Launcher, Prepared},
    pin::{Pin, Purpose},
    sources::{self, Supplies},
};
use svirt_model::{
    Channel, Confinement, Descriptor, DescriptorSource, Entry, EntrySource, Finding, Grant,
    Namespace, Object, Role,
};
use svirt_testkit::{Host, Machine, Outcome, Skipped, claims};

/// Launches what `alter` makes of a running machine's plan, once more and by its side, and returns
/// what does not agree with the plan. It is killed before it has run.
fn found(host: &Host, planned: &Confinement, alter: impl FnOnce(&mut Confinement)) -> Vec<Finding> {
    found_after(host, planned, alter, || {})
}

/// The same where something happens on the host once it was looked at.
fn found_after(
    host: &Host,
    planned: &Confinement,
    alter: impl FnOnce(&mut Confinement),
    happens: impl FnOnce(),
) -> Vec<Finding> {
    let mut altered = planned.clone();
    alter(&mut altered);
    let channels = [Channel::Console, Channel::Monitor, Channel::Log];
    let pair = |channel| (channel, sources::connection().expect("a connection").0);
    let supplies = Supplies {
        channels: channels.map(pair).into_iter().collect::<BTreeMap<_, _>>(),
        streams: Vec::new(),
        scratch: host.state(),
        overlay: |_| Ok(Vec::new()),
    };
    let opened = sources::open(&altered, &supplies).expect("everything can be opened");
    // What is there without a plan's word for it is compared with what was handed over.
    let handed = Handed::of(&altered, &opened).expect("it is open");
    happens();
    let launcher = launcher(host).assign(&altered).expect("it listens");
    let started = launcher.start(&sources::borrow(&opened), || Ok(()));
    let (held, ()) = started.expect("it is launched");
    let read = evidence::read(Role::Vmm, held.pid(), planned, &handed, Path::new("/nowhere"));
    let read = read.expect("it stands there");
    held.kill();
    read.failures().cloned().collect()
}

pub(crate) fn launcher(host: &Host) -> Prepared {
    let launcher = Launcher { program: host.program().with_file_name("svirt-launch") };
    launcher.prepare().and_then(|l| l.expect(&BTreeSet::new())).expect("a launcher")
}

/// The supervisor in this test is this process, so a plan is launched by who planned it.
pub(crate) fn needs_to_be_the_caller(host: &Host) -> Outcome {
    match rustix::process::geteuid().as_raw() == host.uid() {
        true => Ok(()),
        false => Err(Skipped::because("this process is not the caller")),
    }
}

/// A machine with a disk that it writes and a disc that it reads, and its plan.
fn machine(host: &Host) -> (Machine<'_>, Confinement) {
    let (disk, disc) = (host.file("disk.raw", &[0; 8192]), host.file("disc.iso", &[0; 8192]));
    let (disk, disc) = (disk.to_str().unwrap(), disc.to_str().unwrap());
    let mut flags = vec!["--net", "none", "--append", "x", "--disk", disk, "--cdrom", disc];
    if !host.is_root() {
        // What is a delegated user's is read by a forked child, and a test has more than one thread.
        flags.extend(["--weaken", "user"]);
    }
    let mut machine = host.boot("planned", &flags);
    machine.ready();
    let confinement = machine.status().plan.unwrap().vmm().confinement.clone();
    (machine, confinement)
}

/// Asserts that this, and nothing else, does not agree, and that both sides are named.
#[track_caller]
fn is_found(found: &[Finding], what: &str) {
    assert!(found.iter().any(|f| f.what.starts_with(what)), "{what} is not in {found:#?}");
    assert!(found.iter().all(|f| f.what.starts_with(what)), "besides {what}: {found:#?}");
    assert!(found.iter().all(|f| f.expected != f.observed), "{found:#?}");
}

fn object(path: &Path) -> Object {
    Pin::new(path, Purpose::Any).unwrap().object().clone()
}

fn entry_with(confinement: &mut Confinement, grant: Grant) -> &mut Entry {
    let program = confinement.program.path.clone();
    let mut entries = confinement.entries.iter_mut();
    entries.find(|e| e.grant == grant && e.at != program).expect("an entry")
}

fn read_only(confinement: &mut Confinement) -> &mut Descriptor {
    let mut all = confinement.descriptors.iter_mut();
    all.find(|d| matches!(d.source, DescriptorSource::Read(_))).expect("the disc")
}

fn opened_as_planned(confinement: &Confinement) -> Object {
    let read = confinement.descriptors.iter().find_map(|d| match &d.source {
        DescriptorSource::Read(object) => Some(object.clone()),
        _ => None,
    });
    read.expect("the disc")
}

claims! {
    /// What is launched as it was planned agrees with the plan in everything.
    fn an_unaltered_job_agrees(host) {
        needs_to_be_the_caller(host)?;
        let (machine, planned) = machine(host);
        assert_eq!(found(host, &planned, |_| {}), []);
        machine.ends_after("poweroff").exits(0);
    }

    /// What has not got everything that its confinement names is not begun.
    fn a_job_without_its_descriptors_is_not_begun(host) {
        needs_to_be_the_caller(host)?;
        let (machine, planned) = machine(host);
        let launcher = launcher(host).assign(&planned).expect("it listens");
        let error = launcher.start(&[], || Ok(())).expect_err("it has not even its program");
        assert!(error.to_string().contains("match the descriptors with the job"), "{error}");
        machine.ends_after("poweroff").exits(0);
    }

    /// A descriptor that is open for more, leads elsewhere, is another kind of thing, is missing or
    /// was added.
    fn another_descriptor_is_found(host) {
        needs_to_be_the_caller(host)?;
        let (machine, planned) = machine(host);
        let disc = opened_as_planned(&planned);
        let other = object(&host.file("other", b""));
        let wider = found(host, &planned, |c| {
            read_only(c).source = DescriptorSource::ReadWrite(disc.clone());
        });
        is_found(&wider, "descriptors");
        let (id, path) = (disc.id, &wider[0]);
        let leads = format!("regular file {}:{}", id.device, id.inode);
        assert!(path.expected.contains(&format!("reads a {leads}")), "{path:#?}");
        assert!(path.observed.contains(&format!("reads and writes a {leads}")), "{path:#?}");
        let elsewhere = found(host, &planned, |c| {
            read_only(c).source = DescriptorSource::Read(other.clone());
        });
        is_found(&elsewhere, "descriptors");
        let kind = found(host, &planned, |c| {
            let mut all = c.descriptors.iter_mut();
            let channel = all.find(|d| matches!(d.source, DescriptorSource::Channel(_))).unwrap();
            channel.source = DescriptorSource::ReadWrite(other.clone());
        });
        is_found(&kind, "descriptors");
        is_found(&found(host, &planned, |c| drop(c.descriptors.pop())), "descriptors");
        let more = found(host, &planned, |c| {
            c.descriptors.push(Descriptor { number: 40, source: DescriptorSource::Null });
        });
        is_found(&more, "descriptors");
        machine.ends_after("poweroff").exits(0);
    }

    /// A mount that may be written, executed or used for devices, that shows something else, is
    /// missing or was added.
    fn another_mount_is_found(host) {
        needs_to_be_the_caller(host)?;
        let (machine, planned) = machine(host);
        if !planned.own_root {
            return Err(Skipped::because("there is no root of its own here"));
        }
        let other = host.file("other", b"");
        let bind = || EntrySource::Bind(object(&other));
        let wider = [Grant::ReadWrite, Grant::Execute, Grant::Device];
        let first = planned.entries.iter().position(|e| e.grant == Grant::ReadTree).unwrap();
        for grant in wider {
            let found = found(host, &planned, |c| c.entries[first].grant = grant);
            is_found(&found, "mounts");
        }
        let library = found(host, &planned, |c| entry_with(c, Grant::Execute).source = bind());
        is_found(&library, "mounts");
        let more = found(host, &planned, |c| {
            let (at, source) = ("/zz/other".into(), bind());
            c.entries.push(Entry { at, source, grant: Grant::Read });
        });
        is_found(&more, "mounts");
        assert!(more[0].observed.contains("/zz/other ro,nosuid,nodev,noexec"), "{more:#?}");
        is_found(&found(host, &planned, |c| drop(c.entries.remove(first))), "mounts");
        machine.ends_after("poweroff").exits(0);
    }

    /// A device node of another number.
    fn another_node_is_found(host) {
        needs_to_be_the_caller(host)?;
        host.needs_root("make device nodes")?;
        let node = host.path("node");
        let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &node, kind, mode, makedev(1, 3)).unwrap();
        let name = host.name("planned");
        let flags = ["exec", "--detach", "--name", &name, "--dev", node.to_str().unwrap()];
        host.run(&[&flags[..], &["--", "/bin/sleep", "60"]].concat()).exits(0);
        let planned = host.status(&name).plan.unwrap().vmm().confinement.clone();
        let found = found(host, &planned, |c| {
            let node = c.entries.iter_mut().find_map(|e| match &mut e.source {
                EntrySource::Node(object) => Some(object),
                _ => None,
            });
            node.expect("a node").rdev = makedev(1, 5);
        });
        host.run(&["kill", &name]).exits(0);
        is_found(&found, "the node");
        assert!(found[0].expected.contains("1:3") && found[0].observed.contains("1:5"));
    }

    /// Another program, other arguments, an environment.
    fn another_program_is_found(host) {
        needs_to_be_the_caller(host)?;
        let (machine, planned) = machine(host);
        let linker = planned.entries.iter().find_map(|e| match &e.source {
            EntrySource::Bind(object) if e.at.to_str()?.contains("/ld-linux") => {
                Some(Object { path: e.at.clone(), ..object.clone() })
            }
            _ => None,
        });
        if let Some(linker) = linker {
            is_found(&found(host, &planned, |c| c.program = linker), "that it is ");
        }
        let said = found(host, &planned, |c| c.arguments[1] = "-daemonize".into());
        is_found(&said, "arguments");
        assert!(said[0].observed.ends_with("of which 1 is -daemonize"), "{said:#?}");
        let said = found(host, &planned, |c| c.arguments.push("-S".into()));
        is_found(&said, "arguments");
        let said = found(host, &planned, |c| c.environment.push("LD_PRELOAD=/x".into()));
        is_found(&said, "environment");
        machine.ends_after("poweroff").exits(0);
    }

    /// Another user, a shared namespace, another limit, no control group.
    fn another_place_is_found(host) {
        needs_to_be_the_caller(host)?;
        let (machine, planned) = machine(host);
        if planned.namespaces.contains(&Namespace::Net) {
            let shared = found(host, &planned, |c| {
                c.namespaces.remove(&Namespace::Net);
            });
            is_found(&shared, "net namespace");
        }
        let limit = found(host, &planned, |c| {
            let mut limits = c.limits.iter_mut();
            limits.find(|(_, value)| *value == 1024).unwrap().1 = 1023;
        });
        is_found(&limit, "Max open files");
        if host.is_root() {
            let user = found(host, &planned, |c| c.identity.uid += 1);
            for what in ["Uid of every thread", "uid_map"] {
                assert!(user.iter().any(|f| f.what == what), "{what}: {user:#?}");
            }
            let group = found(host, &planned, |c| c.identity.gid += 1);
            for what in ["Gid of every thread", "gid_map"] {
                assert!(group.iter().any(|f| f.what == what), "{what}: {group:#?}");
            }
        }
        if !planned.cgroups.is_empty() {
            is_found(&found(host, &planned, |c| c.cgroups.clear()), "member of ");
        }
        machine.ends_after("poweroff").exits(0);
    }

    /// No filter, and privileges that were not given up.
    fn missing_filters_and_kept_privileges_are_found(host) {
        needs_to_be_the_caller(host)?;
        let (machine, planned) = machine(host);
        is_found(&found(host, &planned, |c| c.seccomp = None), "Seccomp");
        let kept = found(host, &planned, |c| {
            (c.seccomp, c.landlock, c.drop_privileges) = (None, None, false);
        });
        assert!(kept.iter().any(|f| f.what.starts_with("NoNewPrivs")), "{kept:#?}");
        machine.ends_after("poweroff").exits(0);
    }

    /// A directory with something mounted below it is there with that, as restricted as itself.
    fn what_is_mounted_below_a_directory_is_expected(host) {
        host.needs_root("mount a file system")?;
        let tree = host.directory("tree", 0o777);
        let below = host.directory("tree/below", 0o777);
        let below = below.to_str().unwrap();
        host.run_program("mount", &["-t", "tmpfs", "svirt-test", below]).exits(0);
        fs::write(tree.join("below/file"), "there").unwrap();
        let flags = ["exec", "--ro", tree.to_str().unwrap(), "--", "/bin/cat"];
        let said = host.run(&[&flags[..], &[&format!("{below}/file")]].concat());
        host.run_program("umount", &[below]).exits(0);
        assert_eq!(said.exits(0).out, "there");
    }

    /// What the host mounts while a machine starts is no difference to its plan.
    fn what_is_mounted_meanwhile_is_expected(host) {
        host.needs_root("mount a file system")?;
        let (machine, mut planned) = machine(host);
        let (tree, below) = (host.directory("tree", 0o777), host.directory("tree/below", 0o777));
        let (at, source) = ("/zz/tree".into(), EntrySource::Bind(object(&tree)));
        planned.entries.push(Entry { at, source, grant: Grant::ReadTree });
        let below = below.to_str().unwrap();
        let mount = || drop(host.run_program("mount", &["-t", "tmpfs", "svirt-test", below]).exits(0));
        let found = found_after(host, &planned, |_| {}, mount);
        host.run_program("umount", &[below]).exits(0);
        assert_eq!(found, []);
        machine.ends_after("poweroff").exits(0);
    }
}
