//! Lists, tuples, maps and structs go into their columns, part by part.

use serde::ser::{self, Serialize};

use super::{Result, unfit};
use crate::number::Number;
use crate::parquet::columns::{Growing, Kind};
use crate::parquet::error::CellError;

/// The elements of a list, the octets of bytes, or the parts of a tuple.
pub(in crate::parquet) struct Items<'a> {
    pub(super) column: &'a mut Growing,
    pub(super) next: usize,
}

impl Items<'_> {
    fn item<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        let at = self.next;
        self.next += 1;
        match &mut self.column.kind {
            Kind::List(_, _, child) => value.serialize(&mut **child).map_err(|error| error.within("element")),
            Kind::Bytes(octets) => {
                octets.bytes.push(
                    u8::try_from(value.serialize(Number::new())?).or_else(|_| unfit("a number that is no octet"))?,
                );
                Ok(())
            }
            Kind::Struct(_, columns, _) => match columns.get_mut(at) {
                Some(column) => value.serialize(column).map_err(|error| error.within(&at.to_string())),
                None => unfit("a longer tuple"),
            },
            _ => unfit("a list"),
        }
    }

    fn finish(self) -> Result {
        match &mut self.column.kind {
            Kind::List(_, ends, child) => ends.push(child.len()),
            Kind::Bytes(octets) => octets.ends.push(octets.bytes.len()),
            Kind::Struct(_, columns, count) if self.next == columns.len() => *count += 1,
            _ => return unfit("a shorter tuple"),
        }
        self.column.is_there();
        Ok(())
    }
}

/// Declares the traits under which serde hands over one item after the other.
macro_rules! one_by_one {
    ($($of:ident $method:ident;)*) => {$(
        impl ser::$of for Items<'_> {
            type Ok = ();
            type Error = CellError;

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

/// The entries of a map.
pub(in crate::parquet) struct Pairs<'a> {
    pub(super) column: &'a mut Growing,
}

impl Pairs<'_> {
    /// The column of keys, or that of values.
    fn part<T: ?Sized + Serialize>(&mut self, at: usize, name: &str, value: &T) -> Result {
        let Kind::Map(_, _, entries) = &mut self.column.kind else { return unfit("a map") };
        let Kind::Struct(_, columns, _) = &mut entries.kind else { return unfit("a map") };
        value.serialize(&mut columns[at]).map_err(|error| error.within(name))
    }
}

impl ser::SerializeMap for Pairs<'_> {
    type Ok = ();
    type Error = CellError;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result {
        self.part(0, "key", key)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        self.part(1, "value", value)?;
        if let Kind::Map(_, _, entries) = &mut self.column.kind
            && let Kind::Struct(_, _, count) = &mut entries.kind
        {
            *count += 1;
        }
        Ok(())
    }

    fn end(self) -> Result {
        if let Kind::Map(_, ends, entries) = &mut self.column.kind {
            ends.push(entries.len());
        }
        self.column.is_there();
        Ok(())
    }
}

/// The fields of a struct, which come in the order of the columns as a rule.
pub(in crate::parquet) struct Members<'a> {
    pub(super) column: &'a mut Growing,
    pub(super) next: usize,
}

impl Members<'_> {
    /// Fills columns that get no value with nulls.
    fn nothing(columns: &mut [Growing], names: &arrow_schema::Fields, at: usize) -> Result {
        if columns[at].valid.is_none() {
            let text = "nothing is written there, and a value is read: make it an Option, or leave it out of both";
            return Err(CellError::value(text).within(names[at].name()));
        }
        columns[at].push_nothing();
        Ok(())
    }
}

impl ser::SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = CellError;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result {
        let Kind::Struct(fields, columns, _) = &mut self.column.kind else { return unfit("a struct") };
        if fields.get(self.next).is_none_or(|field| field.name() != name) {
            let Some(at) = fields.iter().position(|field| field.name() == name).filter(|at| *at >= self.next) else {
                let text = "it is written and not read, or twice: leave it out of both with #[serde(skip)]";
                return Err(CellError::value(text).within(name));
            };
            for skipped in self.next..at {
                Self::nothing(columns, fields, skipped)?;
            }
            self.next = at;
        }
        self.next += 1;
        value.serialize(&mut columns[self.next - 1]).map_err(|error| error.within(name))
    }

    fn end(self) -> Result {
        let Kind::Struct(fields, columns, count) = &mut self.column.kind else { return unfit("a struct") };
        for skipped in self.next..columns.len() {
            Self::nothing(columns, fields, skipped)?;
        }
        *count += 1;
        self.column.is_there();
        Ok(())
    }
}
