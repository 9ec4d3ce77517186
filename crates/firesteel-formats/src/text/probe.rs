//! Whether a type can be read from fields of these names, before there is a record.

use serde::de::DeserializeOwned;

use super::{TextError, Texts, record};
use crate::candidates::CANDIDATES;
use crate::from_path::FromPath;
use crate::text_value::Kind;

/// What is known of a type and names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// They go together, or only records will tell.
    Open,
    /// The type needs a field of this name, and there is none.
    Lacks(&'static str),
    /// The type refuses what there is.
    Refuses(String),
    /// The type can be read from what tells the kind of its values, and from nothing else.
    WantsAny(String),
}

/// Texts that are made up: of each field one of the candidates.
#[derive(Clone, Copy)]
struct MadeUp<'a>(&'a [usize]);

impl<'de> Texts<'de> for MadeUp<'_> {
    fn len(self) -> usize {
        self.0.len()
    }

    fn text(self, index: usize) -> Result<Option<&'de str>, TextError> {
        Ok(Some(CANDIDATES[self.0[index]]))
    }
}

/// Whether a type takes these values under these names, whatever else it needs.
pub(crate) fn fit_values<'de, T: DeserializeOwned>(values: impl Texts<'de>, names: &'de [String]) -> Fit {
    match record::<T>(values, Some(names), &FromPath::default()) {
        Err(error) if error.kind() == Kind::WantsAny => Fit::WantsAny(error.to_string()),
        Err(error) if error.kind() == Kind::Unknown || error.field().is_some() => Fit::Refuses(error.to_string()),
        _ => Fit::Open,
    }
}

/// Reads made-up records until one has no fault in the values of its fields. Others come from the path.
pub(crate) fn fit<T: DeserializeOwned>(names: &[String], path: &FromPath) -> Fit {
    let path = path.trusting();
    let mut chosen = vec![0; names.len()];
    loop {
        let error = match record::<T>(MadeUp(&chosen), Some(names), &path) {
            Ok(_) => return Fit::Open,
            Err(error) => error,
        };
        match (error.kind(), error.field()) {
            (Kind::Missing(name), None) => return Fit::Lacks(name),
            (Kind::Unknown, _) => return Fit::Refuses(error.to_string()),
            (Kind::WantsAny, _) => return Fit::WantsAny(error.to_string()),
            (_, Some(index)) if chosen[index] + 1 < CANDIDATES.len() => chosen[index] += 1,
            _ => return Fit::Open,
        }
    }
}

/// What the type calls itself, if it is a struct.
#[cfg(feature = "avro")]
pub(crate) fn struct_name<T: DeserializeOwned>() -> Option<&'static str> {
    let mut name = None;
    // It asks for its fields, and gets none.
    let _ = T::deserialize(Named(&mut name));
    name
}

#[cfg(feature = "avro")]
struct Named<'a>(&'a mut Option<&'static str>);

#[cfg(feature = "avro")]
impl<'de> serde::Deserializer<'de> for Named<'_> {
    type Error = TextError;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, TextError> {
        Err(TextError::wants_any())
    }

    fn deserialize_struct<V: serde::de::Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, TextError> {
        *self.0 = Some(name);
        Err(TextError::wants_any())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
