//! What readers hand on.

use std::sync::Arc;

use firesteel_formats::{FileOrigin, Reading};

use crate::source::input::FileFrames;
use crate::source::rows::OpenTable;

/// What a reader leaves for the one of the range after it.
pub(in crate::source) enum Rest<P: Reading> {
    /// The decoder of a compressed file, which can only be read from its start.
    Frames(FileFrames<P>),
    /// The table, of which it is known what is in it.
    Table(OpenTable<P::Item>),
}

impl<P: Reading> Rest<P> {
    /// Whether one may read on with it from this position.
    pub(super) fn is_of_use(&self, from: u64) -> bool {
        match self {
            Self::Frames(frames) => frames.position() <= from,
            Self::Table(_) => true,
        }
    }

    /// The same for a file of which this is known now, if it may be used for that.
    pub(super) fn moved(mut self, file: &Arc<FileOrigin>) -> Option<Self> {
        let may_be_used = match &mut self {
            Self::Frames(frames) => frames.moved(file),
            Self::Table(open) => open.table.moved(file),
        };
        may_be_used.then_some(self)
    }
}
