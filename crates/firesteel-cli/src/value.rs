//! A value of any type, to be shown.

use std::fmt::{self, Write};

use firesteel_window::{Duration, Timestamp};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A value without its type.
///
/// [`Display`](fmt::Display) is for people: `{card: 7, note: "ok"}`. Its `Serialize` is for machines: JSON becomes what
/// the value's own `Serialize` would make of it, with two exceptions. A map whose keys are neither texts nor numbers is a
/// list of pairs, and bytes are hexadecimal digits under the name `hex`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Without contents.
    Unit,
    /// True or false.
    Bool(bool),
    /// An unsigned integer.
    Unsigned(u128),
    /// A signed integer.
    Signed(i128),
    /// A number of 32 bits.
    F32(f32),
    /// A number of 64 bits.
    F64(f64),
    /// A character or a text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A point in time.
    Time(Timestamp),
    /// A span of time.
    Span(Duration),
    /// No value.
    None,
    /// Elements.
    Sequence(Vec<Value>),
    /// Parts without names.
    Tuple(Vec<Value>),
    /// Keys with values.
    Map(Vec<(Value, Value)>),
    /// Fields with names.
    Struct(Vec<(String, Value)>),
    /// A variant of an enum.
    Variant(String, Option<Box<Value>>),
    /// Bytes that could not be read.
    Undecoded(Vec<u8>),
}

impl Value {
    /// As text on its own: as [`Display`](fmt::Display), but texts go without quotation marks.
    #[must_use]
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Whether some of it could not be read.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        match self {
            Self::Undecoded(_) => true,
            Self::Sequence(parts) | Self::Tuple(parts) => parts.iter().any(Self::is_partial),
            Self::Map(entries) => entries.iter().any(|(key, value)| key.is_partial() || value.is_partial()),
            Self::Struct(fields) => fields.iter().any(|(_, value)| value.is_partial()),
            Self::Variant(_, contents) => contents.as_ref().is_some_and(|contents| contents.is_partial()),
            _ => false,
        }
    }

    /// The text that stands for it as the name of a field in JSON.
    fn as_name(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Variant(name, None) => Some(name.clone()),
            Self::Bool(_) | Self::Unsigned(_) | Self::Signed(_) | Self::Time(_) | Self::Span(_) => {
                Some(self.to_string())
            }
            _ => None,
        }
    }
}

/// `0x`, and two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::from("0x");
    for byte in bytes {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
    }
    text
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    items: &[T],
    each: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char(open)?;
    for (at, item) in items.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { ", " })?;
        each(f, item)?;
    }
    f.write_char(close)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("()"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            // The debug form goes over to exponents where the display form would write hundreds of digits.
            Self::F32(value) => write!(f, "{value:?}"),
            Self::F64(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) | Self::Undecoded(bytes) => f.write_str(&hex(bytes)),
            Self::Time(time) => write!(f, "{time}"),
            Self::Span(span) => write!(f, "{span}"),
            Self::None => f.write_str("none"),
            Self::Sequence(elements) => list(f, ['[', ']'], elements, |f, element| write!(f, "{element}")),
            Self::Tuple(parts) => list(f, ['(', ')'], parts, |f, part| write!(f, "{part}")),
            Self::Map(entries) => list(f, ['{', '}'], entries, |f, (key, value)| write!(f, "{key}: {value}")),
            Self::Struct(fields) => list(f, ['{', '}'], fields, |f, (name, value)| write!(f, "{name}: {value}")),
            Self::Variant(name, None) => f.write_str(name),
            Self::Variant(name, Some(contents)) => match &**contents {
                Self::Tuple(_) => write!(f, "{name}{contents}"),
                Self::Struct(_) => write!(f, "{name} {contents}"),
                other => write!(f, "{name}({other})"),
            },
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unit | Self::None => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u128(*value),
            Self::Signed(value) => serializer.serialize_i128(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Time(time) => time.serialize(serializer),
            Self::Span(span) => span.serialize(serializer),
            Self::Bytes(bytes) | Self::Undecoded(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex(bytes)[2..])?;
                map.end()
            }
            Self::Sequence(parts) | Self::Tuple(parts) => serializer.collect_seq(parts),
            Self::Map(entries) => {
                let names: Option<Vec<String>> = entries.iter().map(|(key, _)| key.as_name()).collect();
                match names {
                    Some(names) => serializer.collect_map(names.iter().zip(entries.iter().map(|(_, value)| value))),
                    None => {
                        let mut pairs = serializer.serialize_seq(Some(entries.len()))?;
                        for pair in entries {
                            pairs.serialize_element(pair)?;
                        }
                        pairs.end()
                    }
                }
            }
            Self::Struct(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
            Self::Variant(name, None) => serializer.serialize_str(name),
            Self::Variant(name, Some(contents)) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(name, contents)?;
                map.end()
            }
        }
    }
}
