//! Stored bytes to values, by the recorded shape of their type.
//!
//! ```
//! use firesteel_cli::{Decode, Shape};
//!
//! let shape: Shape = "{card: u64, note: ?str}".parse()?;
//! let bytes = [7, 1, 2, b'o', b'k'];
//! assert_eq!(shape.decode(&bytes).to_string(), r#"{card: 7, note: "ok"}"#);
//! # Ok::<(), firesteel_cli::NoShape>(())
//! ```
//!
//! The bytes are postcard (version 1), which does not describe itself: a wrong shape reads nonsense, or fails. What
//! fails, and what has bytes left over, is shown as bytes.

use firesteel_state::schema::{Plain, Shape};
use firesteel_window::{Duration, Timestamp};

use crate::value::Value;

/// Values nest less deep than this.
const DEPTH: usize = 200;
/// More elements than this need at least a byte each.
const MOST_EMPTY: u64 = 10_000;

/// What the shape of a type makes of its bytes.
pub trait Decode {
    /// The value that all the bytes together encode; the bytes themselves where they encode none.
    #[must_use]
    fn decode(&self, bytes: &[u8]) -> Value;

    /// The value at the front of the bytes, and what follows it. `None` if there is none.
    ///
    /// Where the shape ends in the middle of a value, all bytes from there on are part of it, undecoded.
    #[must_use]
    fn decode_front<'a>(&self, bytes: &'a [u8]) -> Option<(Value, &'a [u8])>;
}

impl Decode for Shape {
    fn decode(&self, bytes: &[u8]) -> Value {
        match self.decode_front(bytes) {
            Some((value, [])) => value,
            _ => Value::Undecoded(bytes.to_vec()),
        }
    }

    fn decode_front<'a>(&self, bytes: &'a [u8]) -> Option<(Value, &'a [u8])> {
        let mut decoder = Decoder { rest: bytes, cut: false };
        let value = decoder.value(self, &mut vec![], 0)?;
        Some((value, decoder.rest))
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
    /// The shape ended: there are no more bytes that could be told apart.
    cut: bool,
}

impl<'a> Decoder<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn varint(&mut self) -> Option<u128> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if bits.leading_zeros() < shift {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Small in either direction: 0, -1, 1, -2, …
    fn signed(&mut self) -> Option<i128> {
        let zigzag = self.varint()?;
        Some((zigzag >> 1) as i128 ^ -((zigzag & 1) as i128))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        Some(std::str::from_utf8(self.take(length)?).ok()?.to_owned())
    }

    /// `around` are the structs and enums that the value is part of.
    fn value<'s>(&mut self, shape: &'s Shape, around: &mut Vec<&'s Shape>, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        let depth = depth + 1;
        Some(match shape {
            Shape::Unit => Value::Unit,
            Shape::Plain(plain) => self.plain(*plain)?,
            Shape::Option(some) => match self.byte()? {
                0 => Value::None,
                1 => self.value(some, around, depth)?,
                _ => return None,
            },
            Shape::Sequence(element) => Value::Sequence(self.repeat(|decoder| decoder.value(element, around, depth))?),
            Shape::Map(key, value) => {
                let entries = self.repeat(|decoder| {
                    let key = decoder.value(key, around, depth)?;
                    let value =
                        if decoder.cut { Value::Undecoded(vec![]) } else { decoder.value(value, around, depth)? };
                    Some((key, value))
                });
                Value::Map(entries?)
            }
            Shape::Tuple(parts) => {
                let mut values = vec![];
                for part in parts {
                    if !self.cut {
                        values.push(self.value(part, around, depth)?);
                    }
                }
                Value::Tuple(values)
            }
            Shape::Struct(_, fields) => {
                around.push(shape);
                let mut values = vec![];
                for field in fields {
                    if !self.cut {
                        values.push((field.name.clone(), self.value(&field.shape, around, depth)?));
                    }
                }
                around.pop();
                Value::Struct(values)
            }
            Shape::Enum(_, variants) => {
                let (name, contents) = variants.get(self.length()?)?;
                around.push(shape);
                let contents = match contents {
                    Some(contents) => Some(Box::new(self.value(contents, around, depth)?)),
                    None => None,
                };
                around.pop();
                Value::Variant(name.clone(), contents)
            }
            Shape::Recursive(name) => {
                let at = around.iter().rposition(|shape| name_of(shape) == Some(name))?;
                let outer = around[at];
                // Inside of it, only what is around the outer one is around.
                let mut around = around[..at].to_vec();
                self.value(outer, &mut around, depth)?
            }
            Shape::Unknown => {
                self.cut = true;
                Value::Undecoded(std::mem::take(&mut self.rest).to_vec())
            }
        })
    }

    fn repeat<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = u64::try_from(self.varint()?).ok()?;
        // A length that cannot be is not to use up time and memory.
        if count > MOST_EMPTY.max(self.rest.len() as u64) {
            return None;
        }
        let mut elements = vec![];
        for _ in 0..count {
            if self.cut {
                break;
            }
            elements.push(each(self)?);
        }
        Some(elements)
    }

    fn plain(&mut self, plain: Plain) -> Option<Value> {
        Some(match plain {
            Plain::Bool => match self.byte()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return None,
            },
            Plain::U8 => Value::Unsigned(self.byte()?.into()),
            Plain::I8 => Value::Signed(i8::from_le_bytes([self.byte()?]).into()),
            Plain::U16 | Plain::U32 | Plain::U64 | Plain::U128 => Value::Unsigned(self.varint()?),
            Plain::I16 | Plain::I32 | Plain::I64 | Plain::I128 => Value::Signed(self.signed()?),
            Plain::Time => Value::Time(Timestamp::from_micros(self.signed()?.try_into().ok()?)),
            Plain::Span => Value::Span(Duration::micros(self.signed()?.try_into().ok()?)),
            Plain::F32 => Value::F32(f32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            Plain::F64 => Value::F64(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            Plain::Char => Value::Text(self.text().filter(|text| text.chars().count() == 1)?),
            Plain::Text => Value::Text(self.text()?),
            Plain::Bytes => {
                let length = self.length()?;
                Value::Bytes(self.take(length)?.to_vec())
            }
        })
    }
}

/// The name under which a shape is spoken of within itself.
fn name_of(shape: &Shape) -> Option<&str> {
    match shape {
        Shape::Struct(name, _) | Shape::Enum(name, _) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
