//! The data of W2: text records of 100 bytes in one buffer, and the steps that
//! every side applies to them.
//!
//! The steps are functions here, so that the sides differ only in what drives
//! them: `line` → [`Sale::parse`] → [`Sale::is_kept`] → [`Sale::value`].

use crate::random::{SplitMix64, mix};

/// Length of a record with its newline.
pub const RECORD_BYTES: usize = 100;

/// Sales below this rating are kept, which is half of them.
const RATING_BOUND: u32 = 50;

/// A parsed record that borrows its name from the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale<'a> {
    /// Position of the record.
    pub id: u64,
    /// Name of the buyer.
    pub name: &'a [u8],
    /// Rating, 0 to 99.
    pub rating: u32,
    /// Price in cents.
    pub cents: u64,
}

impl<'a> Sale<'a> {
    /// Parses `id,name,rating,cents,padding`, or `None` if a field is missing
    /// or is not a number.
    #[must_use]
    #[inline]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (id, rest) = split_field(line)?;
        let (name, rest) = split_field(rest)?;
        let (rating, rest) = split_field(rest)?;
        let (cents, _) = split_field(rest)?;
        Some(Self { id: number(id)?, name, rating: u32::try_from(number(rating)?).ok()?, cents: number(cents)? })
    }

    /// Whether the filter keeps this record.
    #[must_use]
    #[inline]
    pub fn is_kept(&self) -> bool {
        self.rating < RATING_BOUND
    }

    /// What the record is mapped to; the sum of all values is the checksum, so
    /// that no field can be left unread.
    #[must_use]
    #[inline]
    pub fn value(&self) -> u64 {
        self.id ^ (self.cents * u64::from(self.rating) + self.name.len() as u64)
    }
}

#[inline]
fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let comma = memchr::memchr(b',', line)?;
    Some((&line[..comma], &line[comma + 1..]))
}

#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (!digits.is_empty()).then_some(value)
}

/// The lines of a buffer that ends with a newline, without their newlines.
#[derive(Debug, Clone)]
pub struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let newline = memchr::memchr(b'\n', self.0)?;
        let line = &self.0[..newline];
        self.0 = &self.0[newline + 1..];
        Some(line)
    }
}

/// A data set of W2.
#[derive(Debug)]
pub struct TextRecords {
    bytes: Vec<u8>,
}

impl TextRecords {
    /// Makes `count` records, the same for the same `seed`.
    #[must_use]
    pub fn generate(count: usize, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let mut bytes = Vec::with_capacity(count * RECORD_BYTES);
        for id in 0..count {
            let end = bytes.len() + RECORD_BYTES;
            let name = &"maximilian-von-und-zu"[..4 + random.below(17) as usize];
            let rating = random.below(100);
            let cents = random.below(10_000_000);
            bytes.extend_from_slice(format!("{id},{name},{rating},{cents},").as_bytes());
            let padding = mix(id as u64);
            bytes.extend((0..end - 1 - bytes.len()).map(|at| b'a' + (padding >> (at % 60)) as u8 % 26));
            bytes.push(b'\n');
        }
        Self { bytes }
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / RECORD_BYTES
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The text of the records `range`, newlines included.
    #[must_use]
    pub fn text(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.bytes[range.start * RECORD_BYTES..range.end * RECORD_BYTES]
    }

    /// The lines of the records `range`, found by their newlines.
    #[must_use]
    pub fn lines(&self, range: std::ops::Range<usize>) -> Lines<'_> {
        Lines(self.text(range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_a_hundred_bytes_and_parses() {
        let data = TextRecords::generate(500, 1);
        assert_eq!(data.len(), 500);
        let lines: Vec<&[u8]> = data.lines(0..500).collect();
        assert_eq!(lines.len(), 500);
        assert!(lines.iter().all(|line| line.len() == RECORD_BYTES - 1));
        let ids: Vec<u64> = lines.iter().filter_map(|l| Sale::parse(l)).map(|s| s.id).collect();
        assert_eq!(ids, (0..500).collect::<Vec<u64>>());
    }

    #[test]
    fn the_filter_keeps_half() {
        let data = TextRecords::generate(10_000, 1);
        let kept = data.lines(0..10_000).filter_map(Sale::parse).filter(Sale::is_kept).count();
        assert!((4_800..=5_200).contains(&kept), "{kept}");
    }

    #[test]
    fn borrows_its_fields_and_refuses_what_is_no_record() {
        let sale = Sale { id: 7, name: b"ada", rating: 12, cents: 305 };
        assert_eq!(Sale::parse(b"7,ada,12,305,pad"), Some(sale));
        assert_eq!(Sale::parse(b"7,ada,12,305"), None);
        assert_eq!(Sale::parse(b"7,ada,x2,305,"), None);
        assert_eq!(Sale::parse(b"7,ada,,305,"), None);
    }
}
