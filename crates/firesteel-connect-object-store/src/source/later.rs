//! Objects that are there and cannot be read for now, as those that are forbidden: they are left alone for some time, and retried.

use std::sync::atomic::Ordering;

use firesteel_connect::ReadRange;
use firesteel_frames::{Wait, Withheld};
use firesteel_window::{Duration, Timestamp, seconds};

use super::catalog::Catalog;
use super::entry::Object;

/// How long an object is left alone at first, and at most.
const WAITS: (Duration, Duration) = (seconds(10), seconds(600));

impl Object {
    /// How far it has been read.
    pub(super) fn got_to(&self) -> u64 {
        self.reached.load(Ordering::Relaxed).max(self.committed)
    }

    /// Whether it must not be asked for.
    pub(super) fn is_withheld(&self) -> bool {
        self.withheld.is_some_and(|withheld| !withheld.is_over())
    }
}

impl Catalog {
    /// Passes over a stretch that could not be read while what comes after it was, if that is wanted. Tells whether it is.
    pub(super) fn pass_over(&mut self, stretch: &ReadRange) -> bool {
        let ReadRange { split, from, to: Some(to), .. } = stretch else { return false };
        if !self.policy.leaves_for_later() || !self.objects.contains_key(split) {
            return false;
        }
        let reason = self.met.take_of(split).unwrap_or_else(|| "it cannot be read".to_owned());
        self.gaps.note(split, *from, *to, &reason);
        true
    }

    /// Tells of objects that readers could not read and leaves them alone, and offers those again that were left alone for long enough.
    pub(super) fn withhold(&mut self, now: Timestamp) {
        for (split, reason) in self.met.take() {
            let Some(object) = self.objects.get_mut(&split).filter(|object| !object.is_withheld()) else { continue };
            let (at, before) = (object.got_to(), object.withheld.take());
            object.withheld = Some(Withheld::again(before, at, now, WAITS));
            if before.is_none_or(|before| !before.stands_at(at)) {
                self.telling.unreadable(object.pin.key.as_ref(), &reason);
            }
            self.untold.push(split.clone());
            if before.is_none() {
                self.withheld.push(split);
            }
        }
        let Self { withheld, objects, untold, .. } = self;
        withheld.retain(|split| {
            let Some(object) = objects.get_mut(split) else { return false };
            let at = object.got_to();
            let Some(until) = &mut object.withheld else { return false };
            match until.look(at, now) {
                Wait::Unchanged => {}
                Wait::Over => untold.push(split.clone()),
                Wait::Vanished => object.withheld = None,
            }
            object.withheld.is_some()
        });
    }
}
