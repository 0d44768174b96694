//! What a drill tells the probe, and what the probe says: lines of words with tabs between them, on
//! its standard input and output. The probe is as little to be believed as what it stands for, so
//! whoever reads this has limits.

use crate::{Attempt, Target, find};
use nix::errno::Errno;
use std::collections::BTreeMap;

/// The longest line that is read, in bytes.
pub const HEAD_LIMIT: usize = 4096;

/// What the probe is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The words of the attempts, in order.
    pub words: Vec<String>,
    /// What each target is here.
    pub targets: BTreeMap<&'static str, String>,
}

impl Order {
    /// Its lines.
    pub fn text(&self) -> String {
        let target = |(word, target): (&&str, &String)| format!("on\t{word}\t{target}\n");
        let targets = self.targets.iter().filter(|(_, target)| !target.contains(['\n', '\t']));
        let mut text: String = targets.map(target).collect();
        self.words.iter().for_each(|word| text.push_str(&format!("try\t{word}\n")));
        text
    }

    /// Reads the lines up to the one that says that it is all.
    pub(crate) fn read(text: &str) -> Self {
        let mut order = Self::default();
        for line in text.lines() {
            match line.splitn(3, '\t').collect::<Vec<_>>()[..] {
                ["on", word, target] => {
                    let known = Target::ALL.iter().find(|target| target.word() == word);
                    known.map(|known| order.targets.insert(known.word(), target.to_owned()));
                }
                ["try", word] => order.words.push(word.to_owned()),
                _ => {}
            }
        }
        order
    }

    /// What this attempt is made on; nothing where it needs none.
    pub(crate) fn target(&self, attempt: &Attempt) -> Option<&str> {
        match attempt.target {
            None => Some(""),
            Some(target) => self.targets.get(target.word()).map(String::as_str),
        }
    }
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It succeeded, and got this.
    Open(String),
    /// The kernel refused it with this error, by name and meaning.
    Refused {
        /// Like `EPERM`.
        errno: String,
        /// In the C library's words.
        meaning: String,
    },
    /// A filter killed the probe for it (SIGSYS).
    Killed,
    /// It could not be made, or nobody said what came of it.
    Unclear(String),
}

/// One line of the probe's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It is about to try this.
    Trying(&'static str),
    /// What came of it.
    Answered(&'static str, Answer),
    /// There is nothing more to try.
    End,
}

impl Said {
    /// Reads a line; what is none of the probe's is `None`: a program may have said it that was
    /// executed, or that the probe runs in.
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, '\t');
        let (kind, word) = (words.next()?, words.next());
        let word = word.and_then(find).map(|attempt| attempt.word);
        let mut text = || words.next().unwrap_or_default().to_owned();
        let answer = match kind {
            "end" => return Some(Self::End),
            "trying" => return Some(Self::Trying(word?)),
            "open" => Answer::Open(text()),
            "refused" => Answer::Refused { errno: text(), meaning: text() },
            "unclear" => Answer::Unclear(text()),
            _ => return None,
        };
        Some(Self::Answered(word?, answer))
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        let one = |text: &str| text.replace(['\n', '\t', '\r'], " ");
        match self {
            Self::End => "end\n".into(),
            Self::Trying(word) => format!("trying\t{word}\n"),
            Self::Answered(word, Answer::Open(what)) => format!("open\t{word}\t{}\n", one(what)),
            Self::Answered(word, Answer::Refused { errno, meaning }) => {
                format!("refused\t{word}\t{errno}\t{}\n", one(meaning))
            }
            Self::Answered(word, Answer::Killed) => format!("refused\t{word}\tSIGSYS\t\n"),
            Self::Answered(word, Answer::Unclear(why)) => {
                format!("unclear\t{word}\t{}\n", one(why))
            }
        }
    }
}

impl Answer {
    /// A refusal by the kernel.
    pub(crate) fn refused(errno: Errno) -> Self {
        Self::Refused { errno: format!("{errno:?}"), meaning: errno.desc().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again() {
        let refused = Answer::refused(Errno::EPERM);
        let all = [
            Said::Trying("read-file"),
            Said::Answered("read-file", Answer::Open("read 3 bytes".into())),
            Said::Answered("tcp", refused),
            Said::Answered("tcp", Answer::Unclear("no such thing".into())),
            Said::End,
        ];
        for said in all {
            assert_eq!(Said::read(said.line().trim_end_matches('\n')), Some(said));
        }
        for odd in ["", "open", "open\tno-such-attempt\tx", "hello\tread-file", "trying"] {
            assert_eq!(Said::read(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_line_cannot_be_broken_from_within() {
        let hostile = Said::Answered("read-file", Answer::Open("a\nend\nopen\ttcp\tb".into()));
        assert_eq!(hostile.line().lines().count(), 1);
        let targets = BTreeMap::from([("public-file", "/a\ntry\ttcp".to_owned())]);
        let order = Order { words: vec!["tcp".into()], targets };
        assert_eq!(Order::read(&order.text()).targets.len(), 0);
    }

    #[test]
    fn an_order_is_read_again() {
        let targets = BTreeMap::from([("public-file", "/a b".to_owned())]);
        let order = Order { words: vec!["read-file".into()], targets };
        assert_eq!(Order::read(&order.text()), order);
    }
}
