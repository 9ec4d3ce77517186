//! What the checkpoint knows of a file.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{Result, Resumed, SplitNote};
use firesteel_frames::Misfit;

use super::{Compression, End, FileEntry, Presence, Stamp};
use crate::source::note::{Note, PACKERS};

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
        if note.home != note.path {
            entry.home = Path::new(&note.home).into();
        }
        entry.text = note.text;
        entry.packed = note.packed;
        (entry.was_plain, entry.was_damaged) = (note.was_plain, note.is_damaged);
        entry.is_closed = note.is_closed;
        entry.misfit = note.misfit.map(|(reason, at)| Misfit::noted(reason, at));
        if note.packed.is_some() {
            entry.compression = PACKERS.get(usize::from(note.packer)).copied().or(Some(Compression::Gzip));
            if let Some(at) = note.known {
                entry.end = Arc::new(End { at, broken: None }.into());
                entry.is_end_noted = true;
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

    /// Whether the checkpoint does not know of it as it is: also where readers have found its end without getting further.
    pub(crate) fn is_to_be_noted(&self) -> bool {
        self.is_unnoted || (self.by_reading && self.end.get().is_some() && !self.is_end_noted)
    }

    /// What the checkpoint is to know of it: its text as far as it is known, also where it has not been read. By less of it, a log
    /// that was cut and written anew with the same beginning would be taken for it.
    pub(crate) fn note(&mut self) -> Result<SplitNote> {
        let (known, reached) = (self.known_end(), self.reached());
        // What was read on fits now.
        self.misfit = self.misfit.filter(|misfit| reached <= misfit.at);
        (self.is_unnoted, self.is_end_noted) = (false, known.is_some());
        Note {
            path: self.path.to_string_lossy().into_owned(),
            home: self.home.to_string_lossy().into_owned(),
            stamp: self.stamp,
            text: self.text,
            packed: self.packed,
            packer: PACKERS.iter().position(|packer| self.compression == Some(*packer)).unwrap_or(0) as u8,
            known,
            was_plain: self.was_plain,
            is_closed: self.is_closed,
            is_gone: self.presence == Presence::Gone,
            is_damaged: self.is_damaged(),
            misfit: self.misfit.map(|misfit| (misfit.reason, misfit.at)),
        }
        .encode()
    }

    /// Whether something of it was passed over, so that it has to stay for whoever wants to mend it.
    pub(crate) fn is_damaged(&self) -> bool {
        self.was_damaged || self.gaps.has(&self.split)
    }

    /// Up to where it is known, once it is known what it is.
    fn known_end(&self) -> Option<u64> {
        let end = || if self.is_misfit() { self.end.get().map(|end| end.at) } else { self.available() };
        let known = if self.is_plain() { Some(self.announced) } else { end() };
        known.filter(|_| self.compression.is_some() && self.broken().is_none())
    }
}
