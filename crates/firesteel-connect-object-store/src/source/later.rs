//! Objects that are there and cannot be read for now, as those that are forbidden: they are left alone for some time, and retried.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_connect::{ConnectError, SplitId};
use firesteel_window::{Duration, Timestamp, seconds};
use parking_lot::Mutex;

use super::catalog::Catalog;
use super::entry::Object;

/// How long an object is left alone at first, and at most: each time twice as long, as long as nothing of it can be read.
const SHORTEST: Duration = seconds(10);
const LONGEST: Duration = seconds(600);

/// What readers have met, until it is told.
#[derive(Default, Clone)]
pub(super) struct Met(Arc<Mutex<Vec<(SplitId, String)>>>);

impl Met {
    /// Takes note of what is in the way of reading an object: the error for whoever reads it.
    pub(super) fn note(&self, split: &SplitId, position: u64, error: &ConnectError) -> ConnectError {
        let reason = error.to_string();
        self.0.lock().push((split.clone(), reason.clone()));
        ConnectError::Later { place: split.to_string(), position, reason }
    }
}

impl fmt::Debug for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Met").finish_non_exhaustive()
    }
}

/// Until when an object is left alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Withheld {
    until: Timestamp,
    wait: Duration,
    /// How far it had been read.
    at: u64,
    is_over: bool,
}

impl Object {
    /// How far it has been read.
    pub(super) fn got_to(&self) -> u64 {
        self.reached.load(Ordering::Relaxed).max(self.committed)
    }

    /// Whether it must not be asked for.
    pub(super) fn is_withheld(&self) -> bool {
        self.withheld.is_some_and(|withheld| !withheld.is_over)
    }
}

impl Catalog {
    /// Tells of objects that readers could not read and leaves them alone, and offers those again that were left alone for long enough.
    pub(super) fn withhold(&mut self, now: Timestamp) {
        let met = std::mem::take(&mut *self.met.0.lock());
        for (split, reason) in met {
            let Some(object) = self.objects.get_mut(&split).filter(|object| !object.is_withheld()) else { continue };
            let at = object.got_to();
            let before = object.withheld.filter(|before| before.at == at);
            let wait = before.map_or(SHORTEST, |before| LONGEST.min(before.wait * 2));
            object.withheld = Some(Withheld { until: now.saturating_add(wait), wait, at, is_over: false });
            if before.is_none() {
                self.telling.unreadable(object.pin.key.as_ref(), &reason);
            }
            self.untold.push(split.clone());
            if !self.withheld.contains(&split) {
                self.withheld.push(split);
            }
        }
        let Self { withheld, objects, untold, .. } = self;
        withheld.retain(|split| {
            let Some(object) = objects.get_mut(split) else { return false };
            let at = object.got_to();
            let Some(until) = &mut object.withheld else { return false };
            if at > until.at {
                object.withheld = None;
                return false;
            }
            // A clock that was set back is no reason to wait longer.
            if !until.is_over && (now >= until.until || now < until.until.saturating_add(-until.wait)) {
                until.is_over = true;
                untold.push(split.clone());
            }
            true
        });
    }
}
