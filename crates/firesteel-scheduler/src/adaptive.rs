//! Adaptive parallelism: how many tasks run where, by how long they will take.

use firesteel_window::Duration;

/// How a wave of tasks is spread over the executors.
///
/// What a record costs in a stage is learned as the stage runs, batch after batch; what is expected follows from it and
/// from [`Lineage::size_hint`](firesteel_core::Lineage::size_hint), which is asked once the parents have run. Tasks of
/// which nothing is known yet go to whoever is there to take them, one by one.
///
/// ```
/// use firesteel_scheduler::{Adaptive, Scheduler};
/// use firesteel_window::Duration;
///
/// let scheduler = Scheduler::builder().threads(2).adaptive(Adaptive::default().inline_below(Duration::micros(200))).build()?;
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adaptive {
    pub(crate) inline_below: Duration,
    pub(crate) coalesce_to: Duration,
    pub(crate) patience: Duration,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { inline_below: Duration::micros(24), coalesce_to: Duration::micros(100), patience: Duration::millis(1) }
    }
}

impl Adaptive {
    /// Every task is handed to the executors by itself, however short it is.
    #[must_use]
    pub fn off() -> Self {
        Self { inline_below: Duration::ZERO, coalesce_to: Duration::ZERO, patience: Duration::ZERO }
    }

    /// A wave that is expected to take less, all tasks together, runs on the calling thread. 24 µs by default: below
    /// that, what two threads need to get going is about what they save. A wave of one task stays there also if it takes up to
    /// the [patience](Self::patience).
    #[must_use]
    pub fn inline_below(self, time: Duration) -> Self {
        Self { inline_below: time, ..self }
    }

    /// Tasks are put together until they are expected to take this long, 100 µs by default, and then run one after the
    /// other on one executor; less, down to an eighth, where executors would be left with nothing. Each stays a task of
    /// its own.
    #[must_use]
    pub fn coalesce_to(self, time: Duration) -> Self {
        Self { coalesce_to: time, ..self }
    }

    /// Tasks may take longer than those before them. Those that were to run one after the other are handed out one by one
    /// as soon as they have taken so long, 1 ms by default.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Puts the tasks in the order in which to start them and cuts that order into runs of tasks. `expected` is what each
    /// is expected to take, where that is known.
    pub(crate) fn arrange(&self, expected: &[Expected], executors: usize) -> Arrangement {
        let times = || expected.iter().map(|task| task.time);
        let total: Option<u64> = times().try_fold(0u64, |total, time| Some(total.saturating_add(time?)));
        let is_short = match total {
            _ if self.inline_below <= Duration::ZERO => false,
            // Nobody can take a part of the wave: it stays where what it reads has just been written.
            Some(total) if expected.len() == 1 => total < nanos(self.inline_below.max(self.patience)),
            Some(total) => total < nanos(self.inline_below),
            // Others wait for the only executor, if that is what they need.
            None => executors == 1 && expected.iter().map(|task| task.weight).sum::<u64>() < FEW,
        };
        if is_short {
            return Arrangement::Inline;
        }
        // The longest first, so that no long one starts last while the other executors have nothing left to do.
        let mut order: Vec<u32> = (0..expected.len()).map(|task| task as u32).collect();
        order.sort_by_key(|task| {
            let Expected { time, weight } = expected[*task as usize];
            std::cmp::Reverse((time.unwrap_or(u64::MAX), weight))
        });
        let coalesce_to = nanos(self.coalesce_to);
        // Every executor gets its part, unless that would be too little to wake it for. Without a time it is not known
        // what is too little; then there are enough runs that no executor has to wait long for another.
        let (part, most) = match total {
            Some(total) => ((total / executors.max(1) as u64).clamp(coalesce_to / 8, coalesce_to), usize::MAX),
            None if coalesce_to == 0 => (0, usize::MAX),
            None => (u64::MAX, expected.len().div_ceil(RUNS * executors.max(1))),
        };
        let (mut ends, mut time, mut count) = (Vec::new(), 0u64, 0);
        for (at, task) in order.iter().enumerate() {
            time = time.saturating_add(expected[*task as usize].time.unwrap_or(0));
            count += 1;
            if time >= part || count >= most || at + 1 == order.len() {
                ends.push(at as u32 + 1);
                (time, count) = (0, 0);
            }
        }
        Arrangement::Spread { order, ends }
    }
}

/// This few records take little time, as a rule.
const FEW: u64 = 20_000;

/// Runs of tasks for each executor, where it is not known how long tasks take.
const RUNS: usize = 64;

/// What is expected of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// How long it takes, in nanoseconds, where that is known.
    pub(crate) time: Option<u64>,
    /// What it counts for beside other tasks of its stage.
    pub(crate) weight: u64,
}

/// A time in nanoseconds; none if it is negative.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(0).saturating_mul(1_000)
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

    /// Tasks that take this many microseconds.
    fn known(times: &[u64]) -> Vec<Expected> {
        times.iter().map(|time| Expected { time: Some(time * 1_000), weight: *time }).collect()
    }

    fn unknown(weights: &[u64]) -> Vec<Expected> {
        weights.iter().map(|weight| Expected { time: None, weight: *weight }).collect()
    }

    fn spread(adaptive: &Adaptive, tasks: &[Expected], executors: usize) -> (Vec<u32>, Vec<u32>) {
        match adaptive.arrange(tasks, executors) {
            Arrangement::Spread { order, ends } => (order, ends),
            Arrangement::Inline => panic!("takes too long for one thread"),
        }
    }

    #[test]
    fn a_short_wave_stays_with_the_caller() {
        let adaptive = Adaptive::default();
        assert_eq!(adaptive.arrange(&known(&[10, 12]), 2), Arrangement::Inline);
        assert_ne!(adaptive.arrange(&known(&[10, 50]), 2), Arrangement::Inline);
        assert_eq!(adaptive.arrange(&known(&[900]), 2), Arrangement::Inline, "nobody could help");
        assert_ne!(adaptive.arrange(&known(&[1_100]), 2), Arrangement::Inline);
        assert_ne!(Adaptive::off().arrange(&known(&[1]), 2), Arrangement::Inline);
    }

    #[test]
    fn the_longest_come_first_and_short_ones_together() {
        let tasks = known(&[1, 150, 500, 75, 2, 30]);
        let (order, ends) = spread(&Adaptive::default(), &tasks, 2);
        assert_eq!((order, ends), (vec![2, 1, 3, 5, 4, 0], vec![1, 2, 4, 6]));
        assert_eq!(spread(&Adaptive::off(), &tasks, 2).1, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn no_executor_is_left_with_nothing_for_the_sake_of_coalescing() {
        let ends = |time: u64, executors| spread(&Adaptive::default(), &known(&[time; 8]), executors).1;
        assert_eq!(ends(20, 2), [4, 8]);
        assert_eq!(ends(20, 4), [2, 4, 6, 8]);
        assert_eq!(ends(20, 64), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(ends(6, 64), [3, 6, 8], "12.5 µs are worth waking somebody for");
    }

    #[test]
    fn tasks_of_which_nothing_is_known_go_one_by_one_the_largest_first() {
        let (order, ends) = spread(&Adaptive::default(), &unknown(&[5, 1, 9]), 8);
        assert_eq!((order, ends), (vec![2, 0, 1], vec![1, 2, 3]));
    }

    #[test]
    fn very_many_tasks_of_which_nothing_is_known_go_in_runs() {
        let (_, ends) = spread(&Adaptive::default(), &unknown(&[1; 10_000]), 2);
        assert_eq!(ends.len(), 127);
        assert!(ends[0] < 100);
    }
}
