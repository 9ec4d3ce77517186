//! Windows that still count, addressed by arithmetic instead of a search.

use std::collections::VecDeque;

use crate::ad_events::{WINDOW, window_start};
use crate::hasher::Counts;

/// The maps of consecutive windows, oldest first.
///
/// ```
/// use firesteel_benches::ad_events::WINDOW;
/// use firesteel_benches::open_windows::OpenWindows;
///
/// let mut open = OpenWindows::from(0);
/// *open.counts(WINDOW + 3).entry(8).or_insert(0) += 1;
/// assert_eq!(open.close(WINDOW), Some((0, Default::default())));
/// assert_eq!(open.close(WINDOW), None);
/// ```
#[derive(Debug)]
pub struct OpenWindows<K = u32> {
    first: i64,
    maps: VecDeque<Counts<K>>,
    spare: Vec<Counts<K>>,
}

impl<K> OpenWindows<K> {
    /// No window is open; no event before `ts` will come.
    #[must_use]
    pub fn from(ts: i64) -> Self {
        Self { first: window_start(ts), maps: VecDeque::new(), spare: Vec::new() }
    }

    /// The counts of the window that holds `ts`, opened if need be.
    #[inline]
    pub fn counts(&mut self, ts: i64) -> &mut Counts<K> {
        let index = ((ts - self.first).cast_unsigned() / WINDOW.cast_unsigned()) as usize;
        while index >= self.maps.len() {
            assert!(ts >= self.first, "an event of a closed window: {ts}");
            self.maps.push_back(self.spare.pop().unwrap_or_default());
        }
        &mut self.maps[index]
    }

    /// Takes the oldest window with its start if it ends at or before
    /// `watermark`.
    pub fn close(&mut self, watermark: i64) -> Option<(i64, Counts<K>)> {
        if self.first + WINDOW > watermark {
            return None;
        }
        self.pop()
    }

    /// Takes the oldest window with its start.
    pub fn pop(&mut self) -> Option<(i64, Counts<K>)> {
        let counts = self.maps.pop_front()?;
        let start = self.first;
        self.first += WINDOW;
        Some((start, counts))
    }

    /// Gives an emptied map back, to be used by a later window.
    pub fn recycle(&mut self, mut counts: Counts<K>) {
        counts.clear();
        self.spare.push(counts);
    }
}
