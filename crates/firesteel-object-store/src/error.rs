//! What a store says when it fails.

use std::fmt;
use std::io;

use object_store::Error;

/// An error of a store.
#[derive(Debug)]
pub enum StoreError {
    /// The store says so.
    Store(Error),
    /// The store panicked.
    Panicked,
}

impl StoreError {
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
