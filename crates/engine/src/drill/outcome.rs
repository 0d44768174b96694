//! What an attempt proves.

use super::{attack::Answers, neighbour::Neighbour};
use serde::Serialize;
use svirt_model::{Confinement, ExecutableMemory, Layer, SyscallProfile};
use svirt_probe::{ATTEMPTS, Answer, Attempt, Given};

/// What an attempt proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It succeeds without confinement and is refused within.
    Blocked,
    /// It succeeds within.
    Open,
    /// It succeeds within, as the plan says.
    Granted,
    /// It does not succeed without confinement either: the host does not have it, or refuses it to
    /// whoever started the machine.
    Absent,
    /// It could not be made within.
    Unproven,
}

impl Outcome {
    /// The word that tables and JSON use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Open => "OPEN",
            Self::Granted => "granted",
            Self::Absent => "absent",
            Self::Unproven => "unproven",
        }
    }
}

/// What an attempt was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prey {
    /// What was made for the drill: files, sockets, a process that is no machine.
    Decoy,
    /// Another machine, started for the drill as any machine is.
    Machine,
}

/// One attempt and what came of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was tried.
    pub attempt: &'static Attempt,
    /// On what.
    pub prey: Prey,
    /// What it proves.
    pub outcome: Outcome,
    /// What came of it within the confinement.
    pub inside: Answer,
    /// What came of it without any.
    pub outside: Answer,
    /// Which layers refuse it, where that was found out.
    pub layers: Option<Refusing>,
}

/// Which layers refuse an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusing {
    /// The launch itself does, with no layer in force: it hands over nothing but what is stated.
    pub launch: bool,
    /// Each of these does alone.
    pub alone: Vec<Layer>,
    /// Without any one of these it is open.
    pub needed: Vec<Layer>,
}

/// How many attempts came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// How many were made.
    pub attempts: usize,
    /// [`Outcome::Blocked`].
    pub blocked: usize,
    /// [`Outcome::Open`].
    pub open: usize,
    /// [`Outcome::Granted`].
    pub granted: usize,
    /// [`Outcome::Absent`].
    pub absent: usize,
    /// [`Outcome::Unproven`].
    pub unproven: usize,
}

impl Score {
    /// Of these rows.
    pub fn of(rows: &[Row]) -> Self {
        let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
        Self {
            attempts: rows.len(),
            blocked: count(Outcome::Blocked),
            open: count(Outcome::Open),
            granted: count(Outcome::Granted),
            absent: count(Outcome::Absent),
            unproven: count(Outcome::Unproven),
        }
    }
}

/// Every attempt, within a confinement and without.
pub(super) fn rows(vmm: &Confinement, inside: &Answers, outside: &Answers) -> Vec<Row> {
    let row = |attempt| row(attempt, inside, outside, |given| is_given(given, vmm));
    ATTEMPTS.iter().map(row).collect()
}

/// Those attempts that can be made on another machine, made on one.
pub(super) fn on_a_machine(machine: &Neighbour, inside: &Answers, outside: &Answers) -> Vec<Row> {
    let attempts = ATTEMPTS.iter().filter(|attempt| machine.has(attempt));
    let row = |attempt| Row { prey: Prey::Machine, ..row(attempt, inside, outside, |_| false) };
    attempts.map(row).collect()
}

/// The same of a sandbox of which no plan says what it gives.
pub(super) fn compared(inside: &Answers, outside: &Answers) -> Vec<Row> {
    ATTEMPTS.iter().map(|attempt| row(attempt, inside, outside, |_| false)).collect()
}

/// These attempts in one confinement, beside the first of the others in which each succeeds.
pub(super) fn against(
    attempts: &[&'static Attempt],
    (vmm, inside): (&Confinement, &Answers),
    others: [&Answers; 2],
) -> Vec<Row> {
    let succeeds = |attempt, answers: &&Answers| matches!(answers.of(attempt), Answer::Open(_));
    let row = |attempt: &&'static Attempt| {
        let other = others.into_iter().find(|answers| succeeds(attempt, answers));
        row(attempt, inside, other.unwrap_or(others[0]), |given| is_given(given, vmm))
    };
    attempts.iter().map(row).collect()
}

/// Without any confinement: what succeeds is open, and what does not could not be blocked.
pub(super) fn alone(outside: &Answers) -> Vec<Row> {
    compared(outside, outside)
}

fn row(
    attempt: &'static Attempt,
    inside: &Answers,
    outside: &Answers,
    given: impl Fn(Given) -> bool,
) -> Row {
    let (inside, outside) = (inside.of(attempt), outside.of(attempt));
    let outcome = match outcome(&inside, &outside) {
        Outcome::Open if given(attempt.given) => Outcome::Granted,
        other => other,
    };
    Row { attempt, prey: Prey::Decoy, outcome, inside, outside, layers: None }
}

fn outcome(inside: &Answer, outside: &Answer) -> Outcome {
    match (inside, outside) {
        (Answer::Open(_), _) => Outcome::Open,
        (Answer::Refused { .. } | Answer::Killed, Answer::Open(_)) => Outcome::Blocked,
        (Answer::Refused { .. } | Answer::Killed, _) => Outcome::Absent,
        // What there is nothing to try on, or what ends the probe, is so anywhere.
        (Answer::Unclear(one), Answer::Unclear(other)) if one == other => Outcome::Absent,
        (Answer::Unclear(_), _) => Outcome::Unproven,
    }
}

/// Whether a plan gives this to a machine.
fn is_given(given: Given, vmm: &Confinement) -> bool {
    let unknown = vmm.seccomp == Some(SyscallProfile::Generic);
    match given {
        Given::Never => false,
        Given::ExecutableMemory => vmm.executable_memory == ExecutableMemory::Allowed,
        Given::Device(path) => {
            vmm.entries.iter().any(|entry| entry.at == std::path::Path::new(path))
        }
        Given::OwnProcesses | Given::OwnObjects => unknown,
        Given::Groups => vmm.identity.keeps_groups,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_only_where_the_same_succeeds_outside() {
        let open = Answer::Open("read".into());
        let no = Answer::Refused { errno: "EPERM".into(), meaning: String::new() };
        let (nothing, died) = (Answer::Unclear("a".into()), Answer::Unclear("b".into()));
        assert_eq!(outcome(&no, &open), Outcome::Blocked);
        assert_eq!(outcome(&Answer::Killed, &open), Outcome::Blocked);
        assert_eq!(outcome(&no, &no), Outcome::Absent);
        assert_eq!(outcome(&Answer::Killed, &died), Outcome::Absent);
        assert_eq!(outcome(&open, &open), Outcome::Open);
        assert_eq!(outcome(&open, &no), Outcome::Open);
        assert_eq!(outcome(&nothing, &nothing), Outcome::Absent);
        assert_eq!(outcome(&died, &open), Outcome::Unproven);
        assert_eq!(outcome(&died, &nothing), Outcome::Unproven);
    }
}
