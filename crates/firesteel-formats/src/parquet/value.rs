//! One value of a column, as `serde` asks for it.

mod compound;
mod shown;

use std::fmt::Display;

use firesteel_window::Timestamp;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

use super::column::{Column, Kind, Unit};
use super::error::CellError;
use super::text;
use crate::by_path::{FromPath, Values};
use crate::epoch_time;
use crate::number::Stored;
use compound::{Elements, Entries, Fields, Octets};

type Result<T> = std::result::Result<T, CellError>;

/// How columns are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reading {
    /// Whether times without a zone are instants.
    pub(super) local_is_utc: bool,
}

/// A record of this row, and of what stands in the path of its file.
#[inline]
pub(super) fn record<T: DeserializeOwned>(
    columns: &Column,
    row: usize,
    reading: Reading,
    path: &FromPath,
) -> Result<T> {
    path.record(Cell { column: columns, row, reading }, Values::Typed)
}

/// What stands in one row of a column.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    column: &'a Column,
    row: usize,
    reading: Reading,
}

/// An integer of whatever width.
enum Integer {
    Signed(i64),
    Unsigned(u64),
    Long(i128),
}

impl<'a> Cell<'a> {
    /// Refuses a null where a value is wanted.
    #[inline]
    fn present(self) -> Result<Self> {
        if self.column.is_null(self.row) { Err(null()) } else { Ok(self) }
    }

    #[cold]
    fn unfit<T>(self, wanted: impl Display) -> Result<T> {
        Err(CellError::column(format_args!("it holds {}, and the type asks for {wanted}", self.column.name())))
    }

    #[inline]
    fn integer(self, wanted: &str) -> Result<Integer> {
        let row = self.present()?.row;
        Ok(match &self.column.kind {
            Kind::I64(values) => Integer::Signed(values[row]),
            Kind::I32(values) => Integer::Signed(values[row].into()),
            Kind::I16(values) => Integer::Signed(values[row].into()),
            Kind::I8(values) => Integer::Signed(values[row].into()),
            Kind::U64(values) => Integer::Unsigned(values[row]),
            Kind::U32(values) => Integer::Unsigned(values[row].into()),
            Kind::U16(values) => Integer::Unsigned(values[row].into()),
            Kind::U8(values) => Integer::Unsigned(values[row].into()),
            Kind::Decimal(values, 0) => Integer::Long(values[row]),
            Kind::Time { .. } => {
                return self.unfit(format_args!(
                    "{wanted}: take a `Timestamp`, or say by which unit with #[serde(with = \"epoch_time::micros\")]"
                ));
            }
            Kind::Decimal(..) | Kind::LongDecimal(..) => {
                return self
                    .unfit(format_args!("{wanted}: take a String, or a type of decimals that reads itself from text"));
            }
            Kind::Date(_) | Kind::Clock(..) => {
                return self
                    .unfit(format_args!("{wanted}: take a String, or a type of dates that reads itself from text"));
            }
            _ => return self.unfit(wanted),
        })
    }

    #[inline]
    fn visit_integer<V: Visitor<'a>>(self, wanted: &str, visitor: V) -> Result<V::Value> {
        match self.integer(wanted)? {
            Integer::Signed(value) => visitor.visit_i64(value),
            Integer::Unsigned(value) => visitor.visit_u64(value),
            Integer::Long(value) => match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => visitor.visit_i64(value),
                (_, Ok(value)) => visitor.visit_u64(value),
                _ => visitor.visit_i128(value),
            },
        }
    }

    /// The digits of a decimal, and how many of them stand after the point.
    fn decimal(self) -> Option<String> {
        let mut out = String::new();
        match &self.column.kind {
            Kind::Decimal(values, scale) => text::decimal(&values[self.row].to_string(), *scale, &mut out),
            Kind::LongDecimal(values, scale) => text::decimal(&values[self.row].to_string(), *scale, &mut out),
            _ => return None,
        }
        Some(out)
    }

    /// The text of what is one, and of what is one in formats of text only.
    #[inline]
    fn visit_text<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let row = self.present()?.row;
        match &self.column.kind {
            Kind::Text(texts) => visitor.visit_borrowed_str(texts.value(row)),
            Kind::Bytes(bytes) => match std::str::from_utf8(bytes.value(row)) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(error) => Err(not_utf8(error)),
            },
            _ => self.visit_made_text(visitor),
        }
    }

    #[cold]
    fn visit_made_text<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let (row, mut out) = (self.row, String::new());
        let made = match &self.column.kind {
            Kind::Fixed(bytes) if bytes.value_length() == 16 => {
                text::uuid(bytes.value(row), &mut out);
                Some(())
            }
            Kind::Date(days) => text::date(days[row].into(), &mut out),
            Kind::Clock(values, unit) => text::clock(values.at(row), *unit, &mut out),
            Kind::Time { values, unit, zoned } => {
                text::time(values[row], *unit, *zoned || self.reading.local_is_utc, &mut out)
            }
            Kind::Decimal(..) | Kind::LongDecimal(..) => {
                out = self.decimal().unwrap_or_default();
                Some(())
            }
            _ => return self.unfit("a text"),
        };
        match made {
            Some(()) => visitor.visit_string(out),
            None => Err(CellError::value("it is beyond the years 0000 to 9999, or no time of day")),
        }
    }

    /// An instant in microseconds, of a column of times.
    fn micros(self, wanted: &str) -> Result<Option<i64>> {
        let Kind::Time { values, unit, zoned } = &self.column.kind else { return Ok(None) };
        if !zoned && !self.reading.local_is_utc {
            return self.unfit(format_args!(
                "{wanted}, which is an instant: take a String, or say `local_times_are_utc` where they are of that zone"
            ));
        }
        let value = values[self.present()?.row];
        let micros = match unit {
            Unit::Millis => value.checked_mul(1_000).ok_or_else(|| CellError::value("the time is out of range"))?,
            Unit::Micros => value,
            // As a text with more digits is read.
            Unit::Nanos => value.div_euclid(1_000),
        };
        Ok(Some(micros))
    }

    /// An instant as a number of this unit.
    fn epoch<V: Visitor<'a>>(self, per_unit: i64, visitor: V) -> Result<V::Value> {
        let Some(micros) = self.micros("a number")? else { return visitor.visit_newtype_struct(self) };
        let Kind::Time { values, unit: Unit::Nanos, .. } = &self.column.kind else {
            return whole(micros, per_unit, visitor);
        };
        whole(values[self.row], per_unit * 1_000, visitor)
    }
}

/// A number of a unit that has `per_unit` parts.
fn whole<'a, V: Visitor<'a>>(parts: i64, per_unit: i64, visitor: V) -> Result<V::Value> {
    if parts.rem_euclid(per_unit) != 0 {
        return Err(CellError::value("the time has a fraction of the unit that is asked for: take a smaller one"));
    }
    visitor.visit_newtype_struct(Stored::new(parts.div_euclid(per_unit)))
}

#[cold]
fn null() -> CellError {
    CellError::value("there is no value, and the type is no Option")
}

#[cold]
fn not_utf8(error: std::str::Utf8Error) -> CellError {
    CellError::value(format_args!("byte {} of the text is not UTF-8", error.valid_up_to()))
}

/// Declares methods for integers.
macro_rules! integers {
    ($($method:ident $name:literal;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
            self.visit_integer($name, visitor)
        }
    )*};
}

impl<'a> Deserializer<'a> for Cell<'a> {
    type Error = CellError;

    integers! {
        deserialize_i8 "an i8";
        deserialize_i16 "an i16";
        deserialize_i32 "an i32";
        deserialize_i64 "an i64";
        deserialize_i128 "an i128";
        deserialize_u8 "a u8";
        deserialize_u16 "a u16";
        deserialize_u32 "a u32";
        deserialize_u64 "a u64";
        deserialize_u128 "a u128";
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        if self.column.is_null(self.row) {
            return visitor.visit_unit();
        }
        match &self.column.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(_) => self.deserialize_bool(visitor),
            Kind::F32(values) => visitor.visit_f64(values[self.row].into()),
            Kind::F64(_) => self.deserialize_f64(visitor),
            // A list of octets goes into more types than bytes do.
            Kind::Bytes(_) | Kind::List(..) => self.deserialize_seq(visitor),
            Kind::Fixed(bytes) if bytes.value_length() != 16 => self.deserialize_seq(visitor),
            Kind::Map(..) | Kind::Struct(_) => self.deserialize_map(visitor),
            Kind::Text(_)
            | Kind::Fixed(_)
            | Kind::Date(_)
            | Kind::Clock(..)
            | Kind::Time { .. }
            | Kind::Decimal(..)
            | Kind::LongDecimal(..) => self.visit_text(visitor),
            _ => self.visit_integer("a number", visitor),
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match &self.column.kind {
            Kind::Bool(values) => visitor.visit_bool(values.value(self.present()?.row)),
            _ => self.unfit("a bool"),
        }
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match &self.column.kind {
            Kind::F32(values) => visitor.visit_f32(values[self.present()?.row]),
            Kind::F64(_) => self.unfit("an f32, which has not as many digits: take an f64"),
            _ => self.unfit("an f32"),
        }
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match &self.column.kind {
            Kind::F64(values) => visitor.visit_f64(values[self.present()?.row]),
            Kind::F32(values) => visitor.visit_f64(values[self.present()?.row].into()),
            Kind::Decimal(..) | Kind::LongDecimal(..) => {
                let text = self.present()?.decimal().unwrap_or_default();
                // The nearest double, as of the same digits in a format of text.
                visitor.visit_f64(text.parse().map_err(CellError::custom)?)
            }
            Kind::Text(_) | Kind::Bool(_) | Kind::Bytes(_) => self.unfit("an f64"),
            _ => {
                let value = match self.integer("an f64")? {
                    Integer::Signed(value) => i128::from(value),
                    Integer::Unsigned(value) => i128::from(value),
                    Integer::Long(value) => value,
                };
                if value as f64 as i128 != value {
                    return Err(CellError::value(format_args!("no f64 is equal to {value}: take an integer")));
                }
                visitor.visit_f64(value as f64)
            }
        }
    }

    fn deserialize_char<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let row = self.present()?.row;
        match &self.column.kind {
            Kind::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes.value(row)),
            Kind::Fixed(bytes) => visitor.visit_borrowed_bytes(bytes.value(row)),
            Kind::Text(texts) => visitor.visit_borrowed_bytes(texts.value(row).as_bytes()),
            Kind::List(..) => self.deserialize_seq(visitor),
            _ => self.unfit("bytes"),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        if self.column.is_null(self.row) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        if self.column.is_null(self.row) { visitor.visit_unit() } else { self.unfit("nothing") }
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == Timestamp::SERDE_NAME {
            return match self.micros("a Timestamp")? {
                Some(micros) => visitor.visit_newtype_struct(Stored::new(micros)),
                None => visitor.visit_newtype_struct(self),
            };
        }
        match epoch_time::micros_per_unit(name) {
            Some(micros) => self.epoch(micros, visitor),
            None => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let row = self.present()?.row;
        match &self.column.kind {
            Kind::List(offsets, elements) => {
                let mut list = Elements::of(elements, offsets, row, self.reading);
                let value = visitor.visit_seq(&mut list)?;
                list.end(value)
            }
            Kind::Bytes(bytes) => visitor.visit_seq(Octets(bytes.value(row).iter())),
            Kind::Fixed(bytes) => visitor.visit_seq(Octets(bytes.value(row).iter())),
            _ => self.unfit("a list"),
        }
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, count: usize, visitor: V) -> Result<V::Value> {
        match &self.column.kind {
            Kind::Struct(columns) if columns.len() == count => {
                let row = self.present()?.row;
                visitor.visit_seq(Fields { columns, next: 0, row, reading: self.reading })
            }
            Kind::Struct(columns) => self.unfit(format_args!("{count} values, and there are {}", columns.len())),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(self, _: &'static str, count: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_tuple(count, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let row = self.present()?.row;
        match &self.column.kind {
            Kind::Struct(columns) => visitor.visit_map(Fields { columns, next: 0, row, reading: self.reading }),
            Kind::Map(offsets, entries) => visitor.visit_map(Entries::of(entries, offsets, row, self.reading)),
            _ => self.unfit("a struct or a map"),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let row = self.present()?.row;
        let name = match &self.column.kind {
            Kind::Text(texts) => texts.value(row),
            Kind::Bytes(bytes) => std::str::from_utf8(bytes.value(row)).map_err(not_utf8)?,
            _ => return self.unfit("an enum, which is read from the name of its variant"),
        };
        visitor.visit_enum(BorrowedStrDeserializer::new(name))
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

/// The row as JSON, for people. What is no number in JSON is a text.
pub(super) fn as_json(columns: &Column, row: usize, reading: Reading) -> Vec<u8> {
    Cell { column: columns, row, reading }.shown().to_string().into_bytes()
}
