//! The identity of a type, as far as stored bytes go.

use std::any::type_name;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::shape::{self, Shape};

/// A type's name, version and shape.
///
/// Two tags are equal if values written under one can be read under the other: names and versions are the same, and
/// so are the shapes. The name goes without the modules, so that a type can move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeTag {
    /// The type's name, without modules: `Option<Payment>`.
    pub name: String,
    /// The version that its author gave it.
    pub version: u32,
    /// Its fields and their types as its `Deserialize` asks for them: `{card: u64, amount: f64}`.
    pub shape: String,
}

impl TypeTag {
    /// The tag of a type, in version 0.
    #[must_use]
    pub fn of<T: DeserializeOwned>() -> Self {
        Self { name: without_modules(type_name::<T>()), version: 0, shape: shape::of::<T>() }
    }
}

impl fmt::Display for TypeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.version != 0 {
            write!(f, " version {}", self.version)?;
        }
        // After the name of a type that contains itself, too.
        if self.shape.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').starts_with(['{', '<']) {
            match self.shape.parse::<Shape>() {
                Ok(shape) => write!(f, " {shape}")?,
                Err(_) => write!(f, " {}", self.shape)?,
            }
        }
        Ok(())
    }
}

/// `Option<Payment>` for `core::option::Option<shop::pay::Payment>`.
fn without_modules(path: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    let mut rest = path.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ':' && rest.peek() == Some(&':') {
            rest.next();
            word.clear();
        } else if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            short.push_str(&word);
            word.clear();
            short.push(c);
        }
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_without_modules() {
        assert_eq!(without_modules("u64"), "u64");
        assert_eq!(without_modules("core::option::Option<shop::pay::Payment>"), "Option<Payment>");
        assert_eq!(without_modules("(alloc::string::String, [a::b::C; 3])"), "(String, [C; 3])");
        assert_eq!(TypeTag::of::<Option<Vec<u8>>>().name, "Option<Vec<u8>>");
    }
}
