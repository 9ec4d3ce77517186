//! A file as a whole that does not fit.

use std::fmt;

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

    /// The same as text.
    #[must_use]
    pub fn into_reason(self) -> String {
        self.reason
    }
}
