//! Smack through smackfs: what is in force, and the rules that let one label reach another.

use super::{
    Lsm,
    files::{KernelFiles, Kind, MountTable},
    odd, process,
};
use crate::HostError;
use std::{fmt, str::FromStr};
use svirt_model::label::{LabelError, SmackFacts, SmackLabel};

/// Smack, which is active.
#[derive(Debug)]
pub struct Smack {
    files: KernelFiles,
}

/// What a rule grants: read, write, execute, append, transmute, lock, bring up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    letters: [bool; 7],
}

/// In the order in which the kernel prints them.
const LETTERS: [char; 7] = ['r', 'w', 'x', 'a', 't', 'l', 'b'];

impl Access {
    /// The access that these letters name, each at most once; `-` stands for none.
    ///
    /// # Errors
    /// Another letter.
    pub fn new(letters: &str) -> Result<Self, HostError> {
        let mut access = Self::default();
        for letter in letters.chars().filter(|letter| *letter != '-') {
            let known = LETTERS.iter().position(|l| *l == letter);
            let slot = known.and_then(|at| access.letters.get_mut(at)).filter(|slot| !**slot);
            let Some(slot) = slot else {
                return Err(odd("understand a Smack access", format!("{letters:?} is none")));
            };
            *slot = true;
        }
        Ok(access)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = LETTERS.iter().zip(self.letters).filter(|(_, on)| *on);
        let text: String = set.map(|(letter, _)| letter).collect();
        f.write_str(if text.is_empty() { "-" } else { &text })
    }
}

/// "A process with this label may do this to what has that label."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The process.
    pub subject: SmackLabel,
    /// What it reaches.
    pub object: SmackLabel,
    /// What it may do; none takes a rule back.
    pub access: Access,
}

impl Smack {
    /// Smack; `None` where smackfs is not mounted.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Option<Self>, HostError> {
        Self::among(&MountTable::default())
    }

    pub(super) fn among(mounts: &MountTable) -> Result<Option<Self>, HostError> {
        Ok(KernelFiles::find(Kind::Smack, mounts)?.map(|files| Self { files }))
    }

    /// What is in force.
    ///
    /// # Errors
    /// The kernel's, and what is not of the form that the kernel gives it.
    pub fn facts(&self) -> Result<SmackFacts, HostError> {
        Ok(SmackFacts {
            mount: self.files.path().to_owned(),
            own: label(&process::own(Lsm::Smack)?)?,
            only_capable: self.only_capable()?,
            doi: self.files.number("doi")?,
            ambient: label(&self.files.text("ambient")?)?,
        })
    }

    /// The labels for which capabilities count; empty means all.
    ///
    /// # Errors
    /// The kernel's.
    pub fn only_capable(&self) -> Result<Vec<SmackLabel>, HostError> {
        self.files.text("onlycap")?.split_whitespace().map(label).collect()
    }

    /// Lets capabilities count for these labels alone, or for all when there is none. A process of
    /// root with another label is held by the rules from then on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_only_capable(&self, labels: &[SmackLabel]) -> Result<(), HostError> {
        let text: Vec<&str> = labels.iter().map(SmackLabel::as_str).collect();
        // The kernel takes no empty write; a lone dash is its word for none.
        let text = if text.is_empty() { "-".to_owned() } else { text.join(" ") };
        self.files.write("onlycap", text.as_bytes())
    }

    /// Puts a rule in force, in the place of one for the same two labels.
    ///
    /// # Errors
    /// The kernel's.
    pub fn allow(&self, rule: &Rule) -> Result<(), HostError> {
        let line = format!("{} {} {}", rule.subject, rule.object, rule.access);
        self.files.write("load2", line.as_bytes())
    }

    /// Takes every right of a label back.
    ///
    /// # Errors
    /// The kernel's.
    pub fn revoke(&self, subject: &SmackLabel) -> Result<(), HostError> {
        self.files.write("revoke-subject", subject.as_str().as_bytes())
    }

    /// Whether the rules, and the kernel's own, grant all of this. A label that nothing has yet had is
    /// granted nothing, not even itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn grants(&self, rule: &Rule) -> Result<bool, HostError> {
        let question = format!("{} {} {}", rule.subject, rule.object, rule.access);
        let doing = || format!("ask whether {question}");
        let answer = self.files.ask("access2", question.as_bytes())?;
        match answer.map_err(|e| HostError::new(doing(), e))?.first() {
            Some(b'1') => Ok(true),
            Some(b'0') => Ok(false),
            other => Err(odd(&doing(), format!("the answer is {other:?}"))),
        }
    }

    /// The rules that are in force.
    ///
    /// # Errors
    /// The kernel's, and what is not of the form that the kernel gives it.
    pub fn rules(&self) -> Result<Vec<Rule>, HostError> {
        self.files.text("load2")?.lines().map(str::parse).collect()
    }
}

impl FromStr for Rule {
    type Err = HostError;
    /// Reads a rule as it is written: subject, object, access.
    fn from_str(line: &str) -> Result<Self, HostError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [subject, object, access] = words[..] else {
            return Err(odd("understand a Smack rule", format!("{line:?} is none")));
        };
        Ok(Self { subject: label(subject)?, object: label(object)?, access: Access::new(access)? })
    }
}

fn label(text: &str) -> Result<SmackLabel, HostError> {
    SmackLabel::from_str(text).map_err(|e: LabelError| odd("understand a Smack label", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_printed_as_the_kernel_prints_it() {
        assert_eq!(Access::new("wxr").unwrap().to_string(), "rwx");
        assert_eq!(Access::new("-").unwrap().to_string(), "-");
        assert_eq!(Access::new("r-x").unwrap().to_string(), "rx");
        for bad in ["z", "rr", "r w", "R"] {
            assert!(Access::new(bad).is_err(), "{bad:?}");
        }
        let read: Rule = "A B rwx".parse().unwrap();
        assert_eq!((read.subject.as_str(), read.object.as_str()), ("A", "B"));
        assert!(["A B", "A B r x"].iter().all(|line| line.parse::<Rule>().is_err()));
    }
}
