//! Records to bytes and back: the length of each, then its postcard. The upper bit of the length says that it could not be decoded:
//! then it is the postcard of what is known of it instead.

use firesteel_connect::Decoded;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the length before each record.
const LENGTH: usize = 4;
/// In the length: that it is not the postcard of a record.
const UNDECODED: u32 = 1 << 31;

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
    append(record, 0, out)
}

/// Appends a record, or what could not be decoded; leaves `out` as it was if that fails.
pub(crate) fn encode_decoded<T: Serialize>(record: &Decoded<T>, out: &mut Vec<u8>) -> postcard::Result<()> {
    match record {
        Ok(record) => append(record, 0, out),
        Err(undecoded) => append(undecoded, UNDECODED, out),
    }
}

fn append<T: Serialize>(record: &T, flag: u32, out: &mut Vec<u8>) -> postcard::Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    let encoded = postcard::serialize_with_flavor(record, Into(out));
    let length = u32::try_from(out.len() - start - LENGTH).ok().filter(|length| *length < UNDECODED);
    let length = length.ok_or(postcard::Error::SerializeBufferFull).map(|length| length | flag);
    match encoded.and(length) {
        Ok(length) => out[start..start + LENGTH].copy_from_slice(&length.to_le_bytes()),
        Err(error) => {
            out.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// A record as it is stored.
pub(crate) enum Stored<'a> {
    Decoded(&'a [u8]),
    Undecoded(&'a [u8]),
}

/// The first record, and the bytes of all later ones.
pub(crate) fn split(payload: &[u8]) -> Option<(Stored<'_>, &[u8])> {
    let (length, rest) = payload.split_first_chunk::<LENGTH>()?;
    let length = u32::from_le_bytes(*length);
    let (record, rest) = rest.split_at_checked(usize::try_from(length & !UNDECODED).ok()?)?;
    Some((if length & UNDECODED == 0 { Stored::Decoded(record) } else { Stored::Undecoded(record) }, rest))
}

/// The record that all the bytes together encode.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> postcard::Result<T> {
    match postcard::take_from_bytes(bytes)? {
        (record, []) => Ok(record),
        // Bytes are left over: another type was written.
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}
