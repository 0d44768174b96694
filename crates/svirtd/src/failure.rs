//! What failed, as libvirt's clients are told.

use svirt_engine::{Code as Kind, Failure, Refused, Why};
use svirt_rpc::{Code, Error, Origin};

/// A failure with its causes and the way out, in one line as clients show it.
pub(crate) fn error(failure: &Failure) -> Error {
    let code = match failure.code {
        Kind::Usage => Code::InvalidArgument,
        Kind::Data => Code::Xml,
        Kind::NotFound => Code::OperationFailed,
        Kind::Unavailable => Code::OperationUnsupported,
        Kind::Internal => Code::Internal,
        Kind::Host => Code::OperationFailed,
        Kind::InUse => Code::OperationInvalid,
        Kind::Denied => Code::AccessDenied,
        Kind::Unconfined => Code::ConfigUnsupported,
    };
    failed(code, failure)
}

/// The same under another number.
pub(crate) fn failed(code: Code, failure: &Failure) -> Error {
    let hint = failure.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    say(code, &format!("{failure}{hint}"))
}

/// A document that is not taken.
pub(crate) fn refused(refused: &Refused) -> Error {
    let code = match refused.why {
        Why::Text => Code::XmlDetail,
        Why::Document => Code::Xml,
        Why::Unsupported => Code::ConfigUnsupported,
    };
    failed(code, &refused.failure).by(Origin::Domain)
}

/// An error that begins with libvirt's words for its number, by which scripts know it.
fn say(code: Code, what: &str) -> Error {
    let words = match code {
        Code::Internal => "internal error: ",
        Code::InvalidArgument => "invalid argument: ",
        Code::OperationFailed => "operation failed: ",
        Code::OperationInvalid => "Requested operation is not valid: ",
        Code::OperationUnsupported => "Operation not supported: ",
        Code::ArgumentUnsupported => "argument unsupported: ",
        Code::ConfigUnsupported => "unsupported configuration: ",
        Code::AccessDenied => "access denied: ",
        Code::Xml => "XML error: ",
        Code::NoSupport => "this function is not supported by the connection driver: ",
        Code::NoMetadata => "metadata not found: ",
        _ => "",
    };
    Error::new(code, format!("{words}{}", without_numbers(what)))
}

/// Rust says the system's number behind what it means; libvirt does not.
fn without_numbers(what: &str) -> String {
    let mut parts = what.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |said, part| said + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// Something that has to be there already, or not yet.
pub(crate) fn operation_failed(what: &str) -> Error {
    say(Code::OperationFailed, what)
}

/// Not with this machine, whatever state it is in.
pub(crate) fn unsupported(what: &str) -> Error {
    say(Code::OperationUnsupported, what)
}

/// Not in its state.
pub(crate) fn invalid(what: &str) -> Error {
    say(Code::OperationInvalid, what)
}

/// What libvirt takes for its own fault: a device or a part of the host that there is not.
pub(crate) fn internal(what: &str) -> Error {
    say(Code::Internal, what)
}

/// Not here at all.
pub(crate) fn no_support(call: &str) -> Error {
    say(Code::NoSupport, call)
}

/// An argument that makes sense, and is not supported.
pub(crate) fn argument_unsupported(what: &str) -> Error {
    say(Code::ArgumentUnsupported, what)
}

/// No guest is asked that way.
pub(crate) fn no_agent() -> Error {
    argument_unsupported("QEMU guest agent is not configured")
}

/// Nobody noted that.
pub(crate) fn no_metadata() -> Error {
    say(Code::NoMetadata, "Requested metadata element is not present").by(Origin::Domain)
}

/// The host refuses something that an answer needs.
pub(crate) fn system(cause: &std::io::Error) -> Error {
    Error::new(Code::System, format!("the host refuses what the answer needs: {cause}"))
}

/// A file that cannot be opened.
pub(crate) fn unopened(path: &std::path::Path, cause: &std::io::Error) -> Error {
    say(Code::System, &format!("Failed to open file '{}': {cause}", path.display()))
}

/// A flag or another argument that makes no sense.
pub(crate) fn argument(what: &str) -> Error {
    say(Code::InvalidArgument, what)
}

/// Beside what a call knows, that texts may be among typed parameters (`VIR_TYPED_PARAM_STRING_OKAY`):
/// clients say it of every call that answers with some.
pub(crate) const TEXTS: u32 = 1 << 2;

/// Refuses flags that are not known, so that nothing that was asked for is left out in silence.
pub(crate) fn only(flags: u32, known: u32) -> Result<(), Error> {
    match flags & !known {
        0 => Ok(()),
        unknown => {
            Err(Error::new(Code::InvalidArgument, format!("unsupported flags (0x{unknown:x})")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_begins_with_the_words_of_its_number() {
        let failure = Failure::new(Kind::InUse, "it runs").hint("stop it");
        let said = error(&failure);
        assert_eq!(said.code, Code::OperationInvalid);
        assert_eq!(said.message, "Requested operation is not valid: it runs (hint: stop it)");
        let cause = std::io::Error::from_raw_os_error(2);
        let said = unopened(std::path::Path::new("/x"), &cause);
        assert_eq!(said.message, "Failed to open file '/x': No such file or directory");
        assert_eq!(without_numbers("a (os error 1): b (os error 2)"), "a: b");
    }
}
