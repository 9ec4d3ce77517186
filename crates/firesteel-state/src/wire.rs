//! Bytes in and out: little-endian integers, variable-length integers, and checksums. Everything that reads survives
//! any input.

use std::hash::Hasher;

use twox_hash::XxHash3_64;

/// XXH3 with 64 bits and no seed.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// The [`checksum`] of bytes that are not in one place.
#[derive(Default)]
pub(crate) struct Checksum(XxHash3_64);

impl Checksum {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// Appends an unsigned integer, seven bits a byte, the lowest first (LEB128).
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
    } else if value < 1 << 56 {
        // All bytes at once: the groups of seven bits are moved apart, 28 and 28, then 14 and 14, then 7 and 7.
        let spread = (value & 0x00FF_FFFF_F000_0000) << 4 | value & 0x0FFF_FFFF;
        let spread = (spread & 0x0FFF_C000_0FFF_C000) << 2 | spread & 0x0000_3FFF_0000_3FFF;
        let spread = (spread & 0x3F80_3F80_3F80_3F80) << 1 | spread & 0x007F_007F_007F_007F;
        let length = (70 - value.leading_zeros()) / 7;
        let more = 0x0080_8080_8080_8080 & ((1 << (8 * (length - 1))) - 1);
        let end = out.len() + length as usize;
        out.extend_from_slice(&(spread | more).to_le_bytes());
        out.truncate(end);
    } else {
        put_long_varint(out, value);
    }
}

#[cold]
fn put_long_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A position in bytes that are read front to back. Every method yields `None` where the bytes do not suffice.
#[derive(Clone, Debug)]
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_the_published_xxh3() {
        assert_eq!(checksum(b""), 0x2d06_8005_38d3_94c2);
    }

    proptest! {
        #[test]
        fn a_varint_is_read_back(value: u64) {
            let mut out = vec![];
            put_varint(&mut out, value);
            let mut bytes = Bytes::new(&out);
            prop_assert_eq!(bytes.varint(), Some(value));
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(Bytes::new(&out[..out.len() - 1]).varint(), None);
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        assert_eq!(Bytes::new(&[0xFF; 12]).varint(), None);
        let mut most = [0xFF; 10];
        most[9] = 1;
        assert_eq!(Bytes::new(&most).varint(), Some(u64::MAX));
        most[9] = 2;
        assert_eq!(Bytes::new(&most).varint(), None);
    }
}
