//! Values that carry their name and type with them: statistics, and what newer calls are told.

use crate::{
    record::records,
    xdr::{Malformed, Reader, Unwritable, Writer, Xdr},
};

records! {
    /// One value under its name.
    Param {
        /// What libvirt calls it.
        field: String,
        /// What it is.
        value: Value,
    }
}

impl Param {
    /// A value under a name.
    pub fn new(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { field: field.into(), value: value.into() }
    }
}

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident($type:ty) = $number:literal,)+) => {
        /// A value of one of the types that there are (`virTypedParameterType`).
        #[derive(Debug, Clone, PartialEq)]
        pub enum Value {
            $($(#[$doc])* $name($type),)+
        }

        impl Xdr for Value {
            fn shape(out: &mut String) {
                out.push_str("value;");
            }

            fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
                match self {
                    $(Self::$name(value) => {
                        let kind: i32 = $number;
                        kind.put(out)?;
                        value.put(out)
                    })+
                }
            }

            fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                match u32::take(input)? {
                    $($number => <$type>::take(input).map(Self::$name),)+
                    number => Err(Malformed::Unknown { number, what: "type of a parameter" }),
                }
            }
        }
    };
}

values! {
    /// A small number with a sign.
    Int(i32) = 1,
    /// A small number without one.
    UInt(u32) = 2,
    /// A number with a sign.
    Long(i64) = 3,
    /// A number without one.
    ULong(u64) = 4,
    /// A number with a point.
    Double(f64) = 5,
    /// Yes (1) or no (0).
    Boolean(i32) = 6,
    /// Text.
    Text(String) = 7,
}

macro_rules! from {
    ($($type:ty => $name:ident;)+) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$name(value)
            }
        }
    )+};
}

from! {
    i32 => Int;
    u32 => UInt;
    i64 => Long;
    u64 => ULong;
    f64 => Double;
    String => Text;
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
