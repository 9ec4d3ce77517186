//! What can be wrong with what is read, and with what is to be written.

use std::fmt;

use serde::{de, ser};

/// What is wrong, and in which field.
#[derive(Debug)]
pub(super) struct Damage(Box<(String, Vec<String>)>);

impl Damage {
    #[cold]
    pub(super) fn new(text: impl fmt::Display) -> Self {
        Self(Box::new((text.to_string(), Vec::new())))
    }

    /// The same, within this field.
    #[cold]
    pub(super) fn within(mut self, name: &str) -> Self {
        self.0.1.insert(0, name.to_owned());
        self
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, path) = &*self.0;
        if !path.is_empty() {
            write!(f, "field {}: ", path.join("."))?;
        }
        f.write_str(text)
    }
}

impl std::error::Error for Damage {}

impl de::Error for Damage {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl ser::Error for Damage {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}
