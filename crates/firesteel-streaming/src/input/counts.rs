//! What a source counts for progress records.

use std::collections::BTreeMap;

use firesteel_connect::Counters;

/// A source's counters, and what they had counted when a batch told so last.
#[derive(Default)]
pub(super) struct Counts {
    counters: Counters,
    told: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(super) fn of(counters: Counters) -> Self {
        Self { counters, told: BTreeMap::new() }
    }

    /// What has been counted in all, but for how often pushes have waited.
    pub(super) fn all(&self) -> Vec<(&'static str, u64)> {
        let counted = self.counters.values().into_iter();
        counted.filter(|(name, count)| *name != Counters::WAITS && *count > 0).collect()
    }

    /// How often pushes have waited since the last call, and what else has been counted.
    pub(super) fn since(&mut self) -> (u64, BTreeMap<&'static str, u64>) {
        let mut counts = BTreeMap::new();
        for (name, value) in self.counters.values() {
            let before = self.told.insert(name, value).unwrap_or(0);
            if value > before {
                counts.insert(name, value - before);
            }
        }
        (counts.remove(Counters::WAITS).unwrap_or(0), counts)
    }
}
