//! Amounts of memory and disk.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A number of bytes. Written by people as `512M` or `20G` (powers of 1024; the suffixes are
/// `K`, `M`, `G`, `T`, each optionally followed by `iB` or `B`); a bare number is bytes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "SizeText", into = "String")]
pub struct Bytes(pub u64);

/// A size was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a size: write a whole number and K, M, G or T, as in 512M")]
pub struct SizeError {
    given: String,
}

/// JSON may say a number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Number(u64),
    Text(String),
}

impl TryFrom<SizeText> for Bytes {
    type Error = SizeError;
    fn try_from(given: SizeText) -> Result<Self, SizeError> {
        match given {
            SizeText::Number(bytes) => Ok(Self(bytes)),
            SizeText::Text(text) => text.parse(),
        }
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

impl FromStr for Bytes {
    type Err = SizeError;
    fn from_str(given: &str) -> Result<Self, SizeError> {
        let refused = || SizeError { given: given.chars().take(80).collect() };
        let digits = given.len() - given.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, suffix) = given.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let mut suffix = suffix.to_ascii_uppercase();
        for tail in ["IB", "B"] {
            suffix.truncate(suffix.strip_suffix(tail).unwrap_or(&suffix).len());
        }
        let shift = match suffix.as_str() {
            "" => 0,
            unit => UNITS.iter().find(|(u, _)| unit == u.to_string()).ok_or_else(refused)?.1,
        };
        number.checked_shl(shift).filter(|n| n >> shift == number).map(Self).ok_or_else(refused)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |(_, shift): &&(char, u32)| self.0 > 0 && self.0.is_multiple_of(1 << shift);
        let text = match UNITS.iter().rev().find(exact) {
            Some((unit, shift)) => format!("{}{unit}", self.0 >> shift),
            None => self.0.to_string(),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_alike() {
        for (text, bytes) in
            [("0", 0), ("1", 1), ("4K", 4096), ("512M", 512 << 20), ("20G", 20 << 30)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!("1GiB".parse(), Ok(Bytes(1 << 30)));
        assert_eq!("2mb".parse(), Ok(Bytes(2 << 20)));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for bad in ["", "G", "-1", "1.5G", "1 G", "1X", "99999999999T", "0x10", "1GG"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad:?} was accepted");
        }
    }
}
