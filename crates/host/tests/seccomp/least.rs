//! Least privilege: every rule of a profile is taken away in turn, and what the programs do in these
//! tests is done once more. Where it all goes well without a rule, that has to say what needs it.
//!
//! The tests are run by this program again, with a list in its environment of the rules that their
//! filters lack.

use std::{
    env,
    process::{Command, Stdio},
};
use svirt_model::SyscallProfile;
use svirt_policy::seccomp::{Answer, Profile, Rule, profile};

/// The programs with profiles of their own, and the tests in which they work.
const WORKS: &[(SyscallProfile, &str)] = &[
    (SyscallProfile::Qemu, "real_qemu::"),
    (SyscallProfile::Passt, "real_passt::"),
    (SyscallProfile::Generic, "real_programs::"),
];

/// By which a rule is left out: its place.
fn name(profile: &Profile, number: usize) -> String {
    format!("{}:{number}", profile.name)
}

/// Whether these tests go well in another process, without these rules.
fn goes_well(tests: &[String], without: &str) -> bool {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args(["--exact", "--test-threads=2"]).args(tests).env(svirt_fault::LEFT_OUT, without);
    let said = command.stdin(Stdio::null()).output().expect("it starts");
    said.status.success()
}

/// The tests of a module, by name.
fn tests_of(module: &str) -> Vec<String> {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    let said = command.args(["--list", module]).output().expect("it starts");
    let names = String::from_utf8(said.stdout).expect("names");
    let names = names.lines().filter_map(|line| line.strip_suffix(": test"));
    let names: Vec<String> =
        names.filter(|name| name.starts_with(module)).map(str::to_owned).collect();
    assert!(!names.is_empty(), "there are no tests of {module}");
    names
}

/// A program's profile, and its tests, those first that others have failed in.
struct Works {
    profile: &'static Profile,
    tests: Vec<String>,
}

impl Works {
    fn all() -> Vec<Self> {
        let of = |(which, module): &(_, &str)| Self {
            profile: profile(*which),
            tests: tests_of(module),
        };
        WORKS.iter().map(of).collect()
    }

    /// Without all rules for which this holds.
    fn goes_well_without(&self, which: impl Fn(&Rule) -> bool) -> bool {
        let rules = self.profile.rules.iter().enumerate().filter(|(_, rule)| which(rule));
        let names: Vec<_> = rules.map(|(number, _)| name(self.profile, number)).collect();
        goes_well(&self.tests, &names.join(","))
    }

    /// Whether some test fails without a rule of the profile.
    fn misses(&mut self, rule: &Rule) -> bool {
        let number = self.profile.rules.iter().position(|other| std::ptr::eq(other, rule));
        let number = number.expect("it is one of them");
        let without = name(self.profile, number);
        let one = |test: &String| !goes_well(std::slice::from_ref(test), &without);
        let Some(at) = self.tests.iter().position(one) else { return false };
        self.tests[..=at].rotate_right(1);
        true
    }
}

/// All that say that nothing here needs them are away at once, and nothing here misses them. What is
/// refused otherwise where a grant is away may be refused by what is unseen, so one kind goes at a time.
#[test]
fn what_is_unseen_nothing_real_misses() {
    for works in Works::all() {
        for grants in [true, false] {
            let away =
                |rule: &Rule| rule.unseen.is_some() && (rule.answer == Answer::Allow) == grants;
            let name = works.profile.name;
            assert!(works.goes_well_without(away), "{name} misses some that grant: {grants}");
        }
    }
}

/// Every other rule is missed when it is away. `cargo xtask soak --privileges` runs this: some fifteen
/// minutes.
#[test]
#[ignore = "it lasts: cargo xtask soak --privileges"]
fn every_rule_is_missed_or_unseen() {
    let mut all = Works::all();
    assert!(all.iter().all(|works| works.goes_well_without(|_| false)), "it does not go well");
    let mut idle = Vec::new();
    for works in &mut all {
        for rule in works.profile.rules.iter().filter(|rule| rule.unseen.is_none()) {
            if !works.misses(rule) {
                let Rule { call, answer, why, .. } = rule;
                idle.push(format!("{}: {call} ({answer:?}): {why}", works.profile.name));
            }
        }
    }
    assert!(idle.is_empty(), "nothing misses these, and they do not say so:\n{}", idle.join("\n"));
}
