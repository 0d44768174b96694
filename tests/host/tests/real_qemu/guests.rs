//! A machine's ordinary life. In each claim the kernel refuses the machine nothing.

use crate::watch::Watch;
use std::fs;
use svirt_testkit::{PROMPT, Talk, claims};

/// Without a network, and with the embedded guest also where there are disks.
const PLAIN: [&str; 4] = ["--net", "none", "--append", "plain"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    PLAIN.iter().chain(more).copied().collect()
}

/// A raw image with a text in its second sector.
fn raw(sectors: usize, text: &str) -> Vec<u8> {
    let mut bytes = vec![0; sectors * 512];
    bytes[512..512 + text.len()].copy_from_slice(text.as_bytes());
    bytes
}

claims! {
    delegated too:

    /// What the guest reads is in the image, and what it writes is there afterwards.
    fn the_guest_reads_and_writes_its_disk(host) {
        let watch = Watch::begin();
        let before = raw(64, "from the host");
        let image = host.file("disk.raw", &before);
        let mut machine = host.boot("disk", &with(&["--disk", image.to_str().unwrap()]));
        machine.ready();
        assert!(machine.ask("read 0 1").contains("from the host"));
        assert_eq!(machine.ask("write 0 2 from the guest"), "ok");
        assert_eq!(machine.ask("flush 0"), "ok");
        let processes = host.traces().processes();
        machine.ends_after("poweroff").exits(0);
        let after = fs::read(&image).unwrap();
        assert!(after[1024..].starts_with(b"from the guest\0"));
        assert_eq!((&after[..1024], after.len()), (&before[..1024], before.len()));
        watch.nothing_was_refused_to(&processes);
    }

    /// What is typed before the guest is there is the guest's, to the first byte.
    fn what_is_typed_early_reaches_the_guest(host) {
        let mut machine = host.boot("early", &PLAIN);
        machine.talk().send(b"echo early\r");
        let before = machine.ready();
        assert!(before.starts_with("svirt guest: ready"), "nobody spoke before it: {before:?}");
        machine.talk().wait_for("echo early\r\nearly\r\n");
        machine.ends_after("poweroff").exits(0);
    }

    /// A guest that resets itself comes back, in the same process.
    fn the_guest_reboots(host) {
        let watch = Watch::begin();
        let mut machine = host.boot("reboot", &PLAIN);
        machine.ready();
        let vmm = machine.vmm();
        machine.talk().send(b"reboot\r");
        machine.talk().wait_for("svirt guest: ready");
        machine.ready();
        assert_eq!(machine.ask("echo again"), "again");
        assert_eq!(machine.vmm(), vmm);
        let processes = host.traces().processes();
        machine.ends_after("poweroff").exits(0);
        watch.nothing_was_refused_to(&processes);
    }

    /// `svirt stop` presses the power button, which the guest feels.
    fn the_guest_powers_off_when_it_is_asked_to(host) {
        let watch = Watch::begin();
        let mut machine = host.boot("stop", &PLAIN);
        machine.ready();
        let processes = host.traces().processes();
        let name = machine.name().to_owned();
        host.run(&["stop", &name]).exits(0);
        let said = machine.finish().exits(0);
        assert!(said.out.contains("power button"), "{said:#?}");
        watch.nothing_was_refused_to(&processes);
    }

    /// A guest that does not listen loses its VMM, and the command says so.
    fn a_deaf_guest_is_ended(host) {
        let mut machine = host.boot("deaf", &PLAIN);
        machine.ready();
        machine.talk().send(b"hang\r");
        machine.talk().wait_for("hanging");
        let name = machine.name().to_owned();
        host.run(&["stop", "--timeout", "1", &name]).exits(0);
        machine.finish();
    }

    /// The command ends with the guest's code; a panic is 101, a killed VMM 128 and the signal.
    fn the_exit_code_is_the_guests(host) {
        let watch = Watch::begin();
        let mut processes = Vec::new();
        for (line, code) in [("exit 3", 3), ("exit 0", 0), ("panic", 101), ("poweroff", 0)] {
            let mut machine = host.boot("code", &PLAIN);
            machine.ready();
            processes.extend(host.traces().processes());
            machine.ends_after(line).exits(code);
        }
        let mut machine = host.boot("code", &PLAIN);
        machine.ready();
        let name = machine.name().to_owned();
        host.run(&["kill", &name]).exits(0);
        machine.finish().exits(137);
        watch.nothing_was_refused_to(&processes);
    }

    /// A throw-away disk takes what is written and the image stays as it was, to its times.
    fn an_ephemeral_machine_never_changes_its_image(host) {
        let watch = Watch::begin();
        let before = raw(64, "as it was");
        let image = host.file("disk.raw", &before);
        let modified = fs::metadata(&image).unwrap().modified().unwrap();
        let mut machine =
            host.boot("eph", &with(&["--ephemeral", "--disk", image.to_str().unwrap()]));
        machine.ready();
        assert_eq!(machine.ask("write 0 1 changed"), "ok");
        assert_eq!(machine.ask("flush 0"), "ok");
        assert!(machine.ask("read 0 1").contains("changed"));
        let processes = host.traces().processes();
        machine.ends_after("poweroff").exits(0);
        assert_eq!(fs::read(&image).unwrap(), before);
        assert_eq!(fs::metadata(&image).unwrap().modified().unwrap(), modified);
        watch.nothing_was_refused_to(&processes);
    }

    /// A throw-away disk takes no more than it was given.
    fn an_ephemeral_disk_has_a_limit(host) {
        let image = host.file("disk.raw", &vec![0; 16 << 20]);
        let mut machine =
            host.boot("full", &with(&["--ephemeral=2M", "--disk", image.to_str().unwrap()]));
        machine.ready();
        let answer = machine.ask("fill 0 0 30000 7");
        assert!(answer.starts_with("error: "), "16 MiB fit into 2: {answer}");
        machine.ends_after("poweroff").exits(0);
    }

    /// A qcow2 image takes what is written, and the one below it stays as it was.
    fn an_image_with_one_below_it_works(host) {
        let watch = Watch::begin();
        host.file("source.raw", &raw(2048, "from below"));
        let img = |arguments: &[&str]| host.run_program("qemu-img", arguments).exits(0);
        img(&["convert", "-O", "qcow2", "source.raw", "base.qcow2"]);
        img(&["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2"]);
        let base = fs::read(host.path("base.qcow2")).unwrap();
        let top = host.path("top.qcow2");
        let mut machine = host.boot("chain", &with(&["--disk", top.to_str().unwrap()]));
        machine.ready();
        assert!(machine.ask("read 0 1").contains("from below"));
        assert_eq!(machine.ask("write 0 2 on the top"), "ok");
        assert_eq!(machine.ask("flush 0"), "ok");
        let processes = host.traces().processes();
        machine.ends_after("poweroff").exits(0);
        assert_eq!(fs::read(host.path("base.qcow2")).unwrap(), base);
        img(&["convert", "-O", "raw", "top.qcow2", "seen.raw"]);
        let seen = fs::read(host.path("seen.raw")).unwrap();
        assert!(seen[512..].starts_with(b"from below\0"));
        assert!(seen[1024..].starts_with(b"on the top\0"));
        watch.nothing_was_refused_to(&processes);
    }

    /// A read-only disk is read-only by the descriptor that the VMM has, not by the guest's grace.
    fn a_read_only_disk_cannot_be_written(host) {
        host.needs_no_range()?;
        let watch = Watch::begin();
        let before = raw(64, "read me");
        let image = host.file("disk.raw", &before);
        let disk = format!("{},ro", image.display());
        let mut machine = host.boot("ro", &with(&["--disk", &disk]));
        let greeting = machine.ready();
        assert!(greeting.contains("read-only"), "{greeting}");
        assert!(machine.ask("read 0 1").contains("read me"));
        assert_eq!(machine.ask("write 0 1 no"), "error: the disk is read-only");
        let vmm = machine.vmm();
        let number = vmm.descriptors().into_iter().find(|(_, to)| *to == image).map(|(n, _)| n);
        let flags = vmm.text(&format!("fdinfo/{}", number.expect("it holds the disk")));
        let flags = flags.lines().find_map(|l| l.strip_prefix("flags:")).unwrap().trim().to_owned();
        assert!(flags.ends_with('0'), "O_RDONLY is the last digit of {flags}");
        let processes = host.traces().processes();
        machine.ends_after("poweroff").exits(0);
        assert_eq!(fs::read(&image).unwrap(), before);
        watch.nothing_was_refused_to(&processes);
    }

    /// What one machine writes no other has: it is refused, by name, until the first has ended.
    fn two_machines_never_have_one_image(host) {
        let image = host.file("disk.raw", &raw(64, "mine"));
        let image = image.to_str().unwrap();
        let mut first = host.boot("first", &with(&["--disk", image]));
        first.ready();
        for disk in [image.to_owned(), format!("{image},ro"), format!("{image},share=pair")] {
            let second = host.boot("second", &with(&["--disk", &disk])).finish();
            second.exits(75).complains(image).complains(&format!("machine {}", first.name()));
        }
        first.ends_after("poweroff").exits(0);
        let mut second = host.boot("second", &with(&["--disk", image]));
        second.ready();
        second.ends_after("poweroff").exits(0);
    }

    /// Machines that both say so share an image, and one sees what the other writes.
    fn a_group_shares_an_image(host) {
        let watch = Watch::begin();
        let image = host.file("disk.raw", &raw(64, "ours"));
        let disk = format!("{},share=pair", image.display());
        let mut first = host.boot("first", &with(&["--disk", &disk]));
        let mut second = host.boot("second", &with(&["--disk", &disk]));
        first.ready();
        second.ready();
        assert_eq!(first.ask("write 0 3 from the first"), "ok");
        assert_eq!(first.ask("flush 0"), "ok");
        assert!(second.ask("read 0 3").contains("from the first"));
        let processes = host.traces().processes();
        first.ends_after("poweroff").exits(0);
        second.ends_after("poweroff").exits(0);
        watch.nothing_was_refused_to(&processes);
    }

    /// Readers share without a word.
    fn readers_share_an_image(host) {
        let image = host.file("disk.raw", &raw(64, "for all"));
        let disk = format!("{},ro", image.display());
        let mut first = host.boot("first", &with(&["--disk", &disk]));
        let mut second = host.boot("second", &with(&["--disk", &disk]));
        first.ready();
        second.ready();
        assert!(second.ask("read 0 1").contains("for all"));
        first.ends_after("poweroff").exits(0);
        second.ends_after("poweroff").exits(0);
    }

    /// A detached machine outlives its command; its console can be come back to and left.
    fn a_console_can_be_left_and_come_back_to(host) {
        let name = host.name("detached");
        let start = ["run", "--detach", "--name", &name, "--accel", "tcg", "--memory", "32M"];
        let said = host.run(&[&start[..], &PLAIN].concat()).exits(0);
        assert_eq!(said.out.trim(), name);
        let mut console = Talk::start(host.svirt(&["console", &name]));
        console.wait_for(PROMPT);
        console.send(b"echo both ways\r");
        console.wait_for("\nboth ways");
        console.finish().exits(0);
        assert_eq!(host.running(), std::slice::from_ref(&name));
        let again = host.run(&["console", &name]).exits(0);
        assert!(again.out.contains("both ways"), "what was said is shown again: {again:#?}");
        host.run(&["stop", &name]).exits(0);
        assert!(host.running().is_empty());
    }

    /// A signal to the command stops the machine, and the guest powers off.
    fn a_signal_to_the_command_stops_the_machine(host) {
        let mut machine = host.boot("signal", &PLAIN);
        machine.ready();
        machine.talk().signal(rustix::process::Signal::TERM);
        machine.finish().exits(0);
    }
}
