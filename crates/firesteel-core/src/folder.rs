//! Folders that are written to.

use std::path::Path;
use std::{fs, io};

use crate::error::{Error, Result};
use crate::operator::Operator;

/// Makes a folder that must not exist yet.
pub(crate) fn create_new(operator: &Operator, folder: &Path) -> Result<()> {
    let path = folder.to_owned();
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(|source| Error::File {
            action: "create the folder of",
            path: path.clone(),
            source,
        })?;
    }
    fs::create_dir(folder).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Argument {
            operator: operator.to_string(),
            reason: format!("{} exists already: remove it, or write elsewhere", folder.display()),
        },
        _ => Error::File { action: "create the folder", path, source },
    })
}
