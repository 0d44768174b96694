//! virt-manager with its windows, on a screen of its own: what it shows is compared with what virsh and svirt say.

use crate::domains::with_disk;
use std::process::Command;
use svirt_testkit::{Caller, Daemon, Host, Outcome, Skipped, Talk, check, has_program};

/// A disk whose first sector shows `>` and then each key in the other case: `mov ax, 0e3eh; mov bx, 7; int 10h;
/// again: mov ah, 0; int 16h; xor al, 20h; mov ah, 0eh; int 10h; jmp again`. The firmware shows on the serial line
/// what it shows on the screen, and takes from there what is said for keys.
fn echoing_disk() -> Vec<u8> {
    let mut disk = vec![
        0xb8, 0x3e, 0x0e, 0xbb, 7, 0, 0xcd, 0x10, 0xb4, 0, 0xcd, 0x16, 0x34, 0x20, 0xb4, 0x0e,
        0xcd, 0x10, 0xeb, 0xf4,
    ];
    disk.resize(510, 0);
    disk.extend([0x55, 0xaa]);
    disk.resize(1 << 20, 0);
    disk
}

/// Skips what needs programs with windows, and something that reads them.
fn needs_a_screen(programs: &[&str]) -> Outcome {
    let missing =
        ["Xvfb", "dbus-run-session"].iter().chain(programs).find(|name| !has_program(name));
    if let Some(name) = missing {
        return Err(Skipped::because(format!("{name} is not installed")));
    }
    let words =
        ["-c", "import gi; gi.require_version('Atspi', '2.0'); gi.require_version('Gdk', '3.0')"];
    let there = Command::new("/usr/bin/python3").args(words).output();
    match there.is_ok_and(|said| said.status.success()) {
        true => Ok(()),
        false => Err(Skipped::because("Python reads no screen: gir1.2-atspi-2.0 gir1.2-gtk-3.0")),
    }
}

/// Runs a script that has a screen, to its end.
#[track_caller]
fn on_a_screen(daemon: &Daemon<'_>, host: &Host, text: &str, arguments: &[&str]) {
    host.file("screen.py", include_bytes!("../scripts/screen.py"));
    let script = host.file("script.py", text.as_bytes());
    let words = [&["-W", "ignore", script.to_str().unwrap()], arguments].concat();
    let mut talk = Talk::start(daemon.plain_client("/usr/bin/python3", &words));
    talk.wait_no_longer_than(std::time::Duration::from_secs(300));
    let said = talk.finish();
    if said.code != Some(0) {
        let picture = concat!(env!("CARGO_TARGET_TMPDIR"), "/screen.png");
        let _ = std::fs::copy(host.path("home").join("failed.png"), picture);
        panic!("{said:#?}, with a picture at {picture}");
    }
}

fn windows_lead_machines(host: &Host) -> Outcome {
    needs_a_screen(&["virt-manager"])?;
    let daemon = Daemon::start_as_libvirt(host);
    let (name, other) = (host.name("seen"), host.name("other"));
    let disk = host.file("echo.img", &echoing_disk());
    let document = host.file("domain.xml", with_disk(&name, &disk).as_bytes());
    daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
    host.run(&["run", "--name", &other, "--accel", "tcg", "--memory", "32M", "--detach"]).exits(0);
    let uri = if host.is_root() { "qemu:///system" } else { "qemu:///session" };
    let svirt = host.program().to_str().unwrap();
    on_a_screen(&daemon, host, include_str!("../scripts/manager.py"), &[uri, svirt, &name, &other]);
    assert_eq!(host.running(), Vec::<String>::new());
    assert!(disk.exists());
    daemon.end();
    Ok(())
}

#[test]
#[ignore = "it needs programs with windows: cargo xtask soak --clients"]
fn virt_manager_leads_machines_as_root() {
    check(Caller::Root, "virt_manager_leads_machines_as_root", windows_lead_machines);
}

#[test]
#[ignore = "it needs programs with windows: cargo xtask soak --clients"]
fn virt_manager_leads_machines_as_user() {
    check(Caller::User, "virt_manager_leads_machines_as_user", windows_lead_machines);
}

#[test]
#[ignore = "it needs programs with windows: cargo xtask soak --clients"]
fn virt_manager_leads_machines_as_delegated() {
    check(Caller::Delegated, "virt_manager_leads_machines_as_delegated", windows_lead_machines);
}
