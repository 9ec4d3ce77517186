//! The protocol's numbers and texts, read in place: no length that a peer makes up is believed.

/// Bytes that are read from the front. What is asked for and not there is `None`, and nothing ever panics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where it stands, counted from the beginning of the bytes.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A number of up to ten bytes, seven bits in each.
    #[inline]
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let first = *self.bytes.get(self.at)?;
        self.at += 1;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let (mut number, mut shift) = (u64::from(first & 0x7f), 7);
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    /// A number with a sign, zig-zag.
    #[inline]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Bytes after their length, which is negative where there are none.
    #[inline]
    #[allow(clippy::option_option, reason = "none at all is one thing, and bytes that are null another")]
    pub(crate) fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.signed()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) if length == -1 => Some(None),
            Err(_) => None,
        }
    }

    /// The number of elements of a compact array; none where it is null.
    pub(crate) fn elements(&mut self) -> Option<u64> {
        Some(self.unsigned()?.saturating_sub(1))
    }

    /// Passes over tagged fields.
    pub(crate) fn tags(&mut self) -> Option<()> {
        for _ in 0..self.unsigned()? {
            self.unsigned()?;
            let length = usize::try_from(self.unsigned()?).ok()?;
            self.take(length)?;
        }
        Some(())
    }
}

/// Appends a number, seven bits in each byte.
#[inline]
pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number with a sign, zig-zag.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// How many bytes [`put_signed`] appends.
#[inline]
pub(crate) fn signed_len(number: i64) -> usize {
    let zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: i64) {
            let mut out = vec![];
            put_signed(&mut out, number);
            prop_assert_eq!(out.len(), signed_len(number));
            let mut wire = Wire::new(&out);
            prop_assert_eq!(wire.signed(), Some(number));
            prop_assert_eq!(wire.position(), out.len());
            prop_assert_eq!(Wire::new(&out[..out.len() - 1]).signed(), None);
        }
    }
}
