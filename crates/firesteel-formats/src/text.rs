//! Records whose fields are texts, with or without names: rows of CSV, groups of a pattern.

mod probe;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::from_path::{FromPath, Values};
use crate::text_value::Field;
pub(crate) use crate::text_value::TextError;
#[cfg(any(feature = "avro", feature = "csv", feature = "pattern"))]
pub(crate) use probe::fit;
#[cfg(feature = "avro")]
pub(crate) use probe::struct_name;
pub(crate) use probe::{Fit, fit_values};

/// The texts of one record.
pub(crate) trait Texts<'de>: Copy {
    fn len(self) -> usize;

    /// `None` where the pattern's group takes no part.
    fn text(self, index: usize) -> Result<Option<&'de str>, TextError>;
}

/// A record of the texts, which have these names, or none, and of what stands in the path of their file.
#[inline]
pub(crate) fn record<'de, T: DeserializeOwned>(
    texts: impl Texts<'de>,
    names: Option<&'de [String]>,
    path: &FromPath,
) -> Result<T, TextError> {
    path.record(Record { texts, names }, Values::Texts)
}

#[derive(Clone, Copy)]
struct Record<'de, X> {
    texts: X,
    names: Option<&'de [String]>,
}

impl<'de, X: Texts<'de>> Record<'de, X> {
    fn in_order<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        let mut fields = Fields { record: self, next: 0 };
        let value = visitor.visit_seq(&mut fields)?;
        if fields.next < self.texts.len() {
            let (count, taken) = (self.texts.len(), fields.next);
            return Err(TextError::custom(format_args!("{count} fields, and the type takes {taken}")));
        }
        Ok(value)
    }

    fn by_name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_map(Fields { record: self, next: 0 })
    }
}

const NO_ROW: &str = "a record of texts is read into a struct, a tuple or a map";

impl<'de, X: Texts<'de>> Deserializer<'de> for Record<'de, X> {
    type Error = TextError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TextError> {
        Err(TextError::wants_any())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TextError> {
        if self.names.is_some() { self.by_name(visitor) } else { self.in_order(visitor) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        if self.names.is_some() {
            self.by_name(visitor)
        } else {
            Err(TextError::custom("its fields have no names: read them into a tuple or a list, or name them"))
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        self.in_order(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, TextError> {
        self.in_order(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, TextError> {
        self.in_order(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_unit()
    }

    fn deserialize_str<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TextError> {
        Err(TextError::custom(NO_ROW))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, TextError> {
        Err(TextError::custom(NO_ROW))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char string bytes byte_buf unit unit_struct identifier
    }
}

struct Fields<'de, X> {
    record: Record<'de, X>,
    next: usize,
}

impl<'de, X: Texts<'de>> Fields<'de, X> {
    /// The value of the field before the next.
    #[inline]
    fn value<S: DeserializeSeed<'de>>(&self, seed: S) -> Result<S::Value, TextError> {
        let index = self.next - 1;
        let field = self.record.texts.text(index);
        let value = field.and_then(|text| seed.deserialize(Field::of(text)));
        value.map_err(|error| error.in_field(index, self.record.names))
    }
}

impl<'de, X: Texts<'de>> SeqAccess<'de> for &mut Fields<'de, X> {
    type Error = TextError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, TextError> {
        if self.next == self.record.texts.len() {
            return Ok(None);
        }
        self.next += 1;
        self.value(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.record.texts.len() - self.next)
    }
}

impl<'de, X: Texts<'de>> MapAccess<'de> for Fields<'de, X> {
    type Error = TextError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, TextError> {
        let Some(name) = self.record.names.and_then(|names| names.get(self.next)) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(Field::of(Some(name))).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, TextError> {
        self.value(seed)
    }
}
