//! Passwords, tokens and keys, which nobody is shown.

use std::borrow::Cow;
use std::fmt;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::redact::HIDDEN;
use crate::{ConnectError, Result};

/// A password, a token, a key: given as a value, or by the environment variable or the file where it stands. Whatever is printed of
/// it says where it comes from, and never what it is; [`expose`](Self::expose) reads it.
///
/// ```
/// use firesteel_connect::Secret;
///
/// let password = Secret::from("hunter2");
/// assert_eq!(password.expose()?, "hunter2");
/// assert_eq!(format!("{password} {password:?}"), "*** Secret(***)");
///
/// let missing = Secret::env("NO_SUCH_VARIABLE");
/// let error = missing.expose().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "FS-N015: the secret in the environment variable NO_SUCH_VARIABLE cannot be read: it is not set"
/// );
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
///
/// Variables and files are read when the secret is needed, each time: one that is replaced holds from the next connection on.
#[derive(Clone)]
pub struct Secret(Origin);

#[derive(Clone)]
enum Origin {
    Value(Arc<str>),
    Env(String),
    File(PathBuf),
}

impl Secret {
    /// What stands in the environment variable of this name.
    pub fn env(name: impl Into<String>) -> Self {
        Self(Origin::Env(name.into()))
    }

    /// What stands in this file, without the end of line that editors leave at its end.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Origin::File(path.into()))
    }

    /// The secret itself. What is done with it is up to the caller: no text that anybody sees may hold it.
    ///
    /// # Errors
    /// [`ConnectError::Secret`], which names the variable or the file, when it is not there, is empty or is no text.
    pub fn expose(&self) -> Result<Cow<'_, str>> {
        let read = match &self.0 {
            Origin::Value(value) => return Ok(Cow::Borrowed(value)),
            Origin::Env(name) => std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => Error::new(ErrorKind::NotFound, "it is not set"),
                // The error of the standard library shows what there is.
                std::env::VarError::NotUnicode(_) => Error::new(ErrorKind::InvalidData, "it is not UTF-8"),
            }),
            Origin::File(path) => std::fs::read_to_string(path).map(without_line_end),
        };
        let read = read.and_then(|value| match value.as_str() {
            "" => Err(Error::new(ErrorKind::InvalidData, "it is empty")),
            _ => Ok(value),
        });
        read.map(Cow::Owned).map_err(|source| ConnectError::Secret { origin: self.origin(), source })
    }

    /// Where it stands, for messages.
    fn origin(&self) -> String {
        match &self.0 {
            Origin::Value(_) => HIDDEN.into(),
            Origin::Env(name) => format!("in the environment variable {name}"),
            Origin::File(path) => format!("in the file {}", path.display()),
        }
    }
}

fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(Origin::Value(value.into()))
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(Origin::Value(value.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.origin())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}
