//! What time does to files: those that cannot be read for now are left alone for some time, and retried; others fall silent.

use std::sync::atomic::Ordering;

use firesteel_frames::Withheld;
use firesteel_window::{Duration, Timestamp, seconds};

use super::{FileEntry, Presence};

/// How long a file is left alone at first, and at most.
const WAITS: (Duration, Duration) = (seconds(1), seconds(60));

impl FileEntry {
    /// How far it has been read.
    pub(crate) fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed).max(self.committed)
    }

    /// Whether it is gone, and may come back.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.presence, Presence::Missing(_))
    }

    /// Whether it must not be asked for.
    pub(crate) fn is_withheld(&self) -> bool {
        self.withheld.is_some_and(|withheld| !withheld.is_over())
    }

    /// Leaves it alone. Tells whether it was not, and had not been since it was read on.
    pub(crate) fn withhold(&mut self, now: Timestamp) -> bool {
        let before = self.withheld.take();
        self.withheld = Some(Withheld::again(before, self.reached(), now, WAITS));
        before.is_none()
    }

    /// Whether it has not changed for this long.
    pub(crate) fn is_silent(&self, now: Timestamp, span: Duration) -> bool {
        self.changed_at.is_some_and(|changed| now.since(changed) >= span)
    }

    /// Takes the time at which it was changed last for that of its last change, or now, where other clocks are ahead.
    pub(crate) fn date(&mut self, now: Timestamp) {
        let micros = self.stamp.modified.and_then(|nanos| i64::try_from(nanos / 1_000).ok());
        self.changed_at = Some(micros.map_or(now, Timestamp::from_micros).min(now));
    }
}
