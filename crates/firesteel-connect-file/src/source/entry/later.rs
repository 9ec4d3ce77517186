//! What time does to files: those that cannot be read for now are left alone for some time, and retried; others fall silent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_connect::{ConnectError, SplitId};
use firesteel_window::{Duration, Timestamp, seconds};
use parking_lot::Mutex;

use super::{FileEntry, Presence};

/// How long a file is left alone at first, and at most: each time twice as long, as long as nothing of it can be read.
const SHORTEST: Duration = seconds(1);
const LONGEST: Duration = seconds(60);

/// What readers have met, until it is told.
#[derive(Default, Clone)]
pub(crate) struct Met(Arc<Mutex<Vec<(SplitId, ConnectError)>>>);

impl Met {
    pub(crate) fn note(&self, split: &SplitId, error: ConnectError) {
        self.0.lock().push((split.clone(), error));
    }

    pub(crate) fn take(&self) -> Vec<(SplitId, ConnectError)> {
        std::mem::take(&mut self.0.lock())
    }
}

impl fmt::Debug for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Met").finish_non_exhaustive()
    }
}

/// Until when a file is left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Withheld {
    pub(crate) until: Timestamp,
    wait: Duration,
    /// How far it had been read.
    pub(crate) at: u64,
    pub(crate) is_over: bool,
}

impl Withheld {
    pub(crate) fn since(&self) -> Timestamp {
        self.until.saturating_add(-self.wait)
    }
}

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
        self.withheld.is_some_and(|withheld| !withheld.is_over)
    }

    /// Leaves it alone.
    pub(crate) fn withhold(&mut self, now: Timestamp) {
        let at = self.reached();
        let before = self.withheld.filter(|before| before.at == at);
        let wait = before.map_or(SHORTEST, |before| LONGEST.min(before.wait * 2));
        self.withheld = Some(Withheld { until: now.saturating_add(wait), wait, at, is_over: false });
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
