//! Small matters of paths and errors that source and sink share.

use std::io;
use std::path::Path;

use firesteel_connect::ConnectError;
use firesteel_disk::DiskError;

/// The error of doing something to a file.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ConnectError {
    move |source| ConnectError::File { action, path: path.to_owned(), source }
}

/// The path as text. A name that is not Unicode could not be told apart from others of its kind in a checkpoint.
pub(crate) fn text(path: &Path) -> Result<&str, ConnectError> {
    path.to_str().ok_or_else(|| {
        let source = io::Error::new(io::ErrorKind::InvalidFilename, "the name is not Unicode; rename the file");
        ConnectError::File { action: "name", path: path.to_owned(), source }
    })
}

/// An error of the disk as one of a connector.
pub(crate) fn file_error(DiskError { action, path, source }: DiskError) -> ConnectError {
    ConnectError::File { action, path, source }
}
