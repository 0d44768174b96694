//! What an attempt proves.

use super::attempts::{Answer, Tried};
use crate::{
    output::Style,
    render::{Table, Tone},
};
use serde_json::{Value, json};
use svirt_model::Layer;

/// The exit code of an attempt that was refused.
const REFUSED: u8 = 0;
/// The exit code of one that was not.
const OPEN: u8 = 1;

/// What an attempt proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It succeeds without confinement and not inside.
    Refused,
    /// It succeeds inside.
    Open,
    /// It does not succeed without confinement either.
    Absent,
    /// It could not be made inside.
    Unproven,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Open => "OPEN",
            Self::Absent => "absent",
            Self::Unproven => "unproven",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Refused => Tone::Good,
            Self::Open | Self::Unproven => Tone::Bad,
            Self::Absent => Tone::Fair,
        }
    }
}

fn verdict(outside: &Answer, inside: &Answer) -> Verdict {
    match (outside.code, inside.code) {
        (_, OPEN) if inside.line.starts_with("OPEN") => Verdict::Open,
        (OPEN, REFUSED) if inside.line.starts_with("refused") => Verdict::Refused,
        (_, REFUSED) if inside.line.starts_with("refused") => Verdict::Absent,
        _ => Verdict::Unproven,
    }
}

impl Tried {
    /// What it proves.
    pub(super) fn verdict(&self) -> Verdict {
        verdict(&self.outside, &self.inside)
    }

    /// The layer that the kernel's answer points to, among those that are in force.
    fn refused_by(&self) -> Option<Layer> {
        let errno = self.inside.line.strip_prefix("refused: ")?.split(' ').next()?;
        let pointed = match (errno, self.attempt) {
            ("SIGSYS", _) => &[Layer::Seccomp][..],
            ("ESRCH", _) | ("ENETUNREACH" | "ECONNREFUSED" | "ETIMEDOUT", "tcp") => {
                &[Layer::Namespaces]
            }
            ("ENOENT" | "ENOTDIR" | "EROFS" | "ENXIO", _) => &[Layer::Root],
            // The filter answers so to sockets of families that it does not have.
            ("EPERM", "tcp") => &[Layer::Seccomp],
            ("EACCES" | "EPERM", _) => &[Layer::Landlock, Layer::User, Layer::UserNamespace],
            _ => &[],
        };
        pointed.iter().copied().find(|layer| self.layers.contains(layer))
    }
}

/// Whether every attempt that is possible on this host was refused, and at least one was.
pub(super) fn all_refused(tried: &[Tried]) -> bool {
    let acceptable = |t: &Tried| matches!(t.verdict(), Verdict::Refused | Verdict::Absent);
    tried.iter().all(acceptable) && tried.iter().any(|t| t.verdict() == Verdict::Refused)
}

/// One row an attempt.
pub(super) fn table(tried: &[Tried], name: &str, style: Style) -> String {
    let inside = format!("inside {name}").to_uppercase();
    let mut table =
        Table::new(&["ATTEMPT", "OUTCOME", "REFUSED BY", "WITHOUT CONFINEMENT", &inside]);
    for attempt in tried {
        let by = attempt.refused_by().filter(|_| attempt.verdict() == Verdict::Refused);
        let verdict = attempt.verdict();
        table.toned([
            (attempt.what.as_str(), Tone::Plain),
            (verdict.word(), verdict.tone()),
            (by.map_or("-", Layer::word), Tone::Plain),
            (short(&attempt.outside), Tone::Plain),
            (short(&attempt.inside), Tone::Plain),
        ]);
    }
    table.flush_left().text(style)
}

/// The first part of an answer: what was read may be long.
fn short(answer: &Answer) -> &str {
    match answer.line.split_once(": ") {
        Some(("OPEN", rest)) => rest.split(':').next().unwrap_or(rest),
        Some((_, rest)) => rest,
        None => "-",
    }
}

/// For programs.
pub(super) fn json(tried: &Tried) -> Value {
    json!({
        "what": tried.what,
        "attempt": tried.attempt,
        "target": tried.target,
        "outcome": tried.verdict().word().to_lowercase(),
        "refused_by": tried.refused_by(),
        "without_confinement": tried.outside.line,
        "inside": tried.inside.line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(
        attempt: &'static str,
        outside: (&str, u8),
        inside: (&str, u8),
        layers: &[Layer],
    ) -> Tried {
        let answer = |(line, code): (&str, u8)| Answer { line: line.into(), code };
        let (outside, inside) = (answer(outside), answer(inside));
        let layers = layers.to_vec();
        Tried { what: "try".into(), attempt, target: None, outside, inside, layers }
    }

    const YES: (&str, u8) = ("OPEN: opened", OPEN);
    const NO: (&str, u8) = ("refused: ENOENT (No such file or directory)", REFUSED);

    #[test]
    fn a_refusal_counts_only_where_the_same_succeeds_outside() {
        let verdict = |outside, inside| tried("read-file", outside, inside, &[]).verdict();
        assert_eq!(verdict(YES, NO), Verdict::Refused);
        assert_eq!(verdict(NO, NO), Verdict::Absent);
        assert_eq!(verdict(YES, YES), Verdict::Open);
        assert_eq!(verdict(NO, YES), Verdict::Open);
        assert_eq!(verdict(YES, ("", 69)), Verdict::Unproven);
        // An exit code without its line may be anything's.
        assert_eq!(verdict(YES, ("", 0)), Verdict::Unproven);
        assert_eq!(verdict(YES, ("", 1)), Verdict::Unproven);
    }

    #[test]
    fn the_demonstration_fails_at_one_that_is_open_or_unproven_or_if_none_was_refused() {
        let one = |outside, inside| tried("read-file", outside, inside, &[]);
        assert!(all_refused(&[one(YES, NO), one(NO, NO)]));
        assert!(!all_refused(&[one(YES, NO), one(YES, YES)]));
        assert!(!all_refused(&[one(YES, NO), one(YES, ("", 70))]));
        assert!(!all_refused(&[one(NO, NO)]));
        assert!(!all_refused(&[]));
    }

    #[test]
    fn only_a_layer_that_is_in_force_is_named() {
        let by =
            |attempt, line, layers: &[Layer]| tried(attempt, YES, (line, 0), layers).refused_by();
        assert_eq!(by("read-file", NO.0, &[Layer::Root]), Some(Layer::Root));
        assert_eq!(by("read-file", NO.0, &[Layer::Landlock]), None);
        let denied = "refused: EACCES (Permission denied)";
        assert_eq!(by("read-file", denied, &[Layer::User, Layer::Landlock]), Some(Layer::Landlock));
        assert_eq!(by("connect", denied, &[Layer::User]), Some(Layer::User));
        let killed = "refused: SIGSYS (the filter does not have the system call)";
        assert_eq!(by("ptrace", killed, &[Layer::Seccomp]), Some(Layer::Seccomp));
        let filtered = "refused: EPERM (Operation not permitted)";
        let both = [Layer::Landlock, Layer::Seccomp];
        assert_eq!(by("tcp", filtered, &both), Some(Layer::Seccomp));
        assert_eq!(by("signal", filtered, &both), Some(Layer::Landlock));
        assert_eq!(by("ptrace", "OPEN: x", &[Layer::Seccomp]), None);
    }
}
