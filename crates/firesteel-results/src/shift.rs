//! A file that was merged into another one, read there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::ReadRange;
use firesteel_formats::FileOrigin;

use crate::merged::Stretch;

/// Turns positions in a merged file into those of the file that it holds.
#[derive(Debug)]
pub struct Shift<M> {
    /// The merged file.
    pub merged: M,
    stretch: Stretch,
    /// Where the range begins in the file itself.
    asked: u64,
    /// How far the file has been read, in its own positions.
    reached: Arc<AtomicU64>,
}

impl<M> Shift<M> {
    /// Reads a range of a file where it stands in `merged`: the range there.
    pub fn through(merged: M, stretch: Stretch, range: &ReadRange, reached: &Arc<AtomicU64>) -> (ReadRange, Self) {
        let mut there = range.clone();
        there.from = stretch.merged(range.from);
        let end = stretch.at + stretch.length;
        there.to = Some(range.to.map_or(end, |to| stretch.merged(to).min(end)));
        (there, Self { merged, stretch, asked: range.from, reached: Arc::clone(reached) })
    }

    /// What a position there is in the file itself.
    #[must_use]
    pub fn own(&self, position: u64) -> u64 {
        // Before the first record nothing has been passed over.
        if position == self.stretch.merged(self.asked) { self.asked } else { self.stretch.own(position) }
    }

    /// Whether a position there is after all of the file.
    #[must_use]
    pub fn is_at_end(&self, position: u64) -> bool {
        position >= self.stretch.at + self.stretch.length
    }

    /// The file has been read up to a position there.
    pub fn reach(&self, position: u64) {
        self.reached.fetch_max(self.own(position), Ordering::Relaxed);
    }

    /// The same for the origins of records: a file that was merged is told as it was.
    #[must_use]
    pub fn told_in(&self, origin: FileOrigin) -> FileOrigin {
        origin.modified_at(None).standing_in_another(self.stretch.at, self.stretch.begin)
    }
}
