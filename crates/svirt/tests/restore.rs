//! What was changed is shown, kept, and put right where others left something. Nothing here starts a
//! guest.

mod support;

use rustix::fs::XattrFlags;
use std::{fs, path::Path};
use support::Host;

const MARKED: &str = "system_u:object_r:svirt_image_t:s0:c1017,c1019";

/// A machine that is gone at once, where one can be started here.
fn exec(host: &Host, name: &str) -> bool {
    let said = host.say(&["exec", "--name", name, "--", "/bin/true"]);
    if said.code != Some(0) {
        svirt_testkit::skipped(said.err.trim());
    }
    said.code == Some(0)
}

#[test]
fn the_ledger_shows_what_was_changed_and_that_it_was_restored() {
    let host = Host::new();
    if !exec(&host, "one") || !exec(&host, "two") {
        return;
    }
    let all = host.out(&["ledger"]);
    assert!(
        all.contains("  one  ") && all.contains("  two  ") && all.contains("restored"),
        "{all}"
    );
    let one = host.out(&["ledger", "--machine", "one"]);
    assert!(one.contains("  one  ") && !one.contains("  two  "), "{one}");
    assert_eq!(host.out(&["ledger", "--last", "1"]).lines().count(), 2);
    let entries: Vec<serde_json::Value> = host
        .out(&["ledger", "export"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len(), all.lines().count() - 1);
    let numbers: Vec<_> = entries.iter().map(|e| e["sequence"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers[0] == 1);
    assert!(entries.iter().all(|e| e["version"] == 1 && e["phase"] == "undone"), "{entries:?}");
    let object = entries[0]["object"].as_str().unwrap();
    let of_it = host.out(&["ledger", "--json", "--path", object]);
    assert!(of_it.contains(object) && of_it.contains("\"begins\":1"), "{of_it}");
    let (id, last) = (entries[0]["id"].as_str().unwrap(), numbers[numbers.len() - 1].to_string());
    assert_eq!(host.out(&["ledger", "--machine", id]), one);
    assert_eq!(host.out(&["ledger", "export", "--since", &last]), "");
}

#[test]
fn how_much_is_kept_is_set_within_bounds() {
    let host = Host::new();
    assert_eq!(host.out(&["ledger", "keep"]), "10000\n");
    assert_eq!(host.out(&["ledger", "keep", "1000"]), "1000\n");
    assert_eq!(host.out(&["ledger", "keep"]), "1000\n");
    for few_or_many in ["0", "999", "1000001"] {
        let said = host.say(&["ledger", "keep", few_or_many]);
        assert!(said.code == Some(64) && said.err.contains("1000 to 1000000"), "{said:?}");
    }
    assert_eq!(host.out(&["ledger", "keep"]), "1000\n");
}

fn set(path: &Path, name: &str, value: &str) -> bool {
    rustix::fs::setxattr(path, name, value.as_bytes(), XattrFlags::empty()).is_ok()
}

fn get(path: &Path, name: &str) -> Option<String> {
    let mut value = vec![0; 256];
    let length = rustix::fs::getxattr(path, name, &mut value[..]).ok()?;
    Some(String::from_utf8_lossy(&value[..length]).into_owned())
}

#[test]
fn what_is_well_is_not_repaired() {
    let host = Host::new();
    let image = host.path("image");
    fs::write(&image, "x").unwrap();
    assert_eq!(host.out(&["repair", image.to_str().unwrap()]), "nothing is to be repaired\n");
    let said = host.say(&["repair", "missing"]);
    assert_eq!(said.code, Some(66), "{said:?}");
}

#[test]
fn a_label_of_no_machine_is_taken_away_only_if_somebody_says_so() {
    let host = Host::new();
    let image = host.path("image");
    fs::write(&image, "x").unwrap();
    if !set(&image, "security.selinux", MARKED) {
        return svirt_testkit::skipped("this user cannot label files");
    }
    let words = ["repair", image.to_str().unwrap()];
    let said = host.say(&words);
    assert_eq!(said.code, Some(77), "{said:?}");
    assert!(said.out.contains(MARKED) && said.out.contains("does not run"), "{said:?}");
    assert!(said.err.contains("nothing was changed") && said.err.contains("--yes"), "{said:?}");
    assert_eq!(get(&image, "security.selinux").as_deref(), Some(MARKED));
    host.out(&[&words[..], &["--yes"]].concat());
    assert_ne!(get(&image, "security.selinux").as_deref(), Some(MARKED));
    assert_eq!(host.out(&words), "nothing is to be repaired\n");
}

#[test]
fn what_libvirt_remembers_of_an_earlier_boot_is_put_back() {
    use std::os::unix::fs::MetadataExt;
    let host = Host::new();
    let image = host.path("image");
    fs::write(&image, "x").unwrap();
    let libvirt = |name: &str| format!("trusted.libvirt.security.{name}");
    if !set(&image, &libvirt("dac"), "+7:+8") {
        return svirt_testkit::skipped("this user is shown no such attributes");
    }
    for (name, value) in [("ref_dac", "1"), ("selinux", "u:object_r:t:s0"), ("ref_selinux", "1")] {
        assert!(set(&image, &libvirt(name), value));
    }
    set(&image, "security.selinux", MARKED);
    let words = ["repair", image.to_str().unwrap(), "--yes"];
    let owner = || fs::metadata(&image).map(|found| (found.uid(), found.gid())).unwrap();
    let before = owner();
    let shown = host.out(&words);
    assert!(shown.contains("does not say since when: left"), "{shown}");
    assert_eq!((owner(), get(&image, &libvirt("dac")).as_deref()), (before, Some("+7:+8")));
    set(&image, "security.selinux", MARKED);
    set(&image, &libvirt("timestamp_dac"), "1500000000");
    let shown = host.out(&words);
    assert!(shown.contains("since another boot") && shown.contains("owner 7:8"), "{shown}");
    assert_eq!(owner(), (7, 8));
    let names = ["dac", "ref_dac", "timestamp_dac", "selinux", "ref_selinux"];
    assert!(names.iter().all(|name| get(&image, &libvirt(name)).is_none()));
    assert_eq!(get(&image, "security.selinux").as_deref(), Some("u:object_r:t:s0\0"));
}

/// A machine that runs has it, and is not asked.
#[test]
fn an_object_of_a_machine_that_runs_is_left() {
    let host = Host::new();
    let image = host.path("image");
    fs::write(&image, "x").unwrap();
    let path = image.to_str().unwrap();
    let start = ["exec", "--detach", "--name", "user", "--rw", path, "--", "/bin/sleep", "60"];
    let said = host.say(&start);
    if said.code != Some(0) {
        return svirt_testkit::skipped(said.err.trim());
    }
    let labelled = set(&image, "security.selinux", MARKED);
    let shown = host.out(&["repair", path, "--yes"]);
    let kept = get(&image, "security.selinux");
    host.out(&["kill", "user"]);
    if !labelled {
        return svirt_testkit::skipped("this user cannot label files");
    }
    assert!(shown.contains("machine user uses it: left"), "{shown}");
    assert_eq!(kept.as_deref(), Some(MARKED));
}

/// What is not as it was has an exit code of its own.
#[test]
fn a_recovery_is_shown_before_and_says_what_it_left() {
    let host = Host::new();
    let start = ["exec", "--detach", "--name", "lost", "--", "/bin/sleep", "60"];
    let said = host.say(&start);
    if said.code != Some(0) {
        return svirt_testkit::skipped(said.err.trim());
    }
    let all: serde_json::Value = serde_json::from_str(&host.out(&["ps", "--json"])).unwrap();
    let number = i32::try_from(all["machines"][0]["supervisor"].as_i64().unwrap()).unwrap();
    let supervisor = rustix::process::Pid::from_raw(number).unwrap();
    let waited = rustix::process::pidfd_open(supervisor, rustix::process::PidfdFlags::empty());
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
    let waited = waited.unwrap();
    let mut ended = [rustix::event::PollFd::new(&waited, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut ended, None).unwrap();
    let place = fs::read_dir(host.path("run")).unwrap().next().unwrap().unwrap().path();
    let shown = host.out(&["recover", "--dry-run"]);
    let line = |line: &str| line.contains(place.to_str().unwrap()) && line.ends_with("removed");
    assert!(shown.lines().any(line), "{shown}");
    assert!(place.is_dir(), "nothing is done");
    let away = host.path("away");
    fs::rename(&place, &away).unwrap();
    fs::write(&place, "theirs").unwrap();
    let said = host.say(&["recover"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "lost\n"), "{said:?}");
    assert!(said.err.contains("was left: it was replaced"), "{said:?}");
    assert_eq!(fs::read(&place).unwrap(), b"theirs");
    assert_eq!(host.out(&["recover"]), "");
    let left = host.out(&["ledger", "--path", place.to_str().unwrap()]);
    assert!(left.contains("left: it was replaced"), "{left}");
}
