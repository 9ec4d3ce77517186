//! What an operator does with watermarks by split that have no splits of their own.

use firesteel_window::{Duration, PartitionWatermarks, Timestamp};

/// The number of an input whose first split is waited for; no split has it.
pub(super) const FIRST: u32 = u32::MAX;

/// Watermarks by the numbers of splits.
pub(super) trait Marks {
    /// Moves the watermark on to this time.
    fn raise(&mut self, to: Timestamp);
    /// Waits for a first split from now on, where there has been none; it becomes idle as any other.
    fn wait_for_first(&mut self, now: Timestamp);
    /// Notes that no split comes any more, where there has been none: it has begun, an instant after the beginning of time.
    fn end_empty(&mut self);
}

impl Marks for PartitionWatermarks<u32> {
    fn raise(&mut self, to: Timestamp) {
        self.finish(&FIRST);
        self.advance_to(to);
    }

    fn wait_for_first(&mut self, now: Timestamp) {
        let has_others = self.iter().any(|(split, ..)| *split != FIRST);
        if has_others || self.current() > Timestamp::MIN {
            self.finish(&FIRST);
        } else {
            self.register(FIRST, now);
        }
    }

    fn end_empty(&mut self) {
        self.finish(&FIRST);
        if self.current() == Timestamp::MIN && self.iter().next().is_none() {
            self.raise(Timestamp::MIN + Duration::micros(1));
        }
    }
}
