//! Things of several parts, declared once.

/// Declares a record: on the wire its fields stand one after the other, in this order.
macro_rules! records {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl crate::Xdr for $name {
            fn shape(out: &mut String) {
                $(<$type as crate::Xdr>::shape(out);)+
            }

            fn put(&self, out: &mut crate::Writer) -> Result<(), crate::Unwritable> {
                $(self.$field.put(out)?;)+
                Ok(())
            }

            fn take(input: &mut crate::Reader<'_>) -> Result<Self, crate::Malformed> {
                Ok(Self { $($field: crate::Xdr::take(input)?,)+ })
            }
        }
    )+};
}

pub(crate) use records;
