//! Files that are compressed in place, and archives of others.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use firesteel_frames::Compression;

use super::{End, FileEntry, Print, Stamp};
use crate::source::input;
use crate::source::policy::Borders;

impl FileEntry {
    /// Takes the place of a plain file: a compressed one with the same text, as far as that was known. Tells whether it is one.
    pub(crate) fn become_packed(&mut self, at: &Path, metadata: &Metadata) -> io::Result<bool> {
        let mut file = File::open(at)?;
        let mut head = Vec::new();
        (&mut file).take(Compression::MAGIC).read_to_end(&mut head)?;
        let is_table = self.borders == Borders::Rows;
        let compression = Compression::of(&head).filter(|compression| !is_table && *compression != Compression::Plain);
        let Some(compression) = compression else { return Ok(false) };
        file.seek(SeekFrom::Start(0))?;
        let mut text = input::compressed(file.try_clone()?, compression);
        let found = Print::of_text(&mut text, self.text.at);
        let more = match found {
            Ok((print, more)) if print == self.text => more,
            Ok(_) => return Ok(false),
            // It is damaged, cut, or shorter.
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let stamp = Stamp::of(metadata);
        self.packed = Some(Print::of_file(&mut file, stamp.size)?);
        (self.compression, self.stamp) = (Some(compression), stamp);
        if more {
            self.end = Arc::default();
        } else if self.borders != Borders::Packed {
            self.end = Arc::new(End { at: self.text.at, broken: None }.into());
        }
        self.settle(true);
        self.move_to(at);
        Ok(true)
    }

    /// Whether another file consists of the first bytes of this one.
    pub(crate) fn begins_as(&self, other: &Path, bytes: u64) -> io::Result<bool> {
        let print = Print::of_file(&mut File::open(&self.path)?, bytes)?;
        print.is_of(&mut File::open(other)?)
    }

    /// Whether a compressed file holds the text of this one or the beginning of it; one that is only begun may.
    pub(crate) fn packs_to(&self, packed: &Path) -> io::Result<bool> {
        let mut file = File::open(packed)?;
        let mut head = Vec::new();
        (&mut file).take(Compression::MAGIC).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        let Some(compression) = Compression::of(&head) else { return Ok(true) };
        let text = Print::of_all(&mut input::compressed(file, compression));
        text.is_of(&mut File::open(&self.path)?)
    }
}
