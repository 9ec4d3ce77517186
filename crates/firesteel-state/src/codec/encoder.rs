//! Values to postcard's bytes, for values that are written by the million: postcard's own serializer makes a varint
//! byte by byte and copies it then, which takes several times as long as writing it in one go.
//!
//! What is written is exactly what postcard writes; a test compares them.

use postcard::{Error, Result};
use serde::{Serialize, ser};

use crate::wire::put_varint;

/// Appends what is serialized.
pub(super) struct Encoder<'a>(pub(super) &'a mut Vec<u8>);

impl Encoder<'_> {
    #[inline]
    fn varint(&mut self, value: u64) -> Result<()> {
        put_varint(self.0, value);
        Ok(())
    }

    fn long_varint(&mut self, mut value: u128) -> Result<()> {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// The length of what follows, which must be known before.
    #[inline]
    fn length(&mut self, length: Option<usize>) -> Result<()> {
        self.varint(length.ok_or(Error::SerializeSeqLengthUnknown)? as u64)
    }
}

/// Small negative numbers become small positive ones.
#[inline]
const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

impl ser::Serializer for &mut Encoder<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<()> {
        self.serialize_u8(value.into())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<()> {
        self.serialize_u8(value as u8)
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<()> {
        self.varint(zigzag(value))
    }

    #[inline]
    fn serialize_i128(self, value: i128) -> Result<()> {
        self.long_varint((value << 1 ^ value >> 127) as u128)
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<()> {
        self.0.push(value);
        Ok(())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<()> {
        self.varint(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<()> {
        self.varint(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<()> {
        self.varint(value)
    }

    #[inline]
    fn serialize_u128(self, value: u128) -> Result<()> {
        self.long_varint(value)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<()> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        self.length(Some(value.len()))?;
        self.bytes(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<()> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.serialize_u8(1)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, variant: u32, _: &'static str) -> Result<()> {
        self.serialize_u32(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        self.serialize_u32(variant)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self> {
        self.length(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(self, _: &'static str, variant: u32, _: &'static str, _: usize) -> Result<Self> {
        self.serialize_u32(variant)?;
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self> {
        self.length(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(self, _: &'static str, variant: u32, _: &'static str, _: usize) -> Result<Self> {
        self.serialize_u32(variant)?;
        Ok(self)
    }
}

/// The parts of everything composite follow each other, without anything between them or after.
macro_rules! parts {
    ($($trait:ident :: $part:ident),*) => {$(
        impl ser::$trait for &mut Encoder<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for &mut Encoder<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<()> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for &mut Encoder<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        key.serialize(&mut **self)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use proptest::prelude::*;
    use serde::Serializer;

    use super::*;

    #[derive(Serialize, Debug, Clone)]
    struct Unit;
    #[derive(Serialize, Debug, Clone)]
    struct Wrapped(u64);
    #[derive(Serialize, Debug, Clone)]
    struct Pair(i16, f32);
    #[derive(Serialize, Debug, Clone)]
    struct Record {
        text: String,
        at: i64,
        inner: Option<Box<Record>>,
        unit: (Unit, ()),
    }
    #[derive(Serialize, Debug, Clone)]
    enum Kind {
        Nothing,
        One(u128),
        Two(i8, bool),
        Named { key: char, map: BTreeMap<u16, Vec<i32>> },
    }
    /// What asks for bytes, and what is text only where people read it.
    #[derive(Serialize, Debug, Clone)]
    struct Special {
        #[serde(serialize_with = "as_bytes")]
        bytes: Vec<u8>,
        #[serde(serialize_with = "as_text")]
        text: u32,
        address: Ipv4Addr,
        time: Duration,
    }

    fn as_bytes<S: Serializer>(bytes: &[u8], out: S) -> std::result::Result<S::Ok, S::Error> {
        out.serialize_bytes(bytes)
    }

    fn as_text<S: Serializer>(number: &u32, out: S) -> std::result::Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("<{number}>"))
    }

    fn same<T: Serialize>(value: &T) {
        let mut out = vec![7];
        value.serialize(&mut Encoder(&mut out)).unwrap();
        assert_eq!(out[1..], postcard::to_stdvec(value).unwrap());
    }

    proptest! {
        #[test]
        fn it_is_what_postcard_writes(
            numbers: (u8, u16, u32, u64, u128), signed: (i8, i16, i32, i64, i128), real: (f32, f64), shift in 0..64u32,
            text: String, key: char, map: BTreeMap<u16, Vec<i32>>, bytes: Vec<u8>, flag: bool
        ) {
            same(&(numbers, signed, real, flag, key));
            // All lengths of varints.
            let small = numbers.3 >> shift;
            same(&(small, small as i64, -(small as i64 >> 1), numbers.4 >> shift, Wrapped(small)));
            let inner = Record { text: text.clone(), at: signed.3, inner: None, unit: (Unit, ()) };
            same(&Record { inner: Some(Box::new(inner.clone())), ..inner });
            let kinds = [Kind::Nothing, Kind::One(numbers.4), Kind::Two(signed.0, flag), Kind::Named { key, map }];
            same(&kinds.to_vec());
            same(&[Pair(signed.1, real.0), Pair(-1, 0.5)]);
            let time = Duration::from_micros(small);
            same(&Special { bytes, text: numbers.2, address: Ipv4Addr::from(numbers.2), time });
        }
    }

    /// Sequences whose length nobody knows cannot be written after it.
    #[test]
    fn a_length_that_is_not_known_is_refused() {
        struct Endless;
        impl Serialize for Endless {
            fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
                ser::SerializeSeq::end(out.serialize_seq(None)?)
            }
        }
        assert_eq!(Endless.serialize(&mut Encoder(&mut vec![])), Err(Error::SerializeSeqLengthUnknown));
    }

    #[test]
    fn the_edges_of_varints_are_those_of_postcard() {
        for bits in 0..=64 {
            let edge = 1u128.checked_shl(bits).unwrap_or(0).wrapping_sub(1) as u64;
            same(&[edge, edge.wrapping_add(1), edge.wrapping_sub(1)]);
        }
        same(&(u64::MAX, i64::MIN, i64::MAX, u128::MAX, i128::MIN));
    }
}
