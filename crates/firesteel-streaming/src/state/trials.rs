//! Whether it pays to aggregate the records of a task before they travel.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether to aggregate before records travel, as the tasks of an operator have found: where hardly a key repeats, a table
/// costs more than it saves.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    /// About how many records a task has.
    records: AtomicUsize,
    /// How many tasks are to come before the next one tries.
    until_next: AtomicUsize,
}

/// Keys after which it is decided whether to go on.
pub(crate) const TRIAL: usize = 4096;

/// With more keys, only a table that has already paid is kept: others are out of the processor's cache.
const LARGE: usize = 8 * TRIAL;

/// Tasks that do not try, after one for which it did not pay.
const PAUSE: usize = 7;

/// With fewer records, nothing follows from how many keys they had.
const FEW: usize = 64;

impl Trials {
    /// Whether the next task tries.
    pub(crate) fn begins(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.until_next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }

    /// Whether a task goes on that has seen so many records with so many keys.
    pub(crate) fn goes_on(&self, keys: usize, seen: usize) -> bool {
        if keys * 2 <= seen {
            return true;
        }
        // Of `n` equally frequent keys, about `seen² / 2n` records have one that came before.
        let repeats = seen.saturating_sub(keys).max(1);
        let all_keys = seen.saturating_mul(seen) / (2 * repeats);
        let expected = self.records.load(Ordering::Relaxed);
        let goes_on = keys < LARGE && expected >= all_keys.saturating_mul(2);
        // The first task gives up because it knows nothing.
        if !goes_on && expected > 0 {
            self.pause();
        }
        goes_on
    }

    /// It did not pay.
    fn pause(&self) {
        self.until_next.store(PAUSE, Ordering::Relaxed);
    }

    /// A task has ended that had so many records.
    pub(crate) fn saw(&self, records: usize) {
        let before = self.records.load(Ordering::Relaxed);
        // Small ones come between large ones.
        self.records.store(records.max(before - before / 8), Ordering::Relaxed);
    }

    /// A task has ended that had so many records, and so many keys if it has tried to the end.
    pub(crate) fn ended(&self, seen: usize, keys: Option<usize>) {
        self.saw(seen);
        if seen >= FEW && keys.is_some_and(|keys| keys * 2 > seen) {
            self.pause();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many keys of this many equally frequent ones come among so many records.
    fn distinct(keys: f64, records: f64) -> usize {
        (keys * (1.0 - (-records / keys).exp())) as usize
    }

    #[test]
    fn a_table_pays_where_the_keys_come_again_before_the_task_ends() {
        let trials = Trials::default();
        let goes_on = |keys: f64, seen: f64| trials.goes_on(distinct(keys, seen), seen as usize);
        // 5,270 of 10,000 keys have had a record, and nothing says how many records there will be.
        assert!(!goes_on(10_000.0, 5_270.0));
        trials.ended(1_000_000, None);
        assert!(goes_on(10_000.0, 5_270.0) && goes_on(10_000.0, 17_000.0));
        assert!(goes_on(100_000.0, 4_180.0) && !goes_on(1_000_000.0, 4_100.0));
        assert!(!goes_on(100_000.0, 45_000.0), "a table that is larger than a cache has to have paid");
        assert!(goes_on(100_000.0, 300_000.0));
    }

    #[test]
    fn what_has_not_paid_is_not_tried_for_some_tasks() {
        let trials = Trials::default();
        assert!(trials.begins());
        assert!(!trials.goes_on(4_096, 4_100));
        assert!(trials.begins(), "the first task has nothing to go by");
        trials.ended(1_000_000, None);
        trials.ended(1_000, Some(400));
        assert!(trials.begins());
        trials.ended(10, Some(10));
        assert!(trials.begins());
        trials.ended(1_000, Some(990));
        let tried: Vec<bool> = (0..9).map(|_| trials.begins()).collect();
        assert_eq!(tried, [false, false, false, false, false, false, false, true, true]);
        assert!(!trials.goes_on(4_096, 4_100) && !trials.begins(), "now it is known");
    }
}
