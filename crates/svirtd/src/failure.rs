//! What failed, as libvirt's clients are told.

use svirt_engine::{Code as Kind, Failure};
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
    let hint = failure.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    Error::new(code, format!("{failure}{hint}"))
}

/// Not with this machine, whatever state it is in.
pub(crate) fn unsupported(what: &str) -> Error {
    Error::new(Code::OperationUnsupported, format!("Operation not supported: {what}"))
}

/// Not in its state.
pub(crate) fn invalid(what: &str) -> Error {
    Error::new(Code::OperationInvalid, format!("Requested operation is not valid: {what}"))
}

/// Not here at all.
pub(crate) fn no_support(call: &str) -> Error {
    let message = format!("this function is not supported by the connection driver: {call}");
    Error::new(Code::NoSupport, message)
}

/// No guest is asked that way.
pub(crate) fn no_agent() -> Error {
    let message = "argument unsupported: QEMU guest agent is not configured";
    Error::new(Code::ArgumentUnsupported, message)
}

/// The host refuses something that an answer needs.
pub(crate) fn system(cause: &std::io::Error) -> Error {
    Error::new(Code::System, format!("the host refuses what the answer needs: {cause}"))
}

/// A flag or another argument that makes no sense.
pub(crate) fn argument(what: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("invalid argument: {what}"))
}

/// Beside what a call knows, that texts may be among typed parameters (`VIR_TYPED_PARAM_STRING_OKAY`):
/// clients say it of every call that answers with some.
pub(crate) const TEXTS: u32 = 1 << 2;

/// Refuses flags that are not known, so that nothing that was asked for is left out in silence.
pub(crate) fn only(flags: u32, known: u32) -> Result<(), Error> {
    match flags & !known {
        0 => Ok(()),
        unknown => {
            let message = format!("unsupported flags (0x{unknown:x})");
            Err(Error::new(Code::ArgumentUnsupported, message).by(Origin::Qemu))
        }
    }
}
