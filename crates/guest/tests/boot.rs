//! What the guest does, in a real QEMU.

mod harness;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use harness::Setup;
use svirt_guest::{ERROR_PREFIX, GUEST, POWER_BUTTON_LINE, PROMPT, READY_LINE, RUN_PREFIX};

const SECTOR: usize = 512;

/// Starts a claim about a machine; returns from the test where QEMU is missing.
macro_rules! setup {
    () => {
        setup!("q35")
    };
    ($machine:expr) => {
        match Setup::of_type($machine) {
            Some(setup) => setup,
            None => return,
        }
    };
}

/// Bytes without any pattern that a mistake could hide in.
fn noise(sectors: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 56) as u8
    };
    (0..sectors * SECTOR).map(|_| next()).collect()
}

fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn sum_line(bytes: &[u8], first: usize) -> String {
    format!("fnv1a64 {:016x}, {} sectors from {first}", fnv1a64(bytes), bytes.len() / SECTOR)
}

#[test]
fn the_image_is_small() {
    let Some(image) = GUEST else {
        return svirt_testkit::skipped("this target has no embedded guest");
    };
    assert!(image.len() < 16 * 1024, "{} bytes", image.len());
}

#[test]
fn the_first_line_is_the_first_output() {
    let (status, output) = setup!().append("run=poweroff").run();
    assert_eq!(output.lines().next(), Some(READY_LINE));
    assert_eq!(status, Some(0));
}

#[test]
fn describes_memory_disks_and_command_line() {
    let mut guest =
        setup!().disk(&noise(8)).drive(&noise(3), ",readonly=on", "").append("a b").start();
    let description = guest.wait_until_ready().replace("\r\n", "\n");
    let lines: Vec<_> = description.trim().lines().collect();
    let [memory, rest @ ..] = &lines[..] else { panic!("{description}") };
    let kib: u32 = memory.trim_start_matches("memory: ").trim_end_matches(" KiB").parse().unwrap();
    assert!((15_000..=16_384).contains(&kib), "{memory}");
    let expected =
        ["disk 0: 8 sectors, read-write", "disk 1: 3 sectors, read-only", "command line: a b"];
    assert_eq!(rest, expected);
    assert_eq!(guest.ask("info"), description.trim());
    assert_eq!(guest.ask("cmdline"), "a b");
}

#[test]
fn sums_are_those_of_the_file() {
    let content = noise(1000);
    let mut guest = setup!().disk(&content).start();
    guest.wait_until_ready();
    assert_eq!(guest.ask("sum 0"), sum_line(&content, 0));
    assert_eq!(guest.ask("sum 0 990"), sum_line(&content[990 * SECTOR..], 990));
    assert_eq!(guest.ask("sum 0 0x7f 130"), sum_line(&content[127 * SECTOR..257 * SECTOR], 127));
    assert_eq!(guest.ask("sum 0 1000 0"), sum_line(&[], 1000));
}

#[test]
fn read_shows_the_start_of_a_sector() {
    let mut content = noise(3);
    content[SECTOR..2 * SECTOR].fill(0);
    content[SECTOR..SECTOR + 20].copy_from_slice(b"Hello \x00\xff sector one!");
    let mut guest = setup!().disk(&content).start();
    guest.wait_until_ready();
    let zeros = "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................";
    let expected = format!(
        "0000: 48 65 6c 6c 6f 20 00 ff 20 73 65 63 74 6f 72 20  Hello .. sector \n\
         0010: 6f 6e 65 21 00 00 00 00 00 00 00 00 00 00 00 00  one!............\n\
         0020: {zeros}\n0030: {zeros}"
    );
    assert_eq!(guest.ask("read 0 1"), expected);
}

#[test]
fn writes_reach_the_file_and_nothing_else_changes() {
    let mut content = noise(600);
    let mut guest = setup!().disk(&noise(8)).disk(&content).start();
    guest.wait_until_ready();
    assert_eq!(guest.ask("fill 1 300 200 0xa5"), "ok");
    assert_eq!(guest.ask("write 1 599 the last  one"), "ok");
    assert_eq!(guest.ask("flush 1"), "ok");
    content[300 * SECTOR..500 * SECTOR].fill(0xa5);
    content[599 * SECTOR..].fill(0);
    content[599 * SECTOR..][..13].copy_from_slice(b"the last  one");
    assert_eq!(fs::read(guest.path("disk1")).unwrap(), content);
    assert_eq!(fs::read(guest.path("disk0")).unwrap(), noise(8));
    assert_eq!(guest.ask("sum 1"), sum_line(&content, 0));
}

#[test]
fn a_read_only_disk_refuses_to_be_written() {
    let content = noise(8);
    let mut guest = setup!().drive(&content, ",readonly=on", "").start();
    guest.wait_until_ready();
    for command in ["fill 0 0 1 0", "write 0 0 x"] {
        assert_eq!(guest.ask(command), format!("{ERROR_PREFIX}the disk is read-only"));
    }
    assert_eq!(guest.ask("sum 0"), sum_line(&content, 0));
    assert_eq!(fs::read(guest.path("disk0")).unwrap(), content);
}

#[test]
fn mistakes_are_answered_with_errors() {
    let mut guest = setup!().disk(&noise(8)).start();
    guest.wait_until_ready();
    let over = "the disk ends before that sector";
    let cases = [
        ("frobnicate", "no command frobnicate, try help"),
        ("sum", "usage: sum DISK [FIRST [COUNT]]"),
        ("sum x", "usage: sum DISK [FIRST [COUNT]]"),
        ("sum 0 0 8 9", "usage: sum DISK [FIRST [COUNT]]"),
        ("sum 18446744073709551616", "usage: sum DISK [FIRST [COUNT]]"),
        ("sum 1", "no such disk"),
        ("sum 18446744073709551615", "no such disk"),
        ("sum 0 0 9", over),
        ("sum 0 18446744073709551615 2", over),
        ("read 0 8", over),
        ("write 0 8 x", over),
        ("fill 0 8 1 0", over),
        ("fill 0 0 1 256", "usage: fill DISK SECTOR COUNT BYTE"),
        ("exit 128", "usage: exit CODE"),
    ];
    for (command, error) in cases {
        assert_eq!(guest.ask(command), format!("{ERROR_PREFIX}{error}"), "{command}");
    }
}

#[test]
fn an_error_of_the_disk_is_told() {
    let setup = setup!();
    fs::write(setup.path("bad"), noise(8)).unwrap();
    let node = format!(
        r#"{{"driver": "blkdebug", "node-name": "bad",
            "image": {{"driver": "file", "filename": "{}"}},
            "inject-error": [{{"event": "none", "iotype": "read", "errno": 5, "sector": 4}}]}}"#,
        setup.path("bad").display()
    );
    let device = "virtio-blk-pci,drive=bad,rerror=report";
    let mut guest = setup.args(&["-blockdev", &node, "-device", device]).start();
    guest.wait_until_ready();
    assert_eq!(guest.ask("sum 0"), format!("{ERROR_PREFIX}I/O error"));
    assert_eq!(guest.ask("sum 0 0 4"), sum_line(&noise(8)[..4 * SECTOR], 0));
}

#[test]
fn disks_are_found_behind_bridges_in_bus_order() {
    let device = ",bus=root0";
    let setup = setup!().args(&["-device", "pcie-root-port,id=root0,addr=3,chassis=1"]);
    let mut guest = setup.drive(&noise(5), "", device).drive(&noise(7), "", ",addr=2").start();
    guest.wait_until_ready();
    assert_eq!(guest.ask("sum 0"), sum_line(&noise(7), 0));
    assert_eq!(guest.ask("sum 1"), sum_line(&noise(5), 0));
}

#[test]
fn disks_come_and_go_while_the_guest_runs() {
    for (machine, bus) in [("q35", "root0"), ("pc", "pci.0")] {
        let mut setup = setup!(machine).disk(&noise(3));
        if machine == "q35" {
            setup = setup.args(&["-device", "pcie-root-port,id=root0,chassis=1"]);
        }
        fs::write(setup.path("new"), noise(9)).unwrap();
        let file = setup.path("new").display().to_string();
        let mut guest = setup.start();
        guest.wait_until_ready();
        let mut control = guest.control();
        let node = format!(
            r#"{{"driver": "raw", "node-name": "new",
                "file": {{"driver": "file", "filename": "{file}"}}}}"#
        );
        control.execute_with("blockdev-add", &node.replace('\n', ""));
        let device = format!(
            r#"{{"driver": "virtio-blk-pci", "id": "new", "drive": "new", "bus": "{bus}"}}"#
        );
        for _ in 0..2 {
            control.execute_with("device_add", &device);
            assert_eq!(guest.ask("sum 1"), sum_line(&noise(9), 0), "{machine}");
            control.execute_with("device_del", r#"{"id": "new"}"#);
            control.wait_for(r#""device": "new""#);
            assert_eq!(guest.ask("sum 1"), format!("{ERROR_PREFIX}no such disk"), "{machine}");
        }
        assert_eq!(guest.ask("sum 0"), sum_line(&noise(3), 0), "{machine}");
        control.execute_with("blockdev-del", r#"{"node-name": "new"}"#);
    }
}

#[test]
fn runs_on_the_machine_type_pc() {
    let mut guest = setup!("pc").disk(&noise(5)).start();
    guest.wait_until_ready();
    assert_eq!(guest.ask("sum 0"), sum_line(&noise(5), 0));
    guest.control().execute("system_powerdown");
    guest.wait_for(POWER_BUTTON_LINE);
    assert_eq!(guest.finish().0, Some(0));
}

#[test]
fn exit_sets_the_status_of_qemu() {
    assert_eq!(setup!().append("run=exit 42").run().0, Some(85));
    let (status, output) = setup!().append("quiet prerun=x run=exit 0").run();
    assert_eq!(status, Some(1), "{output}");
}

#[test]
fn a_machine_without_serial_port_runs_its_command_line() {
    let guest = setup!().append("run=exit 3").start_without_console();
    assert_eq!(guest.finish(), (Some(7), String::new()));
}

#[test]
fn commands_at_boot_run_in_order_and_failures_do_not_stop_them() {
    let commands = "echo one;;nonsense; echo  two ;poweroff";
    let (status, output) = setup!().append(&format!("quiet {RUN_PREFIX}{commands}")).run();
    let (_, answers) = output.split_once(&format!("{PROMPT}{commands}\n")).unwrap();
    let error = format!("{ERROR_PREFIX}no command nonsense, try help");
    assert_eq!(answers, format!("one\n{error}\n two \nsvirt guest: powering off\n"));
    assert_eq!(status, Some(0));
}

#[test]
fn reboot_starts_over() {
    let mut guest = setup!().disk(&noise(8)).start();
    guest.wait_until_ready();
    assert_eq!(guest.ask("sum 0"), sum_line(&noise(8), 0));
    guest.send(b"reboot\r");
    guest.wait_until_ready();
    assert_eq!(guest.ask("sum 0"), sum_line(&noise(8), 0));
    guest.send(b"reboot\r");
    guest.wait_until_ready();
    guest.send(b"poweroff\r");
    assert_eq!(guest.finish().0, Some(0));
}

#[test]
fn the_power_button_works_when_idle_and_when_busy() {
    for command in [&b""[..], b"spin 60\r", b"spin\r"] {
        let mut guest = setup!().start();
        guest.wait_until_ready();
        guest.send(command);
        guest.control().execute("system_powerdown");
        guest.wait_for(POWER_BUTTON_LINE);
        assert_eq!(guest.finish().0, Some(0));
    }
}

#[test]
fn what_is_typed_before_the_first_line_is_kept() {
    for machine in ["q35", "pc"] {
        let mut guest = setup!(machine).start();
        // QEMU has not even begun.
        guest.send(b"echo early\r");
        guest.wait_for(READY_LINE);
        guest.wait_for("> echo early\r\nearly\r\n");
    }
}

#[test]
fn a_guest_that_hangs_is_deaf_from_its_last_line_on() {
    for (command, line) in [("hang", "svirt guest: h"), ("fault", "svirt guest: halt")] {
        let mut guest = setup!().start();
        guest.wait_until_ready();
        let mut control = guest.control();
        guest.send(format!("{command}\r").as_bytes());
        guest.wait_for(line);
        for _ in 0..3 {
            control.execute("system_powerdown");
        }
        wait_until_idle(guest.id());
        assert!(guest.runs(), "{command}");
        control.execute("quit");
        let (status, rest) = guest.finish();
        assert_eq!(status, Some(0), "{command}");
        assert!(!rest.contains(POWER_BUTTON_LINE), "{command}: {rest}");
    }
}

#[test]
fn a_panic_is_reported_to_the_hypervisor() {
    for (command, line) in [("panic", "svirt guest: panic"), ("fault", "svirt guest: exception 14")]
    {
        let mut guest = setup!().args(&["-device", "pvpanic"]).start();
        guest.wait_until_ready();
        let mut control = guest.control();
        guest.send(format!("{command}\r").as_bytes());
        control.wait_for("GUEST_PANICKED");
        assert!(guest.finish().1.contains(line));
    }
}

#[test]
fn without_pvpanic_a_panic_halts() {
    let mut guest = setup!().start();
    guest.wait_until_ready();
    guest.send(b"fault\r");
    let exception = guest.wait_for("svirt guest: halted");
    assert!(exception.contains("address 0x10000000000)"), "{exception}");
    assert!(guest.control().execute("query-status").contains("running"));
}

#[test]
fn spin_takes_the_time_it_is_given() {
    let mut guest = setup!().start();
    guest.wait_until_ready();
    let before = processor_ticks(guest.id());
    assert_eq!(guest.ask("spin 1"), "ok");
    let used = processor_ticks(guest.id()) - before;
    assert!(used >= 5, "{used} ticks of 10 ms");
    guest.send(b"spin\r\n");
    guest.send(b"echo key\r");
    guest.wait_for("ok\r\n> echo key\r\nkey\r\n");
}

/// User and system time of a process, in ticks of 10 ms.
fn processor_ticks(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// How often the threads of a process have gone to sleep or made way.
fn context_switches(id: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let of_task = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        counts.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum::<u64>()
    };
    tasks.map(|task| of_task(task.unwrap())).sum()
}

/// The one test that has to let time pass: what is claimed is that nothing happens in it.
#[test]
fn an_idle_guest_wakes_nobody() {
    let mut guest = setup!().start();
    guest.wait_until_ready();
    assert_eq!(guest.ask("echo awake"), "awake");
    wait_until_idle(guest.id());
    let before = (processor_ticks(guest.id()), context_switches(guest.id()));
    thread::sleep(Duration::from_millis(700));
    let ticks = processor_ticks(guest.id()) - before.0;
    let switches = context_switches(guest.id()) - before.1;
    assert!(ticks <= 1 && switches <= 5, "{ticks} ticks of 10 ms, {switches} context switches");
    assert_eq!(guest.ask("echo awake"), "awake");
}

#[test]
fn every_line_end_and_every_way_to_erase() {
    let mut guest = setup!().start();
    guest.wait_until_ready();
    guest.send(b"echo cr\recho lf\necho crlf\r\necho ax\x08b\x7fc\r\x08\x08wrong\x15echo new\r");
    for answer in ["cr", "lf", "crlf", "ac", "new"] {
        guest.wait_for(&format!("\r\n{answer}\r\n{PROMPT}"));
    }
    guest.send(b"\n\n");
    assert_eq!(guest.wait_for(PROMPT), "\r\n", "the first one belongs to the CR before it");
    assert_eq!(guest.ask("echo a b; echo c ;"), "a b\nc");
}

#[test]
fn hostile_input_does_not_harm() {
    let mut guest = setup!().start();
    guest.wait_until_ready();
    let long = "x".repeat(5000);
    let error = "error: a line has at most 255 bytes";
    assert_eq!(guest.ask(&long), error);
    assert_eq!(guest.ask(&format!("echo {}", "y".repeat(250))), "y".repeat(250));
    assert_eq!(guest.ask(&format!("echo {}", "y".repeat(251))), error);
    let junk: Vec<u8> = (0..2560u32).map(|n| (n * 7 + n / 256) as u8).collect();
    guest.send(&junk);
    guest.send(b"\x15\r\necho still here\r");
    guest.wait_for("\r\nstill here\r\n");
}

/// The guest is stopped by a console that nobody reads, and goes on where it was.
#[test]
fn a_slow_reader_loses_nothing() {
    const TIMES: usize = 40;
    let setup = setup!();
    let console = format!("unix:{},server=on", setup.path("console").display());
    let guest = setup.args(&["-serial", &console]).start_without_console();
    let mut socket = connect(&guest.path("console"));
    socket.read_exact(&mut [0; READY_LINE.len()]).unwrap();
    socket.write_all(format!("{}poweroff\r", "help\r".repeat(TIMES)).as_bytes()).unwrap();
    wait_until_idle(guest.id());
    assert!(guest.runs(), "the guest came to its end without a reader");
    let mut heard = String::new();
    socket.read_to_string(&mut heard).unwrap();
    let (_, help) = heard.split_once("> help\r\n").unwrap();
    let (help, _) = help.split_once("> help\r\n").unwrap();
    assert_eq!(heard.matches(help).count(), TIMES);
    assert_eq!(guest.finish().0, Some(0));
}

/// Connects as soon as the socket is there; QEMU makes it while it starts.
fn connect(path: &Path) -> UnixStream {
    for _ in 0..1000 {
        if let Ok(socket) = UnixStream::connect(path) {
            return socket;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no console at {}", path.display());
}

/// Waits until a process has used no time for 200 ms.
fn wait_until_idle(id: u32) {
    let mut last = processor_ticks(id);
    let mut quiet = 0;
    while quiet < 10 {
        thread::sleep(Duration::from_millis(20));
        let now = processor_ticks(id);
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
}
