//! What a file says of a column that is in its path, too.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Values;

/// A value as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found<'de> {
    Nothing,
    Text(Cow<'de, str>),
    Integer(i128),
    Float(f64),
    Bool(bool),
    /// It consists of others.
    Large,
}

impl Found<'_> {
    /// Whether it is what this text in a path says.
    pub(super) fn is(&self, path: Option<&str>) -> bool {
        let path = path.unwrap_or_default();
        match self {
            Self::Nothing => path.is_empty(),
            Self::Text(text) => **text == *path,
            Self::Integer(value) => path.parse() == Ok(*value),
            Self::Float(value) => {
                path.parse::<f64>().is_ok_and(|path| path == *value || path.is_nan() && value.is_nan())
            }
            Self::Bool(value) => path.parse() == Ok(*value),
            Self::Large => false,
        }
    }
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Large => f.write_str("a list or a struct"),
        }
    }
}

/// Asks for a value, whatever it is.
pub(super) struct Find(pub(super) Values);

impl<'de> DeserializeSeed<'de> for Find {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Found<'de>, D::Error> {
        match self.0 {
            Values::Texts => value.deserialize_str(Finding),
            Values::Typed => value.deserialize_any(Finding),
        }
    }
}

struct Finding;

impl<'de> Visitor<'de> for Finding {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Found<'de>, E> {
        Ok(Found::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Found<'de>, E> {
        Ok(Found::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Found<'de>, E> {
        Ok(Found::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Found<'de>, E> {
        Ok(Found::Integer(value))
    }

    fn visit_f32<E>(self, value: f32) -> Result<Found<'de>, E> {
        // The shortest text of a float of 32 bits is not that of the same number with 64.
        Ok(value.to_string().parse().map_or(Found::Large, Found::Float))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Found<'de>, E> {
        Ok(Found::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(value)))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Found<'de>, E> {
        Ok(Found::Large)
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Nothing)
    }

    fn visit_none<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Found<'de>, D::Error> {
        value.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Found<'de>, D::Error> {
        value.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Large)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Large)
    }
}

/// The name of a field.
pub(super) struct Name<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(name: D) -> Result<Self, D::Error> {
        name.deserialize_identifier(Naming)
    }
}

struct Naming;

impl<'de> Visitor<'de> for Naming {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }

    fn visit_string<E>(self, name: String) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name)))
    }
}
