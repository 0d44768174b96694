//! Least privilege: each thing that a machine may open by name is taken away in turn, on a real launch of
//! a real plan, and the machine must miss it, or it says here what needs it.

use crate::evidence::{launcher, needs_to_be_the_caller};
use std::{
    collections::BTreeMap,
    io::Read,
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};
use svirt_host::sources::{self, Supplies};
use svirt_model::{Channel, Confinement, Entry, Grant};
use svirt_testkit::{Caller, Host, Outcome, PROMPT, check, claims};

/// Several times what the guest takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a machine without a network, a disk and a screen does without, and what needs it.
const IDLE: &[(&str, &str)] = &[
    ("/dev/null", "a disk: QEMU tries on it what kind of locks the kernel has"),
    ("/usr/lib/ipxe/qemu", "a network card, whose boot ROM is there"),
];

/// The linker once more, under the name by which the C library needs it. glibc's knows itself by that
/// name and opens nothing; others look for it.
const LINKER: &str = "ld-linux";

/// Whether the guest comes to its prompt in this confinement.
fn comes_up(host: &Host, confinement: &Confinement) -> bool {
    let mut ours: BTreeMap<Channel, OwnedFd> = BTreeMap::new();
    let channels = [Channel::Console, Channel::Monitor, Channel::Log].map(|channel| {
        let (end, theirs) = sources::connection().expect("a connection");
        ours.insert(channel, end);
        (channel, theirs)
    });
    let supplies = Supplies {
        channels: channels.into_iter().collect(),
        streams: Vec::new(),
        scratch: host.state(),
        overlay: |_| Ok(Vec::new()),
    };
    let opened = sources::open(confinement, &supplies).expect("everything can be opened");
    let launcher = launcher(host).assign(confinement).expect("it listens");
    let started = launcher.start(&sources::borrow(&opened), || Ok(()));
    let Ok((held, ())) = started else { return false };
    // Its end is seen once nobody else has the other ends.
    drop((opened, supplies));
    let running = held.release().expect("it stands there");
    let console = UnixStream::from(ours.remove(&Channel::Console).expect("its console"));
    let came = comes_to_its_prompt(console);
    drop(running);
    came
}

fn comes_to_its_prompt(mut console: UnixStream) -> bool {
    console.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let (mut said, mut bytes) = (String::new(), [0; 4096]);
    while let Ok(count @ 1..) = console.read(&mut bytes) {
        said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if said.replace('\r', "").contains(PROMPT) {
            return true;
        }
    }
    false
}

/// The things of this kind that the guest comes up without; the machine itself runs meanwhile.
fn not_missed(host: &Host, which: fn(&Entry) -> bool) -> Vec<String> {
    let mut machine = host.boot("granted", &["--net", "none"]);
    machine.ready();
    let planned = machine.status().plan.unwrap().vmm().confinement.clone();
    assert!(comes_up(host, &planned), "it does not come up as planned");
    let mut idle = Vec::new();
    for entry in planned.entries.iter().filter(|e| which(e) && e.at != planned.program.path) {
        let mut without = planned.clone();
        without.entries.retain(|other| other.at != entry.at);
        if comes_up(host, &without) {
            idle.push(entry.at.display().to_string());
        }
    }
    machine.ends_after("poweroff").exits(0);
    idle
}

fn every_library(host: &Host) -> Outcome {
    needs_to_be_the_caller(host)?;
    let mut found = not_missed(host, |entry| entry.grant == Grant::Execute);
    found.retain(|path| !path.contains(LINKER));
    assert_eq!(found, [""; 0]);
    Ok(())
}

/// `cargo xtask soak --privileges` runs this.
#[test]
#[ignore = "it lasts: cargo xtask soak --privileges"]
fn every_library_is_missed() {
    check(Caller::Root, "real_qemu::grants::every_library_is_missed", every_library);
}

claims! {
    /// Every file, directory and device is missed, or says what needs it.
    fn what_a_machine_is_given_it_needs(host) {
        needs_to_be_the_caller(host)?;
        let found = not_missed(host, |entry| entry.grant != Grant::Execute);
        let known: Vec<_> = IDLE.iter().map(|(idle, _)| *idle).collect();
        assert_eq!(found, known, "the guest comes up without these, and those say so");
    }
}
