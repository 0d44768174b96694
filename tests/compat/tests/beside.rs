//! `svirtd` beside Debian's own libvirtd: both are asked the same by the unmodified virsh and libvirt's binding
//! for Python, and whatever one answers otherwise than the other is listed, with its reason, in
//! `beside/differences.txt`. What is there and not listed fails, and so does what is listed and no more there.
//!
//! libvirtd runs in namespaces of its own and leaves nothing on the host.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use svirt_testkit::{Caller, Daemon, Host, Outcome, Skipped, check, has_program};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/beside");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/libvirt.md");
/// What gives libvirtd a host of its own.
const APART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask/src/bench/libvirt/apart.sh");
const LIBVIRTD: &str = "/usr/sbin/libvirtd";
const PYTHON: &str = "/usr/bin/python3";

/// Documents that are wrong somewhere: a name, and what of the smallest one stands there otherwise.
const WRONG: &[(&str, &str, &str)] = &[
    ("begun", "</domain>", ""),
    ("empty", "<domain", "<!-- <domain"),
    ("root", "domain", "network"),
    ("nameless", "<name>minimal</name>", ""),
    ("slash", "<name>minimal", "<name>a/b"),
    ("type", "'qemu'", "'nosuch'"),
    ("memoryless", "<memory unit='MiB'>64</memory>", ""),
    ("osless", "<os><type>hvm</type></os>", ""),
    ("arch", "<type>", "<type arch='nosuch'>"),
    ("machine", "<type>", "<type machine='nosuch'>"),
    ("emulator", "</domain>", "<devices><emulator>/no/such</emulator></devices></domain>"),
    ("uuid", "6b0ed2a1", "nosuch"),
    ("vcpus", "<vcpu>1", "<vcpu>100000"),
    ("novcpus", "<vcpu>1", "<vcpu>0"),
    (
        "bus",
        "</domain>",
        "<devices><disk type='file'><target dev='vda' bus='nosuch'/></disk></devices></domain>",
    ),
    (
        "twice",
        "</domain>",
        "<devices><disk type='file'><target dev='vda'/></disk><disk type='file'><target dev='vda'/></disk>\
         </devices></domain>",
    ),
    ("video", "</domain>", "<devices><video><model type='nosuch'/></video></devices></domain>"),
    ("entity", "<domain", "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain"),
    ("unknown", "</domain>", "<nosuch/></domain>"),
    ("same-uuid", "<name>minimal", "<name>other"),
    ("same-name", "ff001", "ff009"),
    ("transient", "<name>minimal</name>", "<name>transient</name>"),
];

/// What a daemon says to a command, a line each.
type Answer = (String, Vec<String>);

/// What two daemons say to the same, line for line: a command, and what only one of them says.
type Differences = BTreeMap<String, String>;

#[test]
#[ignore = "asks two daemons 1,400 times, some minutes: cargo xtask soak --libvirt"]
fn svirtd_answers_as_libvirtd_but_for_what_is_listed() {
    check(Caller::Root, "svirtd_answers_as_libvirtd_but_for_what_is_listed", compare);
}

/// The page says why what is answered otherwise is.
#[test]
fn the_page_lists_the_reasons() {
    let listed = listed();
    assert!(listed.iter().all(|(because, _)| !because.is_empty()), "a difference has no reason");
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, after) = (BEGIN, END);
    let (head, rest) = page.split_once(before).expect("the page has a place for them");
    let (_, tail) = rest.split_once(after).expect("the place has an end");
    let reasons: String = listed.iter().map(|(because, _)| format!("- {because}\n")).collect();
    let current = format!("{head}{before}\n{reasons}{after}{tail}");
    if std::env::var_os("SVIRT_WRITE").is_some() {
        fs::write(PAGE, &current).unwrap();
    }
    assert_eq!(fs::read_to_string(PAGE).unwrap(), current, "SVIRT_WRITE=1 writes it anew");
}

const BEGIN: &str =
    "<!-- from tests/compat/beside/differences.txt, by its test with SVIRT_WRITE=1 -->\n";
const END: &str = "<!-- so far -->";

fn compare(host: &Host) -> Outcome {
    host.needs_root("run libvirtd in namespaces of its own")?;
    let binding = Command::new(PYTHON).args(["-c", "import libvirt"]).output();
    if !Path::new(LIBVIRTD).exists() || !binding.is_ok_and(|said| said.status.success()) {
        return Err(Skipped::because("libvirtd and its binding for Python are not installed"));
    }
    if !has_program("qemu-img") {
        return Err(Skipped::because("qemu-img is not installed"));
    }
    let theirs = answers(host, "theirs", libvirtd);
    let ours = answers(host, "ours", svirtd);
    settle(&differences(&theirs, &ours));
    Ok(())
}

/// Compares what there is with what is listed.
fn settle(found: &Differences) {
    let groups = listed();
    let known: BTreeSet<_> = groups.iter().flat_map(|(_, all)| all).collect();
    let new: Vec<_> = found.iter().filter(|one| !known.contains(one)).collect();
    let current: BTreeSet<_> = found.iter().collect();
    let gone: Vec<_> = known.difference(&current).collect();
    if std::env::var_os("SVIRT_WRITE").is_some() {
        fs::write(format!("{HERE}/differences.txt"), written(&groups, found)).unwrap();
    }
    let text = |(command, lines): &(&String, &String)| format!("$ {command}\n{lines}");
    let new: String = new.iter().map(text).collect();
    let gone: String = gone.iter().map(|one| text(one)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "not listed:\n{new}\nlisted, and no more so:\n{gone}"
    );
}

/// The list as it is: each reason, and what it is the reason of.
fn listed() -> Vec<(String, Differences)> {
    let text = fs::read_to_string(format!("{HERE}/differences.txt")).unwrap();
    let groups = text.split("\n= ").skip(1).map(|group| {
        let (because, rest) = group.split_once('\n').unwrap_or((group, ""));
        let blocks = format!("\n{rest}");
        let block = |block: &str| {
            let (command, lines) = block.split_once('\n').unwrap_or((block, ""));
            (command.to_owned(), format!("{}\n", lines.trim_end()))
        };
        (because.trim().to_owned(), blocks.split("\n$ ").skip(1).map(block).collect())
    });
    groups.collect()
}

/// The same with what was found: what is answered otherwise than before stays where its command was.
fn written(groups: &[(String, Differences)], found: &Differences) -> String {
    let mut text = fs::read_to_string(format!("{HERE}/differences.txt")).unwrap();
    text.truncate(text.find("\n= ").map_or(text.len(), |at| at + 1));
    let mut left = found.clone();
    let mut groups: Vec<_> = groups
        .iter()
        .map(|(because, all)| {
            let still = all.keys().filter_map(|command| left.remove_entry(command));
            (because.clone(), still.collect::<Vec<_>>())
        })
        .collect();
    groups.push((String::new(), left.into_iter().collect()));
    for (because, all) in groups.iter().filter(|(_, all)| !all.is_empty()) {
        let _ = writeln!(text, "= {because}");
        all.iter().for_each(|(command, lines)| text.push_str(&format!("$ {command}\n{lines}")));
        text.push('\n');
    }
    text
}

fn differences(theirs: &[Answer], ours: &[Answer]) -> Differences {
    assert_eq!(theirs.len(), ours.len());
    let mut found = Differences::new();
    for ((command, theirs), (_, ours)) in theirs.iter().zip(ours) {
        let only = |these: &[String], those: &[String], sign: char| -> String {
            let mut those: Vec<_> = those.iter().collect();
            let alone = these.iter().filter(|line| match those.iter().position(|l| l == line) {
                Some(at) => {
                    those.remove(at);
                    false
                }
                None => true,
            });
            alone.fold(String::new(), |text, line| format!("{text}{sign} {line}\n"))
        };
        let lines = only(theirs, ours, '-') + &only(ours, theirs, '+');
        if lines.is_empty() {
            continue;
        }
        // The same may be asked more than once.
        let mut command = command.clone();
        while found.contains_key(&command) {
            command.push_str(" (again)");
        }
        found.insert(command, lines);
    }
    found
}

/// What a daemon says to all commands.
fn answers(host: &Host, whose: &str, daemon: fn(&Host, &Path) -> Command) -> Vec<Answer> {
    let place = place(host, whose);
    let said = daemon(host, &place).stdin(Stdio::null()).output().unwrap();
    let log = || fs::read_to_string(place.join("daemon.log"));
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{whose}: {errors}\n{:?}", log());
    let all: Value = serde_json::from_slice(&said.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let answer = |one: &Value| {
        let said = one["said"].as_array().unwrap().iter().map(text).collect();
        (text(&one["command"]), said)
    };
    all.as_array().unwrap().iter().map(answer).collect()
}

/// A directory with what the documents name.
fn place(host: &Host, whose: &str) -> PathBuf {
    let place = host.directory(whose, 0o755);
    let put = |name: &str, content: &[u8]| fs::write(place.join(name), content).unwrap();
    let text = |name: &str| {
        let text = fs::read_to_string(format!("{HERE}/{name}.xml")).unwrap();
        text.replace("PLACE", place.to_str().unwrap())
    };
    for name in ["minimal", "desktop", "old"] {
        put(&format!("{name}.xml"), text(name).as_bytes());
    }
    fs::create_dir(place.join("wrong")).unwrap();
    for (name, right, wrong) in WRONG {
        put(&format!("wrong/{name}.xml"), text("minimal").replace(right, wrong).as_bytes());
    }
    put("disc.iso", &[0; 1 << 16]);
    put("old.img", &[0; 1 << 20]);
    for name in ["client.py", "commands.txt"] {
        put(name, &fs::read(format!("{HERE}/{name}")).unwrap());
    }
    put("apart.sh", &fs::read(APART).unwrap());
    let disk = place.join("disk.qcow2");
    host.run_program("qemu-img", &["create", "-q", "-f", "qcow2", disk.to_str().unwrap(), "1M"])
        .exits(0);
    for name in ["disk.qcow2", "disc.iso", "old.img"] {
        fs::set_permissions(place.join(name), PermissionsExt::from_mode(0o666)).unwrap();
    }
    place
}

fn client(place: &Path, uri: &str) -> Vec<PathBuf> {
    vec![
        PYTHON.into(),
        place.join("client.py"),
        place.into(),
        uri.into(),
        place.join("commands.txt"),
    ]
}

fn svirtd(host: &Host, place: &Path) -> Command {
    let uri = format!("qemu+unix:///system?socket={}", host.path("ours.sock").display());
    let words = client(place, &uri);
    let mut command = host.command(&words[0]);
    command
        .args(&words[1..])
        .arg(Daemon::program(host))
        .arg("--socket")
        .arg(host.path("ours.sock"));
    command
}

fn libvirtd(host: &Host, place: &Path) -> Command {
    let uri = "qemu:///system";
    let mut command = host.command("unshare");
    command.args(["-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-euc"]);
    // What is to be hidden below it is given a place before anything else looks there.
    command.arg(
        "mount -t tmpfs -o mode=755 none /run; mkdir -p /run/libvirt /run/lock; exec sh \"$@\"",
    );
    command.arg("sh").arg(place.join("apart.sh")).args(client(place, uri)).arg(LIBVIRTD);
    command
}
