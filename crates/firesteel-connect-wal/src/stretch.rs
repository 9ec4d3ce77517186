//! What is in the log, and where.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// Positions are found by going through at most this many bytes.
const GRAIN: u64 = 64 << 10;

/// Frames that follow each other in one file. A file has several only where a part of it is damaged.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) path: Arc<Path>,
    /// The position of its first record.
    pub(crate) first: u64,
    /// The position after its last record.
    pub(crate) next: u64,
    /// Where its first frame begins, in bytes.
    pub(crate) from: u64,
    /// Where its last frame ends.
    pub(crate) to: u64,
    /// Some positions, ascending, and where their frames begin.
    index: Vec<(u64, u64)>,
}

impl Stretch {
    /// A stretch without frames, that will begin at byte `from` with the record at `first`.
    pub(crate) fn new(path: Arc<Path>, first: u64, from: u64) -> Self {
        Self { path, first, next: first, from, to: from, index: vec![] }
    }

    /// Adds the frame after the last one.
    pub(crate) fn add(&mut self, next: u64, length: u64) {
        let far = self.index.last().map_or(self.from, |(_, at)| *at) + GRAIN <= self.to;
        if far && next > self.next {
            self.index.push((self.next, self.to));
        }
        self.next = next;
        self.to += length;
    }

    /// A byte at which a frame begins that is not after the record at `position`.
    pub(crate) fn seek(&self, position: u64) -> u64 {
        let after = self.index.partition_point(|(first, _)| *first <= position);
        after.checked_sub(1).map_or(self.from, |found| self.index[found].1)
    }
}

/// The bytes that hold the records from `position` on, to within the grain of the index.
pub(crate) fn bytes_from(stretches: &VecDeque<Stretch>, position: u64) -> u64 {
    let after = stretches.iter().filter(|stretch| stretch.next > position);
    after.map(|stretch| stretch.to - stretch.seek(position)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_found_near_its_frame() {
        let mut stretch = Stretch::new(Path::new("a").into(), 100, 20);
        for frame in 0..1_000 {
            stretch.add(100 + (frame + 1) * 3, 1_000);
        }
        assert_eq!((stretch.next, stretch.to), (3_100, 1_000_020));
        assert!(stretch.index.len() > 10 && stretch.index.len() < 20, "{}", stretch.index.len());
        for position in 100..3_100 {
            let frame = 20 + (position - 100) / 3 * 1_000;
            let found = stretch.seek(position);
            assert!(found <= frame && frame - found < GRAIN + 1_000, "{position}: {found} and {frame}");
        }
        let all = VecDeque::from([stretch]);
        assert_eq!(bytes_from(&all, 100), 1_000_000);
        assert_eq!(bytes_from(&all, 3_100), 0);
    }
}
