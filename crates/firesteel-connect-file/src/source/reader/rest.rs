//! How far a reader has come, and what it leaves for the next one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_formats::{FileOrigin, Reading};
use firesteel_frames::RangeRows;
use parking_lot::Mutex;

use super::FileReader;
use crate::source::input::FileFrames;
use crate::source::rows::OpenTable;

impl<P: Reading> FileReader<P> {
    /// Takes note of how far it has come.
    pub(super) fn reach(&self, position: u64) {
        self.file.reached.fetch_max(position, Ordering::Relaxed);
        if let Some(shift) = &self.shift {
            shift.reach(position);
        }
    }

    /// The position in the file that is read.
    #[inline]
    pub(super) fn there(&self) -> u64 {
        self.rows.as_ref().map_or_else(|| self.range.position(), RangeRows::position)
    }

    /// A position as that of the split.
    #[inline]
    pub(super) fn own(&self, position: u64) -> u64 {
        self.shift.as_ref().map_or(position, |shift| shift.own(position))
    }

    /// Keeps the decoder of a compressed file for the next reader.
    pub(super) fn keep(&mut self, frames: FileFrames<P>) {
        if frames.input().is_sequential() {
            // Where one part of a merged file ends, another one begins.
            if let Some(shift) = self.shift.as_ref().filter(|shift| shift.is_at_end(frames.position())) {
                return self.spares.put(&shift.merged, frames);
            }
            let of = self.shift.as_ref().map(|shift| Arc::clone(&shift.merged));
            self.rest = Some(Rest::Frames { frames, of });
        }
    }

    /// What the reader of the next range begins with.
    pub(in crate::source) fn into_rest(self) -> Option<Rest<P>> {
        self.rest
    }
}

/// Decoders of merged files that have come to the end of one part: another part begins there. Without them, each part would be reached from
/// the beginning of the file.
pub(in crate::source) struct Spares<P: Reading>(Mutex<Vec<(Arc<Path>, FileFrames<P>)>>);

impl<P: Reading> Spares<P> {
    /// How many there are at most.
    const MOST: usize = 4;

    pub(super) fn put(&self, path: &Arc<Path>, frames: FileFrames<P>) {
        let mut kept = self.0.lock();
        if kept.len() >= Self::MOST {
            kept.remove(0);
        }
        kept.push((Arc::clone(path), frames));
    }

    /// The one of a file that has come nearest to a position, and not beyond it.
    pub(super) fn take(&self, path: &Path, position: u64) -> Option<FileFrames<P>> {
        let mut kept = self.0.lock();
        let is_of_use = |(of, frames): &&(Arc<Path>, FileFrames<P>)| **of == *path && frames.position() <= position;
        let nearest = kept.iter().filter(is_of_use).map(|(_, frames)| frames.position()).max()?;
        let at = kept.iter().position(|(of, frames)| **of == *path && frames.position() == nearest)?;
        Some(kept.remove(at).1)
    }
}

impl<P: Reading> Default for Spares<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// What a reader leaves for the one of the range after it.
pub(in crate::source) enum Rest<P: Reading> {
    /// The decoder of a compressed file, which can only be read from its start.
    Frames {
        frames: FileFrames<P>,
        /// The merged file that it reads, where the file is a part of one.
        of: Option<Arc<Path>>,
    },
    /// The table, of which it is known what is in it.
    Table(OpenTable<P::Item>),
}

impl<P: Reading> Rest<P> {
    /// Whether one may read on with it from this position.
    pub(super) fn is_of_use(&self, from: u64, merged: Option<&Path>) -> bool {
        match self {
            Self::Frames { frames, of } => frames.position() <= from && of.as_deref() == merged,
            Self::Table(_) => true,
        }
    }

    /// The same for a file of which this is known now, if it may be used for that.
    pub(super) fn moved(mut self, file: &Arc<FileOrigin>) -> Option<Self> {
        let may_be_used = match &mut self {
            Self::Frames { frames, .. } => frames.moved(file),
            Self::Table(open) => open.table.moved(file),
        };
        may_be_used.then_some(self)
    }
}
