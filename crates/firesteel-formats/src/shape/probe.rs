//! Asks a type for one part of it.

use std::cell::RefCell;
use std::fmt;

use firesteel_window::Timestamp;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::Shape;
use super::anything::Anything;
use crate::epoch_time;

/// One step into a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// What is in an `Option`.
    Some,
    /// What a list consists of.
    Element,
    Key,
    Value,
    /// A part of a tuple.
    Item(usize),
    Field(usize),
    /// Not into a field: asks what it is called.
    Twice(usize),
    Variant(usize),
}

/// What a part of a type is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The type did not get so far.
    Nothing,
    Plain(Shape),
    Option,
    Seq,
    Map,
    Tuple(usize),
    Struct(&'static [&'static str]),
    Enum(&'static [&'static str]),
    Variant {
        is_unit: bool,
    },
    /// What a field is called.
    Name(&'static str),
}

#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    path: &'a [Step],
    told: &'a RefCell<Told>,
}

impl Probe<'_> {
    /// What the type says at the end of the path.
    pub(super) fn told<T: DeserializeOwned>(path: &[Step]) -> Told {
        let told = RefCell::new(Told::Nothing);
        match T::deserialize(Probe { path, told: &told }) {
            Err(Refused::Twice(name)) => Told::Name(name),
            _ => told.into_inner(),
        }
    }
}

/// The type does not get a value.
#[derive(Debug)]
pub(in crate::shape) enum Refused {
    Value,
    /// It has this field already.
    Twice(&'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are no values here")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Value
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Twice(field)
    }
}

type Result<T> = std::result::Result<T, Refused>;

impl<'a> Probe<'a> {
    /// Notes what the part is, if the path ends here.
    fn note<T>(self, told: Told) -> Result<T> {
        if self.path.is_empty() {
            *self.told.borrow_mut() = told;
        }
        Err(Refused::Value)
    }

    fn plain<T>(self, shape: Shape) -> Result<T> {
        self.note(Told::Plain(shape))
    }

    /// The next step, and what is asked after it.
    fn step(self) -> Option<(Step, Self)> {
        let (first, path) = self.path.split_first()?;
        Some((*first, Self { path, ..self }))
    }
}

/// Declares methods for what has no parts.
macro_rules! plain {
    ($($method:ident $shape:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value> {
            self.plain($shape)
        }
    )*};
}

const fn int(bits: u8, signed: bool) -> Shape {
    Shape::Int { bits, signed }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Refused;

    plain! {
        deserialize_any Shape::Any;
        deserialize_bool Shape::Bool;
        deserialize_i8 int(8, true);
        deserialize_i16 int(16, true);
        deserialize_i32 int(32, true);
        deserialize_i64 int(64, true);
        deserialize_i128 int(128, true);
        deserialize_u8 int(8, false);
        deserialize_u16 int(16, false);
        deserialize_u32 int(32, false);
        deserialize_u64 int(64, false);
        deserialize_u128 int(128, false);
        deserialize_f32 Shape::F32;
        deserialize_f64 Shape::F64;
        deserialize_char Shape::Char;
        deserialize_str Shape::Text;
        deserialize_string Shape::Text;
        deserialize_bytes Shape::Bytes;
        deserialize_byte_buf Shape::Bytes;
        deserialize_unit Shape::Unit;
        deserialize_identifier Shape::Text;
        deserialize_ignored_any Shape::Unit;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.step() {
            Some((Step::Some, within)) => visitor.visit_some(within),
            _ => self.note(Told::Option),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value> {
        self.plain(Shape::Unit)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == Timestamp::SERDE_NAME {
            return self.plain(Shape::Time);
        }
        match epoch_time::micros_per_unit(name) {
            Some(micros) => self.plain(Shape::Epoch(micros)),
            None => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.step() {
            Some((Step::Element, within)) => visitor.visit_seq(Items { before: 0, last: Some(within) }),
            _ => self.note(Told::Seq),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value> {
        match self.step() {
            Some((Step::Item(before), within)) => visitor.visit_seq(Items { before, last: Some(within) }),
            _ => self.note(Told::Tuple(count)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, count: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.step() {
            Some((Step::Key, within)) => visitor.visit_map(Key(within)),
            Some((Step::Value, within)) => visitor.visit_map(Entry { name: None, left: 1, within }),
            _ => self.note(Told::Map),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.step() {
            Some((Step::Field(at), within)) => visitor.visit_map(Entry { name: Some(fields[at]), left: 1, within }),
            Some((Step::Twice(at), _)) => visitor.visit_map(Twice { name: fields[at], left: 2 }),
            _ => self.note(Told::Struct(fields)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.step() {
            Some((Step::Variant(at), within)) => visitor.visit_enum(Variant { name: variants[at], within }),
            _ => self.note(Told::Enum(variants)),
        }
    }
}

/// A tuple up to the part that is asked for, or a list of one element.
struct Items<'a> {
    before: usize,
    last: Option<Probe<'a>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.before > 0 {
            self.before -= 1;
            return seed.deserialize(Anything::new()).map(Some);
        }
        self.last.take().map(|within| seed.deserialize(within)).transpose()
    }
}

/// A map whose key is asked for.
struct Key<'a>(Probe<'a>);

impl<'de> MapAccess<'de> for Key<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        seed.deserialize(self.0).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value> {
        Err(Refused::Value)
    }
}

/// A map or struct of one entry, whose value is asked for.
struct Entry<'a> {
    name: Option<&'static str>,
    left: usize,
    within: Probe<'a>,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.name {
            Some(name) => seed.deserialize(StrDeserializer::new(name)).map(Some),
            None => seed.deserialize(Anything::new()).map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.within)
    }
}

/// Gives a field twice, to which a type answers what it is called.
struct Twice {
    name: &'static str,
    left: usize,
}

impl<'de> MapAccess<'de> for Twice {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(StrDeserializer::new(self.name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(Anything::new())
    }
}

struct Variant<'a> {
    name: &'static str,
    within: Probe<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Refused;
    type Variant = Probe<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Probe<'a>)> {
        Ok((seed.deserialize(StrDeserializer::new(self.name))?, self.within))
    }
}

impl<'de> VariantAccess<'de> for Probe<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<()> {
        self.note(Told::Variant { is_unit: true })
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value> {
        self.note(Told::Variant { is_unit: false })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value> {
        self.note(Told::Variant { is_unit: false })
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        self.note(Told::Variant { is_unit: false })
    }
}
