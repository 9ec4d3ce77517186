//! The deserializer that has no data: it notes what it is asked for, and answers with something small.

use std::fmt;

use firesteel_window::{Duration, Timestamp};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{Choice, Names, Node};

/// Deeper than this, a type is taken to contain itself.
const DEPTH: usize = 12;

/// Texts that types ask for which are written as text: dates, times, addresses.
const TEXTS: [&str; 12] = [
    "",
    "0",
    "a",
    "1970-01-01",
    "1970-01-01T00:00:00",
    "1970-01-01T00:00:00Z",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "127.0.0.1:80",
    "http://a/",
    "UTC",
];
/// Lengths of bytes that types ask for.
const BYTES: [usize; 7] = [0, 16, 4, 8, 12, 20, 32];

/// One of the [texts](TEXTS).
pub(super) fn text(which: usize) -> &'static str {
    TEXTS.get(which).copied().unwrap_or_default()
}

/// Zeros of one of the [lengths](BYTES).
pub(super) fn bytes(which: usize) -> &'static [u8] {
    const ZEROS: [u8; 32] = [0; 32];
    &ZEROS[..BYTES.get(which).copied().unwrap_or_default()]
}

/// What a run knows besides the place where it is.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The structs and enums that are being described, with the names of their fields or variants.
    open: Vec<(&'static str, &'static [&'static str])>,
    /// Grows with everything that is learned.
    pub(super) progress: u64,
}

impl Walk {
    fn is_open(&self, name: &'static str, parts: &'static [&'static str]) -> bool {
        !name.is_empty() && self.open.contains(&(name, parts))
    }
}

/// Stands for the value at one place of a type.
pub(super) struct Probe<'a> {
    pub(super) node: &'a mut Node,
    pub(super) walk: &'a mut Walk,
}

#[derive(Debug)]
pub(super) struct Refused;

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

/// A type that asks for one thing now and for another then is not followed.
macro_rules! expect {
    ($place:expr, $pattern:pat => $found:expr) => {
        match $place {
            $pattern => $found,
            _ => return Err(Refused),
        }
    };
}

impl<'a> Probe<'a> {
    /// Notes what stands here, unless that is known already.
    fn note(&mut self, node: impl FnOnce() -> Node) {
        if matches!(self.node, Node::Unseen) {
            *self.node = node();
            self.walk.progress += 1;
        }
    }

    /// What has to be a certain kind of text or bytes gets another one each time, until it takes one.
    fn tried<T>(
        mut self,
        name: &'static str,
        count: usize,
        visit: impl FnOnce(usize) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.note(|| Node::Plain(name, 0));
        let which = expect!(&mut *self.node, Node::Plain(_, which) => which);
        let result = visit(*which);
        if result.is_err() && *which + 1 < count {
            *which += 1;
            self.walk.progress += 1;
        }
        result
    }

    /// A type that contains itself ends here.
    fn again<T>(mut self, name: &'static str) -> Result<T, Refused> {
        self.note(|| Node::Recursive(name));
        Err(Refused)
    }
}

macro_rules! plain {
    ($($method:ident $visit:ident $zero:expr, $name:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.note(|| Node::Plain($name, 0));
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
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.tried("str", TEXTS.len(), |which| visitor.visit_str(text(which)))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.tried("bytes", BYTES.len(), |which| visitor.visit_bytes(bytes(which)))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.note(|| Node::Plain("()", 0));
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, _: V) -> Result<V::Value, Refused> {
        self.note(|| Node::Plain("?…", 0));
        Err(Refused)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        if self.walk.open.len() >= DEPTH {
            return visitor.visit_none();
        }
        self.note(|| Node::Option(Box::default()));
        let Self { node, walk } = self;
        let some = expect!(node, Node::Option(some) => some);
        if some.settled && !some.taken {
            return visitor.visit_none();
        }
        let before = walk.progress;
        let tried = visitor.visit_some(Probe { node: &mut some.node, walk });
        some.tried(tried.is_ok(), walk.progress > before, walk);
        tried
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let known = match name {
            Timestamp::SERDE_NAME => "time",
            Duration::SERDE_NAME => "span",
            _ => return visitor.visit_newtype_struct(self),
        };
        self.note(|| Node::Plain(known, 0));
        visitor.visit_newtype_struct(Probe { node: &mut Node::Plain("i64", 0), walk: self.walk })
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.note(|| Node::Sequence(Box::default()));
        let element = expect!(self.node, Node::Sequence(element) => element);
        visitor.visit_seq(OneElement { node: Some(element), walk: self.walk })
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        self.note(|| Node::Tuple((0..length).map(|_| Node::Unseen).collect()));
        let parts = expect!(self.node, Node::Tuple(parts) => parts);
        visitor.visit_seq(Parts { nodes: parts.iter_mut(), walk: self.walk })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.note(|| Node::Map(Box::default()));
        let (key, value) = &mut **expect!(self.node, Node::Map(entry) => entry);
        // Where no value can be had, the map is empty.
        let key = Some(key).filter(|_| value.taken || !value.settled);
        visitor.visit_map(OneEntry { key, value, walk: self.walk })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if self.walk.is_open(name, fields) {
            return self.again(name);
        }
        self.note(|| Node::Struct(name, fields.iter().map(|field| (Names::one(field), Node::Unseen)).collect()));
        let known = expect!(self.node, Node::Struct(_, known) => known);
        self.walk.open.push((name, fields));
        let nodes = known.iter_mut().map(|(_, node)| node);
        let value = visitor.visit_seq(Parts { nodes, walk: self.walk });
        self.walk.open.pop();
        value
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if self.walk.is_open(name, variants) {
            return self.again(name);
        }
        self.note(|| Node::Enum(name, variants.iter().map(|variant| (*variant, Choice::default())).collect()));
        let Self { node, walk } = self;
        let known = expect!(node, Node::Enum(_, known) => known);
        let unsettled = known.iter().position(|(_, variant)| !variant.settled);
        let number = unsettled.or_else(|| known.iter().position(|(_, variant)| variant.taken)).unwrap_or(0);
        let Some((_, variant)) = known.get_mut(number) else { return Err(Refused) };
        let before = walk.progress;
        walk.open.push((name, variants));
        let tried = visitor.visit_enum(OneVariant { number: number as u32, choice: &mut *variant, walk });
        walk.open.pop();
        variant.tried(tried.is_ok(), walk.progress > before, walk);
        tried
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

/// The parts of a tuple or struct.
struct Parts<'a, I> {
    nodes: I,
    walk: &'a mut Walk,
}

impl<'de, 'a, I: Iterator<Item = &'a mut Node>> SeqAccess<'de> for Parts<'_, I> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        seed.deserialize(Probe { node, walk: self.walk }).map(Some)
    }
}

/// A sequence of one element, or of none where no element can be had.
struct OneElement<'a> {
    node: Option<&'a mut Node>,
    walk: &'a mut Walk,
}

impl<'de> SeqAccess<'de> for OneElement<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(node) = self.node.take() else { return Ok(None) };
        Ok(seed.deserialize(Probe { node, walk: self.walk }).ok())
    }
}

/// A map of one entry, or of none where no key can be had.
struct OneEntry<'a> {
    key: Option<&'a mut Node>,
    value: &'a mut Choice,
    walk: &'a mut Walk,
}

impl<'de> MapAccess<'de> for OneEntry<'_> {
    type Error = Refused;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(node) = self.key.take() else { return Ok(None) };
        Ok(seed.deserialize(Probe { node, walk: self.walk }).ok())
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refused> {
        let before = self.walk.progress;
        let tried = seed.deserialize(Probe { node: &mut self.value.node, walk: self.walk });
        self.value.tried(tried.is_ok(), self.walk.progress > before, self.walk);
        tried
    }
}

/// An enum that is one of its variants.
struct OneVariant<'a> {
    number: u32,
    choice: &'a mut Choice,
    walk: &'a mut Walk,
}

/// Says which variant it is.
struct Number(u32);

impl<'de> Deserializer<'de> for Number {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u32(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, 'a> EnumAccess<'de> for OneVariant<'a> {
    type Error = Refused;
    type Variant = Probe<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Probe<'a>), Refused> {
        let Self { number, choice, walk } = self;
        match seed.deserialize(Number(number)) {
            Ok(variant) => Ok((variant, Probe { node: &mut choice.node, walk })),
            Err(error) => {
                choice.invalid = true;
                Err(error)
            }
        }
    }
}

impl<'de> VariantAccess<'de> for Probe<'_> {
    type Error = Refused;

    fn unit_variant(mut self) -> Result<(), Refused> {
        self.note(|| Node::Nothing);
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
