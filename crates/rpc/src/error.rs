//! Errors as libvirt's clients know them (`virError`), and those that this protocol itself makes.

use crate::{
    Domain, Network,
    xdr::{Malformed, Reader, Unwritable, Writer, Xdr},
};

/// The level of an error; the others are warnings, which are not sent.
const LEVEL: i32 = 2;

macro_rules! numbers {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(i32)]
        pub enum $name {
            $($(#[$doc])* $variant = $number,)+
        }

        impl Xdr for $name {
            fn shape(out: &mut String) {
                i32::shape(out);
            }

            fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
                (*self as i32).put(out)
            }

            fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                match u32::take(input)? {
                    $($number => Ok(Self::$variant),)+
                    number => Err(Malformed::Unknown { number, what: stringify!($name) }),
                }
            }
        }
    };
}

numbers! {
    /// What went wrong, as programs tell (`virErrorNumber`): those that are sent from here.
    Code {
        /// Something that should not have happened.
        Internal = 1,
        /// There is not enough memory.
        NoMemory = 2,
        /// This is not supported here at all.
        NoSupport = 3,
        /// There is no connection to what answers.
        NoConnect = 5,
        /// An argument that makes no sense.
        InvalidArgument = 8,
        /// It was tried, and failed.
        OperationFailed = 9,
        /// A definition that cannot be read.
        Xml = 27,
        /// There is one of this name already.
        DomainExists = 28,
        /// Not over this connection.
        OperationDenied = 29,
        /// A definition that is no XML.
        XmlDetail = 35,
        /// The host refused.
        System = 38,
        /// The protocol itself.
        Rpc = 39,
        /// There is no such domain.
        NoDomain = 42,
        /// There is no such network.
        NoNetwork = 43,
        /// Who calls is not known.
        AuthFailed = 45,
        /// There is no such pool.
        NoStoragePool = 49,
        /// There is no such volume.
        NoStorageVolume = 50,
        /// There is no such device.
        NoNodeDevice = 53,
        /// Not in this state.
        OperationInvalid = 55,
        /// There is no such interface.
        NoInterface = 57,
        /// There is no such filter.
        NoFilter = 62,
        /// There is no such secret.
        NoSecret = 66,
        /// A definition that this cannot run.
        ConfigUnsupported = 67,
        /// It took too long.
        OperationTimeout = 68,
        /// There is no such snapshot.
        NoSnapshot = 72,
        /// An argument that this does not support.
        ArgumentUnsupported = 74,
        /// Somebody ended it.
        OperationAborted = 78,
        /// There is no such metadata.
        NoMetadata = 80,
        /// Not with this machine.
        OperationUnsupported = 84,
        /// Somebody else is at it.
        ResourceBusy = 87,
        /// Who calls may not.
        AccessDenied = 88,
        /// There is no such checkpoint.
        NoCheckpoint = 103,
        /// There is no such backup.
        NoBackup = 104,
    }
}

numbers! {
    /// Which part of libvirt would have said it (`virErrorDomain`).
    Origin {
        /// None in particular.
        None = 0,
        /// The reading of definitions.
        Xml = 5,
        /// The protocol.
        Rpc = 7,
        /// The driver for QEMU.
        Qemu = 10,
        /// Volumes and pools.
        Storage = 18,
        /// Networks.
        Network = 19,
        /// Domains in general.
        Domain = 20,
        /// Devices of the host.
        NodeDevice = 22,
        /// Security models.
        Security = 24,
        /// Network interfaces of the host.
        Interface = 26,
        /// Secrets.
        Secret = 30,
        /// Filters of networks.
        Filter = 33,
        /// Snapshots.
        Snapshot = 35,
        /// Streams.
        Streams = 38,
        /// Who may do what.
        Access = 55,
    }
}

/// An error, as it answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub code: Code,
    /// Who says so.
    pub origin: Origin,
    /// The same for people, one line.
    pub message: String,
}

impl Error {
    /// One that is the driver's.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, origin: Origin::Qemu, message: message.into() }
    }

    /// The same, said by another part.
    #[must_use]
    pub fn by(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The protocol's own. Clients look at how it begins, and try something older where they can.
    pub fn unknown(what: &str, number: u32) -> Self {
        Self::new(Code::Rpc, format!("unknown {what}: {number}")).by(Origin::Rpc)
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        let message = format!("Unable to decode message payload: {malformed}");
        Self::new(Code::Rpc, message).by(Origin::Rpc)
    }
}

impl From<Unwritable> for Error {
    fn from(unwritable: Unwritable) -> Self {
        let message = format!("Unable to encode message payload: {unwritable}");
        Self::new(Code::Rpc, message).by(Origin::Rpc)
    }
}

/// The whole structure: who reads it shows the message, and the format and detail where it has none.
type Wire = (
    (Code, Origin, Option<String>, i32),
    (Option<Domain>, Option<String>, Option<String>, Option<String>),
    (i32, i32, Option<Network>),
);

impl Xdr for Error {
    fn shape(out: &mut String) {
        Wire::shape(out);
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        let Self { code, origin, message } = self.clone();
        let texts = (None, Some("%s".to_owned()), Some(message.clone()), None);
        let wire: Wire = ((code, origin, Some(message), LEVEL), texts, (-1, -1, None));
        wire.put(out)
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let ((code, origin, message, _), ..) = Wire::take(input)?;
        Ok(Self { code, origin, message: message.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{from_bytes, to_bytes};

    #[test]
    fn an_error_has_libvirts_shape() {
        let error = Error::new(Code::NoDomain, "x");
        let words = [42, 10, 1, 1, u32::from_be_bytes(*b"x\0\0\0"), 2, 0, 1, 2]
            .into_iter()
            .chain([u32::from_be_bytes(*b"%s\0\0"), 1, 1, u32::from_be_bytes(*b"x\0\0\0"), 0])
            .chain([u32::MAX, u32::MAX, 0]);
        let expected: Vec<_> = words.flat_map(u32::to_be_bytes).collect();
        assert_eq!(to_bytes(&error).unwrap(), expected);
        assert_eq!(from_bytes::<Error>(&expected).unwrap(), error);
    }

    #[test]
    fn what_is_unknown_begins_as_clients_expect() {
        let error = Error::unknown("procedure", 999);
        assert_eq!((error.code, error.origin), (Code::Rpc, Origin::Rpc));
        assert!(error.message.starts_with("unknown procedure"));
    }
}
