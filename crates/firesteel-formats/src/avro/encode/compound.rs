//! Values that consist of others.

use serde::ser::{self, Serialize};

use super::key::Key;
use super::{Encoder, Result, long};
use crate::avro::damage::Damage;
use crate::avro::nodes::{Field, Node, Nodes};
use crate::number::Number;

/// What a list or tuple becomes.
enum Target<'s> {
    /// An array of this part of the schema.
    Array(usize),
    Bytes,
    /// Bytes of this number.
    Fixed(usize),
    Record(&'s [Field]),
}

/// The beginning of a list or map: how many elements it has, which is put right at its end if it was another number.
struct Count {
    begin: usize,
    /// Where the elements begin.
    end: usize,
    announced: Option<usize>,
}

impl Count {
    fn begin(announced: Option<usize>, out: &mut Vec<u8>) -> Self {
        let begin = out.len();
        if let Some(count @ 1..) = announced {
            long(count as i64, out);
        }
        Self { begin, end: out.len(), announced }
    }

    fn end(self, count: usize, out: &mut Vec<u8>) {
        if count != self.announced.unwrap_or(0) {
            let mut right = Vec::new();
            if count > 0 {
                long(count as i64, &mut right);
            }
            out.splice(self.begin..self.end, right);
        }
    }
}

/// The elements of a list, or the parts of a tuple.
pub(super) struct Items<'s, 'o> {
    nodes: &'s Nodes,
    out: &'o mut Vec<u8>,
    depth: usize,
    target: Target<'s>,
    count: Count,
    /// How many have been written.
    written: usize,
}

impl<'s, 'o> Items<'s, 'o> {
    pub(super) fn begin(into: Encoder<'s, 'o>, length: Option<usize>) -> Result<Self> {
        let depth = into.deeper()?;
        let Encoder { nodes, out, .. } = into;
        let (target, announced) = match nodes.at(into.place) {
            Node::Array(element) => (Target::Array(*element), length),
            Node::Record(record) => (Target::Record(&record.fields), None),
            Node::Fixed(size) => (Target::Fixed(*size), None),
            _ => (Target::Bytes, length),
        };
        let count = Count::begin(announced, out);
        Ok(Self { nodes, out, depth, target, count, written: 0 })
    }

    fn item<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        let at = self.written;
        self.written += 1;
        let (nodes, depth) = (self.nodes, self.depth);
        match &self.target {
            Target::Array(place) => value
                .serialize(Encoder { nodes, place: *place, out: self.out, depth, is_some: false })
                .map_err(|error| error.within("element")),
            Target::Record(fields) => {
                let Some(Field { name, place, .. }) = fields.get(at) else {
                    return Err(Damage::new(format_args!(
                        "the tuple has more than the record's {} fields",
                        fields.len()
                    )));
                };
                value
                    .serialize(Encoder { nodes, place: *place, out: self.out, depth, is_some: false })
                    .map_err(|error| error.within(name))
            }
            Target::Bytes | Target::Fixed(_) => {
                let number = value.serialize(Number::<Damage>::new())?;
                let octet = u8::try_from(number).map_err(|_| Damage::new(format_args!("{number} is no byte")))?;
                self.out.push(octet);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result {
        let Self { out, target, count, written, .. } = self;
        let wrong = |due: usize| Err(Damage::new(format_args!("it has {written} parts, and the schema {due}")));
        match target {
            Target::Array(_) => {
                count.end(written, out);
                out.push(0);
            }
            Target::Bytes => {
                count.end(written, out);
                if written == 0 {
                    out.push(0);
                }
            }
            Target::Fixed(size) if written != size => return wrong(size),
            Target::Record(fields) if written != fields.len() => return wrong(fields.len()),
            Target::Fixed(_) | Target::Record(_) => {}
        }
        Ok(())
    }
}

/// Declares the traits under which serde hands over one item after the other.
macro_rules! one_by_one {
    ($($of:ident $method:ident;)*) => {$(
        impl ser::$of for Items<'_, '_> {
            type Ok = ();
            type Error = Damage;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
                self.item(value)
            }

            fn end(self) -> Result {
                self.finish()
            }
        }
    )*};
}

one_by_one! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

/// The fields of a struct, or the entries of a map.
pub(super) struct Entries<'s, 'o> {
    nodes: &'s Nodes,
    out: &'o mut Vec<u8>,
    depth: usize,
    target: Named<'s>,
    /// The key of which the value comes next.
    key: String,
}

enum Named<'s> {
    Record {
        fields: &'s [Field],
        /// How many of them stand there.
        next: usize,
        /// Fields that came before their turn.
        early: Vec<(usize, Vec<u8>)>,
    },
    /// Entries, whose values are of this part of the schema.
    Map(usize, Count, usize),
}

impl<'s, 'o> Entries<'s, 'o> {
    pub(super) fn begin(into: Encoder<'s, 'o>, length: Option<usize>) -> Result<Self> {
        let depth = into.deeper()?;
        let Encoder { nodes, out, .. } = into;
        let target = match nodes.at(into.place) {
            Node::Record(record) => Named::Record { fields: &record.fields, next: 0, early: Vec::new() },
            Node::Map(value) => Named::Map(*value, Count::begin(length, out), 0),
            _ => return Err(Damage::new("it has fields, and the schema has none there")),
        };
        Ok(Self { nodes, out, depth, target, key: String::new() })
    }

    fn entry<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result {
        let (nodes, depth) = (self.nodes, self.depth);
        let encoder = |place, out| Encoder { nodes, place, out, depth, is_some: false };
        match &mut self.target {
            Named::Map(place, _, count) => {
                super::octets(name.as_bytes(), self.out);
                *count += 1;
                value.serialize(encoder(*place, self.out)).map_err(|error| error.within("value"))
            }
            Named::Record { fields, next, early } => {
                let is_next = fields.get(*next).is_some_and(|field| field.name == name);
                let at = if is_next { Some(*next) } else { fields.iter().position(|field| field.name == name) };
                let Some(at) = at else {
                    return Err(Damage::new("the record has such a field, and the schema has none").within(name));
                };
                if at < *next || early.iter().any(|(known, _)| *known == at) {
                    return Err(Damage::new("the record has the field twice").within(name));
                }
                let mut bytes = Vec::new();
                let out = if is_next { &mut *self.out } else { &mut bytes };
                value.serialize(encoder(fields[at].place, out)).map_err(|error| error.within(name))?;
                if !is_next {
                    early.push((at, bytes));
                    return Ok(());
                }
                *next += 1;
                while let Some(known) = early.iter().position(|(at, _)| at == next) {
                    self.out.extend_from_slice(&early.swap_remove(known).1);
                    *next += 1;
                }
                Ok(())
            }
        }
    }

    /// Writes what a field has that the record lacks.
    fn lacking(&mut self, field: &Field) -> Result {
        let into = Encoder { nodes: self.nodes, place: field.place, out: self.out, depth: self.depth, is_some: false };
        let node = into.node();
        if let Node::Union(branches) = node
            && let Some(null) = branches.iter().position(|branch| matches!(self.nodes.at(*branch), Node::Null))
        {
            long(null as i64, into.out);
            return Ok(());
        }
        let lacking = || Damage::new("the record has no such field, and the schema no default for it");
        let default = field.default.as_ref().ok_or_else(|| lacking().within(&field.name))?;
        let written = match (node, default.as_f64()) {
            (Node::Double, Some(number)) => number.serialize(into),
            (Node::Float, Some(number)) => (number as f32).serialize(into),
            _ => default.serialize(into),
        };
        written.map_err(|error| error.within(&field.name))
    }

    fn finish(mut self) -> Result {
        match std::mem::replace(&mut self.target, Named::Record { fields: &[], next: 0, early: Vec::new() }) {
            Named::Map(_, begin, count) => {
                begin.end(count, self.out);
                self.out.push(0);
            }
            Named::Record { fields, next, early } => {
                for (at, field) in fields.iter().enumerate().skip(next) {
                    match early.iter().find(|(known, _)| *known == at) {
                        Some((_, bytes)) => self.out.extend_from_slice(bytes),
                        None => self.lacking(field)?,
                    }
                }
            }
        }
        Ok(())
    }
}

impl ser::SerializeStruct for Entries<'_, '_> {
    type Ok = ();
    type Error = Damage;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result {
        self.entry(name, value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

impl ser::SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = Damage;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result {
        self.key = key.serialize(Key).map_err(|error| error.within("key"))?;
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        let key = std::mem::take(&mut self.key);
        self.entry(&key, value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}
