//! QEMU's monitor protocol, without a socket: bytes in, messages out; commands in, bytes out.
//! (QEMU's `docs/interop/qmp-spec`.)

use serde_json::{Value, json};

/// QEMU sends no message near this size, in bytes, unless it is asked for the guest's memory.
pub(crate) const MESSAGE_MAX: usize = 1 << 20;
/// Nor any that is nested like this: what is told on stands within something else, and no reader of JSON goes
/// deeper than 128.
const DEPTH_MAX: usize = 64;
/// A number takes at most so many times the bytes that it came in (`1e15`) when it is told on.
const LONGER: usize = 5;

/// What QEMU says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// It is there and waits for `qmp_capabilities`.
    Greeting,
    /// A command's result.
    Return {
        /// The command's number.
        id: u64,
        /// The result.
        value: Value,
    },
    /// A command failed.
    Error {
        /// The command's number, if QEMU could tell which.
        id: Option<u64>,
        /// Of which kind (QEMU's `QapiErrorClass`).
        class: String,
        /// Why.
        text: String,
    },
    /// A message came that is longer than any may be; it is not kept. Only the answer to a command
    /// can be that long, and QEMU answers in the order in which it was asked.
    TooLong,
    /// Something happened.
    Event {
        /// Its name.
        name: String,
        /// More about it.
        data: Value,
    },
}

impl Message {
    /// Whether it is the event of this name.
    pub(crate) fn is_event(&self, event: &str) -> bool {
        matches!(self, Self::Event { name, .. } if name == event)
    }

    /// Whether it answers the command of this number.
    pub(crate) fn answers(&self, command: Option<u64>) -> bool {
        match self {
            Self::Return { id, .. } => Some(*id) == command,
            Self::Error { id, .. } => id.is_some() && *id == command,
            Self::TooLong | Self::Greeting | Self::Event { .. } => false,
        }
    }
}

/// QEMU said something that is no message.
#[derive(Debug, thiserror::Error)]
#[error("QEMU's monitor said something that is not a message")]
pub(crate) struct QmpError(#[from] serde_json::Error);

/// One conversation.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pending: Vec<u8>,
    /// Whether the end of a message that is too long is still to come.
    skips: bool,
    commands: u64,
}

impl Session {
    /// Takes what came and returns the messages that are complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, QmpError> {
        let mut messages = Vec::new();
        // What was pending has no end of a line in it, so only what is new is looked at.
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            if self.skips || self.pending.len() + part.len() > MESSAGE_MAX {
                self.skips = true;
                self.pending = Vec::new();
            } else {
                self.pending.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                messages.extend(self.line()?);
            }
        }
        Ok(messages)
    }

    fn line(&mut self) -> Result<Option<Message>, QmpError> {
        let line = std::mem::take(&mut self.pending);
        match std::mem::take(&mut self.skips) {
            true => Ok(Some(Message::TooLong)),
            false if line.trim_ascii().is_empty() => Ok(None),
            false => {
                let value = serde_json::from_slice(&line)?;
                Ok(if is_tellable(&value, line.len()) {
                    message(&value)
                } else {
                    Some(Message::TooLong)
                })
            }
        }
    }

    /// A command's number and the bytes to send.
    pub(crate) fn command(&mut self, name: &str, arguments: &Value) -> (u64, Vec<u8>) {
        self.commands += 1;
        let command = json!({ "execute": name, "arguments": arguments, "id": self.commands });
        (self.commands, format!("{command}\n").into_bytes())
    }
}

/// Whether what came in so many bytes can be told on.
fn is_tellable(value: &Value, came: usize) -> bool {
    let is_short = || serde_json::to_vec(value).is_ok_and(|text| text.len() <= MESSAGE_MAX);
    depth(value) <= DEPTH_MAX && (came <= MESSAGE_MAX / LONGER || is_short())
}

fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(all) => all.iter().map(depth).max(),
        Value::Object(all) => all.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}

fn message(value: &Value) -> Option<Message> {
    let id = || value.get("id").and_then(Value::as_u64);
    if value.get("QMP").is_some() {
        return Some(Message::Greeting);
    }
    if let Some(result) = value.get("return") {
        return Some(Message::Return { id: id()?, value: result.clone() });
    }
    if let Some(error) = value.get("error") {
        let word = |of| error.get(of).and_then(Value::as_str).unwrap_or("unknown").to_owned();
        return Some(Message::Error { id: id(), class: word("class"), text: word("desc") });
    }
    let name = value.get("event")?.as_str()?.to_owned();
    Some(Message::Event { name, data: value.get("data").cloned().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_may_come_in_pieces_and_together() {
        let mut session = Session::default();
        assert_eq!(session.feed(b"{\"QMP\":{}}\r\n{\"ev").unwrap(), [Message::Greeting]);
        let rest = b"ent\":\"STOP\"}\n{\"return\":{},\"id\":1}\n";
        let expected = [
            Message::Event { name: "STOP".into(), data: Value::Null },
            Message::Return { id: 1, value: json!({}) },
        ];
        assert_eq!(session.feed(rest).unwrap(), expected);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(Session::default().feed(b"hello\n").is_err());
    }

    #[test]
    fn a_flood_is_not_kept_and_what_follows_it_is_heard() {
        let mut session = Session::default();
        for _ in 0..3 {
            assert_eq!(session.feed(&vec![b'x'; MESSAGE_MAX]).unwrap(), []);
        }
        assert!(session.pending.len() <= MESSAGE_MAX);
        let rest = b"x\n{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"},\"id\":2}\n";
        let error = Message::Error { id: Some(2), class: "GenericError".into(), text: "no".into() };
        assert_eq!(session.feed(rest).unwrap(), [Message::TooLong, error]);
    }

    #[test]
    fn what_could_not_be_told_on_is_not_heard() {
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let wide = |count| format!("[{}1]", "1e15,".repeat(count));
        for (data, is_heard) in
            [(deep(62), true), (deep(64), false), (wide(50_000), true), (wide(200_000), false)]
        {
            let event = format!("{{\"event\":\"X\",\"data\":{data}}}\n");
            let heard = Session::default().feed(event.as_bytes()).unwrap();
            assert_eq!(heard != [Message::TooLong], is_heard);
        }
    }

    #[test]
    fn commands_are_numbered() {
        let mut session = Session::default();
        let (first, bytes) = session.command("query-status", &json!({}));
        assert_eq!((first, bytes.last()), (1, Some(&b'\n')));
        assert_eq!(session.command("quit", &json!({})).0, 2);
    }
}
