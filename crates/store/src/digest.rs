//! Whether an entry of the ledger is still what was written: what is done because of it is done to somebody's
//! files, and a disk or a memory that has lost a bit says nothing of it.

use rusqlite::Row;
use std::ops::Range;

/// FNV-1a of 64 bits (draft-eastlake-fnv) over an entry's columns. A change of one byte always shows, another
/// one nearly always; nobody is kept out by it, for whoever may write the store may write this too.
pub(crate) struct Digest(u64);

impl Digest {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Of these columns.
    pub(crate) fn of<'c>(columns: impl IntoIterator<Item = Option<&'c str>>) -> Self {
        let bytes = |column: Option<&'c str>| column.map(str::as_bytes);
        columns.into_iter().fold(Self::new(), |digest, column| digest.column(bytes(column)))
    }

    /// Of these columns of a row.
    pub(crate) fn of_row(row: &Row<'_>, columns: Range<usize>) -> Self {
        // What is no text shows, for nothing else was written.
        let column = |index| row.get_ref(index).ok()?.as_bytes_or_null().ok()?;
        columns.fold(Self::new(), |digest, index| digest.column(column(index)))
    }

    /// And of one more column, with where it ends.
    pub(crate) fn column(self, column: Option<&[u8]>) -> Self {
        let length = column.map_or(u64::MAX, |bytes| bytes.len() as u64);
        self.bytes(&length.to_le_bytes()).bytes(column.unwrap_or_default())
    }

    /// As the store keeps it: any 64 bits.
    pub(crate) fn value(&self) -> i64 {
        self.0.cast_signed()
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let one = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(self.0, one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(columns: &[Option<&[u8]>]) -> i64 {
        columns.iter().fold(Digest::new(), |digest, column| digest.column(*column)).value()
    }

    /// The vectors of the draft's appendix.
    #[test]
    fn it_is_the_one_that_it_is_said_to_be() {
        assert_eq!(Digest::new().bytes(b"a").0, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Digest::new().bytes(b"foobar").0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_bit_counts_and_so_does_where_a_column_ends() {
        let whole = b"system_u:object_r:svirt_image_t:s0:c1,c2\0".to_vec();
        let first = digest(&[Some(&whole), None]);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(digest(&[Some(&flipped), None]), first, "bit {bit}");
        }
        assert_ne!(digest(&[Some(&whole), Some(b"")]), first);
        assert_ne!(digest(&[Some(b"ab"), Some(b"c")]), digest(&[Some(b"a"), Some(b"bc")]));
    }
}
