//! What a store says when it fails.

use std::fmt;
use std::io;

use firesteel_error::{Class, codes};
use object_store::Error;

/// An error of a store. Whoever uses this crate makes an error of its own of it, with a code and a class.
#[derive(Debug)]
pub enum StoreError {
    /// The store says so.
    Store(Error),
    /// The store panicked.
    Panicked,
}

codes!(StoreError { Store = "FS-O001", Panicked = "FS-O002" });

impl StoreError {
    /// What may be done about it.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.is_passing() { Class::Retryable } else { Class::Fatal }
    }

    /// Whether the object is not there, or not in the version that was asked for.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store(Error::NotFound { .. } | Error::Precondition { .. }))
    }

    /// Whether something is there that should not be.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Store(Error::AlreadyExists { .. }))
    }

    /// Whether trying again can help: what a store gave up on after its own attempts may work later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store(Error::Generic { .. }))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code())?;
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Panicked => f.write_str("the store panicked"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for io::Error {
    /// With a kind by which [`is_missing`] and [`is_passing`] tell what it was.
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            _ if error.is_missing() => io::ErrorKind::NotFound,
            _ if error.is_taken() => io::ErrorKind::AlreadyExists,
            StoreError::Store(Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => {
                io::ErrorKind::PermissionDenied
            }
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

fn of(error: &io::Error) -> Option<&StoreError> {
    error.get_ref()?.downcast_ref()
}

/// Whether an error of reading says that the object is not there any more, or not in the version that is read.
#[must_use]
pub fn is_missing(error: &io::Error) -> bool {
    of(error).is_some_and(StoreError::is_missing)
}

/// Whether an error of reading or writing is one of the store's after which trying again can help.
#[must_use]
pub fn is_passing(error: &io::Error) -> bool {
    of(error).is_some_and(StoreError::is_passing)
}
