//! Protobuf: messages, and files of messages each after its length.

mod left_out;
mod zeros;

use std::fmt;
use std::marker::PhantomData;

use firesteel_connect::{Decode, Encode, Undecodable, Unencodable};
use prost::Message;

use crate::delimited::{Delimited, Lengths, ReadingDelimited, WritingDelimited};

/// Records as Protobuf messages, of types that `prost` has made of a `.proto` file, or that derive its `Message`.
///
/// What a message is, is Protobuf's own affair: a field that is missing has its default, one that the type does not name is
/// ignored, and an integer that was written with more bits than the field has loses the upper ones. A message that is cut off or
/// damaged is refused, as far as that can be told: the format has no checksums.
///
/// What is written comes back bit for bit, NaN included, or is refused: of a field of floats that is neither `optional` nor `repeated`,
/// and of the values of a map, `prost` leaves out zeros, and -0.0 with them, which would come back as 0.0. Such a record is refused by the
/// name of the field, which is found in what `Debug` shows of the record. That is looked at where a float that could be in a message is not,
/// so for each record with a zero in such a field: see [`zeros_have_no_sign`](Self::zeros_have_no_sign).
///
/// ```
/// use firesteel_connect::{Decode, Encode};
/// use firesteel_formats::Protobuf;
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Click {
///     #[prost(string, tag = "1")]
///     user: String,
///     #[prost(uint32, tag = "2")]
///     ad: u32,
/// }
///
/// let (clicks, mut bytes) = (Protobuf::<Click>::new(), vec![]);
/// clicks.encode(&Click { user: "ann".into(), ad: 7 }, &mut bytes).unwrap();
/// assert_eq!(clicks.decode(&bytes).unwrap().ad, 7);
/// assert!(clicks.decode(&bytes[..3]).is_err());
/// ```
pub struct Protobuf<T> {
    /// Whether the sign of a zero may get lost when a record is written.
    signless: bool,
    of: PhantomData<fn() -> T>,
}

impl<T> Protobuf<T> {
    /// Messages of this type.
    #[must_use]
    pub fn new() -> Self {
        Self { signless: false, of: PhantomData }
    }

    /// Writes -0.0 as 0.0 where a field has no other form, and looks for none: for types in which the sign of a zero says nothing. Writing
    /// records in which many floats are zero is several times as fast then.
    #[must_use]
    pub fn zeros_have_no_sign(self) -> Self {
        Self { signless: true, ..self }
    }

    /// Files in which the length of each message stands before it, as a varint: what `writeDelimitedTo` of the Java library
    /// writes, and `encode_length_delimited` of `prost`. Where a length is damaged, nothing after it can be told apart: the rest
    /// of the file is one record that is refused.
    #[must_use]
    pub fn delimited(self) -> DelimitedProtobuf<T> {
        Delimited::of(self, Lengths::Varint).named("Protobuf", "pb")
    }
}

impl<T: Message + Default + 'static> Decode for Protobuf<T> {
    type Item = T;

    fn decode(&self, bytes: &[u8]) -> Result<T, Undecodable> {
        T::decode(bytes).map_err(|error| Undecodable::new(format_args!("Protobuf: {error}")))
    }
}

impl<T: Message + Default + fmt::Debug + 'static> Encode<T> for Protobuf<T> {
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let before = out.len();
        record.encode(out).map_err(|error| Unencodable::new(format_args!("Protobuf: {error}")))?;
        if !self.signless && left_out::may_be_left_out::<T>(&out[before..]) && zeros::shows_one(record) {
            zeros::check(record).inspect_err(|_| out.truncate(before))?;
        }
        Ok(())
    }
}

/// Files of messages each after its length: see [`Protobuf::delimited`].
pub type DelimitedProtobuf<T> = Delimited<Protobuf<T>>;

/// Reads messages each after its length.
pub type ReadingProtobuf<T> = ReadingDelimited<Protobuf<T>>;

/// Writes messages each after its length.
pub type WritingProtobuf<T> = WritingDelimited<Protobuf<T>>;

impl<T> Default for Protobuf<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Protobuf<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Protobuf<T> {}

impl<T> fmt::Debug for Protobuf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protobuf<{}>", std::any::type_name::<T>())
    }
}
