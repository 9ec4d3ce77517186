//! How much memory a record takes, what it owns elsewhere included.
//!
//! Rust does not tell, but a record that can be serialized can be walked: every number, string and list in it is
//! counted with the size it has in memory. Padding and spare capacity go uncounted.
//! What is shared, as an `Arc` is, counts in full in each record.

use std::fmt;

use serde::ser::{self, Serialize};

/// About how many bytes these records take, judged by up to a thousand of them, spread evenly.
#[must_use]
pub fn estimate_bytes<T: Serialize>(records: &[T]) -> u64 {
    estimate_by(records, 1000)
}

/// About how many bytes these records take, judged by this many of them.
#[must_use]
pub fn estimate_by<T: Serialize>(records: &[T], samples: usize) -> u64 {
    let in_place = std::mem::size_of_val(records) as u64;
    if !std::mem::needs_drop::<T>() {
        return in_place;
    }
    let step = records.len().div_ceil(samples.max(1)).max(1);
    let sampled = records.iter().step_by(step);
    let measured: u64 = sampled.map(measure).sum();
    in_place.max(measured * step as u64)
}

/// About how many bytes one record takes.
///
/// ```
/// use firesteel_budget::measure;
///
/// assert_eq!(measure(&7u64), 8);
/// assert_eq!(measure(&"x".repeat(1_000)), 24 + 1_000);
/// ```
#[must_use]
pub fn measure<T: Serialize>(record: &T) -> u64 {
    if !std::mem::needs_drop::<T>() {
        return std::mem::size_of::<T>() as u64;
    }
    let mut bytes = Bytes(0);
    // A type that refuses to be serialized fails where it is written; here it just counts as far as it went.
    let _ = record.serialize(&mut bytes);
    bytes.0.max(std::mem::size_of::<T>() as u64)
}

/// Pointer, length and capacity of a string or list.
const HEADER: u64 = 24;

struct Bytes(u64);

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type refuses to be serialized")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! count_primitives {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<(), Refused> {
            self.0 += std::mem::size_of::<$type>() as u64;
            Ok(())
        })*
    };
}

impl<'a> ser::Serializer for &'a mut Bytes {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = &'a mut Bytes;
    type SerializeTuple = &'a mut Bytes;
    type SerializeTupleStruct = &'a mut Bytes;
    type SerializeTupleVariant = &'a mut Bytes;
    type SerializeMap = &'a mut Bytes;
    type SerializeStruct = &'a mut Bytes;
    type SerializeStructVariant = &'a mut Bytes;

    count_primitives!(
        serialize_bool: bool, serialize_char: char, serialize_f32: f32, serialize_f64: f64,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    );

    fn is_human_readable(&self) -> bool {
        false
    }
    fn serialize_str(self, text: &str) -> Result<(), Refused> {
        self.0 += HEADER + text.len() as u64;
        Ok(())
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Refused> {
        self.0 += HEADER + bytes.len() as u64;
        Ok(())
    }
    fn serialize_none(self) -> Result<(), Refused> {
        self.0 += 8;
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.0 += 8;
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Refused> {
        self.0 += 8;
        Ok(())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.0 += 8;
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Refused> {
        self.0 += HEADER;
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Refused> {
        self.0 += 8;
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Refused> {
        self.0 += 2 * HEADER;
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Refused> {
        self.0 += 8;
        Ok(self)
    }
}

macro_rules! count_parts {
    ($($part:ident :: $method:ident $(($key:ty))?),*) => {
        $(impl ser::$part for &mut Bytes {
            type Ok = ();
            type Error = Refused;
            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Result<(), Refused> {
                value.serialize(&mut **self)
            }
            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        })*
    };
}

count_parts!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
    SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str)
);

impl ser::SerializeMap for &mut Bytes {
    type Ok = ();
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(&mut **self)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut **self)
    }
    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_owns_is_counted() {
        assert_eq!(measure(&7u64), 8);
        assert_eq!(measure(&("abcde".to_owned(), 1u32)), 24 + 5 + 4);
        assert_eq!(measure(&("a".to_owned(), 1u32)), 32, "never less than in place");
        assert_eq!(measure(&vec![0u64; 1000]), 24 + 8000);
        assert_eq!(measure(&vec![vec![1u8; 100]; 10]), 24 + 10 * 124);
    }

    #[test]
    fn an_estimate_needs_no_look_at_all_records() {
        let records: Vec<String> = (0..100_000).map(|_| "x".repeat(76)).collect();
        assert_eq!(estimate_bytes(&records), 100_000 * 100);
        assert_eq!(estimate_bytes(&[0u32; 50]), 200);
        assert_eq!(estimate_bytes::<String>(&[]), 0);
    }
}
