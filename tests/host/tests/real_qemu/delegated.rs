//! An ordinary user's machines, each with a user of its own out of a delegated range.

use crate::watch::Watch;
use rustix::{process::Uid, thread::set_thread_res_uid};
use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        net::UnixStream,
    },
    path::Path,
    process::Command,
};
use svirt_model::{Enforced, Layer, LayerStatus, Status};
use svirt_testkit::{Caller, Host, Machine, Outcome, Process, Skipped, Talk, check};

/// The halves of what the testkit delegates from which machines are given theirs.
const FIRST: u32 = 0x6000_8000;
const FIRST_GROUP: u32 = 0x6100_8000;
const COUNT: u32 = 0x4000;

const PLAIN: [&str; 4] = ["--net", "none", "--append", "plain"];

fn as_delegated(name: &str, claim: fn(&Host) -> Outcome) {
    check(Caller::Delegated, name, claim);
}

/// The numbers that a process has, which must be one.
fn only(process: Process, field: &str) -> u32 {
    let line = process.of_every_thread(field).pop_first().unwrap();
    let all: BTreeSet<&str> = line.split(' ').collect();
    assert_eq!(all.len(), 1, "{field}: {line}");
    all.first().unwrap().parse().unwrap()
}

fn user_layer(status: &Status) -> LayerStatus {
    let layers = &status.plan.as_ref().unwrap().vmm().layers;
    layers.iter().find(|l| l.layer == Layer::User).unwrap().clone()
}

/// A machine whose image only its user may touch, and the image.
fn machine<'a>(host: &'a Host, name: &str) -> Machine<'a> {
    let image = host.file(&format!("{name}.raw"), &[b'.'; 8192]);
    fs::set_permissions(&image, fs::Permissions::from_mode(0o600)).unwrap();
    let mut machine = host.boot(name, &[&PLAIN[..], &["--disk", image.to_str().unwrap()]].concat());
    machine.ready();
    machine
}

/// Two machines have two users, neither of them their user's; images keep owner and mode.
#[test]
fn every_machine_has_another_user() {
    as_delegated("every_machine_has_another_user", |host| {
        let watch = Watch::begin();
        let mut machines = [machine(host, "one"), machine(host, "two")];
        let mut users = BTreeSet::new();
        for machine in &mut machines {
            assert_eq!(machine.ask("write 0 2 written"), "ok");
            assert_eq!(machine.ask("flush 0"), "ok");
            let (status, vmm) = (machine.status(), machine.vmm());
            let (uid, gid) = (only(vmm, "Uid"), only(vmm, "Gid"));
            assert!((FIRST..FIRST + COUNT).contains(&uid), "{uid}");
            assert_eq!(gid - FIRST_GROUP, uid - FIRST, "the group goes with the user");
            assert_eq!(vmm.of_every_thread("Groups"), BTreeSet::from([String::new()]));
            let map = vmm.text("uid_map");
            let map: Vec<_> = map.split_whitespace().map(str::to_owned).collect();
            assert_eq!(map, [uid.to_string(), uid.to_string(), "1".into()]);
            assert_eq!(user_layer(&status).enforced, Enforced::Fully);
            assert!(status.evidence.iter().all(svirt_model::Evidence::holds));
            users.insert(uid);
        }
        assert_eq!(users.len(), 2);
        let processes = host.traces().processes();
        machines.into_iter().for_each(|m| drop(m.ends_after("poweroff").exits(0)));
        for name in ["one.raw", "two.raw"] {
            let image = fs::metadata(host.path(name)).unwrap();
            assert_eq!((image.uid(), image.mode() & 0o7777), (host.uid(), 0o600));
            assert!(fs::read(host.path(name)).unwrap()[1024..].starts_with(b"written\0"));
        }
        watch.nothing_was_refused_to(&processes);
        Ok(())
    });
}

/// The user who started the machine comes to its sockets, and nobody else does.
#[test]
fn its_sockets_are_its_users() {
    as_delegated("its_sockets_are_its_users", |host| {
        let name = host.name("vnc");
        let flags = ["run", "--detach", "--name", &name, "--accel", "tcg", "--display", "vnc"];
        host.run(&[&flags[..], &PLAIN].concat()).exits(0);
        let run = fs::read_dir(host.runtime()).unwrap().next().unwrap().unwrap().path();
        let sockets = run.join("sockets");
        assert_eq!(fs::metadata(&run).unwrap().mode() & 0o7777, 0o700, "nobody else passes");
        assert_eq!(fs::metadata(&run).unwrap().uid(), host.uid());
        let vnc = sockets.join("vnc");
        assert_eq!(as_user(host.uid(), move || greeting(&vnc)), "RFB");
        // What lies on the host's side goes with the machine, whoever owns it.
        let vmm = Process(host.status(&name).evidence.last().unwrap().pid);
        let (uid, gid) = (only(vmm, "Uid"), only(vmm, "Gid"));
        leave(&run.join("left"), uid, gid);
        host.run(&["stop", &name]).exits(0);
        assert!(!run.exists());
        Ok(())
    });
}

/// Does something as another user, whom only this thread becomes.
fn as_user<T: Send + 'static>(uid: u32, work: impl FnOnce() -> T + Send + 'static) -> T {
    let uid = Uid::from_raw(uid);
    let become_it = move || set_thread_res_uid(uid, uid, uid).expect("root may become anybody");
    std::thread::spawn(move || (become_it(), work()).1).join().unwrap()
}

fn greeting(socket: &Path) -> String {
    let mut bytes = [0; 3];
    UnixStream::connect(socket).unwrap().read_exact(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A directory of another user's with something in it, as nobody else can remove it.
fn leave(directory: &Path, uid: u32, gid: u32) {
    fs::create_dir(directory).unwrap();
    fs::write(directory.join("file"), "x").unwrap();
    for path in [&directory.join("file"), directory] {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}

/// What only the user may read by name, its own user could not: it has none, and is told why.
#[test]
fn what_only_the_user_may_read_is_named() {
    as_delegated("what_only_the_user_may_read_is_named", |host| {
        let secret = host.file("secret", b"for the user's eyes");
        let path = secret.to_str().unwrap();
        let program = svirt_testkit::program("busybox")
            .ok_or_else(|| Skipped::because("there is no busybox"))?;
        let read = ["--ro", path, "--", program.to_str().unwrap(), "cat", path];
        let run = |flags: &[&str]| host.run(&[&["exec"], flags, &read].concat());
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(run(&[]).exits(0).out, "for the user's eyes");
        run(&["--require", "user"]).exits(78).complains(path).complains("chmod o+r");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(run(&["--require", "user"]).exits(0).out, "for the user's eyes");
        let who = |flags: &[&str]| {
            let id = ["--", program.to_str().unwrap(), "id", "-u"];
            let uid = host.run(&[&["exec"], flags, &id].concat()).exits(0).out;
            uid.trim().parse::<u32>().unwrap()
        };
        assert!(who(&[]) >= FIRST);
        assert_eq!(who(&["--weaken", "user"]), host.uid());
        Ok(())
    });
}

/// Groups are dropped, but where one of them is what gives access: then they stay, and that is said.
#[test]
fn groups_stay_only_where_one_gives_access() {
    as_delegated("groups_stay_only_where_one_gives_access", |host| {
        let group = host.file("group", b"for the group");
        chown(&group, Some(0), Some(GROUP)).unwrap();
        fs::set_permissions(&group, fs::Permissions::from_mode(0o640)).unwrap();
        let program = svirt_testkit::program("busybox")
            .ok_or_else(|| Skipped::because("there is no busybox"))?;
        let program = program.to_str().unwrap();
        let path = group.to_str().unwrap();
        let exec = |words: &[&str]| Talk::start(in_group(host, words)).finish();
        let said = exec(&["exec", "--ro", path, "--", program, "cat", path]).exits(0);
        assert_eq!(said.out, "for the group");
        let required = exec(&["exec", "--require", "user", "--ro", path, "--", program, "true"]);
        required.exits(78).complains("it keeps the groups").complains(path);
        let without = exec(&["exec", "--require", "user", "--", program, "id", "-G"]).exits(0);
        assert_eq!(without.out.split_whitespace().count(), 1, "{without:?}");
        Ok(())
    });
}

/// A group that nobody else has.
const GROUP: u32 = 0x6fff_0001;

/// `svirt` as the user, in one more group.
fn in_group(host: &Host, words: &[&str]) -> Command {
    let svirt = host.svirt(words);
    let gid = fs::metadata(host.path("home")).unwrap().gid();
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={}", host.uid()), format!("--regid={gid}")]);
    command.arg(format!("--groups={GROUP}")).arg("--").arg(svirt.get_program());
    command.args(svirt.get_args()).env_clear().current_dir(host.path(""));
    command.envs(svirt.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// A user to whom nothing was delegated is told so.
#[test]
fn a_user_without_a_range_is_told_so() {
    check(Caller::User, "a_user_without_a_range_is_told_so", |host| {
        if host.uid() == rustix::process::getuid().as_raw() {
            return Err(Skipped::because("whoever runs the tests may have a range"));
        }
        let machine = machine(host, "plain");
        assert_eq!(only(machine.vmm(), "Uid"), host.uid());
        let layer = user_layer(&machine.status());
        assert_eq!(layer.enforced, Enforced::No);
        assert!(layer.why_not.starts_with("/etc/subuid gives this user no range"), "{layer:?}");
        machine.ends_after("poweroff").exits(0);
        Ok(())
    });
}
