//! A value of a message or a block, as `serde` asks for it.

use std::fmt::Display;

use firesteel_window::Timestamp;
use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::damage::Damage;
use super::nodes::{Field, Node, Nodes};
use super::read::Bytes;
use crate::epoch_time;
use crate::from_path::{FromPath, Values};
use crate::number::Stored;

type Result<T> = std::result::Result<T, Damage>;

/// The record that stands next, with the columns of a path.
#[inline]
pub(super) fn record<T: DeserializeOwned>(nodes: &Nodes, bytes: &mut Bytes<'_>, path: &FromPath) -> Result<T> {
    path.record(Value { nodes, place: 0, bytes }, Values::Typed)
}

/// What stands next, and the part of the schema by which it is written.
struct Value<'s, 'b, 'a> {
    nodes: &'s Nodes,
    place: usize,
    bytes: &'b mut Bytes<'a>,
}

fn unfit<T>(what: impl Display, wanted: &str) -> Result<T> {
    Err(Damage::new(format_args!("it holds {what}, and the type asks for {wanted}")))
}

impl<'s, 'b, 'a> Value<'s, 'b, 'a> {
    /// Itself, or the branch of a union that it has.
    #[inline]
    fn resolved(mut self) -> Result<Self> {
        while let Node::Union(branches) = self.nodes.at(self.place) {
            self.place = self.bytes.branch(branches)?;
        }
        Ok(self)
    }

    #[inline]
    fn node(&self) -> &'s Node {
        self.nodes.at(self.place)
    }

    /// Goes into what consists of others, and comes back from it.
    fn nested<R>(self, read: impl FnOnce(&'s Nodes, &mut Bytes<'a>) -> Result<R>) -> Result<R> {
        self.bytes.deeper()?;
        let value = read(self.nodes, self.bytes)?;
        self.bytes.depth -= 1;
        Ok(value)
    }

    /// A time, as a number of units of which there are `per_second`.
    fn time<V: Visitor<'a>>(self, per_second: i64, visitor: V) -> Result<V::Value> {
        let value = self.resolved()?;
        let Node::Time(written) = value.node() else { return visitor.visit_newtype_struct(value) };
        let number = value.bytes.long()?;
        let number = if *written <= per_second {
            number.checked_mul(per_second / written).ok_or_else(|| Damage::new("the time is out of range"))?
        } else if per_second == 1_000_000 {
            // As a text with more digits is read.
            number.div_euclid(written / per_second)
        } else if number.rem_euclid(written / per_second) == 0 {
            number / (written / per_second)
        } else {
            return Err(Damage::new("the time has a fraction of the unit that is asked for: take a smaller one"));
        };
        visitor.visit_newtype_struct(Stored::new(number))
    }
}

/// The digits of a decimal.
fn decimal(bytes: &[u8], scale: usize) -> Result<String> {
    let Some(padding) = 16_usize.checked_sub(bytes.len()) else {
        return Err(Damage::new(format_args!("a decimal of {} bytes, and 16 are read at most", bytes.len())));
    };
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut whole = [if is_negative { 0xff } else { 0 }; 16];
    whole[padding..].copy_from_slice(bytes);
    let number = i128::from_be_bytes(whole);
    let digits = number.unsigned_abs().to_string();
    let digits = format!("{}{digits}", "0".repeat((scale + 1).saturating_sub(digits.len())));
    let (before, after) = digits.split_at(digits.len() - scale);
    let sign = if number < 0 { "-" } else { "" };
    Ok(if scale == 0 { format!("{sign}{before}") } else { format!("{sign}{before}.{after}") })
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl<'de> Deserializer<'de> for Value<'_, '_, 'de> {
    type Error = Damage;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.resolved()?;
        let node = value.node();
        let bytes = &mut *value.bytes;
        match node {
            Node::Null | Node::Same(_) => visitor.visit_unit(),
            Node::Bool => visitor.visit_bool(bytes.boolean()?),
            Node::Int => visitor.visit_i64(bytes.int()?.into()),
            Node::Long | Node::Time(_) => visitor.visit_i64(bytes.long()?),
            Node::Float => visitor.visit_f32(f32::from_le_bytes(bytes.array()?)),
            Node::Double => visitor.visit_f64(f64::from_le_bytes(bytes.array()?)),
            // A list of octets goes into more types than bytes do.
            Node::Bytes => visitor.visit_seq(SeqDeserializer::new(bytes.octets()?.iter().copied())),
            Node::Fixed(size) => visitor.visit_seq(SeqDeserializer::new(bytes.take(*size)?.iter().copied())),
            Node::Text => visitor.visit_borrowed_str(bytes.text()?),
            Node::Uuid => visitor.visit_string(uuid(bytes.array()?)),
            Node::Decimal(scale, size) => {
                let digits = match size {
                    Some(size) => bytes.take(*size)?,
                    None => bytes.octets()?,
                };
                visitor.visit_string(decimal(digits, *scale)?)
            }
            Node::Enum(symbols) => visitor.visit_str(bytes.symbol(symbols)?),
            Node::Union(_) => Err(Damage::new("a union stands in a union")),
            Node::Array(element) => value.nested(|nodes, bytes| {
                let mut list = Blocks { nodes, element: *element, bytes, left: 0, is_over: false };
                list.next()?;
                let items = visitor.visit_seq(&mut list)?;
                // A list is taken whole: into a tuple of fewer elements it does not go.
                if list.next()? {
                    Err(Damage::new("the list has more elements than the type takes"))
                } else {
                    Ok(items)
                }
            }),
            Node::Map(element) => value.nested(|nodes, bytes| {
                let mut map = Blocks { nodes, element: *element, bytes, left: 0, is_over: false };
                let entries = visitor.visit_map(&mut map)?;
                if map.next()? { Err(Damage::new("the type does not take all of the map")) } else { Ok(entries) }
            }),
            Node::Record(record) => value.nested(|nodes, bytes| {
                let mut left = Fields { nodes, fields: &record.fields, next: 0, bytes };
                let record = visitor.visit_map(&mut left)?;
                left.skip_rest()?;
                Ok(record)
            }),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.resolved()?;
        match value.node() {
            Node::Float => visitor.visit_f32(f32::from_le_bytes(value.bytes.array()?)),
            Node::Double => unfit("a double", "an f32, which has not as many digits: take an f64"),
            Node::Int | Node::Long => unfit("an integer", "an f32: take an f64, or an integer"),
            _ => value.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.resolved()?;
        match value.node() {
            Node::Int | Node::Long => {
                let number = value.bytes.long()?;
                if number as f64 as i128 != i128::from(number) {
                    return Err(Damage::new(format_args!("no f64 is equal to {number}: take an integer")));
                }
                visitor.visit_f64(number as f64)
            }
            Node::Time(_) => unfit("a time", "an f64"),
            _ => value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.resolved()?;
        match value.node() {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        let micros = if name == Timestamp::SERDE_NAME { Some(1) } else { epoch_time::micros_per_unit(name) };
        match micros {
            Some(micros) => self.time(1_000_000 / micros, visitor),
            None => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let value = self.resolved()?;
        match value.node() {
            Node::Enum(symbols) => visitor.visit_enum(value.bytes.symbol(symbols)?.into_deserializer()),
            Node::Text => visitor.visit_enum(value.bytes.text()?.into_deserializer()),
            _ => unfit("no symbol", "an enum: `#[serde(untagged)]` takes the branches of a union"),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.resolved()?;
        match value.node() {
            Node::Bytes | Node::Text => visitor.visit_borrowed_bytes(value.bytes.octets()?),
            Node::Fixed(size) => visitor.visit_borrowed_bytes(value.bytes.take(*size)?),
            _ => value.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.bytes.skip(self.nodes, self.place)?;
        visitor.visit_unit()
    }

    /// Also from a record, whose fields are the parts in their order.
    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value> {
        let value = self.resolved()?;
        let Node::Record(record) = value.node() else { return value.deserialize_any(visitor) };
        if record.fields.len() != count {
            let has = record.fields.len();
            return Err(Damage::new(format_args!("the record has {has} fields, and the type takes {count}")));
        }
        value.nested(|nodes, bytes| {
            let mut left = Fields { nodes, fields: &record.fields, next: 0, bytes };
            let parts = visitor.visit_seq(&mut left)?;
            left.skip_rest()?;
            Ok(parts)
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, count: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_tuple(count, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string unit unit_struct seq map struct identifier
    }
}

/// The elements of a list, or the entries of a map.
struct Blocks<'s, 'b, 'a> {
    nodes: &'s Nodes,
    element: usize,
    bytes: &'b mut Bytes<'a>,
    /// How many are left of the block.
    left: u64,
    is_over: bool,
}

impl<'a> Blocks<'_, '_, 'a> {
    /// Whether there is another one.
    fn next(&mut self) -> Result<bool> {
        if self.left == 0 && !self.is_over {
            (self.left, _) = self.bytes.block()?;
            self.is_over = self.left == 0;
        }
        Ok(self.left > 0)
    }

    fn value<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value> {
        self.left -= 1;
        seed.deserialize(Value { nodes: self.nodes, place: self.element, bytes: &mut *self.bytes })
    }
}

impl<'a> SeqAccess<'a> for &mut Blocks<'_, '_, 'a> {
    type Error = Damage;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if !self.next()? {
            return Ok(None);
        }
        self.value(seed).map(Some).map_err(|error| error.within("element"))
    }

    /// What is left of the block: no more than the bytes have room for.
    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

impl<'a> MapAccess<'a> for &mut Blocks<'_, '_, 'a> {
    type Error = Damage;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if !self.next()? {
            return Ok(None);
        }
        let key = self.bytes.text().map_err(|error| error.within("key"))?;
        seed.deserialize(BorrowedStrDeserializer::<Damage>::new(key)).map(Some).map_err(|error| error.within("key"))
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value> {
        self.value(seed).map_err(|error| error.within("value"))
    }
}

/// The fields of a record.
struct Fields<'s, 'b, 'a> {
    nodes: &'s Nodes,
    fields: &'s [Field],
    next: usize,
    bytes: &'b mut Bytes<'a>,
}

impl Fields<'_, '_, '_> {
    /// Passes over what the type has not asked for.
    fn skip_rest(&mut self) -> Result<()> {
        for field in &self.fields[self.next..] {
            self.bytes.skip(self.nodes, field.place).map_err(|error| error.within(&field.name))?;
        }
        Ok(())
    }
}

impl<'a> MapAccess<'a> for &mut Fields<'_, '_, 'a> {
    type Error = Damage;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(field) = self.fields.get(self.next) else { return Ok(None) };
        seed.deserialize(StrDeserializer::<Damage>::new(&field.name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value> {
        let field = self.fields.get(self.next).ok_or_else(|| Damage::custom("a value without a name"))?;
        self.next += 1;
        let value = seed.deserialize(Value { nodes: self.nodes, place: field.place, bytes: &mut *self.bytes });
        value.map_err(|error| error.within(&field.name))
    }
}

impl<'a> SeqAccess<'a> for &mut Fields<'_, '_, 'a> {
    type Error = Damage;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.next == self.fields.len() { Ok(None) } else { self.next_value_seed(seed).map(Some) }
    }
}
