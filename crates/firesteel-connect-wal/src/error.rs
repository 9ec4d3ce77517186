//! Errors of the disk, as the log tells them.

use firesteel_connect::{Class, ConnectError};
use firesteel_disk::DiskError;

/// Turns an error of the disk into one of a connector.
pub(crate) fn failed(DiskError { action, path, source }: DiskError) -> ConnectError {
    ConnectError::File { action, path, source }
}

/// A sync that failed says nothing of what is on disk, and repeating it would say nothing either: the system takes for
/// written what it could not write.
pub(crate) fn unsynced(error: DiskError) -> ConnectError {
    ConnectError::Other {
        context: format!("making {} durable", error.path.display()),
        class: Class::Fatal,
        source: format!("{error}; what is on disk will be known when the log is opened again: start the job again")
            .into(),
    }
}
