//! One text as a value: a field of a row, or what stands in a path.

mod error;
mod field;

use serde::de::{DeserializeSeed, EnumAccess, VariantAccess, Visitor};

pub(crate) use error::{Kind, TextError};
pub(crate) use field::Field;

/// A variant by its name.
impl<'de> EnumAccess<'de> for Field<'_> {
    type Error = TextError;
    type Variant = Unit;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Unit), TextError> {
        Ok((seed.deserialize(self)?, Unit))
    }
}

pub(crate) struct Unit;

impl<'de> VariantAccess<'de> for Unit {
    type Error = TextError;

    fn unit_variant(self) -> Result<(), TextError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, TextError> {
        Err(TextError::one_value())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, TextError> {
        Err(TextError::one_value())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, TextError> {
        Err(TextError::one_value())
    }
}
