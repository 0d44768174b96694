//! What a drill tries. Each has one word, which `svirt drill` takes and the probe is told.

use clap::ValueEnum;

/// One thing that a guest which has taken its VMM over might try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attempt {
    /// Open a file for reading and read from it
    ReadFile,
    /// Open a file for writing; nothing is written
    WriteFile,
    /// Connect to a unix socket
    Connect,
    /// Ask whether a signal could be sent to a process
    Signal,
    /// Become the tracer of a process, and let it go
    Ptrace,
    /// Read a process's memory, at PROCESS:ADDRESS
    ReadMemory,
    /// Look for processes of others
    ListProcesses,
    /// Open a device node
    OpenDevice,
    /// Connect to ADDRESS:PORT by TCP
    Tcp,
}

impl Attempt {
    /// The word for it.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }

    /// The attempt with a word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::from_str(word, false).ok()
    }

    /// For clap: the attempts that need a target.
    pub(crate) fn with_target() -> Vec<(&'static str, &'static str)> {
        vec![
            ("attempt", "read-file"),
            ("attempt", "write-file"),
            ("attempt", "connect"),
            ("attempt", "signal"),
            ("attempt", "ptrace"),
            ("attempt", "read-memory"),
            ("attempt", "open-device"),
            ("attempt", "tcp"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_an_attempt_leads_back_to_it() {
        for attempt in Attempt::value_variants() {
            assert_eq!(Attempt::of(&attempt.word()), Some(*attempt));
        }
        assert_eq!(Attempt::of("nothing"), None);
    }

    #[test]
    fn every_attempt_but_one_needs_a_target() {
        let listed: Vec<_> = Attempt::with_target().into_iter().map(|(_, word)| word).collect();
        let needing = Attempt::value_variants().iter().filter(|a| **a != Attempt::ListProcesses);
        assert_eq!(listed, needing.map(|a| a.word()).collect::<Vec<_>>());
    }
}
