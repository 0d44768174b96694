//! `svirt drill` on machines: everything is refused that the plan does not grant, and the drill itself is
//! honest: where a layer is missing, what only that layer refuses is found open.

use crate::probe::{BUSYBOX, needs_busybox};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use svirt_model::Layer;
use svirt_testkit::{Host, Talk, claims};

/// A program that does nothing, in a confinement.
fn asleep(host: &Host, flags: &[&str]) -> String {
    let name = host.name("drilled");
    let start = ["exec", "--detach", "--name", &name];
    host.run(&[&start[..], flags, &["--", BUSYBOX, "sleep", "600"]].concat()).exits(0);
    name
}

fn drilled(host: &Host, arguments: &[&str], code: i32) -> Value {
    let said = host.run(&[&["drill", "--json"], arguments].concat()).exits(code);
    serde_json::from_str(&said.out).expect("JSON")
}

/// The words of the attempts for which this holds.
fn words(machine: &Value, holds: impl Fn(&Value) -> bool) -> Vec<String> {
    let all = machine["attempts"].as_array().expect("attempts").iter();
    all.filter(|row| holds(row)).map(|row| row["attempt"].as_str().unwrap().to_owned()).collect()
}

fn with_outcome(machine: &Value, outcome: &str) -> Vec<String> {
    words(machine, |row| row["outcome"] == outcome)
}

fn names_in(place: &Path) -> Vec<String> {
    let all = std::fs::read_dir(place).expect("the directory").map(|entry| entry.unwrap());
    all.map(|entry| entry.file_name().into_string().expect("a name")).collect()
}

/// Nothing is left of what this host's drills said in the ledger that they would make.
fn nothing_is_left(host: &Host) {
    let said = host.run(&["ledger", "export"]).exits(0).out;
    let entries = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let objects = entries.filter_map(|e| e["object"].as_str().map(PathBuf::from));
    let made: Vec<_> = objects.filter(|o| o.to_string_lossy().contains("-drill-")).collect();
    assert!(!made.is_empty());
    let left: Vec<_> = made.iter().filter(|path| path.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

claims! {
    delegated too:

    /// Every attempt on a machine's confinement that could succeed is refused, and what the plan grants
    /// is called granted.
    fn nothing_is_open(host) {
        let machine = host.boot("walls", &["--net", "none"]);
        let mut machine = machine;
        machine.ready();
        let document = drilled(host, &[machine.name()], 0);
        let found = &document["machines"][0];
        assert_eq!(document["passed"], true);
        assert_eq!(with_outcome(found, "open"), [""; 0]);
        assert_eq!(with_outcome(found, "unproven"), [""; 0]);
        // It translates guest code.
        let granted = ["map-executable", "make-executable", "execute-heap", "execute-stack"];
        assert_eq!(with_outcome(found, "granted"), granted);
        let blocked = with_outcome(found, "blocked");
        assert!(blocked.len() >= 120, "{blocked:?}");
        for word in ["read-file", "signal", "tcp", "io-uring", "start-process", "descriptors"] {
            assert!(blocked.iter().any(|blocked| blocked == word), "{word}: {blocked:?}");
        }
        nothing_is_left(host);
        machine.ends_after("poweroff").exits(0);
    }
}

claims! {
    /// Under each layer alone, what it does not cover is open: a drill that cannot fail proves nothing.
    fn under_one_layer_the_rest_is_open(host) {
        needs_busybox()?;
        let name = asleep(host, &[]);
        let document = drilled(host, &[&name, "--layers"], 0);
        let found = &document["machines"][0];
        let refuses = |layer: Layer| {
            let word = layer.word();
            words(found, |row| row["refused_by"].as_array().is_some_and(|all| all.iter().any(|l| l == word)))
        };
        let expected: &[(Layer, &[&str], &[&str])] = &[
            (Layer::Landlock, &["read-file", "tcp", "connect-abstract"], &["stat-file", "udp", "io-uring"]),
            (Layer::Seccomp, &["io-uring", "set-attribute", "unknown-call"], &["read-file", "tcp", "signal"]),
            (Layer::Root, &["read-file", "stat-file", "connect"], &["tcp", "signal", "io-uring"]),
            (Layer::Namespaces, &["signal", "tcp", "read-segment"], &["read-file", "io-uring"]),
            (Layer::Limits, &["many-files", "core-dump"], &["read-file", "signal", "tcp", "io-uring"]),
        ];
        for (layer, covered, open) in expected {
            let refused = refuses(*layer);
            for word in *covered {
                assert!(refused.iter().any(|r| r == word), "{layer} alone lets {word}: {refused:?}");
            }
            for word in *open {
                assert!(!refused.iter().any(|r| r == word), "{layer} alone refuses {word}");
            }
        }
        // The same is known of what is tried on the other machine.
        let blocked = words(found, |row| row["on"] == "machine" && row["outcome"] == "blocked");
        let known = words(found, |row| row["on"] == "machine" && row["refused_by"].is_array());
        assert!(!blocked.is_empty() && blocked == known, "{blocked:?} {known:?}");
        let apart = words(found, |row| row["on"] == "machine"
            && row["refused_by"].as_array().is_some_and(|all| all.iter().any(|l| l == "namespaces")));
        assert!(apart.contains(&"signal".to_owned()), "{apart:?}");
        // Each of these rests on one layer, and is open without it.
        for (word, layer) in [("stat-file", "root"), ("io-uring", "seccomp"), ("udp", "namespaces")] {
            let only = words(found, |row| row["attempt"] == word
                && row["only_by"].as_array().unwrap().iter().any(|l| l == layer));
            assert_eq!(only, [word]);
        }
        if host.is_root() {
            assert!(refuses(Layer::User).contains(&"read-private-file".to_owned()));
            assert!(refuses(Layer::Cgroup).contains(&"many-threads".to_owned()));
        }
        host.run(&["kill", &name]).exits(0);
        nothing_is_left(host);
    }

    /// What a weakened machine does not refuse is open, the drill fails, and says what is not in force.
    fn a_missing_layer_is_found(host) {
        needs_busybox()?;
        let name = asleep(host, &["--weaken", "seccomp", "--weaken", "root"]);
        let document = drilled(host, &[&name], 1);
        let found = &document["machines"][0];
        assert_eq!(document["passed"], false);
        let open = with_outcome(found, "open");
        for word in ["stat-file", "io-uring", "start-process"] {
            assert!(open.iter().any(|open| open == word), "{word}: {open:?}");
        }
        assert!(!open.iter().any(|open| open == "read-file"), "Landlock refuses that: {open:?}");
        let said = host.run(&["drill", &name]).exits(1);
        assert!(said.out.contains("seccomp (weakened by the user)"), "{}", said.out);
        host.run(&["kill", &name]).exits(0);
    }

    /// A drill that is interrupted in its middle ends by the signal, and leaves nothing, not even for as
    /// long as until the next one.
    fn an_interrupted_drill_leaves_nothing(host) {
        let place = host.directory("drilled", 0o755);
        let told = host.path("told");
        host.run_program("mkfifo", &["told"]).exits(0);
        // Opened for both, it waits for nobody.
        let mut pipe = std::fs::File::options().read(true).write(true).open(&told).expect("ours");
        for signal in [Signal::INT, Signal::TERM] {
            let sandbox = format!("echo begun >{}; exec sleep 600 #", told.display());
            let mut svirt = host.svirt(&["drill", "--against", &sandbox]);
            svirt.env("TMPDIR", &place);
            let talk = Talk::start(svirt);
            let mut begun = [0; 6];
            pipe.read_exact(&mut begun).expect("it says that it has begun");
            let made = names_in(&place);
            assert!(matches!(&made[..], [one] if one.starts_with("svirt-drill-")), "{made:?}");
            talk.signal(signal);
            let said = talk.finish();
            assert_eq!(said.signal, Some(signal.as_raw()), "{said:?}");
            assert!(said.err.contains("the drill was interrupted"), "{said:?}");
            assert_eq!(names_in(&place), [""; 0]);
            let shared = made.iter().find(|name| Path::new("/dev/shm").join(name).exists());
            assert_eq!(shared, None);
        }
    }

    /// Without confinement nothing is blocked; in a sandbox of somebody else's what it refuses is.
    fn a_sandbox_of_another_is_measured_by_the_same_table(host) {
        let bare = drilled(host, &["--baseline"], 0);
        assert_eq!(bare["score"]["blocked"], 0);
        assert_eq!(bare["score"]["unproven"], 0);
        let program = "setpriv";
        if !svirt_testkit::has_program(program) {
            return Err(svirt_testkit::Skipped::because("there is no setpriv"));
        }
        let bare = bare["score"]["open"].as_u64().unwrap();
        assert!(bare >= 100, "{bare}");
        let against = drilled(host, &["--against", "setpriv --no-new-privs prlimit --core=0 -- {}"], 1);
        let blocked = with_outcome(&against, "blocked");
        assert!(blocked.contains(&"core-dump".to_owned()), "{blocked:?}");
        nothing_is_left(host);
    }
}
