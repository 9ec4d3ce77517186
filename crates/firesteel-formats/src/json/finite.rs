//! Whether all numbers of a value are numbers.

use std::fmt;

use firesteel_connect::Unencodable;
use serde::ser::{self, Serialize, Serializer};

/// Refuses a value in which a double is NaN or infinite, and names the field.
pub(super) fn check<T: Serialize>(record: &T) -> Result<(), Unencodable> {
    let mut track = serde_path_to_error::Track::new();
    let Err(Found(number)) = record.serialize(serde_path_to_error::Serializer::new(Finite, &mut track)) else {
        return Ok(());
    };
    let path = track.path();
    let place = if path.iter().next().is_some() { format!("at field {path}: ") } else { String::new() };
    let advice = "make the field an Option, or leave such records out";
    Err(Unencodable::new(format_args!("JSON: {place}{number} has no form in JSON; {advice}")))
}

/// Looks at all numbers and keeps nothing.
struct Finite;

/// A number that is none.
#[derive(Debug)]
struct Found(String);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

fn number(value: f64) -> Result<(), Found> {
    if value.is_finite() { Ok(()) } else { Err(Found(value.to_string())) }
}

/// Declares methods for what holds no double.
macro_rules! nothing {
    ($($method:ident($($argument:ty),*);)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<(), Found> {
            Ok(())
        }
    )*};
}

/// Declares what begins a value with parts.
macro_rules! parts {
    ($($kind:ident $method:ident($($argument:ty),*);)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<Self, Found> {
            Ok(self)
        }
    )*};
}

impl Serializer for Finite {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    nothing! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    parts! {
        seq serialize_seq(Option<usize>);
        tuple serialize_tuple(usize);
        tuple_struct serialize_tuple_struct(&'static str, usize);
        tuple_variant serialize_tuple_variant(&'static str, u32, &'static str, usize);
        map serialize_map(Option<usize>);
        struct_ serialize_struct(&'static str, usize);
        struct_variant serialize_struct_variant(&'static str, u32, &'static str, usize);
    }

    fn serialize_f32(self, value: f32) -> Result<(), Found> {
        number(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Found> {
        number(value)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }
}

/// Declares a value with parts whose parts are looked at one by one.
macro_rules! each_part {
    ($($name:ident $method:ident;)*) => {$(
        impl ser::$name for Finite {
            type Ok = ();
            type Error = Found;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Found> {
                value.serialize(Finite)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

/// The same for parts with names.
macro_rules! each_field {
    ($($name:ident)*) => {$(
        impl ser::$name for Finite {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: ?Sized + Serialize>(&mut self, _: &'static str, value: &T) -> Result<(), Found> {
                value.serialize(Finite)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

each_part! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}
each_field! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Finite {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, _: &T) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Found> {
        value.serialize(Finite)
    }

    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}
