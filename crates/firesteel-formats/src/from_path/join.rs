//! A record as a type is read from it, with the columns of the path among its fields.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::found::{Find, Name};
use super::{Columns, OnBoth, Values};
use crate::text_value::Field;

/// The record of a file, and the columns of its path.
pub(super) struct Joined<'a, D> {
    pub(super) inner: D,
    pub(super) columns: &'a Columns,
    pub(super) values: Values,
}

const NO_NAMES: &str = "columns of a path go into records whose fields have names: read it into a struct or a map";

/// Declares methods for what cannot have fields.
macro_rules! refused {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* _: V) -> Result<V::Value, D::Error> {
            $(let _ = $argument;)*
            Err(D::Error::custom(NO_NAMES))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Joined<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, columns, values } = self;
        inner.deserialize_any(Joining { visitor, columns, values })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, columns, values } = self;
        inner.deserialize_struct(name, fields, Joining { visitor, columns, values })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, columns, values } = self;
        inner.deserialize_map(Joining { visitor, columns, values })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, columns, values } = self;
        inner.deserialize_option(Joining { visitor, columns, values })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, columns, values } = self;
        inner.deserialize_newtype_struct(name, Joining { visitor, columns, values })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    refused! {
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
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(count: usize);
        deserialize_tuple_struct(name: &'static str, count: usize);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }
}

/// Gives the type more fields than the file has.
struct Joining<'a, V> {
    visitor: V,
    columns: &'a Columns,
    values: Values,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Joining<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let Self { visitor, columns, values } = self;
        visitor.visit_map(Fields { inner: map, columns, values, is_file_done: false, given: 0, next: 0 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        Err(A::Error::custom(NO_NAMES))
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self { visitor, columns, values } = self;
        visitor.visit_some(Joined { inner, columns, values })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self { visitor, columns, values } = self;
        visitor.visit_newtype_struct(Joined { inner, columns, values })
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }
}

/// The fields of the file, then the columns of the path that are left.
struct Fields<'a, A> {
    inner: A,
    columns: &'a Columns,
    values: Values,
    is_file_done: bool,
    /// A bit for each column that the file has given.
    given: u64,
    /// The number of the column after the one whose name was told last.
    next: usize,
}

impl<'de, A: MapAccess<'de>> Fields<'_, A> {
    /// The name of the next field that is the file's.
    fn of_file(&mut self) -> Result<Option<Name<'de>>, A::Error> {
        while let Some(name) = self.inner.next_key::<Name<'de>>()? {
            let Some(column) = self.columns.names.iter().position(|known| **known == *name.0) else {
                return Ok(Some(name));
            };
            match self.columns.both {
                OnBoth::File => {
                    self.given |= 1 << column;
                    return Ok(Some(name));
                }
                OnBoth::Path => {
                    self.inner.next_value::<IgnoredAny>()?;
                }
                OnBoth::Compare => {
                    let found = self.inner.next_value_seed(Find(self.values))?;
                    let path = self.columns.values[column].as_deref();
                    if !found.is(path) {
                        let path = path.map_or_else(|| "nothing".to_owned(), |path| format!("{path:?}"));
                        return Err(A::Error::custom(format_args!(
                            "the column `{}` is {path} in the path of the file and {found} in the file; say by `OnBoth` which one counts",
                            name.0
                        )));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        if !self.is_file_done {
            if let Some(name) = self.of_file()? {
                return seed.deserialize(StrDeserializer::<A::Error>::new(&name.0)).map(Some);
            }
            self.is_file_done = true;
        }
        while self.next < self.columns.names.len() && self.given & (1 << self.next) != 0 {
            self.next += 1;
        }
        let Some(name) = self.columns.names.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(StrDeserializer::<A::Error>::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if !self.is_file_done {
            return self.inner.next_value_seed(seed);
        }
        let column = self.next - 1;
        let text = self.columns.values[column].as_deref();
        seed.deserialize(Field::of_path(text)).map_err(|error| {
            A::Error::custom(format_args!("the column `{}` of the path: {error}", self.columns.names[column]))
        })
    }
}
