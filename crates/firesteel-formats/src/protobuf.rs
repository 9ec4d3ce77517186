//! Protobuf: messages, and files of messages each after its length.

use std::fmt;
use std::marker::PhantomData;

use firesteel_connect::{Decode, Encode, Undecodable, Unencodable};
use prost::Message;

use crate::format::{Format, Found, Reading, WriteFormat, Writing};

/// Records as Protobuf messages, of types that `prost` has made of a `.proto` file, or that derive its `Message`.
///
/// What a message is, is Protobuf's own affair: a field that is missing has its default, one that the type does not name is
/// ignored, and an integer that was written with more bits than the field has loses the upper ones. A message that is cut off or
/// damaged is refused, as far as that can be told: the format has no checksums.
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
pub struct Protobuf<T>(PhantomData<fn() -> T>);

impl<T> Protobuf<T> {
    /// Messages of this type.
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }

    /// Files in which the length of each message stands before it, as a varint: what `writeDelimitedTo` of the Java library
    /// writes, and `encode_length_delimited` of `prost`. Where a length is damaged, nothing after it can be told apart: the rest
    /// of the file is one record that is refused.
    #[must_use]
    pub fn delimited(self) -> DelimitedProtobuf<T> {
        DelimitedProtobuf(self)
    }
}

impl<T: Message + Default + 'static> Decode for Protobuf<T> {
    type Item = T;

    fn decode(&self, bytes: &[u8]) -> Result<T, Undecodable> {
        T::decode(bytes).map_err(|error| Undecodable::new(format_args!("Protobuf: {error}")))
    }
}

impl<T: Message + 'static> Encode<T> for Protobuf<T> {
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        record.encode(out).map_err(|error| Unencodable::new(format_args!("Protobuf: {error}")))
    }
}

/// Files of messages each after its length: see [`Protobuf::delimited`].
pub struct DelimitedProtobuf<T>(Protobuf<T>);

impl<T: Message + Default + 'static> Format for DelimitedProtobuf<T> {
    type Item = T;
    type Reading = ReadingProtobuf<T>;

    fn name(&self) -> &'static str {
        "Protobuf"
    }

    fn begin(&self) -> ReadingProtobuf<T> {
        ReadingProtobuf { decode: self.0, left: None, seen: 0, end: 0, is_lost: false }
    }
}

/// Reads messages each after its length.
#[derive(Debug)]
pub struct ReadingProtobuf<T> {
    decode: Protobuf<T>,
    /// Of a message that is passed over: how many bytes of it are left.
    left: Option<usize>,
    /// How many bytes have been looked at.
    seen: usize,
    /// Where the message ends that is not all there yet.
    end: usize,
    /// Whether there was no length where one should be.
    is_lost: bool,
}

/// No message is longer.
const LONGEST: u64 = i32::MAX as u64;

/// A varint: its value, and how many bytes it has. `None` while it has no end.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    (bytes.len() >= 5).then_some((u64::MAX, 5))
}

impl<T: Message + Default + 'static> Reading for ReadingProtobuf<T> {
    type Item = T;

    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        let (begin, end) = match (self.left, varint(bytes)) {
            (Some(left), _) => (0, left),
            (None, Some((length, begin))) if length <= LONGEST && !self.is_lost => (begin, begin + length as usize),
            (None, None) if !self.is_lost => {
                if !ended {
                    return Found::More(0);
                }
                return Found::Broken { after: bytes.len(), reason: "Protobuf: the file ends in a length".to_owned() };
            }
            _ => {
                self.is_lost = true;
                self.seen = bytes.len();
                if !ended {
                    return Found::More(bytes.len());
                }
                let reason = "Protobuf: no length stands at the beginning, so that nothing after it can be told apart";
                return Found::Broken { after: bytes.len(), reason: reason.to_owned() };
            }
        };
        if end <= bytes.len() {
            (self.left, self.seen) = (None, 0);
            return Found::Record { record: begin..end, after: end };
        }
        if ended {
            let reason = format!("Protobuf: the file ends in a message of {} bytes", end - begin);
            self.left = None;
            return Found::Broken { after: bytes.len(), reason };
        }
        (self.seen, self.end) = (bytes.len(), end);
        Found::More(end - begin)
    }

    fn pass(&mut self) -> usize {
        let passed = std::mem::take(&mut self.seen);
        if !self.is_lost {
            self.left = Some(self.end - passed);
        }
        passed
    }

    fn decode(&mut self, record: &[u8]) -> Result<T, Undecodable> {
        self.decode.decode(record)
    }
}

impl<T: Message + 'static> WriteFormat<T> for DelimitedProtobuf<T> {
    type Writing = WritingProtobuf;

    fn may_be_joined(&self) -> bool {
        true
    }

    fn extension(&self) -> &'static str {
        "pb"
    }

    fn name(&self) -> &'static str {
        "Protobuf"
    }

    fn begin(&self) -> WritingProtobuf {
        WritingProtobuf
    }
}

/// Writes messages each after its length.
#[derive(Debug)]
pub struct WritingProtobuf;

impl<T: Message> Writing<T> for WritingProtobuf {
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        if record.encoded_len() as u64 > LONGEST {
            return Err(Unencodable::new("Protobuf: a message has 2 GiB at most"));
        }
        record.encode_length_delimited(out).map_err(|error| Unencodable::new(format_args!("Protobuf: {error}")))
    }
}

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

impl<T> Clone for DelimitedProtobuf<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DelimitedProtobuf<T> {}

impl<T> fmt::Debug for DelimitedProtobuf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DelimitedProtobuf").field(&self.0).finish()
    }
}
