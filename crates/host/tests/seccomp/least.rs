//! Least privilege: every rule of a profile is taken away in turn, and what the programs do in these
//! tests is done once more. Where it all goes well without a rule, that has to say what needs it.
//!
//! The tests are run by this program again, with a word in its environment that says which rules
//! their filters lack.

use std::{
    env,
    process::{Command, Stdio},
};
use svirt_model::SyscallProfile;
use svirt_policy::seccomp::{Answer, Profile, Rule, profile};

/// PROFILE:NUMBER, a rule by its place; or PROFILE:grants and PROFILE:refusals, all of either kind that
/// say that they are unseen.
const WITHOUT: &str = "SVIRT_TEST_WITHOUT";
const GRANTS: &str = "grants";
const REFUSALS: &str = "refusals";

/// The programs with profiles of their own, and the tests in which they work.
const WORKS: &[(SyscallProfile, &str)] =
    &[(SyscallProfile::Qemu, "real_qemu::"), (SyscallProfile::Passt, "real_passt::")];

/// The profile without what this process was told to leave out.
pub(crate) fn reduced(profile: &Profile) -> Profile {
    let without = env::var(WITHOUT).unwrap_or_default();
    let (of, which) = without.split_once(':').unwrap_or_default();
    let left_out = |number: usize, rule: &Rule| {
        let (unseen, grants) = (rule.unseen.is_some(), rule.answer == Answer::Allow);
        of == profile.name
            && match which {
                GRANTS => unseen && grants,
                REFUSALS => unseen && !grants,
                which => which.parse() == Ok(number),
            }
    };
    let rules = profile.rules.iter().enumerate();
    let kept = rules.filter(|(number, rule)| !left_out(*number, rule)).map(|(_, rule)| *rule);
    // A process makes few of these.
    Profile { name: profile.name, rules: Vec::leak(kept.collect()) }
}

/// Whether these tests go well in another process, without these rules.
fn goes_well(tests: &[String], without: &str) -> bool {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args(["--exact", "--test-threads=2"]).args(tests).env(WITHOUT, without);
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

    fn goes_well_without(&self, which: &str) -> bool {
        goes_well(&self.tests, &format!("{}:{which}", self.profile.name))
    }

    /// Whether some test fails without a rule, if the profile has it.
    fn misses(&mut self, rule: &Rule) -> bool {
        let Some(number) = self.profile.rules.iter().position(|other| other == rule) else {
            return false;
        };
        let without = format!("{}:{number}", self.profile.name);
        let one = |test: &String| !goes_well(std::slice::from_ref(test), &without);
        let Some(at) = self.tests.iter().position(one) else { return false };
        self.tests[..=at].rotate_right(1);
        true
    }
}

/// All that say that nothing here needs them are away at once, and nothing here misses them. What is
/// refused otherwise where a grant is away may be refused by what is unseen, so one kind goes at a time.
#[test]
fn what_is_unseen_no_real_qemu_misses() {
    for works in Works::all() {
        for kind in [GRANTS, REFUSALS] {
            assert!(works.goes_well_without(kind), "{} misses {kind}", works.profile.name);
        }
    }
}

/// Every other rule is missed when it is away. `cargo xtask soak --privileges` runs this: some ten
/// minutes.
#[test]
#[ignore = "it lasts: cargo xtask soak --privileges"]
fn every_rule_is_missed_or_unseen() {
    let mut all = Works::all();
    assert!(all.iter().all(|works| works.goes_well_without("nothing")), "it does not go well");
    let mut rules: Vec<&Rule> = Vec::new();
    for rule in all.iter().flat_map(|works| works.profile.rules).filter(|r| r.unseen.is_none()) {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules.retain(|rule| !all.iter_mut().any(|works| works.misses(rule)));
    let idle: Vec<_> =
        rules.iter().map(|r| format!("{} ({:?}): {}", r.call, r.answer, r.why)).collect();
    assert!(idle.is_empty(), "nothing misses these, and they do not say so:\n{}", idle.join("\n"));
}
