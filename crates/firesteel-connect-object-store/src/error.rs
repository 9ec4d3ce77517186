//! What a store says, in the words of the contract.

use std::io;

use firesteel_connect::{Class, ConnectError};
use firesteel_object_store::{Bucket, StoreError, is_passing};

/// The error of a call of the store.
pub(crate) fn failed(bucket: &Bucket, doing: impl FnOnce() -> String) -> impl FnOnce(StoreError) -> ConnectError {
    move |error| of(bucket, doing(), error.is_passing(), error.into())
}

/// The same where the library for reading and writing has it.
pub(crate) fn io_failed(bucket: &Bucket, doing: impl FnOnce() -> String, error: io::Error) -> ConnectError {
    of(bucket, doing(), is_passing(&error), error.into())
}

fn of(
    bucket: &Bucket,
    doing: String,
    is_passing: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> ConnectError {
    let class = if is_passing { Class::Retryable } else { Class::Fatal };
    ConnectError::Other { context: format!("{doing} ({bucket})"), class, source }
}
