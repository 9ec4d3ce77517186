//! The shape of a type: what its `Deserialize` asks for, as text.
//!
//! Stored values do not describe themselves, so a field added to a struct would be read out of the bytes of the next
//! one. The shape makes such a change visible: a deserializer that has no data notes what it is asked for and answers
//! with zeros and empty collections.
//!
//! Of an enum it sees the names of all variants, but the contents of the first only; of a collection, the type of the
//! elements. A type whose `Deserialize` refuses zeros (a date read from text, say) is described up to there.

use std::fmt::{self, Write};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Deeper than this, a type is taken to contain itself.
const DEPTH: usize = 12;
/// Beyond this many bytes, no more is described.
const LONGEST: usize = 4_000;

/// The shape of a type.
pub(super) fn of<T: DeserializeOwned>() -> String {
    let mut trace = Trace { out: String::new(), open: vec![] };
    // An error tells that the type refuses what it got: the shape ends there.
    if T::deserialize(Probe { trace: &mut trace }).is_err() {
        trace.out.push('…');
    }
    trace.out
}

struct Trace {
    out: String,
    /// The names of the structs that are being described.
    open: Vec<&'static str>,
}

impl Trace {
    fn note(&mut self, text: impl fmt::Display) {
        if self.out.len() < LONGEST {
            // Writing to a string does not fail.
            _ = write!(self.out, "{text}");
        }
    }
}

struct Probe<'a> {
    trace: &'a mut Trace,
}

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that is not there cannot be read")
    }
}

impl std::error::Error for Refused {}

impl serde::de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! plain {
    ($($method:ident $visit:ident $zero:expr, $name:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.trace.note($name);
            visitor.$visit($zero)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Refused;

    plain! {
        deserialize_bool visit_bool false, "bool";
        deserialize_i8 visit_i8 0, "i8";
        deserialize_i16 visit_i16 0, "i16";
        deserialize_i32 visit_i32 0, "i32";
        deserialize_i64 visit_i64 0, "i64";
        deserialize_i128 visit_i128 0, "i128";
        // One rather than zero: it is also what a `NonZero` takes.
        deserialize_u8 visit_u8 1, "u8";
        deserialize_u16 visit_u16 1, "u16";
        deserialize_u32 visit_u32 1, "u32";
        deserialize_u64 visit_u64 1, "u64";
        deserialize_u128 visit_u128 1, "u128";
        deserialize_f32 visit_f32 0.0, "f32";
        deserialize_f64 visit_f64 0.0, "f64";
        deserialize_char visit_char 'a', "char";
        deserialize_str visit_str "", "str";
        deserialize_string visit_str "", "str";
        deserialize_bytes visit_bytes &[], "bytes";
        deserialize_byte_buf visit_bytes &[], "bytes";
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.trace.note("()");
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        self.trace.note("?");
        Err(Refused)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.trace.open.len() >= DEPTH {
            self.trace.note("…");
            return visitor.visit_none();
        }
        self.trace.note("?");
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.trace.note("[");
        let elements = Elements { trace: self.trace, left: 1, names: None, separator: "", empty_when_deep: true };
        let (value, trace) = elements.visit(visitor)?;
        trace.note("]");
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        self.trace.note("(");
        let elements = Elements { trace: self.trace, left: length, names: None, separator: "", empty_when_deep: false };
        let (value, trace) = elements.visit(visitor)?;
        trace.note(")");
        Ok(value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.trace.note("[");
        let elements = Elements { trace: self.trace, left: 1, names: None, separator: "", empty_when_deep: true };
        let (value, trace) = elements.visit_map(visitor)?;
        trace.note("]");
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if self.trace.open.contains(&name) {
            self.trace.note(format_args!("{name}…"));
            return Err(Refused);
        }
        self.trace.open.push(name);
        self.trace.note("{");
        let left = fields.len();
        let elements = Elements { trace: self.trace, left, names: Some(fields), separator: "", empty_when_deep: false };
        let (value, trace) = elements.visit(visitor)?;
        trace.open.pop();
        trace.note("}");
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if self.trace.open.contains(&name) {
            self.trace.note(format_args!("{name}…"));
            return Err(Refused);
        }
        self.trace.note(format_args!("<{}>", variants.join("|")));
        self.trace.open.push(name);
        let trace = self.trace;
        let value = visitor.visit_enum(FirstVariant { trace })?;
        trace.open.pop();
        Ok(value)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(0)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a collection, tuple or struct.
struct Elements<'a> {
    trace: &'a mut Trace,
    left: usize,
    names: Option<&'static [&'static str]>,
    separator: &'static str,
    empty_when_deep: bool,
}

impl<'a> Elements<'a> {
    fn visit<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<(V::Value, &'a mut Trace), Refused> {
        let value = visitor.visit_seq(&mut self)?;
        Ok((value, self.trace))
    }

    fn visit_map<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<(V::Value, &'a mut Trace), Refused> {
        let value = visitor.visit_map(&mut self)?;
        Ok((value, self.trace))
    }

    fn one<'de, T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.trace.note(std::mem::replace(&mut self.separator, ", "));
        if let Some(name) = self.names.and_then(|names| names.get(names.len() - self.left - 1)) {
            self.trace.note(format_args!("{name}: "));
        }
        match seed.deserialize(Probe { trace: self.trace }) {
            Ok(value) => Ok(Some(value)),
            // A type that contains itself: a collection of it may be empty.
            Err(Refused) if self.empty_when_deep => {
                self.left = 0;
                Ok(None)
            }
            Err(Refused) => Err(Refused),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        self.one(seed)
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_> {
    type Error = Refused;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        self.one(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refused> {
        self.trace.note(": ");
        seed.deserialize(Probe { trace: self.trace })
    }
}

struct FirstVariant<'a> {
    trace: &'a mut Trace,
}

/// Says which variant it is: always the first.
struct First;

impl<'de> Deserializer<'de> for First {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u32(0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, 'a> EnumAccess<'de> for FirstVariant<'a> {
    type Error = Refused;
    type Variant = Probe<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Probe<'a>), Refused> {
        Ok((seed.deserialize(First)?, Probe { trace: self.trace }))
    }
}

impl<'de> VariantAccess<'de> for Probe<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests;
