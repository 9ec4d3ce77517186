//! What can be wrong with a row.

use std::fmt;

use serde::{de, ser};

/// What is wrong, and in which column.
#[derive(Debug)]
pub(super) struct CellError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Fault,
    text: String,
    /// The names of columns from the outermost on.
    path: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A value does not fit.
    Value,
    /// A column's type does not, whatever the value.
    Column,
    /// The type has a field for which there is no column.
    Missing(&'static str),
    /// The type refuses a name.
    Unknown,
}

impl CellError {
    fn new(kind: Fault, text: impl fmt::Display) -> Self {
        Self(Box::new(Inner { kind, text: text.to_string(), path: Vec::new() }))
    }

    /// A column cannot be read so.
    #[cold]
    pub(super) fn column(text: impl fmt::Display) -> Self {
        Self::new(Fault::Column, text)
    }

    /// A value cannot be read so.
    #[cold]
    pub(super) fn value(text: impl fmt::Display) -> Self {
        Self::new(Fault::Value, text)
    }

    pub(super) fn kind(&self) -> Fault {
        self.0.kind
    }

    /// The outermost column that it concerns.
    pub(super) fn field(&self) -> Option<&str> {
        self.0.path.first().map(String::as_str)
    }

    #[cold]
    pub(super) fn within(mut self, name: &str) -> Self {
        self.0.path.insert(0, name.to_owned());
        self
    }
}

impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "column {}: ", self.0.path.join("."))?;
        }
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for CellError {}

impl de::Error for CellError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::Value, message)
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self::new(Fault::Missing(field), format_args!("missing field `{field}`"))
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Fault::Column, format_args!("two columns are the field `{field}`"))
    }

    #[cold]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Fault::Unknown, format_args!("unknown field `{field}`, expected one of {}", expected.join(", ")))
    }
}

impl ser::Error for CellError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::Value, message)
    }
}
