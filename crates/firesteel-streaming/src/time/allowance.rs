//! How long windows stay after they have fired.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use firesteel_window::{Duration, Timestamp};

use crate::time::{Tracker, When, least};

/// The allowed lateness of an operator: a window is gone when the watermark, less this, has passed it.
pub(crate) struct Allowance {
    allowed: Duration,
    trackers: Arc<[Arc<Tracker>]>,
    /// Up to when windows were gone when the job began, in microseconds: a longer allowance brings nothing back.
    resumed: AtomicI64,
}

impl Allowance {
    pub(crate) fn new(allowed: Duration, trackers: Arc<[Arc<Tracker>]>) -> Arc<Self> {
        let resumed = AtomicI64::new(Timestamp::MIN.as_micros());
        Arc::new(Self { allowed: allowed.max(Duration::ZERO), trackers, resumed })
    }

    /// What is left of a watermark that closes windows, for the question which of them are gone.
    pub(crate) fn gone_by(&self, watermark: Timestamp) -> Timestamp {
        let gone = if watermark == Timestamp::MAX { watermark } else { watermark.saturating_sub(self.allowed) };
        gone.max(Timestamp::from_micros(self.resumed.load(Ordering::Relaxed)))
    }

    /// Up to when they are gone at the start of the batch, by which lateness is judged.
    pub(crate) fn gone_at_start(&self) -> Timestamp {
        self.gone_by(least(&self.trackers, When::AtStart))
    }

    /// As far as the batch before had come: what it closes has fired.
    pub(crate) fn before(&self) -> Timestamp {
        least(&self.trackers, When::Before)
    }

    /// When a window that ends at a time is gone.
    pub(crate) fn goes(&self, end: Timestamp) -> Timestamp {
        end.saturating_add(self.allowed)
    }

    /// Up to when they are gone, as a checkpoint keeps it between two batches.
    pub(crate) fn save(&self) -> Timestamp {
        self.gone_by(least(&self.trackers, When::Reached))
    }

    /// Resumes from a checkpoint.
    pub(crate) fn resume(&self, gone: Timestamp) {
        self.resumed.store(gone.as_micros(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::seconds;

    use super::*;

    #[test]
    fn what_is_gone_does_not_come_back() {
        let at = Timestamp::from_secs;
        let allowance = Allowance::new(seconds(10), Arc::new([]));
        assert_eq!([15, 3].map(|watermark| allowance.gone_by(at(watermark))), [at(5), at(-7)]);
        allowance.resume(at(4));
        assert_eq!([15, 3].map(|watermark| allowance.gone_by(at(watermark))), [at(5), at(4)]);
        assert_eq!(allowance.gone_by(Timestamp::MAX), Timestamp::MAX);
        let negative = Allowance::new(seconds(-1), Arc::new([]));
        assert_eq!(negative.gone_by(at(15)), at(15));
    }
}
