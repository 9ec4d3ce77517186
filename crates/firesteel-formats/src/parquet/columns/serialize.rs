//! A record goes into its columns.

use std::fmt::Display;

use firesteel_window::Timestamp;
use serde::ser::{self, Serialize, Serializer};

use super::{Growing, Kind, Octets};
use crate::epoch_time;
use crate::parquet::error::CellError;

type Result<T = ()> = std::result::Result<T, CellError>;

fn unfit<T>(what: impl Display) -> Result<T> {
    Err(CellError::value(format_args!(
        "{what} is written there, and something else is read: make `Serialize` and `Deserialize` agree"
    )))
}

impl Octets {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }
}

impl Growing {
    fn is_there(&mut self) {
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }

    fn integer(&mut self, value: i128) -> Result {
        /// Appends to one of the columns of integers.
        macro_rules! push {
            ($values:ident) => {
                match value.try_into() {
                    Ok(value) => $values.push(value),
                    Err(_) => return unfit(format_args!("the integer {value}")),
                }
            };
        }
        match &mut self.kind {
            Kind::I8(values) => push!(values),
            Kind::I16(values) => push!(values),
            Kind::I32(values) => push!(values),
            Kind::I64(values) => push!(values),
            Kind::U8(values) => push!(values),
            Kind::U16(values) => push!(values),
            Kind::U32(values) => push!(values),
            Kind::U64(values) => push!(values),
            _ => return unfit("an integer"),
        }
        self.is_there();
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result {
        match &mut self.kind {
            Kind::Text(octets) => octets.push(text.as_bytes()),
            _ => return unfit("a text"),
        }
        self.is_there();
        Ok(())
    }

    /// A time as a number of units, each of `per_unit` microseconds.
    fn time(&mut self, value: i64, per_unit: i64) -> Result {
        let beyond = || CellError::value("the time is out of range");
        match &mut self.kind {
            Kind::Micros(values) => values.push(value.checked_mul(per_unit).ok_or_else(beyond)?),
            // Of seconds and of milliseconds.
            Kind::Millis(values) if per_unit >= 1_000 => {
                values.push(value.checked_mul(per_unit / 1_000).ok_or_else(beyond)?);
            }
            _ => return unfit("a time"),
        }
        self.is_there();
        Ok(())
    }
}

/// Declares methods for integers.
macro_rules! integers {
    ($($method:ident $type:ty;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result {
            self.integer(i128::from(value))
        }
    )*};
}

const NO_VARIANT: &str = "a variant with data";

impl<'a> Serializer for &'a mut Growing {
    type Ok = ();
    type Error = CellError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = ser::Impossible<(), CellError>;
    type SerializeMap = Pairs<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = ser::Impossible<(), CellError>;

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
        i128::try_from(value).map_or_else(|_| unfit("an integer of 128 bits"), |value| self.integer(value))
    }

    fn serialize_bool(self, value: bool) -> Result {
        let Kind::Bool(values) = &mut self.kind else { return unfit("a truth value") };
        values.push(value);
        self.is_there();
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result {
        let Kind::F32(values) = &mut self.kind else { return unfit("an f32") };
        values.push(value);
        self.is_there();
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result {
        let Kind::F64(values) = &mut self.kind else { return unfit("an f64") };
        values.push(value);
        self.is_there();
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        let Kind::Bytes(octets) = &mut self.kind else { return unfit("bytes") };
        octets.push(value);
        self.is_there();
        Ok(())
    }

    fn serialize_none(self) -> Result {
        if self.valid.is_none() {
            return unfit("None");
        }
        self.push_nothing();
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        unfit("nothing")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        unfit("nothing")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, name: &'static str, value: &T) -> Result {
        let per_unit = match name {
            Timestamp::SERDE_NAME | epoch_time::MICROS => 1,
            epoch_time::MILLIS => 1_000,
            epoch_time::SECONDS => 1_000_000,
            _ => return value.serialize(self),
        };
        match self.kind {
            Kind::Micros(_) | Kind::Millis(_) => {
                let number = value.serialize(Number)?;
                self.time(number, per_unit)
            }
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result {
        unfit(NO_VARIANT)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>> {
        match &self.kind {
            Kind::List(..) | Kind::Bytes(_) => Ok(Items { column: self, next: 0 }),
            _ => unfit("a list"),
        }
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>> {
        match &self.kind {
            Kind::List(..) | Kind::Bytes(_) | Kind::Struct(..) => Ok(Items { column: self, next: 0 }),
            _ => unfit("a tuple"),
        }
    }

    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Items<'a>> {
        self.serialize_tuple(count)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        unfit(NO_VARIANT)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Pairs<'a>> {
        match &self.kind {
            Kind::Map(..) => Ok(Pairs { column: self }),
            _ => unfit("a map"),
        }
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>> {
        match &self.kind {
            Kind::Struct(..) => Ok(Members { column: self, next: 0 }),
            _ => unfit("a struct"),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        unfit(NO_VARIANT)
    }
}

/// The elements of a list, the octets of bytes, or the parts of a tuple.
pub(in crate::parquet) struct Items<'a> {
    column: &'a mut Growing,
    next: usize,
}

impl Items<'_> {
    fn item<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        let at = self.next;
        self.next += 1;
        match &mut self.column.kind {
            Kind::List(_, _, child) => value.serialize(&mut **child).map_err(|error| error.within("element")),
            Kind::Bytes(octets) => {
                octets
                    .bytes
                    .push(u8::try_from(value.serialize(Number)?).or_else(|_| unfit("a number that is no octet"))?);
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

impl ser::SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = CellError;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        self.item(value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

impl ser::SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = CellError;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        self.item(value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Items<'_> {
    type Ok = ();
    type Error = CellError;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        self.item(value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

/// The entries of a map.
pub(in crate::parquet) struct Pairs<'a> {
    column: &'a mut Growing,
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
    column: &'a mut Growing,
    next: usize,
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

/// Takes the number that something is written as.
struct Number;

/// Declares methods for integers that go into one.
macro_rules! numbers {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<i64> {
            i64::try_from(value).or_else(|_| unfit("a number of another kind"))
        }
    )*};
}

/// Declares methods for what is none.
macro_rules! none {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok> {
            unfit("something that is no number")
        }
    )*};
}

type Never = ser::Impossible<i64, CellError>;

impl Serializer for Number {
    type Ok = i64;
    type Error = CellError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    numbers! {
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
    }

    none! {
        serialize_bool(bool) -> i64;
        serialize_f32(f32) -> i64;
        serialize_f64(f64) -> i64;
        serialize_char(char) -> i64;
        serialize_str(&str) -> i64;
        serialize_bytes(&[u8]) -> i64;
        serialize_none() -> i64;
        serialize_unit() -> i64;
        serialize_unit_struct(&'static str) -> i64;
        serialize_unit_variant(&'static str, u32, &'static str) -> i64;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<i64> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<i64> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<i64> {
        unfit("something that is no number")
    }
}
