//! What is typed at a console: bytes for the guest, and after Ctrl-] a key for sVirt.

/// Ctrl-].
const ESCAPE: u8 = 0x1d;

/// What a person at the console wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// These bytes go to the guest.
    Send(Vec<u8>),
    /// The machine shall stop.
    Stop,
    /// It shall run on without this console.
    Detach,
    /// It shall end at once.
    Kill,
    /// The keys shall be explained.
    Help,
}

/// What the keys do.
pub(crate) const HELP: &str =
    "Ctrl-] and then: q stops the machine, d leaves it running, k kills it, Ctrl-] sends itself";

/// Tells the keys for sVirt from the bytes for the guest.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    escaped: bool,
}

impl Keys {
    /// What these bytes ask for, in order.
    pub(crate) fn typed(&mut self, bytes: &[u8]) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for &byte in bytes {
            match (std::mem::take(&mut self.escaped), byte) {
                (false, ESCAPE) => self.escaped = true,
                (false, _) | (true, ESCAPE) => send(&mut wishes, byte),
                (true, b'q' | b'Q') => wishes.push(Wish::Stop),
                (true, b'd' | b'D') => wishes.push(Wish::Detach),
                (true, b'k' | b'K') => wishes.push(Wish::Kill),
                (true, _) => wishes.push(Wish::Help),
            }
        }
        wishes
    }
}

fn send(wishes: &mut Vec<Wish>, byte: u8) {
    match wishes.last_mut() {
        Some(Wish::Send(bytes)) => bytes.push(byte),
        _ => wishes.push(Wish::Send(vec![byte])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_escape_goes_to_the_guest() {
        let mut keys = Keys::default();
        let all: Vec<u8> = (0..=255).filter(|b| *b != ESCAPE).collect();
        assert_eq!(keys.typed(&all), [Wish::Send(all.clone())]);
    }

    #[test]
    fn a_key_after_the_escape_is_for_svirt() {
        let mut keys = Keys::default();
        let wishes = keys.typed(b"a\x1dqb\x1dd\x1dk\x1d?");
        let send = |byte| Wish::Send(vec![byte]);
        assert_eq!(
            wishes,
            [send(b'a'), Wish::Stop, send(b'b'), Wish::Detach, Wish::Kill, Wish::Help]
        );
    }

    #[test]
    fn the_escape_may_end_one_read_and_its_key_begin_the_next() {
        let mut keys = Keys::default();
        assert_eq!(keys.typed(b"\x1d"), []);
        assert_eq!(keys.typed(b"q"), [Wish::Stop]);
        assert_eq!(keys.typed(b"q"), [Wish::Send(b"q".to_vec())]);
    }

    #[test]
    fn the_escape_sends_itself() {
        let mut keys = Keys::default();
        assert_eq!(keys.typed(b"\x1d\x1dq"), [Wish::Send(b"\x1dq".to_vec())]);
    }
}
