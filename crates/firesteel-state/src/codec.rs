//! Typed values to bytes and back, in postcard's format.

mod encoder;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::encoder::Encoder;

/// What a key of state must be able to do. Implemented for every type that can.
///
/// Equal keys must be encoded alike, and different ones differently: a `HashMap` inside a key would break that.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key of state",
    note = "a key is `Clone + Eq + Serialize + DeserializeOwned + Send + 'static`: derive what is missing"
)]
pub trait StateKey: Clone + Eq + Serialize + DeserializeOwned + Send + 'static {}
impl<T: Clone + Eq + Serialize + DeserializeOwned + Send + 'static> StateKey for T {}

/// What a value of state must be able to do. Implemented for every type that can.
///
/// Values are stored in a format that does not describe itself: types that need one, such as those with serde's
/// `untagged`, `flatten` or `skip_serializing_if`, cannot be read back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as state",
    note = "a value is `Clone + Serialize + DeserializeOwned + Send + 'static`: derive what is missing"
)]
pub trait StateValue: Clone + Serialize + DeserializeOwned + Send + 'static {}
impl<T: Clone + Serialize + DeserializeOwned + Send + 'static> StateValue for T {}

/// What a field must be able to do: the fields of a key are kept in their order.
pub trait StateField: Clone + Ord + serde::Serialize + serde::de::DeserializeOwned + Send + 'static {}
impl<T: Clone + Ord + serde::Serialize + serde::de::DeserializeOwned + Send + 'static> StateField for T {}

/// Appends the encoded value.
#[inline]
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> postcard::Result<()> {
    value.serialize(&mut Encoder(out))
}

/// The value that all the bytes together encode.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> postcard::Result<T> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        // Bytes are left over: another type was written.
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}
