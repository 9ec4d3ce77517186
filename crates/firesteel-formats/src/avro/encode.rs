//! From a record to its bytes, as a schema has them.

mod compound;
mod key;

use std::fmt::Display;

use firesteel_window::Timestamp;
use serde::ser::{Impossible, Serialize, Serializer};

use super::damage::Damage;
use super::nodes::{Node, Nodes};
use super::read::DEEPEST;
use crate::epoch_time;
use crate::number::Number;
use compound::{Entries, Items};

type Result<T = ()> = std::result::Result<T, Damage>;

/// Appends a record. After an error, some of it stands there.
pub(super) fn encode<T: Serialize + ?Sized>(nodes: &Nodes, record: &T, out: &mut Vec<u8>) -> Result {
    record.serialize(Encoder { nodes, place: 0, out, depth: 0, is_some: false })
}

/// Appends a number as Avro writes them.
pub(super) fn long(number: i64, out: &mut Vec<u8>) {
    let mut left = ((number << 1) ^ (number >> 63)) as u64;
    while left > 0x7f {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn octets(bytes: &[u8], out: &mut Vec<u8>) {
    long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// Writes one value: it is of this part of the schema.
struct Encoder<'s, 'o> {
    nodes: &'s Nodes,
    place: usize,
    out: &'o mut Vec<u8>,
    /// How many values it is in.
    depth: usize,
    /// Whether it is in an `Option`.
    is_some: bool,
}

/// What a part of a schema is called in messages.
fn called(node: &Node) -> &'static str {
    match node {
        Node::Null | Node::Same(_) => "null",
        Node::Bool => "a boolean",
        Node::Int => "an int",
        Node::Long => "a long",
        Node::Float => "a float",
        Node::Double => "a double",
        Node::Bytes => "bytes",
        Node::Text => "a string",
        Node::Fixed(_) => "a fixed",
        Node::Enum(_) => "an enum",
        Node::Array(_) => "an array",
        Node::Map(_) => "a map",
        Node::Union(_) => "a union",
        Node::Record(_) => "a record",
        Node::Time(_) => "a timestamp",
        Node::Decimal(..) => "a decimal",
        Node::Uuid => "a uuid in 16 bytes",
    }
}

/// How well a value goes into a part of a schema: not at all, or the better the higher.
type Rank = u8;

impl<'s, 'o> Encoder<'s, 'o> {
    fn node(&self) -> &'s Node {
        self.nodes.at(self.place)
    }

    /// Chooses the branch of a union into which the value goes best, the first one of several.
    fn chosen(mut self, what: impl Display, rank: impl Fn(&Node) -> Rank) -> Result<Self> {
        let node = self.node();
        let Node::Union(branches) = node else {
            return if rank(node) > 0 { Ok(self) } else { Err(Self::unfit(what, called(node))) };
        };
        let ranks = branches.iter().map(|branch| rank(self.nodes.at(*branch)));
        let best = ranks.enumerate().max_by_key(|(at, rank)| (*rank, std::cmp::Reverse(*at)));
        let Some((at, 1..)) = best else {
            let has: Vec<_> = branches.iter().map(|branch| called(self.nodes.at(*branch))).collect();
            return Err(Self::unfit(what, &has.join(" or ")));
        };
        long(at as i64, self.out);
        self.place = branches[at];
        Ok(self)
    }

    #[cold]
    fn unfit(what: impl Display, has: &str) -> Damage {
        Damage::new(format_args!("{what} does not go into the schema, which has {has} there"))
    }

    /// What is in a value that consists of others.
    fn deeper(&self) -> Result<usize> {
        if self.depth == DEEPEST {
            return Err(Damage::new(format_args!("it is nested more than {DEEPEST} deep")));
        }
        Ok(self.depth + 1)
    }

    fn integer(self, value: i128) -> Result {
        let rank = |node: &Node| match node {
            Node::Int if i32::try_from(value).is_ok() => 3,
            Node::Long if i64::try_from(value).is_ok() => 2,
            Node::Time(_) if i64::try_from(value).is_ok() => 1,
            _ => 0,
        };
        let chosen = self.chosen(format_args!("the integer {value}"), rank)?;
        // It fits, or no branch is chosen.
        long(value as i64, chosen.out);
        Ok(())
    }

    /// A time, of which there are this many in a second.
    fn time<T: ?Sized + Serialize>(self, per_second: i64, takes_plain: bool, value: &T) -> Result {
        let rank = |node: &Node| match node {
            Node::Time(_) => 3,
            Node::Long if takes_plain => 2,
            Node::Text if !takes_plain => 1,
            _ => 0,
        };
        let chosen = self.chosen("a time", rank)?;
        let written = match chosen.node() {
            Node::Time(written) => *written,
            Node::Text => return value.serialize(chosen),
            _ => per_second,
        };
        let number: i64 = value.serialize(Number::<Damage>::new())?;
        let number = if written >= per_second {
            let factor = written / per_second;
            number.checked_mul(factor).ok_or_else(|| Damage::new("the time is beyond what the schema's unit counts"))?
        } else if number % (per_second / written) == 0 {
            number / (per_second / written)
        } else {
            let unit = "the time has a fraction of the schema's unit: take a smaller one, or round it";
            return Err(Damage::new(unit));
        };
        long(number, chosen.out);
        Ok(())
    }

    fn text(self, text: &str) -> Result {
        let rank = |node: &Node| match node {
            Node::Text => 3,
            Node::Enum(symbols) if symbols.iter().any(|symbol| symbol == text) => 2,
            _ => 0,
        };
        let chosen = self.chosen(format_args!("the text {:?}", shortened(text)), rank)?;
        chosen.symbol_or_text(text)
    }

    fn symbol_or_text(self, text: &str) -> Result {
        if let Node::Enum(symbols) = self.node() {
            let at = symbols.iter().position(|symbol| symbol == text).unwrap_or_default();
            long(at as i64, self.out);
        } else {
            octets(text.as_bytes(), self.out);
        }
        Ok(())
    }

    /// A list, or a tuple, which goes into a record, too.
    fn items(self, is_tuple: bool, length: Option<usize>) -> Result<Items<'s, 'o>> {
        let rank = |node: &Node| match node {
            Node::Array(_) => 3,
            Node::Bytes | Node::Fixed(_) => 2,
            Node::Record(_) if is_tuple => 1,
            _ => 0,
        };
        let chosen = self.chosen(if is_tuple { "a tuple" } else { "a list" }, rank)?;
        Items::begin(chosen, length)
    }

    /// A struct, or a map whose keys are texts.
    fn entries(self, name: &str, length: Option<usize>) -> Result<Entries<'s, 'o>> {
        let (records, maps) = if name.is_empty() { (1, 2) } else { (2, 1) };
        let rank = |node: &Node| match node {
            Node::Record(record) if record.name == name => 3,
            Node::Record(_) => records,
            Node::Map(_) => maps,
            _ => 0,
        };
        if let Node::Union(branches) = self.node() {
            let of_rank = |of: Rank| branches.iter().filter(|branch| rank(self.nodes.at(**branch)) == of).count();
            if of_rank(3) == 0 && of_rank(records) > 1 {
                let why = "it may be one of several records of a union: call the struct as its record is called";
                return Err(Damage::new(why));
            }
        }
        let chosen = self.chosen(if name.is_empty() { "a map" } else { "a struct" }, rank)?;
        Entries::begin(chosen, length)
    }
}

/// The beginning of a text, for a message.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

const WITH_DATA: &str = "a variant with data has no form in Avro: write a struct with an Option for each variant";

/// Declares methods for integers.
macro_rules! integers {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result {
            self.integer(i128::from(value))
        }
    )*};
}

impl<'s, 'o> Serializer for Encoder<'s, 'o> {
    type Ok = ();
    type Error = Damage;
    type SerializeSeq = Items<'s, 'o>;
    type SerializeTuple = Items<'s, 'o>;
    type SerializeTupleStruct = Items<'s, 'o>;
    type SerializeTupleVariant = Impossible<(), Damage>;
    type SerializeMap = Entries<'s, 'o>;
    type SerializeStruct = Entries<'s, 'o>;
    type SerializeStructVariant = Impossible<(), Damage>;

    integers! {
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
    }

    fn serialize_u128(self, value: u128) -> Result {
        self.integer(i128::try_from(value).unwrap_or(i128::MAX))
    }

    fn serialize_bool(self, value: bool) -> Result {
        let chosen = self.chosen("a bool", |node| Rank::from(matches!(node, Node::Bool)))?;
        chosen.out.push(u8::from(value));
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result {
        let rank = |node: &Node| match node {
            Node::Float => 2,
            Node::Double => 1,
            _ => 0,
        };
        let chosen = self.chosen("an f32", rank)?;
        match chosen.node() {
            Node::Double => chosen.out.extend_from_slice(&f64::from(value).to_le_bytes()),
            _ => chosen.out.extend_from_slice(&value.to_le_bytes()),
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result {
        let chosen = self.chosen("an f64", |node| Rank::from(matches!(node, Node::Double)))?;
        chosen.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        let rank = |node: &Node| match node {
            Node::Bytes => 2,
            Node::Fixed(size) if *size == value.len() => 1,
            _ => 0,
        };
        let chosen = self.chosen(format_args!("{} bytes", value.len()), rank)?;
        match chosen.node() {
            Node::Bytes => octets(value, chosen.out),
            _ => chosen.out.extend_from_slice(value),
        }
        Ok(())
    }

    fn serialize_none(self) -> Result {
        if self.is_some {
            return Err(Damage::new("a None in a Some would be read as None: take one Option"));
        }
        self.serialize_unit()
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result {
        value.serialize(Encoder { is_some: true, ..self })
    }

    fn serialize_unit(self) -> Result {
        self.chosen("what is missing", |node| Rank::from(matches!(node, Node::Null))).map(drop)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        let rank = |node: &Node| match node {
            Node::Enum(symbols) if symbols.iter().any(|symbol| symbol == variant) => 3,
            Node::Text => 2,
            _ => 0,
        };
        self.chosen(format_args!("the variant {variant}"), rank)?.symbol_or_text(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, name: &'static str, value: &T) -> Result {
        if name == Timestamp::SERDE_NAME {
            return self.time(1_000_000, false, value);
        }
        match epoch_time::micros_per_unit(name) {
            Some(micros) => self.time(1_000_000 / micros, true, value),
            None => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result {
        Err(Damage::new(WITH_DATA))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'s, 'o>> {
        self.items(false, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<'s, 'o>> {
        self.items(true, Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items<'s, 'o>> {
        self.items(true, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Err(Damage::new(WITH_DATA))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'s, 'o>> {
        self.entries("", length)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Entries<'s, 'o>> {
        self.entries(name, Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        Err(Damage::new(WITH_DATA))
    }
}
