//! Decoders that wait for the next range of their file.
//!
//! A compressed file can only be read from its start. A reader that stops at a limit leaves its decoder here, and
//! the reader of what follows continues with it instead of decompressing everything before once more.

use std::collections::VecDeque;

use firesteel_connect::SplitId;
use parking_lot::Mutex;

use super::lines::Lines;

/// This many decoders are kept at most: each holds its buffers and a window of up to some megabytes.
const MOST: usize = 32;

/// Decoders by file, the oldest first.
#[derive(Default)]
pub(crate) struct Parked {
    lines: Mutex<VecDeque<(SplitId, Lines)>>,
}

impl Parked {
    /// The decoder of this file, if there is one that has not got past `position`.
    pub(crate) fn take(&self, split: &SplitId, position: u64) -> Option<Lines> {
        let mut lines = self.lines.lock();
        let index = lines.iter().position(|(parked, lines)| parked == split && lines.position() <= position)?;
        lines.remove(index).map(|(_, lines)| lines)
    }

    pub(crate) fn put(&self, split: &SplitId, decoder: Lines) {
        let mut lines = self.lines.lock();
        lines.retain(|(parked, _)| parked != split);
        if lines.len() == MOST {
            lines.pop_front();
        }
        lines.push_back((split.clone(), decoder));
    }

    pub(crate) fn clear(&self) {
        self.lines.lock().clear();
    }
}
