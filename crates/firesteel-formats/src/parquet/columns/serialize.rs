//! A record goes into its columns.

mod compound;

use std::fmt::Display;

use firesteel_window::Timestamp;
use serde::ser::{self, Serialize, Serializer};

use super::{Growing, Kind, Octets};
use crate::epoch_time;
use crate::number::Number;
use crate::parquet::error::CellError;
use compound::{Items, Members, Pairs};

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
        let micros = if name == Timestamp::SERDE_NAME { Some(1) } else { epoch_time::micros_per_unit(name) };
        match (micros, &self.kind) {
            (Some(micros), Kind::Micros(_) | Kind::Millis(_)) => {
                let number = value.serialize(Number::new())?;
                self.time(number, micros)
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
