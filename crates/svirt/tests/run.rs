//! Machines from the command line: real ones, with the guest that is inside the program.

mod support;

mod real_qemu {
    use super::support::{self, Guarded, Host, Listener, Said};
    use rustix::{
        process::Signal,
        termios::{LocalModes, tcgetattr},
    };
    use std::{
        fs::{self, File},
        io::{BufRead, BufReader, Read, Write},
        os::fd::OwnedFd,
        process::Stdio,
    };

    // Each test has names of its own: machines of one user share a directory of control groups.

    /// Always translated: whether `/dev/kvm` works is not the question here.
    const TCG: [&str; 2] = ["--accel", "tcg"];

    fn host() -> Option<Host> {
        support::has_qemu().then(Host::new)
    }

    /// `svirt run` with these words more.
    fn run(words: &[&'static str]) -> Vec<&'static str> {
        [&["run"], &TCG[..], words].concat()
    }

    /// A terminal: the end that a person has, and the end that a program gets.
    fn terminal() -> (File, OwnedFd) {
        use rustix::{
            fs::{Mode, OFlags, open},
            pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
        };
        let person =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let program = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
        (person.into(), program.unwrap())
    }

    /// Starts a command on a terminal.
    fn on_terminal(host: &Host, words: &[&str], terminal: &OwnedFd) -> Guarded {
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let mut command = host.svirt(words);
        Guarded(command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap())
    }

    fn is_raw(terminal: &OwnedFd) -> bool {
        let modes = tcgetattr(terminal).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHO)
    }

    #[test]
    fn the_exit_code_is_the_guests_own() {
        let Some(host) = host() else { return };
        for (commands, code) in [("run=exit 7", 7), ("run=poweroff", 0), ("run=panic", 101)] {
            let said = host.say(&run(&["--append", commands]));
            assert_eq!(said.code, Some(code), "{commands}: {said:?}");
            assert!(said.out.contains("svirt guest: ready"), "{commands}: {said:?}");
        }
        assert!(host.running().is_empty());
    }

    #[test]
    fn an_end_that_puts_nothing_back_says_so_and_the_way_out() {
        let Some(host) = host() else { return };
        // Its control group would be left to nobody.
        let words = run(&["--weaken", "cgroup"]);
        let mut child = Guarded(host.svirt(&words).stdin(Stdio::piped()).spawn().unwrap());
        let mut out = Listener::new(child.0.stdout.take().unwrap());
        let mut input = child.0.stdin.take().unwrap();
        out.until("\n> ");
        for name in ["svirt.db", "svirt.db-wal"] {
            let file =
                fs::OpenOptions::new().write(true).open(host.path("state").join(name)).unwrap();
            let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
            (&file).write_all(&vec![0x55; length]).unwrap();
        }
        input.write_all(b"poweroff\r").unwrap();
        let mut said = String::new();
        child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.code(), Some(74), "{said}");
        assert!(said.contains("was not put back") && said.contains("svirt recover"), "{said}");
    }

    #[test]
    fn a_pipe_is_the_console() {
        let Some(host) = host() else { return };
        let mut child = Guarded(host.svirt(&run(&[])).stdin(Stdio::piped()).spawn().unwrap());
        let mut out = Listener::new(child.0.stdout.take().unwrap());
        let mut input = child.0.stdin.take().unwrap();
        out.until("\n> ");
        input.write_all(b"echo one two\r").unwrap();
        out.until("\none two");
        // The end of the input is not the end of the machine.
        input.write_all(b"exit 3\r").unwrap();
        drop(input);
        assert_eq!(child.code(), Some(3));
    }

    #[test]
    fn a_signal_stops_the_machine_and_a_second_one_kills_it() {
        let Some(host) = host() else { return };
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            let mut child = Guarded(host.svirt(&run(&[])).spawn().unwrap());
            let mut out = Listener::new(child.0.stdout.take().unwrap());
            out.until("\n> ");
            child.signal(signal);
            assert_eq!(child.code(), Some(0), "{signal:?}");
        }
        // A program that does not care to be asked.
        let words = ["exec", "--", "sh", "-c", "trap '' TERM; echo deaf; read line"];
        let mut child = Guarded(host.svirt(&words).stdin(Stdio::piped()).spawn().unwrap());
        // Waiting for a child would close its standard input.
        let held = child.0.stdin.take();
        Listener::new(child.0.stdout.take().unwrap()).until("deaf");
        let mut talk = Listener::new(child.0.stderr.take().unwrap());
        child.signal(Signal::TERM);
        talk.until("stopping it");
        child.signal(Signal::TERM);
        talk.until("killing it");
        assert_eq!(child.code(), Some(128 + 9));
        drop(held);
        assert!(host.running().is_empty());
    }

    #[test]
    fn a_terminal_is_the_console_and_is_itself_again_afterwards() {
        let Some(host) = host() else { return };
        let (person, program) = terminal();
        let mut screen = Listener::new(person.try_clone().unwrap());
        let mut keys = person;
        assert!(!is_raw(&program));

        let mut child = on_terminal(&host, &run(&["--name", "seat"]), &program);
        screen.until("Ctrl-C goes to the guest");
        screen.until("svirt guest: ready");
        screen.until("\n> ");
        assert!(is_raw(&program));
        // Ctrl-C is a byte like any other; the guest ignores it.
        keys.write_all(b"\x03echo here\r").unwrap();
        screen.until("\nhere");
        keys.write_all(b"\x1d?").unwrap();
        screen.until("q stops the machine");
        keys.write_all(b"\x1dd").unwrap();
        assert_eq!(child.code(), Some(0));
        assert!(!is_raw(&program));
        assert_eq!(host.running(), ["seat"]);

        // What was said before is shown to whoever comes.
        let mut child = on_terminal(&host, &["console", "seat"], &program);
        screen.until("\nhere");
        keys.write_all(b"\x1dq").unwrap();
        screen.until("powering off");
        assert_eq!(child.code(), Some(0));
        assert!(!is_raw(&program));
        assert!(host.running().is_empty());
    }

    #[test]
    fn a_signal_puts_the_terminal_back_too() {
        let Some(host) = host() else { return };
        let (person, program) = terminal();
        let mut screen = Listener::new(person);
        let mut child = on_terminal(&host, &run(&[]), &program);
        screen.until("\n> ");
        assert!(is_raw(&program));
        child.signal(Signal::TERM);
        assert_eq!(child.code(), Some(0));
        assert!(!is_raw(&program));
    }

    #[test]
    fn a_vmm_that_has_the_terminal_does_not_leave_it_changed() {
        let Some(host) = host() else { return };
        let (person, program) = terminal();
        let mut child = on_terminal(&host, &["exec", "--", "stty", "raw", "-echo"], &program);
        assert_eq!(child.code(), Some(0));
        assert!(!is_raw(&program));
        drop(person);
    }

    #[test]
    fn a_detached_machine_is_listed_inspected_followed_and_stopped() {
        let Some(host) = host() else { return };
        let words = ["--name", "web", "--detach", "--json", "--weaken", "limits"];
        let started = host.json(&run(&words));
        assert_eq!(started["name"], "web");
        assert_eq!(host.running(), ["web"]);
        let table = host.out(&["ps"]);
        let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!((row[0], row[1], *row.last().unwrap()), ("web", "running", "limits"));

        let document = host.json(&["inspect", "web", "--json"]);
        assert_eq!(document["machine"]["id"], started["id"]);
        assert_eq!(document["weakened"], serde_json::json!(["limits"]));
        let text = host.out(&["inspect", "web"]);
        assert!(text.lines().nth(1).unwrap().contains("WEAKENED by the user: limits"), "{text}");
        assert!(text.contains("landlock"), "{text}");
        assert!(host.out(&["inspect", "web", "--all"]).len() > text.len());

        let taken = host.say(&run(&["--name", "web", "--detach"]));
        assert_eq!(taken.code, Some(75), "{taken:?}");

        let mut child = Guarded(host.svirt(&["logs", "--follow", "web"]).spawn().unwrap());
        let mut log = Listener::new(child.0.stdout.take().unwrap());
        log.until("svirt guest: ready");
        let stopped = host.say(&["stop", "web"]);
        assert_eq!((stopped.code, stopped.out.as_str()), (Some(0), ""), "{stopped:?}");
        log.until("powering off");
        assert_eq!(child.code(), Some(0));
        assert!(host.running().is_empty());
    }

    #[test]
    fn a_defined_machine_is_started_again_and_again() {
        let Some(host) = host() else { return };
        let words =
            [&["create"], &TCG[..], &["--name", "kept", "--autostart", "--weaken", "limits"]];
        assert_eq!(host.out(&words.concat()), "kept\n");
        assert!(host.running().is_empty());
        let listed = host.json(&["ps", "--all", "--json"]);
        assert_eq!(listed["machines"][0]["state"], "stopped");
        assert_eq!(listed["machines"][0]["weakened"], serde_json::json!(["limits"]));

        assert_eq!(host.out(&["autostart", "--all"]), "kept\n");
        assert_eq!(host.running(), ["kept"]);
        assert_eq!(host.say(&["start", "kept"]).code, Some(75));
        let refused = host.say(&["rm", "kept"]);
        assert_ne!(refused.code, Some(0));
        assert!(refused.err.starts_with("svirt: machine kept is running\nhint: "), "{refused:?}");
        host.out(&["kill", "kept"]);
        host.out(&["autostart", "kept", "--off"]);
        assert_eq!(host.out(&["autostart", "--all"]), "");

        assert_eq!(host.out(&["start", "kept"]), "kept\n");
        host.out(&["stop", "--all"]);
        assert!(host.running().is_empty());
        host.out(&["stop", "--all"]);
        let kinds: Vec<_> = host
            .out(&["events", "--json"])
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .inspect(|event| assert_eq!(event["version"], 1))
            .map(|event| event["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, ["created", "started", "stopped", "started", "stopped"]);
        host.out(&["rm", "kept"]);
        assert_eq!(host.json(&["ps", "--all", "--json"])["machines"], serde_json::json!([]));
    }

    #[test]
    fn events_are_followed_as_they_happen() {
        let Some(host) = host() else { return };
        let mut child = Guarded(host.svirt(&["events", "--follow", "--json"]).spawn().unwrap());
        let mut events = BufReader::new(child.0.stdout.take().unwrap()).lines();
        assert_eq!(host.say(&run(&["--append", "run=poweroff"])).code, Some(0));
        let mut next = || {
            let line = events.next().unwrap().unwrap();
            serde_json::from_str::<serde_json::Value>(&line).unwrap()["kind"].clone()
        };
        assert_eq!((next(), next()), ("started".into(), "stopped".into()));
    }

    #[test]
    fn what_only_a_specification_says_reaches_qemu() {
        let Some(host) = host() else { return };
        let path = |name: &str| host.path(name).to_str().unwrap().to_owned();
        let size = |name: &str, bytes| File::create(path(name)).unwrap().set_len(bytes).unwrap();
        let sizes =
            [("code", 2 << 20), ("vars", 128 << 10), ("top.raw", 1 << 20), ("disc", 1 << 20)];
        sizes.into_iter().for_each(|(name, bytes)| size(name, bytes));
        let spec = serde_json::json!({
            "version": 1,
            "name": "all",
            "guest": {
                "accelerator": "tcg",
                "append": "",
                "firmware": { "code": path("code"), "vars": path("vars") },
                "disks": [
                    { "path": path("top.raw"), "format": "raw", "backing": [], "ephemeral": true },
                    { "path": path("disc"), "format": "raw", "cdrom": true },
                ],
                "display": "vnc",
                "vnc-socket": path("vnc"),
                "serial": ["console", { "file": path("a,b.log") }, { "listen": path("serial") }, "null"],
                "random": "/dev/urandom",
                "balloon": true,
                "watchdog": "reset",
                "origins": { path("top.raw"): "domain.xml line 7, <source>" },
            },
        });
        std::fs::write(host.path("spec.json"), spec.to_string()).unwrap();
        assert_eq!(host.out(&["run", "--detach", "--spec", "spec.json"]), "all\n");
        // A machine is there when QEMU has taken its command line and begun to run.
        assert_eq!(host.running(), ["all"]);
        for socket in ["vnc", "serial"] {
            std::os::unix::net::UnixStream::connect(host.path(socket)).unwrap();
        }
        assert!(host.path("a,b.log").exists());
        let text = host.out(&["inspect", "all", "--all"]);
        assert!(text.contains("domain.xml line 7, <source>"), "{text}");
        host.out(&["kill", "all"]);
    }

    #[test]
    fn the_plan_names_the_disk_and_changes_nothing() {
        let Some(host) = host() else { return };
        let disk = host.path("a,b\n.raw");
        fs::write(&disk, [0; 512]).unwrap();
        let flag = format!("{},format=raw", disk.display().to_string().replace(',', ",,"));
        let words = [&["plan"], &run(&["--append", "quiet", "--disk"])[..], &[&flag]].concat();
        let text = host.out(&words);
        let escaped = disk.display().to_string().replace('\n', "\\n");
        assert!(text.lines().any(|line| line.contains(&escaped)), "{text}");
        assert!(!text.contains("a,b\n"), "{text}");
        let plan = host.json(&[&words[..], &["--json"]].concat());
        let resources = &plan["plan"]["processes"][0]["manifest"]["resources"];
        let ours = |r: &&serde_json::Value| r["target"]["object"]["path"] == disk.to_str().unwrap();
        let found = resources.as_array().unwrap().iter().find(ours).expect("the disk is planned");
        assert!(found["origin"].as_str().unwrap().starts_with("--disk"), "{found}");
        assert!(host.running().is_empty());
        assert_eq!(host.out(&["events"]), "");
    }

    #[test]
    fn a_required_layer_that_is_not_there_stops_the_start() {
        let Some(host) = host() else { return };
        let lsm = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        let missing = ["selinux", "smack"].into_iter().find(|layer| !lsm.contains(layer)).unwrap();
        let said = host.say(&[&run(&["--require"])[..], &[missing]].concat());
        assert_eq!(said.code, Some(78), "{said:?}");
        assert!(said.err.contains(missing) && said.err.contains("\nhint: "), "{}", said.err);
        assert!(host.running().is_empty());
    }

    #[test]
    fn any_program_runs_with_its_streams_and_its_exit_code() {
        let Some(host) = host() else { return };
        let mut child = host.svirt(&["exec", "--", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"through and through").unwrap();
        let said: Said = child.wait_with_output().unwrap().into();
        assert_eq!((said.code, said.out.as_str()), (Some(0), "through and through"), "{said:?}");
        assert_eq!(host.say(&["exec", "--", "false"]).code, Some(1));
        let said = host.say(&["exec", "--", "cat", "/etc/hostname"]);
        assert_eq!(said.code, Some(1), "what no flag names is not there: {said:?}");
        let said = host.say(&["exec", "--ro", "/etc/passwd", "--", "cat", "/etc/passwd"]);
        assert!(said.out.contains("root:"), "{said:?}");
    }

    #[test]
    fn a_drill_tells_a_wall_from_a_hole() {
        let Some(host) = host() else { return };
        let file = host.path("secret");
        fs::write(&file, "the secret").unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        host.out(&run(&["--detach", "--name", "wall"]));
        let drill = |attempt: &str, target: &str| {
            host.say(&["drill", "wall", "--attempt", attempt, "--target", target])
        };
        for (attempt, target) in [
            ("read-file", file.to_str().unwrap()),
            ("signal", &std::process::id().to_string()),
            ("tcp", "127.0.0.1:1"),
        ] {
            let said = drill(attempt, target);
            assert_eq!(said.code, Some(0), "{attempt}: {said:?}");
            assert!(said.out.starts_with("refused: "), "{attempt}: {said:?}");
        }
        // What every machine may use is no wall.
        let said = drill("open-device", "/dev/null");
        assert_eq!((said.code, said.out.as_str()), (Some(1), "OPEN: opened\n"), "{said:?}");
        // A try that cannot be made proves nothing.
        let said = drill("signal", "nobody");
        assert_eq!(said.code, Some(69), "{said:?}");
        host.out(&["stop", "wall"]);
        assert_eq!(drill("read-file", "/").code, Some(66));
    }

    #[test]
    fn the_demonstration_passes_and_leaves_nothing() {
        let Some(host) = host() else { return };
        // Names that are taken are not touched.
        host.out(&run(&["--detach", "--name", "demo-a"]));
        let document = host.json(&["demo", "--json"]);
        assert_eq!(document["passed"], true, "{document}");
        assert_eq!(document["left_behind"], serde_json::json!([]));
        assert_eq!(document["machines"][0]["name"], "demo-a-2");
        let attempts = document["attempts"].as_array().unwrap();
        assert!(attempts.iter().all(|attempt| attempt["outcome"] == "refused"), "{document}");
        assert!(attempts.len() >= 9, "{document}");
        assert_eq!(host.running(), ["demo-a"]);
    }

    #[test]
    fn a_reader_that_goes_away_does_not_leave_the_machine_behind() {
        let Some(host) = host() else { return };
        let mut child = Guarded(host.svirt(&run(&[])).spawn().unwrap());
        let mut out = child.0.stdout.take().unwrap();
        // The first words: the machine runs, and its guest may have no more to say.
        out.read_exact(&mut [0; 8]).unwrap();
        drop(out);
        assert_eq!(child.code(), Some(0));
        assert!(host.running().is_empty());
    }

    #[test]
    fn a_visitor_whose_reader_goes_away_leaves_the_machine_running() {
        let Some(host) = host() else { return };
        host.out(&run(&["--detach", "--name", "visited"]));
        let words = ["console", "visited"];
        let mut child = Guarded(host.svirt(&words).stdin(Stdio::piped()).spawn().unwrap());
        let held = child.0.stdin.take();
        let mut out = child.0.stdout.take().unwrap();
        out.read_exact(&mut [0; 8]).unwrap();
        drop(out);
        assert_eq!(child.code(), Some(0));
        drop(held);
        assert_eq!(host.running(), ["visited"]);
        host.out(&["kill", "visited"]);
    }
}
