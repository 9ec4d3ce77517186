//! Adaptive parallelism: how many tasks run where, by the size of the data.

use firesteel_window::Duration;

/// How a wave of tasks is spread over the executors.
///
/// Sizes are those of [`Lineage::size_hint`](firesteel_core::Lineage::size_hint), which is asked once the parents have
/// run. A partition of unknown size counts as large.
///
/// ```
/// use firesteel_scheduler::{Adaptive, Scheduler};
/// let scheduler = Scheduler::builder().threads(2).adaptive(Adaptive::default().inline_below(50_000)).build()?;
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adaptive {
    pub(crate) inline_below: u64,
    pub(crate) coalesce_to: u64,
    pub(crate) patience: Duration,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { inline_below: 20_000, coalesce_to: 20_000, patience: Duration::millis(1) }
    }
}

impl Adaptive {
    /// Every task is handed to the executors by itself, whatever its size.
    #[must_use]
    pub fn off() -> Self {
        Self { inline_below: 0, coalesce_to: 0, patience: Duration::ZERO }
    }

    /// A wave of fewer records in total runs on the calling thread. 20,000 by default: about what two threads need to
    /// get going costs more than they save below that.
    #[must_use]
    pub fn inline_below(self, records: u64) -> Self {
        Self { inline_below: records, ..self }
    }

    /// Partitions are put together until they have this many records, 20,000 by default, and then run one after the
    /// other on one executor; fewer, down to a quarter, where executors would be left with nothing. Each partition stays
    /// a task of its own.
    #[must_use]
    pub fn coalesce_to(self, records: u64) -> Self {
        Self { coalesce_to: records, ..self }
    }

    /// Records may be few and slow. Tasks that were to run one after the other are handed out one by one as soon as
    /// they have taken so long, 1 ms by default.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// What a partition counts for: an empty one still costs about as much as some records.
    fn weight(size: Option<u64>) -> u64 {
        const TASK: u64 = 50;
        size.map_or(u64::MAX, |records| records.saturating_add(TASK))
    }

    /// Puts the tasks in the order in which to start them and cuts that order into runs of tasks.
    pub(crate) fn arrange(&self, sizes: &[Option<u64>], executors: usize) -> Arrangement {
        let total = sizes.iter().fold(0u64, |total, size| total.saturating_add(Self::weight(*size)));
        if total < self.inline_below {
            return Arrangement::Inline;
        }
        // The largest first, so that no large one starts last while the other executors have nothing left to do.
        let mut order: Vec<u32> = (0..sizes.len()).map(|task| task as u32).collect();
        order.sort_by_key(|task| std::cmp::Reverse(Self::weight(sizes[*task as usize])));
        // Every executor gets its part, unless that would be too little to wake it for.
        let part = (total / executors.max(1) as u64).clamp(self.coalesce_to / 4, self.coalesce_to);
        let mut ends = Vec::new();
        let mut weight = 0u64;
        for (at, task) in order.iter().enumerate() {
            weight = weight.saturating_add(Self::weight(sizes[*task as usize]));
            if weight >= part || at + 1 == order.len() {
                ends.push(at as u32 + 1);
                weight = 0;
            }
        }
        Arrangement::Spread { order, ends }
    }
}

/// Where tasks run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// All on the calling thread, in order.
    Inline,
    /// On the executors.
    Spread {
        /// The tasks, first to be started first.
        order: Vec<u32>,
        /// Where in `order` each run of tasks ends.
        ends: Vec<u32>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_wave_stays_with_the_caller() {
        assert_eq!(Adaptive::default().arrange(&[Some(100), Some(200)], 2), Arrangement::Inline);
        assert_ne!(Adaptive::default().arrange(&[Some(100), None], 2), Arrangement::Inline);
        assert_ne!(Adaptive::off().arrange(&[Some(1)], 2), Arrangement::Inline);
    }

    #[test]
    fn the_largest_come_first_and_tiny_ones_together() {
        let sizes = [Some(10), Some(30_000), None, Some(15_000), Some(20), Some(6_000)];
        let Arrangement::Spread { order, ends } = Adaptive::default().arrange(&sizes, 2) else { panic!("too large") };
        assert_eq!(order, [2, 1, 3, 5, 4, 0]);
        assert_eq!(ends, [1, 2, 4, 6]);
        let Arrangement::Spread { ends, .. } = Adaptive::off().arrange(&sizes, 2) else { panic!("never inline") };
        assert_eq!(ends, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn no_executor_is_left_with_nothing_for_the_sake_of_coalescing() {
        let ends = |size: u64, executors| match Adaptive::default().arrange(&[Some(size); 8], executors) {
            Arrangement::Spread { ends, .. } => ends,
            Arrangement::Inline => panic!("too large"),
        };
        assert_eq!(ends(4_000, 2), [4, 8]);
        assert_eq!(ends(4_000, 4), [2, 4, 6, 8]);
        assert_eq!(ends(4_000, 64), [2, 4, 6, 8]);
    }

    #[test]
    fn many_empty_partitions_are_still_spread() {
        let Arrangement::Spread { ends, .. } = Adaptive::default().arrange(&vec![Some(0); 10_000], 2) else {
            panic!("ten thousand tasks cost something")
        };
        assert_eq!(ends.len(), 25);
    }
}
