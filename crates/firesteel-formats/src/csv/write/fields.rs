//! From a record to the fields of a row.

use std::fmt::{self, Display};
use std::io::Write;

use serde::ser::{self, Serialize, Serializer};

use crate::csv::dialect::Dialect;

/// The fields of a row, one after the other.
pub(super) struct Fields<'a> {
    dialect: &'a Dialect,
    row: &'a mut Vec<u8>,
    names: &'a mut Vec<&'static str>,
    count: usize,
}

/// What has no form.
#[derive(Debug)]
pub(super) struct NoForm(String);

impl Display for NoForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoForm {}

impl ser::Error for NoForm {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Result<T = ()> = std::result::Result<T, NoForm>;

impl<'a> Fields<'a> {
    pub(super) fn new(dialect: &'a Dialect, row: &'a mut Vec<u8>, names: &'a mut Vec<&'static str>) -> Self {
        Self { dialect, row, names, count: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A field of the header.
    pub(super) fn name(&mut self, name: &str) -> Result {
        self.field(None, name)
    }

    fn field<T: ?Sized + Serialize>(&mut self, name: Option<&'static str>, value: &T) -> Result {
        if self.count > 0 {
            self.row.push(self.dialect.delimiter);
        }
        self.count += 1;
        self.names.extend(name);
        let count = self.count;
        let begin = self.row.len();
        let field = One { dialect: self.dialect, row: self.row };
        value.serialize(field).map_err(|NoForm(reason)| {
            self.row.truncate(begin);
            NoForm(match name {
                Some(name) => format!("field {count} ({name}): {reason}"),
                None => format!("field {count}: {reason}"),
            })
        })
    }
}

const NO_ROW: &str = "a row is a struct or a tuple";

/// Declares methods for what is refused.
macro_rules! refused {
    ($reason:expr; $($method:ident($($argument:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok> {
            Err(NoForm($reason.to_owned()))
        }
    )*};
}

impl<'b, 'a> Serializer for &'b mut Fields<'a> {
    type Ok = ();
    type Error = NoForm;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = ser::Impossible<(), NoForm>;
    type SerializeMap = ser::Impossible<(), NoForm>;
    type SerializeStruct = Self;
    type SerializeStructVariant = ser::Impossible<(), NoForm>;

    refused! { NO_ROW;
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result {
        Err(NoForm(NO_ROW.to_owned()))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }
}

/// Declares what takes fields in their order.
macro_rules! in_order {
    ($($name:ident $method:ident;)*) => {$(
        impl ser::$name for &mut Fields<'_> {
            type Ok = ();
            type Error = NoForm;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
                self.field(None, value)
            }

            fn end(self) -> Result {
                Ok(())
            }
        }
    )*};
}

in_order! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

impl ser::SerializeStruct for &mut Fields<'_> {
    type Ok = ();
    type Error = NoForm;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result {
        self.field(Some(name), value)
    }

    fn end(self) -> Result {
        Ok(())
    }
}

/// One field.
struct One<'a> {
    dialect: &'a Dialect,
    row: &'a mut Vec<u8>,
}

impl One<'_> {
    fn text(self, text: &str) -> Result {
        let Dialect { delimiter, quote, by_lines, .. } = *self.dialect;
        let bytes = text.as_bytes();
        let ends_line = memchr::memchr2(b'\n', b'\r', bytes).is_some();
        if ends_line && by_lines {
            return Err(NoForm("it has a line end in it, and every line is to be a row".to_owned()));
        }
        if !ends_line && memchr::memchr2(delimiter, quote, bytes).is_none() {
            self.row.extend_from_slice(bytes);
            return Ok(());
        }
        self.row.push(quote);
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(quote, rest) {
            self.row.extend_from_slice(&rest[..=at]);
            self.row.push(quote);
            rest = &rest[at + 1..];
        }
        self.row.extend_from_slice(rest);
        self.row.push(quote);
        Ok(())
    }

    fn shown(self, value: impl Display) -> Result {
        let begin = self.row.len();
        write!(self.row, "{value}").map_err(|error| NoForm(error.to_string()))?;
        // Where the delimiter is a digit, a sign or a letter.
        let written = &self.row[begin..];
        if memchr::memchr2(self.dialect.delimiter, self.dialect.quote, written).is_some() {
            let text = String::from_utf8_lossy(written).into_owned();
            self.row.truncate(begin);
            return self.text(&text);
        }
        Ok(())
    }
}

const ONE_VALUE: &str = "a field holds one value: no list, no map, no struct, no variant with data";

/// Declares methods for what is written as it is shown.
macro_rules! shown {
    ($($method:ident $value:ty;)*) => {$(
        fn $method(self, value: $value) -> Result {
            self.shown(value)
        }
    )*};
}

impl Serializer for One<'_> {
    type Ok = ();
    type Error = NoForm;
    type SerializeSeq = ser::Impossible<(), NoForm>;
    type SerializeTuple = ser::Impossible<(), NoForm>;
    type SerializeTupleStruct = ser::Impossible<(), NoForm>;
    type SerializeTupleVariant = ser::Impossible<(), NoForm>;
    type SerializeMap = ser::Impossible<(), NoForm>;
    type SerializeStruct = ser::Impossible<(), NoForm>;
    type SerializeStructVariant = ser::Impossible<(), NoForm>;

    shown! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
    }

    refused! { ONE_VALUE;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_char(self, value: char) -> Result {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        self.text(value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result {
        Err(NoForm("bytes have no form in text; write them as a String in an encoding of your choice".to_owned()))
    }

    fn serialize_none(self) -> Result {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result {
        let begin = self.row.len();
        value.serialize(One { dialect: self.dialect, row: &mut *self.row })?;
        if self.row.len() == begin {
            let reason = "an empty text in an Option would be read as None; make the field a String, or give it None";
            return Err(NoForm(reason.to_owned()));
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result {
        Err(NoForm(ONE_VALUE.to_owned()))
    }
}
