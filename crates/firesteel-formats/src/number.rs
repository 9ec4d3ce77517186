//! Numbers by themselves.

use std::marker::PhantomData;

use serde::de::{self, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Error, Impossible, Serialize, Serializer};

/// A number that is stored for a time, as it is read.
pub(crate) struct Stored<E>(i64, PhantomData<E>);

impl<E> Stored<E> {
    pub(crate) fn new(number: i64) -> Self {
        Self(number, PhantomData)
    }
}

impl<'de, E: de::Error> Deserializer<'de> for Stored<E> {
    type Error = E;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_i64(self.0)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Takes the number that something is written as.
pub(crate) struct Number<E>(PhantomData<E>);

impl<E> Number<E> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

fn unfit<T, E: Error>(what: &str) -> Result<T, E> {
    Err(E::custom(format_args!(
        "{what} is written there, and something else is read: make `Serialize` and `Deserialize` agree"
    )))
}

/// Declares methods for integers that go into one.
macro_rules! numbers {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<i64, E> {
            i64::try_from(value).or_else(|_| unfit("a number of another kind"))
        }
    )*};
}

/// Declares methods for what is none.
macro_rules! none {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok, E> {
            unfit("something that is no number")
        }
    )*};
}

impl<E: Error> Serializer for Number<E> {
    type Ok = i64;
    type Error = E;
    type SerializeSeq = Impossible<i64, E>;
    type SerializeTuple = Impossible<i64, E>;
    type SerializeTupleStruct = Impossible<i64, E>;
    type SerializeTupleVariant = Impossible<i64, E>;
    type SerializeMap = Impossible<i64, E>;
    type SerializeStruct = Impossible<i64, E>;
    type SerializeStructVariant = Impossible<i64, E>;

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
        serialize_seq(Option<usize>) -> Impossible<i64, E>;
        serialize_tuple(usize) -> Impossible<i64, E>;
        serialize_tuple_struct(&'static str, usize) -> Impossible<i64, E>;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Impossible<i64, E>;
        serialize_map(Option<usize>) -> Impossible<i64, E>;
        serialize_struct(&'static str, usize) -> Impossible<i64, E>;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Impossible<i64, E>;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<i64, E> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<i64, E> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<i64, E> {
        unfit("something that is no number")
    }
}
