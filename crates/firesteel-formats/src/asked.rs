//! Which fields a type asks for by their names.

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Error as _, Visitor};

use crate::mismatch::Mismatch;

/// The names of the fields of a struct, other names included; none of what is no struct, or takes any field.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It asks for its fields, and gets none.
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

/// Refuses a file that has nothing of what the type asks for, which would be nothing but defaults in each record: one without a header, most
/// likely, or another kind of file. A type of one field may be asked for that alone.
pub(crate) fn has_any<'a, T: DeserializeOwned>(
    what: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    advice: &str,
) -> Result<(), Mismatch> {
    let asked = fields_of::<T>();
    if asked.len() < 2 || names.clone().any(|name| asked.contains(&name)) {
        return Ok(());
    }
    let (has, asked) = (names.collect::<Vec<_>>().join(", "), asked.join(", "));
    Err(Mismatch::new(format_args!("has none of the {what}s of the type (it has {has}; the type, {asked}){advice}")))
}

struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> serde::Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing is there"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("nothing is there"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
