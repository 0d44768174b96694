//! What happens to domains, as those are told who asked for it.

use crate::{
    frame::{Frame, Header, Kind, Status},
    list::List,
    nouns::{Domain, GraphicsAddress, GraphicsIdentity},
    param::Param,
    table::Program,
    xdr::{Malformed, Reader, Unwritable, Writer, Xdr},
};

/// Every event bears it.
const SERIAL: u32 = 1;

macro_rules! events {
    ($($(#[$doc:meta])* $number:literal $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {
        /// One event, for one callback of one connection.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type,)* },)+
        }

        impl Event {
            /// The message's number.
            pub fn number(&self) -> u32 {
                match self {
                    $(Self::$name { .. } => $number,)+
                }
            }

            fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
                match self {
                    $(Self::$name { $($field,)* } => {
                        $($field.put(out)?;)*
                        Ok(())
                    })+
                }
            }

            fn take(number: u32, input: &mut Reader<'_>) -> Result<Self, Malformed> {
                match number {
                    $($number => Ok(Self::$name { $($field: Xdr::take(input)?,)* }),)+
                    _ => Err(Malformed::Unknown { number, what: "event" }),
                }
            }
        }

        /// The numbers of all messages, and what each is on the wire.
        #[cfg(test)]
        pub(crate) fn shapes() -> Vec<(u32, String)> {
            vec![$(($number, {
                let mut shape = String::new();
                $(<$type>::shape(&mut shape);)*
                shape
            }),)+]
        }
    };
}

events! {
    /// The same as a lifecycle, for a connection that asked under the first of the calls for that.
    107 First {
        /// Which domain.
        domain: Domain,
        /// What happened.
        event: i32,
        /// Why.
        detail: i32,
    }
    /// It was defined, started, paused, resumed, stopped, or forgotten.
    318 Lifecycle {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// What happened.
        event: i32,
        /// Why.
        detail: i32,
    }
    /// The guest started again.
    319 Reboot {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
    }
    /// The guest set its clock.
    320 Clock {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// Its offset, in seconds.
        offset: i64,
    }
    /// The guest's watchdog was not fed.
    321 Watchdog {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// What is done.
        action: i32,
    }
    /// A disk could not be read or written.
    322 DiskError {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// The file.
        path: String,
        /// The device.
        alias: String,
        /// What is done.
        action: i32,
    }
    /// Somebody came to the screen, or left.
    323 Graphics {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// 0 connected, 1 known, 2 gone.
        phase: i32,
        /// This end.
        local: GraphicsAddress,
        /// Theirs.
        remote: GraphicsAddress,
        /// How they said who they are.
        scheme: String,
        /// Who they are.
        subject: List<GraphicsIdentity, 20>,
    }
    /// The same as a disk's error, with the reason.
    324 DiskErrorReason {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// The file.
        path: String,
        /// The device.
        alias: String,
        /// What is done.
        action: i32,
        /// Why, in a word.
        reason: String,
    }
    /// The monitor does not answer any more.
    325 ControlError {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
    }
    /// A tray was opened or closed.
    328 Tray {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// The device.
        alias: String,
        /// 0 opened, 1 closed.
        reason: i32,
    }
    /// The guest woke.
    329 Woken {
        /// Whose callback.
        callback: i32,
        /// Always 0.
        reason: i32,
        /// Which domain.
        domain: Domain,
    }
    /// The guest sleeps.
    330 Asleep {
        /// Whose callback.
        callback: i32,
        /// Always 0.
        reason: i32,
        /// Which domain.
        domain: Domain,
    }
    /// It has another amount of memory.
    331 Balloon {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// How much, in KiB.
        actual: u64,
    }
    /// A device was taken away.
    333 DeviceRemoved {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// The device.
        alias: String,
    }
    /// A device was added.
    354 DeviceAdded {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// The device.
        alias: String,
    }
    /// A job ended.
    363 JobCompleted {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// How it went.
        params: List<Param, 64>,
    }
    /// A note about it was changed.
    379 Metadata {
        /// Whose callback.
        callback: i32,
        /// Which domain.
        domain: Domain,
        /// What kind of note.
        kind: i32,
        /// Whose note, where it is an application's.
        uri: Option<String>,
    }
}

impl Event {
    /// What a message of this number says.
    ///
    /// # Errors
    /// It is none, or cannot be read.
    pub fn read(number: u32, payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let event = Self::take(number, &mut reader)?;
        match reader.left() {
            0 => Ok(event),
            left => Err(Malformed::Rest(left)),
        }
    }

    /// As it is told under the first of the calls for that, if it is.
    pub fn first(self) -> Option<Self> {
        match self {
            Self::Lifecycle { domain, event, detail, .. } => {
                Some(Self::First { domain, event, detail })
            }
            _ => None,
        }
    }

    /// The message.
    ///
    /// # Errors
    /// It is longer than the protocol allows.
    pub fn frame(&self) -> Result<Frame, Unwritable> {
        let mut writer = Writer::default();
        self.put(&mut writer)?;
        let call = Header::call(Program::Remote as u32, self.number(), SERIAL);
        let header = Header { kind: Kind::Event, status: Status::Ok, ..call };
        Ok(Frame::new(header, writer.into_bytes()))
    }
}
