//! What records can have of their file.

use firesteel_connect::ConnectError;
use firesteel_formats::{FileOrigin, Mismatch};
use firesteel_window::Timestamp;

use super::FileEntry;

impl FileEntry {
    /// The error of a file that is not what the program expects.
    pub(crate) fn mismatch(&self, mismatch: Mismatch) -> ConnectError {
        ConnectError::Mismatch { place: self.path.display().to_string(), reason: mismatch.into_reason() }
    }

    /// What records can have of it.
    pub(crate) fn origin(&self) -> FileOrigin {
        let micros = self.stamp.modified.and_then(|nanos| i64::try_from(nanos / 1_000).ok());
        // A link says where it stands for who reads it, also where what it leads to is called by a number.
        let origin = FileOrigin::of_path(self.link.as_ref().unwrap_or(&self.path));
        origin.split_named(self.split.as_str()).modified_at(micros.map(Timestamp::from_micros))
    }
}
