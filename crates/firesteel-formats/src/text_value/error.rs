//! What can be wrong with a record of texts.

use std::fmt;

use serde::de;

/// What is wrong, and in which field.
#[derive(Debug)]
pub(crate) struct TextError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    text: String,
    /// The field's number, counting from 0, and its name.
    field: Option<(usize, Option<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Value,
    /// The type has a field for which there is no text.
    Missing(&'static str),
    /// The type refuses a name.
    Unknown,
    /// The type asks what a value is, which texts do not tell.
    WantsAny,
}

impl TextError {
    fn new(kind: Kind, text: impl fmt::Display) -> Self {
        Self(Box::new(Inner { kind, text: text.to_string(), field: None }))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The field that it concerns.
    pub(crate) fn field(&self) -> Option<usize> {
        self.0.field.as_ref().map(|(index, _)| *index)
    }

    #[cold]
    pub(crate) fn in_field(mut self, index: usize, names: Option<&[String]>) -> Self {
        let name = names.and_then(|names| names.get(index)).cloned();
        self.0.field.get_or_insert((index, name));
        self
    }

    pub(crate) fn wants_any() -> Self {
        let text = "its type asks what a value is (`untagged`, `flatten`), and text does not tell: only JSON does";
        Self::new(Kind::WantsAny, text)
    }

    pub(crate) fn one_value() -> Self {
        Self::new(Kind::Value, "a field of text holds one value: no list, no struct, no variant with data")
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.field {
            Some((index, Some(name))) => write!(f, "field {} ({name}): {}", index + 1, self.0.text),
            Some((index, None)) => write!(f, "field {}: {}", index + 1, self.0.text),
            None => f.write_str(&self.0.text),
        }
    }
}

impl std::error::Error for TextError {}

impl de::Error for TextError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Value, message)
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::Missing(field), format_args!("missing field `{field}`"))
    }

    #[cold]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::Unknown, format_args!("unknown field `{field}`, expected one of {}", expected.join(", ")))
    }
}
