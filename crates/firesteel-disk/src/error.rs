//! The error of a file system.

use std::io;
use std::path::{Path, PathBuf};

use firesteel_error::{Class, codes};

/// The result of work on files.
pub type Result<T> = std::result::Result<T, DiskError>;

/// A file or folder cannot be used.
///
/// Whoever uses this crate makes an error of its own of it, with a code and a class.
#[derive(Debug, thiserror::Error)]
#[error("FS-D001: cannot {action} {}: {source}", path.display())]
pub struct DiskError {
    /// What was tried, as a verb: `read`, `create`, `sync`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system says.
    pub source: io::Error,
}

codes!(DiskError = "FS-D001");

impl DiskError {
    /// What may be done about it, by what the operating system says.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::of_io(&self.source)
    }

    /// Turns an error of the operating system into one that names the file.
    ///
    /// ```
    /// use firesteel_disk::DiskError;
    /// let path = std::path::Path::new("no such file");
    /// let error = std::fs::read(path).map_err(DiskError::of("read", path)).unwrap_err();
    /// assert!(error.to_string().starts_with("FS-D001: cannot read no such file: "));
    /// ```
    pub fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}
