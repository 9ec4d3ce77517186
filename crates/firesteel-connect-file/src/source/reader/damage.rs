//! What becomes of files that cannot be read to their ends.

use std::io::{self, ErrorKind};

use firesteel_connect::{ConnectError, ReadRange, Result};
use firesteel_formats::Reading;
use firesteel_frames::RangeFrames;

use super::{Broken, End, FileEntry, FileReader};
use crate::path;

impl<P: Reading> FileReader<P> {
    /// Ends where a compressed file cannot be read further, after the last record that could be.
    #[cold]
    pub(super) fn break_off(&mut self, error: &io::Error) {
        let position = self.there();
        let is_cut = error.kind() == ErrorKind::UnexpectedEof;
        let reason = self.broken(position, io::Error::new(error.kind(), error.to_string())).to_string();
        let broken = Some(Broken { is_cut, reason: reason.into() });
        self.file.end.get_or_init(|| End { at: position, broken });
        self.reach(position);
    }

    /// Passes over the rest of the range, where what is damaged is a file that stands in another one: where it ends is known, and what comes
    /// after it is others'. Hands on what is no damage, or is not to be borne.
    #[cold]
    pub(super) fn bear(&mut self, error: ConnectError) -> Result<()> {
        let is_damage = match &error {
            ConnectError::File { source, .. } => {
                matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
            }
            ConnectError::Damaged { .. } => true,
            _ => false,
        };
        if self.shift.is_none() || !is_damage || !self.bears_damage {
            return Err(error);
        }
        self.pass_rest(&error.to_string());
        Ok(())
    }

    /// Leaves for later what cannot be read for now, if that is wanted: it may be read when whatever is in the way is not any more. Of what is
    /// damaged nothing is to be expected.
    #[cold]
    pub(in crate::source) fn later(file: &FileEntry, position: u64, error: ConnectError) -> ConnectError {
        if let ConnectError::Mismatch { place, reason } = &error
            && file.is_patient
        {
            file.misfits.note(&file.split, reason.clone());
            return ConnectError::Later { place: place.clone(), position, reason: reason.clone() };
        }
        let ConnectError::File { source, .. } = &error else { return error };
        let is_damage = matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
        let Some(met) = file.met.as_ref().filter(|_| !is_damage) else { return error };
        let reason = error.to_string();
        met.note(&file.split, error);
        ConnectError::Later { place: file.place(), position, reason }
    }

    /// The same where it stands.
    #[cold]
    pub(super) fn stuck(&self, error: ConnectError) -> ConnectError {
        self.reach(self.there());
        Self::later(&self.file, self.own(self.there()), error)
    }

    /// Passes over the rest of the range, which has an end.
    pub(super) fn pass_rest(&mut self, reason: &str) {
        let (from, to) = (self.there(), self.stop);
        self.pass(from, to, reason);
        (self.rows, self.rest) = (None, None);
        self.range = RangeFrames::nothing(&ReadRange::starting_at(self.file.split.clone(), to));
        self.reach(to);
    }

    /// Takes note of positions that are passed over.
    pub(super) fn pass(&self, from: u64, to: u64, reason: &str) {
        self.file.gaps.note(&self.file.split, self.own(from), self.own(to), reason);
    }

    /// The error of a file that cannot be read or decompressed further.
    pub(super) fn broken(&self, position: u64, error: io::Error) -> ConnectError {
        if self.file.is_plain() {
            return path::failed("read", &self.file.path)(error);
        }
        let advice = if error.kind() == ErrorKind::UnexpectedEof {
            "it ends in the middle: was it complete when it was put here?"
        } else {
            "restore it from its origin"
        };
        let text = format!("{error}, after {position} bytes of text; {advice}");
        path::failed("decompress", &self.file.path)(io::Error::new(error.kind(), text))
    }
}
