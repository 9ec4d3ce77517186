//! Bytes of a stored shape, passed over; and the smallest values of a shape.

use crate::schema::shape::{Plain, Shape};

/// Values nest less deep than this.
const DEPTH: usize = 200;
/// More elements than this need at least a byte each.
const MOST_EMPTY: u64 = 10_000;

/// Passes over values.
pub(super) struct Skipper<'a, 's> {
    rest: &'a [u8],
    around: Vec<&'s Shape>,
}

impl<'a, 's> Skipper<'a, 's> {
    /// `whole` is the shape in which what is passed over stands: a type that contains itself is looked up there.
    pub(super) fn new(bytes: &'a [u8], whole: &'s Shape) -> Self {
        Self { rest: bytes, around: vec![whole] }
    }

    /// What follows the value; `None` if there is no such value.
    pub(super) fn skip(mut self, shape: &'s Shape) -> Option<&'a [u8]> {
        self.value(shape, 0)?;
        Some(self.rest)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        // What is longer is a number of 128 bits, of which nothing but the end matters.
        for shift in (0..133).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn count(&mut self) -> Option<u64> {
        // A length that cannot be is not to use up time.
        self.varint().filter(|count| *count <= MOST_EMPTY.max(self.rest.len() as u64))
    }

    fn value(&mut self, shape: &'s Shape, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        let depth = depth + 1;
        match shape {
            Shape::Unit => {}
            Shape::Plain(plain) => match plain {
                Plain::Bool | Plain::U8 | Plain::I8 => _ = self.take(1)?,
                Plain::F32 => _ = self.take(4)?,
                Plain::F64 => _ = self.take(8)?,
                Plain::Char | Plain::Text | Plain::Bytes => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    self.take(length)?;
                }
                _ => _ = self.varint()?,
            },
            Shape::Option(some) => match self.take(1)?[0] {
                0 => {}
                1 => self.value(some, depth)?,
                _ => return None,
            },
            Shape::Sequence(element) => {
                for _ in 0..self.count()? {
                    self.value(element, depth)?;
                }
            }
            Shape::Map(key, value) => {
                for _ in 0..self.count()? {
                    self.value(key, depth)?;
                    self.value(value, depth)?;
                }
            }
            Shape::Tuple(parts) => parts.iter().try_for_each(|part| self.value(part, depth))?,
            Shape::Struct(_, fields) => {
                self.around.push(shape);
                fields.iter().try_for_each(|field| self.value(&field.shape, depth))?;
                self.around.pop();
            }
            Shape::Enum(_, variants) => {
                let number = usize::try_from(self.varint()?).ok()?;
                self.around.push(shape);
                variants.get(number)?.1.iter().try_for_each(|contents| self.value(contents, depth))?;
                self.around.pop();
            }
            Shape::Recursive(name) => {
                let outer = self.named(name)?;
                self.value(outer, depth)?;
            }
            Shape::Unknown => return None,
        }
        Some(())
    }

    /// The innermost struct or enum of the name that is around.
    fn named(&self, name: &str) -> Option<&'s Shape> {
        self.around.iter().rev().find_map(|shape| find(shape, name))
    }
}

/// A struct or enum of this name in a shape. Names stand only before types that contain themselves, and a type has one
/// name throughout.
fn find<'s>(shape: &'s Shape, name: &str) -> Option<&'s Shape> {
    match shape {
        Shape::Struct(own, _) | Shape::Enum(own, _) if own == name => Some(shape),
        Shape::Struct(_, fields) => fields.iter().find_map(|field| find(&field.shape, name)),
        Shape::Enum(_, variants) => variants.iter().filter_map(|(_, some)| find(some.as_ref()?, name)).next(),
        Shape::Option(inner) | Shape::Sequence(inner) => find(inner, name),
        Shape::Map(key, value) => find(key, name).or_else(|| find(value, name)),
        Shape::Tuple(parts) => parts.iter().find_map(|part| find(part, name)),
        _ => None,
    }
}

/// Bytes of a small value of the shape. `choice` tells which variants are taken and how many elements there are: with
/// all numbers below [`choices`], each variant has had its turn.
pub(crate) fn sample(shape: &Shape, choice: usize, out: &mut Vec<u8>) {
    match shape {
        Shape::Unit | Shape::Unknown | Shape::Recursive(_) => {}
        Shape::Plain(plain) => match plain {
            // One rather than zero: it is also what a `NonZero` takes.
            Plain::U8 | Plain::U16 | Plain::U32 | Plain::U64 | Plain::U128 => out.push(1),
            Plain::F32 => out.extend_from_slice(&[0; 4]),
            Plain::F64 => out.extend_from_slice(&[0; 8]),
            Plain::Char => out.extend_from_slice(&[1, b'a']),
            _ => out.push(0),
        },
        Shape::Option(inner) | Shape::Sequence(inner) => {
            let some = choice.is_multiple_of(2) && !repeats(inner);
            out.push(some.into());
            if some {
                sample(inner, choice / 2, out);
            }
        }
        Shape::Map(key, value) => {
            let some = choice.is_multiple_of(2) && !repeats(key) && !repeats(value);
            out.push(some.into());
            if some {
                sample(key, choice / 2, out);
                sample(value, choice / 2, out);
            }
        }
        Shape::Tuple(parts) => parts.iter().for_each(|part| sample(part, choice, out)),
        Shape::Struct(_, fields) => fields.iter().for_each(|field| sample(&field.shape, choice, out)),
        Shape::Enum(_, variants) => {
            let ends: Vec<usize> = (0..variants.len())
                .filter(|at| variants[*at].1.as_ref().is_none_or(|contents| !repeats(contents)))
                .collect();
            if let Some(at) = ends.get(choice % ends.len().max(1)) {
                crate::wire::put_varint(out, *at as u64);
                variants[*at].1.iter().for_each(|contents| sample(contents, choice / ends.len(), out));
            }
        }
    }
}

/// How many samples show all of a shape that can be shown.
pub(crate) fn choices(shape: &Shape) -> usize {
    match shape {
        Shape::Unit | Shape::Unknown | Shape::Recursive(_) | Shape::Plain(_) => 1,
        Shape::Option(inner) | Shape::Sequence(inner) => 2 * choices(inner),
        Shape::Map(key, value) => 2 * choices(key).max(choices(value)),
        Shape::Tuple(parts) => parts.iter().map(choices).max().unwrap_or(1),
        Shape::Struct(_, fields) => fields.iter().map(|field| choices(&field.shape)).max().unwrap_or(1),
        Shape::Enum(_, variants) => {
            let most = variants.iter().map(|(_, contents)| contents.as_ref().map_or(1, choices)).max();
            variants.len().max(1) * most.unwrap_or(1)
        }
    }
}

/// Whether the shape contains something that is around it, so that it would not end.
fn repeats(shape: &Shape) -> bool {
    !shape.is_closed() || matches!(shape, Shape::Recursive(_))
}

/// Whether the bytes are one value of the shape.
pub(crate) fn skips(shape: &Shape, bytes: &[u8]) -> bool {
    Skipper::new(bytes, shape).skip(shape).is_some_and(<[u8]>::is_empty)
}

/// A key as people read it, as far as it is made of numbers and texts; its bytes otherwise.
pub(crate) fn show(shape: &Shape, bytes: &[u8]) -> String {
    let mut rest = bytes;
    let mut text = String::new();
    match (show_front(shape, &mut rest, &mut text), rest) {
        (Some(()), []) => text,
        (Some(()), rest) => format!("{text} at {}", hex(rest)),
        (None, _) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}

fn show_front(shape: &Shape, rest: &mut &[u8], text: &mut String) -> Option<()> {
    match shape {
        Shape::Plain(Plain::Text) => text.push_str(&format!("{:?}", postcard_front::<String>(rest)?)),
        Shape::Plain(Plain::Bool) => text.push_str(&postcard_front::<bool>(rest)?.to_string()),
        Shape::Plain(Plain::U8) => text.push_str(&postcard_front::<u8>(rest)?.to_string()),
        Shape::Plain(Plain::I8) => text.push_str(&postcard_front::<i8>(rest)?.to_string()),
        Shape::Plain(Plain::U16 | Plain::U32 | Plain::U64 | Plain::U128) => {
            text.push_str(&postcard_front::<u128>(rest)?.to_string());
        }
        Shape::Plain(Plain::I16 | Plain::I32 | Plain::I64 | Plain::I128 | Plain::Time | Plain::Span) => {
            text.push_str(&postcard_front::<i128>(rest)?.to_string());
        }
        Shape::Tuple(parts) => {
            text.push('(');
            for (at, part) in parts.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                show_front(part, rest, text)?;
            }
            text.push(')');
        }
        Shape::Struct(_, fields) => {
            text.push('{');
            for (at, field) in fields.iter().enumerate() {
                text.push_str(&format!("{}{}: ", if at == 0 { "" } else { ", " }, field.name));
                show_front(&field.shape, rest, text)?;
            }
            text.push('}');
        }
        _ => return None,
    }
    Some(())
}

fn postcard_front<T: serde::de::DeserializeOwned>(rest: &mut &[u8]) -> Option<T> {
    let (value, after) = postcard::take_from_bytes(rest).ok()?;
    *rest = after;
    Some(value)
}
