//! What SQLite says, as an error of a connector.

use firesteel_connect::{Class, ConnectError};
use rusqlite::{Error, ErrorCode};

const THE_TABLE: &str = "name its columns, one at least, and see that it accepts all records; or name another one";

/// The error of something that was done in this place.
pub(crate) fn sqlite(action: &str, place: &str, error: Error) -> ConnectError {
    let (class, way_out) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (Class::Retryable, "another program writes to it"),
        Some(ErrorCode::DiskFull) => (Class::Retryable, "make room on its disk"),
        // What is wrong in a statement: ours depend on the table and its columns alone.
        _ if matches!(error, Error::SqlInputError { .. }) => (Class::Program, THE_TABLE),
        Some(ErrorCode::Unknown | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            (Class::Program, THE_TABLE)
        }
        _ => (Class::Fatal, "see that it is a database, and that its folder is there and can be written to"),
    };
    ConnectError::Other { context: format!("{action} {place} ({way_out})"), class, source: Box::new(error) }
}
