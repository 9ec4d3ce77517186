//! Bytes of a stored shape, read as another type: by the names of fields and variants.
//!
//! What is the same under both is read by postcard itself, so that it is read as it always was.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::rule::{Part, Plan};
use super::skip::Skipper;
use crate::schema::shape::{Plain, Shape};

/// Values nest less deep than this.
const DEPTH: usize = 200;
/// More elements than this need at least a byte each.
const MOST_EMPTY: usize = 10_000;

/// Why bytes cannot be read.
#[derive(Debug)]
pub(crate) struct ReadError(pub(crate) String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl From<postcard::Error> for ReadError {
    fn from(error: postcard::Error) -> Self {
        Self(error.to_string())
    }
}

fn short() -> ReadError {
    ReadError("the stored bytes are not of the recorded type".into())
}

/// The value that all the bytes together encode under the stored shape of the plan.
pub(crate) fn read<T: DeserializeOwned>(plan: &Plan, stored: &Shape, bytes: &[u8]) -> Result<T, ReadError> {
    read_seed(PhantomData::<T>, plan, stored, bytes)
}

/// As [`read`], for what is no type of its own.
pub(super) fn read_seed<'de, S: DeserializeSeed<'de>>(
    seed: S,
    plan: &Plan,
    stored: &Shape,
    bytes: &'de [u8],
) -> Result<S::Value, ReadError> {
    let mut place = Place { rest: bytes, around: vec![], stored, depth: 0 };
    let value = seed.deserialize(Reader { plan, place: &mut place })?;
    if place.rest.is_empty() { Ok(value) } else { Err(ReadError("bytes are left over".into())) }
}

/// How far reading has come.
struct Place<'de, 'p> {
    rest: &'de [u8],
    /// The structs and enums that are being read.
    around: Vec<&'p Plan>,
    /// The stored shape of the whole.
    stored: &'p Shape,
    depth: usize,
}

impl<'de> Place<'de, '_> {
    fn byte(&mut self) -> Result<u8, ReadError> {
        let (byte, rest) = self.rest.split_first().ok_or_else(short)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn varint(&mut self) -> Result<u128, ReadError> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if bits.leading_zeros() < shift {
                return Err(short());
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(short())
    }

    fn length(&mut self) -> Result<usize, ReadError> {
        usize::try_from(self.varint()?).map_err(|_| short())
    }

    /// How many elements follow. A number that cannot be is not to use up time and memory.
    fn count(&mut self) -> Result<usize, ReadError> {
        let count = self.length()?;
        if count > MOST_EMPTY.max(self.rest.len()) { Err(short()) } else { Ok(count) }
    }

    /// A number as it is stored, as the type that is declared. It knows nothing of who takes it, so that it is compiled
    /// once, and not for each type that has numbers.
    fn number(&mut self, stored: Plain, declared: Plain) -> Result<Number, ReadError> {
        if stored == Plain::F32 {
            let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(short)?;
            self.rest = rest;
            return Ok(Number::F64(f32::from_le_bytes(*bytes).into()));
        }
        let (unsigned, signed) = match stored {
            Plain::U8 => (Some(self.byte()?.into()), None),
            Plain::I8 => (None, Some(i128::from(self.byte()?.cast_signed()))),
            Plain::U16 | Plain::U32 | Plain::U64 | Plain::U128 => (Some(self.varint()?), None),
            _ => {
                let zigzag = self.varint()?;
                (None, Some((zigzag >> 1) as i128 ^ -((zigzag & 1) as i128)))
            }
        };
        macro_rules! convert {
            ($($plain:ident)*) => {
                match (declared, unsigned, signed) {
                    $((Plain::$plain, Some(number), _) => number.try_into().map(Number::$plain).map_err(|_| short()),
                    (Plain::$plain, None, Some(number)) => number.try_into().map(Number::$plain).map_err(|_| short()),)*
                    _ => Err(short()),
                }
            };
        }
        convert! { U16 U32 U64 U128 I16 I32 I64 I128 }
    }

    fn skip(&mut self, shape: &Shape) -> Result<(), ReadError> {
        self.rest = Skipper::new(self.rest, self.stored).skip(shape).ok_or_else(short)?;
        Ok(())
    }
}

/// A number of the type that is declared.
enum Number {
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    F64(f64),
}

/// The value at one place of a type.
struct Reader<'a, 'de, 'p> {
    plan: &'p Plan,
    place: &'a mut Place<'de, 'p>,
}

impl<'de, 'p> Reader<'_, 'de, 'p> {
    /// Lets postcard read what is the same.
    fn same<T>(
        self,
        read: impl FnOnce(&mut postcard::Deserializer<'de, postcard::de_flavors::Slice<'de>>) -> postcard::Result<T>,
    ) -> Result<T, ReadError> {
        let mut deserializer = postcard::Deserializer::from_bytes(self.place.rest);
        let value = read(&mut deserializer)?;
        self.place.rest = deserializer.finalize()?;
        Ok(value)
    }

    /// A number, handed over as the type that is declared.
    fn number<V: Visitor<'de>>(self, stored: Plain, declared: Plain, visitor: V) -> Result<V::Value, ReadError> {
        match self.place.number(stored, declared)? {
            Number::U16(number) => visitor.visit_u16(number),
            Number::U32(number) => visitor.visit_u32(number),
            Number::U64(number) => visitor.visit_u64(number),
            Number::U128(number) => visitor.visit_u128(number),
            Number::I16(number) => visitor.visit_i16(number),
            Number::I32(number) => visitor.visit_i32(number),
            Number::I64(number) => visitor.visit_i64(number),
            Number::I128(number) => visitor.visit_i128(number),
            Number::F64(number) => visitor.visit_f64(number),
        }
    }

    /// Whatever is not the same: as the plan says, which the type asks for since its shape was compared.
    fn changed<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Self { plan, place } = self;
        place.depth += 1;
        if place.depth > DEPTH {
            return Err(ReadError("the value nests too deep".into()));
        }
        let value = match plan {
            Plan::Same(_) => return Err(ReadError("the type asks for another thing than its shape says".into())),
            Plan::Number { stored, declared } => Reader { plan, place }.number(*stored, *declared, visitor)?,
            Plan::Some(inner) => visitor.visit_some(Reader { plan: inner, place })?,
            Plan::Option(inner) => match place.byte()? {
                0 => visitor.visit_none::<ReadError>()?,
                1 => visitor.visit_some(Reader { plan: inner, place })?,
                _ => return Err(short()),
            },
            Plan::Sequence(element) => {
                let left = place.count()?;
                visitor.visit_seq(Elements { plans: std::iter::repeat_n(&**element, left), place })?
            }
            Plan::Tuple(parts) => visitor.visit_seq(Elements { plans: parts.iter(), place })?,
            Plan::Map(key, value) => {
                let left = place.count()?;
                visitor.visit_map(Entries { key, value, left, place })?
            }
            Plan::Struct(parts) => {
                place.around.push(plan);
                let value = visitor.visit_map(Fields { parts: parts.iter(), part: None, place })?;
                place.around.pop();
                value
            }
            Plan::Enum(variants) => {
                place.around.push(plan);
                let value = visitor.visit_enum(Variant { variants, place })?;
                place.around.pop();
                value
            }
            Plan::Recursive(level) => {
                // Inside of it, only what is around the outer one is around.
                let inner = place.around.split_off(*level);
                let plan = inner.first().copied().ok_or_else(short)?;
                let value = Reader { plan, place }.changed(visitor)?;
                place.around.extend(inner);
                value
            }
        };
        place.depth -= 1;
        Ok(value)
    }
}

/// What is the same is left to postcard, everything else goes by the plan.
macro_rules! either {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, ReadError> {
            match self.plan {
                Plan::Same(_) => self.same(|deserializer| deserializer.$method($($argument,)* visitor)),
                _ => self.changed(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, 'de, '_> {
    type Error = ReadError;

    either! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.plan {
            Plan::Same(stored) => {
                self.place.skip(stored)?;
                visitor.visit_unit()
            }
            _ => self.changed(visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence, or the parts of a tuple.
struct Elements<'a, 'de, 'p, I> {
    plans: I,
    place: &'a mut Place<'de, 'p>,
}

impl<'de, 'p, I: Iterator<Item = &'p Plan>> SeqAccess<'de> for Elements<'_, 'de, 'p, I> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(plan) = self.plans.next() else { return Ok(None) };
        seed.deserialize(Reader { plan, place: self.place }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // No more than the bytes may hold: a length that cannot be is not to use up memory.
        Some(self.plans.size_hint().0.min(self.place.rest.len()))
    }
}

struct Entries<'a, 'de, 'p> {
    key: &'p Shape,
    value: &'p Plan,
    left: usize,
    place: &'a mut Place<'de, 'p>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de, '_> {
    type Error = ReadError;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let plan = Plan::Same(self.key.clone());
        let mut place = Place { rest: self.place.rest, around: vec![], stored: self.place.stored, depth: 0 };
        let key = seed.deserialize(Reader { plan: &plan, place: &mut place })?;
        self.place.rest = place.rest;
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(Reader { plan: self.value, place: self.place })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.place.rest.len()))
    }
}

/// The stored fields of a struct, by their names.
struct Fields<'a, 'de, 'p> {
    parts: std::slice::Iter<'p, Part>,
    /// The one whose name has been handed over.
    part: Option<&'p Part>,
    place: &'a mut Place<'de, 'p>,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de, '_> {
    type Error = ReadError;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        for part in self.parts.by_ref() {
            if part.plan.is_none() {
                self.place.skip(&part.stored)?;
                continue;
            }
            self.part = Some(part);
            let name: StrDeserializer<'_, ReadError> = part.name.as_str().into_deserializer();
            return seed.deserialize(name).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        let plan = self.part.take().and_then(|part| part.plan.as_ref()).ok_or_else(short)?;
        seed.deserialize(Reader { plan, place: self.place })
    }
}

/// A variant, by its name.
struct Variant<'a, 'de, 'p> {
    variants: &'p [(String, Option<Plan>)],
    place: &'a mut Place<'de, 'p>,
}

impl<'a, 'de, 'p> EnumAccess<'de> for Variant<'a, 'de, 'p> {
    type Error = ReadError;
    type Variant = Contents<'a, 'de, 'p>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), ReadError> {
        let number = self.place.length()?;
        let (name, plan) = self.variants.get(number).ok_or_else(short)?;
        let name: StrDeserializer<'_, ReadError> = name.as_str().into_deserializer();
        Ok((seed.deserialize(name)?, Contents { plan: plan.as_ref(), place: self.place }))
    }
}

/// The contents of a variant.
struct Contents<'a, 'de, 'p> {
    plan: Option<&'p Plan>,
    place: &'a mut Place<'de, 'p>,
}

impl<'a, 'de, 'p> Contents<'a, 'de, 'p> {
    fn reader(self) -> Result<Reader<'a, 'de, 'p>, ReadError> {
        let plan = self.plan.ok_or_else(|| ReadError("the variant has no contents".into()))?;
        Ok(Reader { plan, place: self.place })
    }
}

impl<'de> VariantAccess<'de> for Contents<'_, 'de, '_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.plan {
            None => Ok(()),
            Some(_) => Err(ReadError("the variant has contents".into())),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.reader()?.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.reader()?.deserialize_struct("", fields, visitor)
    }
}
