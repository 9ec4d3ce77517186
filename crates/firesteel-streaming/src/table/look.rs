//! Whether a file has changed, by what its folder says of it.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// What tells a file from another, and from itself when it has been written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    length: u64,
    changed: Option<SystemTime>,
    number: u64,
}

impl Identity {
    /// That of the file now; `None` if there is none, or it cannot be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { length: found.len(), changed: found.modified().ok(), number: number(&found) })
    }
}

#[cfg(unix)]
fn number(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}
