//! A file as a whole that does not fit.

use std::fmt;

/// What can be done where a type needs a field that is not there.
#[cfg(any(feature = "avro", feature = "csv", feature = "parquet", feature = "pattern"))]
pub(crate) const RENAME: &str = "rename the field with #[serde(rename)], or give it #[serde(default)]";

/// A file that is not what the program expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    reason: String,
}

impl Mismatch {
    /// What the file lacks or has instead, as the rest of a sentence that begins with its name, and what can be done.
    #[must_use]
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }

    /// The file has nothing of this name, as a `column` or a `field`, which the type needs; `has` are the names that it has.
    #[cfg(any(feature = "avro", feature = "csv", feature = "parquet", feature = "pattern"))]
    pub(crate) fn lacks<'a>(what: &str, name: &str, has: impl IntoIterator<Item = &'a str>) -> Self {
        let has = has.into_iter().collect::<Vec<_>>().join(", ");
        Self::new(format_args!("has no {what} {name:?} (it has {has}); {RENAME}"))
    }

    /// The same as text.
    #[must_use]
    pub fn into_reason(self) -> String {
        self.reason
    }
}
