//! Whether a written message may have left out a zero with a sign.
//!
//! `prost` leaves out floats that equal zero. Which fields these are its types do not say, but a message tells: one in which a nested message is
//! there and empty shows the floats that it has as `0.0`, and one in which such a float is 1 shows one `0.0` less. So the fields of a type are
//! learned from messages that are made up, each when it is first met in a record, and a record is looked into only where one of
//! the floats that it could have is not in its message.

use std::any::TypeId;
use std::cell::RefCell;
use std::fmt::Debug;

use prost::Message;

/// How many fields within each other are looked into, and how many are remembered of a type. Where there are more, each record is.
const DEPTH: usize = 12;
const MOST: usize = 2_000;

/// Kinds of fields, as messages number them.
const VARINT: u64 = 0;
const EIGHT: u64 = 1;
const LENGTH: u64 = 2;
const FOUR: u64 = 5;

thread_local! {
    /// The types that this thread has written: few, so that looking for one takes less than a hash of it.
    static TYPES: RefCell<Vec<(TypeId, Type)>> = const { RefCell::new(Vec::new()) };
}

/// Whether the record that was written as this message may have had a zero with a sign that is not in it.
pub(super) fn may_be_left_out<T: Message + Default + Debug + 'static>(message: &[u8]) -> bool {
    TYPES.with_borrow_mut(|types| {
        let of = TypeId::of::<T>();
        let at = types.iter().position(|(known, _)| *known == of).unwrap_or_else(|| {
            let root = Fields { zeros: zeros_of::<T>(&[]).unwrap_or(usize::MAX), fields: Vec::new() };
            let never = root.zeros == 0 && shows_all(&format!("{:?}", T::default()));
            types.push((of, Type { root, count: 0, never }));
            types.len() - 1
        });
        let Type { root, count, never } = &mut types[at].1;
        if *never {
            return false;
        }
        Look::<T> { path: Vec::new(), count, of: std::marker::PhantomData }.message(root, message).unwrap_or(true)
    })
}

/// What is known of a type.
struct Type {
    root: Fields,
    /// How many fields are remembered.
    count: usize,
    /// Whether it has no floats at all.
    never: bool,
}

/// What is known of a message, at one place in another one.
struct Fields {
    /// How many floats it leaves out where they are zero.
    zeros: usize,
    /// By what stands before them in a message: their numbers and kinds.
    fields: Vec<(u64, Field)>,
}

enum Field {
    /// A float that is left out where it is zero.
    Float,
    Message(Fields),
    Other,
}

struct Look<'a, T> {
    /// The fields within which it is.
    path: Vec<u64>,
    count: &'a mut usize,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: Message + Default + Debug + 'static> Look<'_, T> {
    /// Whether something may have been left out of a message; nothing where that cannot be told.
    fn message(&mut self, known: &mut Fields, mut bytes: &[u8]) -> Option<bool> {
        let mut floats = 0;
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            match key & 7 {
                VARINT => _ = varint(&mut bytes)?,
                kind @ (EIGHT | FOUR) => {
                    bytes = bytes.get(if kind == EIGHT { 8 } else { 4 }..)?;
                    if known.zeros > 0 && matches!(self.field(known, key)?, Field::Float) {
                        floats += 1;
                    }
                }
                LENGTH => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    let (inner, rest) = bytes.split_at_checked(length)?;
                    bytes = rest;
                    if let Field::Message(fields) = self.field(known, key)? {
                        self.path.push(key);
                        let is_left_out = self.message(fields, inner);
                        self.path.pop();
                        if is_left_out? {
                            return Some(true);
                        }
                    }
                }
                _ => return None,
            }
        }
        Some(floats < known.zeros)
    }

    /// What a field is, by what stands before it.
    #[inline]
    fn field<'k>(&mut self, known: &'k mut Fields, key: u64) -> Option<&'k mut Field> {
        let at = match known.fields.iter().position(|(known, _)| *known == key) {
            Some(at) => at,
            None => {
                let field = self.learn(key)?;
                known.fields.push((key, field));
                known.fields.len() - 1
            }
        };
        Some(&mut known.fields[at].1)
    }

    #[cold]
    fn learn(&mut self, key: u64) -> Option<Field> {
        if *self.count >= MOST || self.path.len() >= DEPTH {
            return None;
        }
        *self.count += 1;
        let without = zeros_of::<T>(&made_up(&self.path, &[]))?;
        let with = |content: &[u8]| {
            let mut field = Vec::new();
            put_varint(key, &mut field);
            if key & 7 == LENGTH {
                put_varint(content.len() as u64, &mut field);
            }
            field.extend_from_slice(content);
            zeros_of::<T>(&made_up(&self.path, &field))
        };
        match key & 7 {
            EIGHT => Some(if with(&1f64.to_le_bytes())? < without { Field::Float } else { Field::Other }),
            FOUR => Some(if with(&1f32.to_le_bytes())? < without { Field::Float } else { Field::Other }),
            // No field begins with such bytes, while texts and lists of numbers may have them.
            _ if with(&[7; 8]).is_some() => Some(Field::Other),
            _ => Some(Field::Message(Fields { zeros: with(&[])?.saturating_sub(without), fields: Vec::new() })),
        }
    }
}

/// Whether a message that has nothing shows all fields of its type: none that is optional, a list, a map or another message. A text by default
/// that looks like one costs a look at each record, and no more.
fn shows_all(empty: &str) -> bool {
    !empty.contains("None") && !empty.contains('[') && empty.matches('{').count() == 1
}

/// A message that has nothing but these bytes within these fields.
fn made_up(path: &[u64], content: &[u8]) -> Vec<u8> {
    path.iter().rev().fold(content.to_vec(), |content, key| {
        let mut field = Vec::with_capacity(content.len() + 20);
        put_varint(*key, &mut field);
        put_varint(content.len() as u64, &mut field);
        field.extend_from_slice(&content);
        field
    })
}

/// How many zeros a message shows; nothing if it is none.
fn zeros_of<T: Message + Default + Debug>(bytes: &[u8]) -> Option<usize> {
    let shown = format!("{:?}", T::decode(bytes).ok()?);
    let mut texts = shown.split('"');
    // What a message has by default may be a text.
    let mut zeros = 0;
    while let Some(outside) = texts.next() {
        let words =
            outside.split(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '+')));
        zeros += words.filter(|word| matches!(*word, "0.0" | "-0.0")).count();
        while texts.next().is_some_and(|text| (text.len() - text.trim_end_matches('\\').len()) % 2 == 1) {}
    }
    Some(zeros)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    if let [byte @ 0..=0x7f, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u64::from(*byte));
    }
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
