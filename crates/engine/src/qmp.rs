//! QEMU's monitor protocol, without a socket: bytes in, messages out; commands in, bytes out.
//! (QEMU's `docs/interop/qmp-spec`.)

use serde_json::{Value, json};

/// QEMU sends no message near this size, in bytes.
const MESSAGE_MAX: usize = 1 << 20;

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
        /// Why.
        text: String,
    },
    /// Something happened.
    Event {
        /// Its name.
        name: String,
        /// More about it.
        data: Value,
    },
}

/// QEMU said something that is no message, or too much at once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QmpError {
    /// Not a message.
    #[error("QEMU's monitor said something that is not a message")]
    Form(#[from] serde_json::Error),
    /// Longer than any message.
    #[error("QEMU's monitor said more than {MESSAGE_MAX} bytes at once")]
    TooLong,
}

/// One conversation.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pending: Vec<u8>,
    commands: u64,
}

impl Session {
    /// Takes what came and returns the messages that are complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, QmpError> {
        let mut messages = Vec::new();
        // What was pending has no end of a line in it, so only what is new is looked at.
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.pending.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.pending);
                if !line.trim_ascii().is_empty() {
                    messages.extend(message(&serde_json::from_slice(&line)?));
                }
            }
        }
        if self.pending.len() > MESSAGE_MAX { Err(QmpError::TooLong) } else { Ok(messages) }
    }

    /// A command's number and the bytes to send.
    pub(crate) fn command(&mut self, name: &str, arguments: &Value) -> (u64, Vec<u8>) {
        self.commands += 1;
        let command = json!({ "execute": name, "arguments": arguments, "id": self.commands });
        (self.commands, format!("{command}\n").into_bytes())
    }
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
        let text = error.get("desc").and_then(Value::as_str).unwrap_or("unknown").to_owned();
        return Some(Message::Error { id: id(), text });
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
    fn nonsense_and_floods_are_errors() {
        assert!(Session::default().feed(b"hello\n").is_err());
        assert!(Session::default().feed(&vec![b'x'; MESSAGE_MAX + 1]).is_err());
    }

    #[test]
    fn commands_are_numbered() {
        let mut session = Session::default();
        let (first, bytes) = session.command("query-status", &json!({}));
        assert_eq!((first, bytes.last()), (1, Some(&b'\n')));
        assert_eq!(session.command("quit", &json!({})).0, 2);
    }
}
