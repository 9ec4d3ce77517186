//! Records each after its length.

use firesteel_connect::{Decode, Encode, Undecodable, Unencodable};

use crate::format::{Format, Found, Reading, WriteFormat, Writing};

/// Files of records of any decoder, each after its length: as messages of a queue are dumped.
///
/// Where a length is damaged, nothing after it can be told apart: the rest of the file is one record that is refused.
///
/// ```
/// use firesteel_connect::Decoding;
/// use firesteel_formats::{Delimited, Format, Found, Lengths, Reading};
///
/// let text = Decoding::new(|record: &[u8]| std::str::from_utf8(record).map(str::to_owned));
/// let mut reading = Delimited::of(text, Lengths::FourBytes).begin();
/// let file = [0, 0, 0, 2, b'o', b'k', 0, 0];
/// assert_eq!(reading.find(&file, false), Found::Record { record: 4..6, after: 6 });
/// assert_eq!(reading.decode(&file[4..6]), Ok("ok".to_owned()));
/// ```
#[derive(Debug, Clone)]
pub struct Delimited<D> {
    decode: D,
    lengths: Lengths,
    name: &'static str,
    extension: &'static str,
}

/// How the length of a record stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lengths {
    /// Seven bits a byte, the lowest first; a set upper bit says that more follow. As Protobuf's libraries write it.
    Varint,
    /// Four bytes, the uppermost first. As Kafka and most protocols of networks have it.
    FourBytes,
}

/// No record is longer.
const LONGEST: u64 = i32::MAX as u64;

impl Lengths {
    /// A length, and how many bytes it has itself. `None` while it has no end.
    fn read(self, bytes: &[u8]) -> Option<(u64, usize)> {
        match self {
            Self::Varint => varint(bytes),
            Self::FourBytes => bytes.first_chunk().map(|length| (u32::from_be_bytes(*length).into(), 4)),
        }
    }

    fn write(self, length: usize, out: &mut Vec<u8>) {
        match self {
            Self::Varint => {
                let mut left = length;
                while left >= 0x80 {
                    out.push(left as u8 | 0x80);
                    left >>= 7;
                }
                out.push(left as u8);
            }
            Self::FourBytes => out.extend_from_slice(&(length as u32).to_be_bytes()),
        }
    }
}

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

impl<D> Delimited<D> {
    /// Records of this decoder, after lengths of this kind; with an encoder, files that are written so.
    #[must_use]
    pub fn of(decode: D, lengths: Lengths) -> Self {
        Self { decode, lengths, name: "records after their lengths", extension: "records" }
    }

    /// The same under this name, for messages, in files whose names end so.
    #[cfg(feature = "protobuf")]
    pub(crate) fn named(self, name: &'static str, extension: &'static str) -> Self {
        Self { name, extension, ..self }
    }
}

impl<D: Decode> Format for Delimited<D> {
    type Item = D::Item;
    type Reading = ReadingDelimited<D>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&self) -> ReadingDelimited<D> {
        let (decode, lengths, name) = (self.decode.clone(), self.lengths, self.name);
        ReadingDelimited { decode, lengths, name, left: None, seen: 0, end: 0, is_lost: false }
    }
}

/// Reads records each after its length.
#[derive(Debug)]
pub struct ReadingDelimited<D> {
    decode: D,
    lengths: Lengths,
    name: &'static str,
    /// Of a record that is passed over: how many bytes of it are left.
    left: Option<usize>,
    /// How many bytes have been looked at.
    seen: usize,
    /// Where the record ends that is not all there yet.
    end: usize,
    /// Whether there was no length where one should be.
    is_lost: bool,
}

impl<D: Decode> Reading for ReadingDelimited<D> {
    type Item = D::Item;

    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        let (begin, end) = match (self.left, self.lengths.read(bytes)) {
            (Some(left), _) => (0, left),
            (None, Some((length, begin))) if length <= LONGEST && !self.is_lost => (begin, begin + length as usize),
            (None, None) if !self.is_lost => {
                if !ended {
                    return Found::More(0);
                }
                let reason = format!("{}: the file ends in a length", self.name);
                return Found::Broken { after: bytes.len(), reason };
            }
            _ => {
                self.is_lost = true;
                self.seen = bytes.len();
                if !ended {
                    return Found::More(bytes.len());
                }
                let reason = format!(
                    "{}: no length stands at the beginning, so that nothing after it can be told apart",
                    self.name
                );
                return Found::Broken { after: bytes.len(), reason };
            }
        };
        if end <= bytes.len() {
            (self.left, self.seen) = (None, 0);
            return Found::Record { record: begin..end, after: end };
        }
        if ended {
            let reason = format!("{}: the file ends in a message of {} bytes", self.name, end - begin);
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

    fn decode(&mut self, record: &[u8]) -> Result<D::Item, Undecodable> {
        self.decode.decode(record)
    }
}

impl<T, E: Encode<T>> WriteFormat<T> for Delimited<E> {
    type Writing = WritingDelimited<E>;

    fn may_be_joined(&self) -> bool {
        // Each record stands for itself; by the end of its name a file is known where results are merged.
        self.extension == "pb"
    }

    fn extension(&self) -> &'static str {
        self.extension
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&self) -> WritingDelimited<E> {
        WritingDelimited { encode: self.decode.clone(), lengths: self.lengths, record: Vec::new() }
    }
}

/// Writes records each after its length.
#[derive(Debug)]
pub struct WritingDelimited<E> {
    encode: E,
    lengths: Lengths,
    record: Vec<u8>,
}

impl<T, E: Encode<T>> Writing<T> for WritingDelimited<E> {
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        self.record.clear();
        self.encode.encode(record, &mut self.record)?;
        if self.record.len() as u64 > LONGEST {
            return Err(Unencodable::new("a record after its length has 2 GiB at most"));
        }
        self.lengths.write(self.record.len(), out);
        out.extend_from_slice(&self.record);
        Ok(())
    }
}
