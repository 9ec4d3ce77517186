//! Files that are tables: they end with what says where their rows are, and are whole when that is there.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use firesteel_formats::TableError;

use super::{Compression, End, FileEntry, Print, Stamp};
use crate::source::rows::Stretches;

impl FileEntry {
    /// Finds out how many rows the file has. Nothing of one that is not whole is read: it may still be on its way here. When it is
    /// [taken for finished](FileEntry::close), reading it tells what is wrong with it.
    pub(super) fn announce_rows(&mut self, file: &File, stamp: Stamp, follow: bool) -> io::Result<()> {
        if !self.is_uncompressed() {
            self.compression = None;
            let text = "it is compressed as a whole, and a table compresses its own columns: unpack it";
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
        let Some(count) = self.count_rows else { return Ok(()) };
        (self.stamp, self.is_closed, self.is_break_told) = (stamp, false, false);
        match count(Arc::new(Stretches::of(file.try_clone()?, stamp.size))) {
            Ok(rows) => {
                self.compression = Some(Compression::Plain);
                self.end = Arc::new(End { at: rows, broken: None }.into());
                self.announced = stamp.size;
                self.text = Print::of_file(&mut file.try_clone()?, stamp.size)?;
            }
            Err(TableError::Io(error)) => return Err(error),
            Err(_) => {
                self.compression = (!follow).then_some(Compression::Plain);
                self.end = Arc::default();
                (self.announced, self.text) = (0, Print::nothing());
            }
        }
        self.settle(follow);
        Ok(())
    }
}
