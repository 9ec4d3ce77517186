//! Records to bytes and back: the length of each, then its postcard.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the length before each record.
const LENGTH: usize = 4;

struct Into<'a>(&'a mut Vec<u8>);

impl Flavor for Into<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends a record; leaves `out` as it was if that fails.
pub(crate) fn encode<T: Serialize>(record: &T, out: &mut Vec<u8>) -> postcard::Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    let encoded = postcard::serialize_with_flavor(record, Into(out));
    let length = u32::try_from(out.len() - start - LENGTH).map_err(|_| postcard::Error::SerializeBufferFull);
    match encoded.and(length) {
        Ok(length) => out[start..start + LENGTH].copy_from_slice(&length.to_le_bytes()),
        Err(error) => {
            out.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// The bytes of the first record, and those of all later ones.
pub(crate) fn split(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = payload.split_first_chunk::<LENGTH>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// The record that all the bytes together encode.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> postcard::Result<T> {
    match postcard::take_from_bytes(bytes)? {
        (record, []) => Ok(record),
        // Bytes are left over: another type was written.
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}
