//! What the checkpoint knows of a file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{Result, Resumed, SplitNote};

use super::{Borders, Compression, End, FileEntry, Presence, Print, Stamp};
use crate::source::note::Note;

impl FileEntry {
    /// A file that a job before a restart has read, as it was then.
    pub(crate) fn resumed(resumed: &Resumed) -> Self {
        let note = resumed.note.as_ref().and_then(Note::decode);
        let named = resumed.split.as_str();
        let at = note.as_ref().map_or(named, |note| &note.path);
        let stamp = note.as_ref().map_or_else(Stamp::unknown, |note| note.stamp);
        let mut entry = Self::new(resumed.split.clone(), Path::new(at), Path::new(at), stamp);
        entry.committed = resumed.position;
        entry.announced = resumed.position;
        let Some(note) = note else { return entry };
        entry.home = Path::new(&note.home).into();
        entry.text = note.text;
        entry.packed = note.packed;
        entry.was_plain = note.was_plain;
        entry.is_closed = note.is_closed;
        if note.packed.is_some() {
            entry.compression = Some(if note.is_zstd { Compression::Zstd } else { Compression::Gzip });
            if let Some(at) = note.known {
                entry.end = Arc::new(End { at, broken: None }.into());
            }
        } else if let Some(known) = note.known {
            entry.compression = Some(Compression::Plain);
            entry.announced = known.max(resumed.position);
        }
        if note.is_gone {
            entry.presence = Presence::Gone;
        }
        entry.noted.clone_from(&resumed.note);
        entry.is_unnoted = false;
        entry
    }

    /// What the checkpoint is to know of it, where the job stands at its committed position.
    pub(crate) fn note(&mut self) -> Result<SplitNote> {
        let text = self.text_before(self.committed);
        Note {
            path: self.path.to_string_lossy().into_owned(),
            home: self.home.to_string_lossy().into_owned(),
            stamp: self.stamp,
            text,
            packed: self.packed,
            is_zstd: self.compression == Some(Compression::Zstd),
            known: self.known_end(),
            was_plain: self.was_plain,
            is_closed: self.is_closed,
            is_gone: self.presence == Presence::Gone,
        }
        .encode()
    }

    /// Up to where it is known, once it is known what it is.
    fn known_end(&self) -> Option<u64> {
        let known = if self.is_plain() { Some(self.announced) } else { self.available() };
        known.filter(|_| self.compression.is_some() && self.broken().is_none())
    }

    /// The print of the text up to a position, or to before it where the file does not have it any more.
    fn text_before(&self, position: u64) -> Print {
        // Rows are not bytes, and a table does not grow.
        if self.text.at <= position || self.borders == Borders::Rows {
            return self.text;
        }
        let print = || {
            let mut file = File::open(&self.path).ok()?;
            let is_it =
                Stamp::of(&file.metadata().ok()?).is_same_file(&self.stamp) && self.text.is_of(&mut file).ok()?;
            Print::of_file(&mut file, position).ok().filter(|_| is_it)
        };
        let before = || self.noted.as_ref().and_then(Note::decode).map(|note| note.text);
        print().or_else(before).filter(|print| print.at <= position).unwrap_or_else(Print::nothing)
    }
}
