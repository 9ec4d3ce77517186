//! Bytes as they are.

use firesteel_connect::{Decode, Encode, Undecodable, Unencodable};

/// The bytes themselves, as a `Vec<u8>`.
///
/// ```
/// use firesteel_connect::Decode;
/// use firesteel_formats::Raw;
///
/// assert_eq!(Raw.decode(b"caf\xe9"), Ok(b"caf\xe9".to_vec()));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Decode for Raw {
    type Item = Vec<u8>;

    #[inline]
    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, Undecodable> {
        Ok(bytes.to_vec())
    }
}

impl<T: AsRef<[u8]>> Encode<T> for Raw {
    #[inline]
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        out.extend_from_slice(record.as_ref());
        Ok(())
    }
}
