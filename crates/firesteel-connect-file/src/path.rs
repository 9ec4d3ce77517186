//! Small matters of paths and errors that source and sink share.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use firesteel_connect::ConnectError;

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

/// The entries of a folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, ConnectError> {
    let list = || std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    list().map_err(failed("list", folder))
}

/// Makes the names in a folder durable. Where folders cannot be synchronised, renames are durable by themselves.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), ConnectError> {
    if cfg!(unix) {
        File::open(folder).and_then(|file| file.sync_all()).map_err(failed("sync", folder))
    } else {
        Ok(())
    }
}
