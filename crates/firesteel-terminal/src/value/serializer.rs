//! serde's way from a record to a [`Value`].

use serde::ser::{self, Serialize, Serializer};

use super::{Name, Value, key_text};

/// Why a record cannot be shown: what its own `Serialize` implementation reports.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotARecord(String);

impl ser::Error for NotARecord {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Makes a [`Value`] of anything.
pub(crate) struct ToValue;

/// The parts of a list or a tuple, gathered; `wrap` makes the value of them.
pub(crate) struct Parts {
    items: Vec<Value>,
    wrap: fn(Vec<Value>) -> Value,
    variant: Option<&'static str>,
}

/// The fields of a struct or a map, gathered.
pub(crate) struct Fields {
    fields: Vec<(Name, Value)>,
    key: Option<String>,
    wrap: fn(Vec<(Name, Value)>) -> Value,
    variant: Option<&'static str>,
}

/// A variant with content is a struct of one field, as in JSON.
fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Struct(vec![(Name::from(variant), value)]),
        None => value,
    }
}

fn parts(len: usize, wrap: fn(Vec<Value>) -> Value, variant: Option<&'static str>) -> Parts {
    Parts { items: Vec::with_capacity(len), wrap, variant }
}

fn fields(len: usize, wrap: fn(Vec<(Name, Value)>) -> Value, variant: Option<&'static str>) -> Fields {
    Fields { fields: Vec::with_capacity(len), key: None, wrap, variant }
}

/// The methods for plain values.
macro_rules! plain {
    ($($method:ident($type:ty) => $make:expr;)*) => {
        $(fn $method(self, value: $type) -> Result<Value, NotARecord> {
            Ok($make(value))
        })*
    };
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = NotARecord;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    plain! {
        serialize_bool(bool) => Value::Bool;
        serialize_i8(i8) => |value| Value::Int(i128::from(value));
        serialize_i16(i16) => |value| Value::Int(i128::from(value));
        serialize_i32(i32) => |value| Value::Int(i128::from(value));
        serialize_i64(i64) => |value| Value::Int(i128::from(value));
        serialize_i128(i128) => Value::Int;
        serialize_u8(u8) => |value| Value::Unsigned(u128::from(value));
        serialize_u16(u16) => |value| Value::Unsigned(u128::from(value));
        serialize_u32(u32) => |value| Value::Unsigned(u128::from(value));
        serialize_u64(u64) => |value| Value::Unsigned(u128::from(value));
        serialize_u128(u128) => Value::Unsigned;
        serialize_f32(f32) => Value::Float32;
        serialize_f64(f64) => Value::Float64;
        serialize_char(char) => |value: char| Value::Text(value.to_string());
        serialize_str(&str) => |value: &str| Value::Text(value.to_owned());
        serialize_bytes(&[u8]) =>
            |value: &[u8]| Value::List(value.iter().map(|byte| Value::Unsigned(u128::from(*byte))).collect());
        serialize_unit_struct(&'static str) => |_| Value::Null;
    }

    fn serialize_none(self) -> Result<Value, NotARecord> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, NotARecord> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value, NotARecord> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, NotARecord> {
        Ok(Value::Text(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, NotARecord> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, NotARecord> {
        Ok(in_variant(Some(variant), value.serialize(self)?))
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Parts, NotARecord> {
        Ok(parts(len.unwrap_or(0), Value::List, None))
    }
    fn serialize_tuple(self, len: usize) -> Result<Parts, NotARecord> {
        Ok(parts(len, Value::Tuple, None))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Parts, NotARecord> {
        Ok(parts(len, Value::Tuple, None))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Parts, NotARecord> {
        Ok(parts(len, Value::Tuple, Some(variant)))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Fields, NotARecord> {
        Ok(fields(len.unwrap_or(0), Value::Map, None))
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Fields, NotARecord> {
        Ok(fields(len, Value::Struct, None))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Fields, NotARecord> {
        Ok(fields(len, Value::Struct, Some(variant)))
    }
}

impl Parts {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotARecord> {
        self.items.push(value.serialize(ToValue)?);
        Ok(())
    }
    fn value(self) -> Value {
        in_variant(self.variant, (self.wrap)(self.items))
    }
}

impl Fields {
    fn push<T: Serialize + ?Sized>(&mut self, name: impl Into<Name>, value: &T) -> Result<(), NotARecord> {
        self.fields.push((name.into(), value.serialize(ToValue)?));
        Ok(())
    }
    fn value(self) -> Value {
        in_variant(self.variant, (self.wrap)(self.fields))
    }
}

/// The traits of lists and tuples, which differ in a name.
macro_rules! gathered {
    ($($gathering:ident::$method:ident),*) => {
        $(impl ser::$gathering for Parts {
            type Ok = Value;
            type Error = NotARecord;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotARecord> {
                self.push(value)
            }
            fn end(self) -> Result<Value, NotARecord> {
                Ok(self.value())
            }
        })*
    };
}

gathered!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// The traits of structs, which differ in a name.
macro_rules! named {
    ($($gathering:ident),*) => {
        $(impl ser::$gathering for Fields {
            type Ok = Value;
            type Error = NotARecord;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), NotARecord> {
                self.push(name, value)
            }
            fn end(self) -> Result<Value, NotARecord> {
                Ok(self.value())
            }
        })*
    };
}

named!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields {
    type Ok = Value;
    type Error = NotARecord;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotARecord> {
        self.key = Some(key_text(key.serialize(ToValue)?)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotARecord> {
        let key = self.key.take().unwrap_or_default();
        self.push(key, value)
    }
    fn end(self) -> Result<Value, NotARecord> {
        Ok(self.value())
    }
}
