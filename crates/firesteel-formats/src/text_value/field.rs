//! One text as a value.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _, Visitor};

use super::TextError;

/// The text of a field; `None` where there is none at all.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    text: Option<&'a str>,
    /// Whether it is a text to who asks what it is.
    is_any: bool,
}

impl<'a> Field<'a> {
    #[inline]
    pub(crate) fn of(text: Option<&'a str>) -> Self {
        Self { text, is_any: false }
    }

    /// A value that stands in a path, among others that tell what they are.
    pub(crate) fn of_path(text: Option<&'a str>) -> Self {
        Self { text, is_any: true }
    }

    #[inline]
    fn text(self) -> &'a str {
        self.text.unwrap_or_default()
    }

    #[inline]
    fn parse<T: FromStr<Err: Display>>(self) -> Result<T, TextError> {
        self.text().parse().map_err(TextError::custom)
    }

    /// A double, which is infinite only where the text says so.
    #[inline]
    fn number<T: FromStr<Err: Display> + Copy + Into<f64>>(self) -> Result<T, TextError> {
        let number: T = self.parse()?;
        if number.into().is_infinite() && self.text().bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(TextError::custom("number out of range"));
        }
        Ok(number)
    }
}

/// Declares methods for what a text is parsed as.
macro_rules! parsed {
    ($($method:ident $visit:ident $how:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
            visitor.$visit(self.$how()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = TextError;

    parsed! {
        deserialize_bool visit_bool parse;
        deserialize_i8 visit_i8 parse;
        deserialize_i16 visit_i16 parse;
        deserialize_i32 visit_i32 parse;
        deserialize_i64 visit_i64 parse;
        deserialize_i128 visit_i128 parse;
        deserialize_u8 visit_u8 parse;
        deserialize_u16 visit_u16 parse;
        deserialize_u32 visit_u32 parse;
        deserialize_u64 visit_u64 parse;
        deserialize_u128 visit_u128 parse;
        deserialize_f32 visit_f32 number;
        deserialize_f64 visit_f64 number;
        deserialize_char visit_char parse;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        match self.text {
            _ if !self.is_any => Err(TextError::wants_any()),
            Some(text) => visitor.visit_str(text),
            None => visitor.visit_none(),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_str(self.text())
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_str(self.text())
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_str(self.text())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        if self.text().is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        if self.text().is_empty() {
            visitor.visit_unit()
        } else {
            Err(TextError::custom("there is a text where nothing is expected"))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TextError> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TextError> {
        visitor.visit_enum(self)
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TextError> {
        Err(TextError::one_value())
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, TextError> {
        Err(TextError::one_value())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, _: V) -> Result<V::Value, TextError> {
        Err(TextError::one_value())
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TextError> {
        Err(TextError::one_value())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, TextError> {
        Err(TextError::one_value())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_bytes(self.text().as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_bytes(self.text().as_bytes())
    }
}
