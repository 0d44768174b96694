//! `svirt verify` on machines that run: what is as planned holds, and what somebody has changed since
//! does not, with the moments between which it ceased to.

use crate::probe::compiled;
use rustix::{
    io::IoSlice,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::PathBuf,
    process::{Command, Stdio},
};
use svirt_model::{State, Value};
use svirt_testkit::{Host, Said, Skipped, claims, has_program};

fn verify(host: &Host, name: &str) -> Said {
    host.run(&["verify", name])
}

/// Passes one descriptor through a socket.
fn pass(socket: &UnixStream, descriptor: impl AsFd) {
    let descriptors = [descriptor.as_fd()];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let sent = sendmsg(socket, &[IoSlice::new(b"x")], &mut ancillary, SendFlags::empty());
    assert_eq!(sent, Ok(1));
}

/// Adds a process to a machine's pid namespace for as long as the guard lives.
struct Intruder(std::process::Child);

impl Intruder {
    fn beside(vmm: u32) -> Self {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", &vmm.to_string(), "-p", "sh", "-c", "echo in; read end"]);
        let piped = nsenter.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "in\n");
        Self(child)
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Traces a process for as long as the guard lives.
struct Tracer(std::process::Child);

impl Tracer {
    fn of(process: u32) -> Result<Self, Skipped> {
        // PTRACE_SEIZE, which stops nothing (`ptrace(2)`), by the number that it has on x86_64.
        let seize = format!(
            "syscall(101, 0x4206, {process}, 0, 0) == 0 or die; $| = 1; print \"in\\n\"; <STDIN>"
        );
        if !cfg!(target_arch = "x86_64") || !has_program("perl") {
            return Err(Skipped::because("nothing here traces a process"));
        }
        let mut perl = Command::new("perl");
        perl.args(["-e", &seize]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = perl.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "in\n");
        Ok(Self(child))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn made(host: &Host, name: &str, is: impl Fn(&Value) -> bool) -> Option<PathBuf> {
    let plan = host.status(name).plan.unwrap();
    plan.ops.iter().find(|op| is(&op.after)).map(|op| op.object.clone())
}

claims! {
    delegated too:
    /// With all that a machine may have, also after its guest has worked, everything holds.
    fn machines_that_run_are_as_planned(host) {
        let disk = host.file("disk.raw", &[0; 1 << 16]);
        let disk = disk.to_str().unwrap();
        let flags = ["--net", "user", "--append", "plain", "--display", "vnc", "--disk", disk];
        let mut busy = host.boot("busy", &flags);
        busy.ready();
        busy.ask("fill 0 1");
        let mut calm = host.boot("calm", &["--net", "none"]);
        calm.ready();
        let said = host.run(&["verify", "--all"]).exits(0);
        assert_eq!(said.out.matches(" as planned ").count(), 2, "{}", said.out);
        let said = host.run(&["verify", "--json", busy.name()]).exits(0);
        assert!(said.out.starts_with(r#"{"holds":true,"#), "{}", said.out);
        for what in ["descriptors", "mounts", "listening sockets", "processes", "NoNewPrivs"] {
            assert!(said.out.contains(&format!(r#""what":"{what}"#)), "{what} in {}", said.out);
        }
        calm.ends_after("poweroff").exits(0);
        busy.ends_after("poweroff").exits(0);
        host.run(&["verify"]).exits(0).complains("no machine runs");
    }

    /// Of a machine whose supervisor has died nothing can be verified: it is cleaned up.
    fn what_has_died_is_put_back_and_not_verified(host) {
        let mut machine = host.boot("died", &["--net", "none"]);
        machine.ready();
        let (name, vmm) = (machine.name().to_owned(), machine.vmm());
        svirt_testkit::Process(machine.status().supervisor.unwrap()).kill();
        vmm.ends();
        drop(machine);
        host.run(&["verify", "--all"]).exits(0).complains("no machine runs");
        host.run(&["verify", &name]).exits(66);
        host.assert_nothing_left();
    }

    /// What is made for a machine is compared with the plan again and again.
    fn what_was_changed_is_found(host) {
        let mut machine = host.boot("changed", &["--net", "none"]);
        machine.ready();
        let directory = |v: &Value| matches!(v, Value::Directory { .. });
        let place = made(host, machine.name(), directory).unwrap();
        let mode = |mode| fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o711);
        let first = verify(host, machine.name()).exits(78);
        let row = first.out.lines().find(|line| line.contains("directory")).unwrap();
        assert!(row.contains("mode 700") && row.contains("mode 711"), "{row}");
        // It is the same doubt as before, and told once.
        let second = verify(host, machine.name()).exits(78);
        assert!(second.out.contains(row.trim()), "{} is not in {}", row, second.out);
        let events = host.run(&["events"]).exits(0).out;
        assert_eq!(events.matches("doubted: ").count(), 1, "{events}");
        mode(0o700);
        verify(host, machine.name()).exits(0);
        machine.ends_after("poweroff").exits(0);
    }

    /// A limit that was lifted, and a process that came in from outside.
    fn what_root_has_lifted_is_found(host) {
        host.needs_root("lift limits")?;
        let mut machine = host.boot("lifted", &["--net", "none"]);
        machine.ready();
        if let Some(group) = made(host, machine.name(), |v| matches!(v, Value::Cgroup(_))) {
            let limit = ["pids.max", "memory.max", "memory.limit_in_bytes"];
            let limit = limit.map(|file| group.join(file)).into_iter().find(|f| f.exists());
            let limit = limit.expect("a limit");
            let planned = fs::read_to_string(&limit).unwrap();
            fs::write(&limit, if limit.ends_with("memory.limit_in_bytes") { "-1" } else { "max" })
                .unwrap();
            let found = verify(host, machine.name()).exits(78);
            assert!(found.out.contains("limits of "), "{}", found.out);
            fs::write(&limit, planned.trim()).unwrap();
        }
        verify(host, machine.name()).exits(0);
        if has_program("nsenter") {
            let _intruder = Intruder::beside(machine.vmm().0);
            let found = verify(host, machine.name()).exits(78);
            assert!(found.out.contains(" processes "), "{}", found.out);
        }
        verify(host, machine.name()).exits(0);
        machine.ends_after("poweroff").exits(0);
    }

    /// A debugger, as long as it is there.
    fn whoever_traces_it_is_found(host) {
        host.needs_root("trace any process")?;
        let mut machine = host.boot("traced", &["--net", "none"]);
        machine.ready();
        verify(host, machine.name()).exits(0);
        let tracer = Tracer::of(machine.vmm().0)?;
        let found = verify(host, machine.name()).exits(78).out;
        let row = found.lines().find(|line| line.contains("TracerPid of every thread"));
        let pid = tracer.0.id().to_string();
        assert!(row.is_some_and(|row| row.contains(&pid)), "{found}");
        drop(tracer);
        verify(host, machine.name()).exits(0);
        machine.ends_after("poweroff").exits(0);
    }

    /// Somebody else in a machine's control groups, or below them, as long as it is there.
    fn a_foreign_member_of_its_groups_is_found(host) {
        host.needs_root("move a process into a control group")?;
        let mut machine = host.boot("joined", &["--net", "none"]);
        machine.ready();
        let Some(group) = made(host, machine.name(), |v| matches!(v, Value::Cgroup(_))) else {
            return Err(svirt_testkit::Skipped::because("there are no control groups"));
        };
        let below = group.join("below");
        fs::create_dir(&below).unwrap();
        verify(host, machine.name()).exits(0);
        for place in [&group, &below] {
            let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
            let joined = fs::write(place.join("cgroup.procs"), stranger.id().to_string());
            let found = verify(host, machine.name());
            stranger.kill().unwrap();
            stranger.wait().unwrap();
            joined.unwrap();
            let found = found.exits(78).out;
            let row = found.lines().find(|line| line.contains("members of ")).expect("a row");
            assert!(row.contains(&format!("besides: process {}", stranger.id())), "{row}");
            verify(host, machine.name()).exits(0);
        }
        machine.ends_after("poweroff").exits(0);
    }

    /// A drill's probes are no members of the machine's groups: while it goes on everything holds.
    fn a_drill_changes_nothing_of_the_machine(host) {
        let mut machine = host.boot("calm", &["--net", "none"]);
        machine.ready();
        let mut drill = svirt_testkit::Talk::start(host.svirt(&["drill", "--json", machine.name()]));
        drill.close_input();
        let process = svirt_testkit::Process(drill.id());
        let mut times = 0;
        while process.runs() {
            verify(host, machine.name()).exits(0);
            times += 1;
        }
        drill.finish().exits(0);
        assert!(times > 1, "it was over at once");
        machine.ends_after("poweroff").exits(0);
    }

    /// What was passed to a process that it was never to have.
    fn a_descriptor_that_appeared_is_found(host) {
        let program = compiled(host)?;
        let (ours, theirs) = UnixStream::pair().unwrap();
        let name = host.name("taker");
        let mut svirt = host.svirt(&["exec", "--name", &name, "--", &program, "take"]);
        svirt.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped());
        let mut child = svirt.spawn().unwrap();
        // Dropped, this command would keep its end open.
        drop(svirt);
        while !host.running().contains(&name) || host.status(&name).state != State::Running {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
        }
        verify(host, &name).exits(0);
        let secret = host.file("secret", b"x");
        pass(&ours, File::open(&secret).unwrap());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "taken\n");
        let found = verify(host, &name).exits(78);
        let row = found.out.lines().find(|line| line.contains("descriptors")).unwrap();
        assert!(row.contains("reads a regular file"), "{row}");
        drop(ours);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
