//! What a package brings besides the programs: units of systemd, which systemd must understand and
//! whose commands must be commands of this program.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use support::Host;

/// Whose units: the argument with which systemd's programs are told.
const KINDS: [(&str, &str); 2] = [("system", "--system"), ("user", "--user")];

fn units(kind: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    root.join("packaging/systemd").join(kind)
}

fn unit(kind: &str) -> PathBuf {
    units(kind).join("svirt-autostart.service")
}

/// The command lines of a unit, without the mark of one that may fail.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let exec = text.lines().filter_map(|line| line.strip_prefix("Exec")?.split_once('='));
    exec.map(|(_, line)| line.trim_start_matches('-').split(' ').collect()).collect()
}

#[test]
fn systemd_understands_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return svirt_testkit::skipped("systemd-analyze is not installed");
    }
    let host = Host::new();
    let program = env!("CARGO_BIN_EXE_svirt");
    for (kind, whose) in KINDS {
        let place = host.path(kind);
        fs::create_dir(&place).unwrap();
        let mut copies = Vec::new();
        for entry in fs::read_dir(units(kind)).unwrap() {
            let (unit, mut text) = (entry.unwrap(), String::new());
            text.push_str(&fs::read_to_string(unit.path()).unwrap());
            // Where a package would put the programs there are none.
            for word in ["=svirt ", "=-svirt ", "=svirtd\n"] {
                let (before, after) = word.split_at(word.find("svirt").unwrap());
                let after = after.trim_start_matches("svirtd").trim_start_matches("svirt");
                text = text.replace(word, &format!("{before}{program}{after}"));
            }
            copies.push(place.join(unit.file_name()));
            fs::write(copies.last().unwrap(), text).unwrap();
        }
        assert_eq!(copies.len(), 4, "{kind}");
        let mut analyze = Command::new("systemd-analyze");
        analyze.args([whose, "--man=no", "verify"]).args(&copies);
        let said = analyze.env("XDG_RUNTIME_DIR", host.path("")).output().unwrap();
        let complaints = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success() && complaints.is_empty(), "{kind}: {complaints}");
    }
}

#[test]
fn the_commands_of_the_units_are_commands() {
    let host = Host::new();
    for (kind, _) in KINDS {
        let text = fs::read_to_string(unit(kind)).unwrap();
        let commands = commands(&text);
        assert_eq!(commands.len(), 3, "{kind}");
        for command in commands {
            let [program, words @ ..] = &command[..] else { panic!("{kind}: {command:?}") };
            assert_eq!(*program, "svirt");
            assert_eq!(host.out(words), "", "{kind}: {command:?}");
        }
    }
}
