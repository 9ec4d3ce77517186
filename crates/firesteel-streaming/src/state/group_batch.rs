//! One key group in one batch, as an operator with state sees it.

use std::fmt;

use firesteel_core::{Key, TaskContext};
use firesteel_state::{Fired, GroupState, KeyContext, KeyGroups, Result, TimeDomain, Times};
use firesteel_window::Timestamp;

use crate::state::work::{BatchTimes, Entry, prefetch};
use crate::stream::{Plain, Shape};

/// One key group in one batch: its records, its state, the batch's times, and the timers that are due.
///
/// `T` is what the operator's [`Route`](super::Route) makes of records.
pub struct GroupBatch<'a, K, T> {
    state: &'a mut GroupState<K>,
    lists: &'a mut [Vec<Entry<K, T>>],
    times: &'a BatchTimes,
    task: &'a TaskContext,
    slice: Slice,
}

/// How many of the due timers of a key group fire in a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    /// How many still may.
    room: u64,
    /// Whether one was due and did not.
    left: bool,
    /// Whether any has fired.
    fired: bool,
}

impl Slice {
    /// Of the group that has this many of the `timers` of its operator, where about `limit` fire in a batch of `groups`.
    ///
    /// Half of them are for the groups that have timers, by how many they have; half are for all groups alike, since a
    /// timer may be set by the batch's own records. So a slice follows from the state before the batch and from nothing
    /// else: attempts and re-runs have the same, whatever the number of threads.
    pub(crate) fn of(limit: u64, of_group: u64, timers: u64, groups: KeyGroups) -> Self {
        let share = match (limit / 2).checked_mul(of_group.min(timers)) {
            Some(product) => product / timers.max(1),
            None => (u128::from(limit / 2) * u128::from(of_group.min(timers)) / u128::from(timers.max(1))) as u64,
        };
        Self { room: (limit / 2).div_ceil(groups.count().into()).max(1) + share, left: false, fired: false }
    }
}

impl<'a, K: Key, T> GroupBatch<'a, K, T> {
    pub(crate) fn new(
        state: &'a mut GroupState<K>,
        lists: &'a mut [Vec<Entry<K, T>>],
        times: &'a BatchTimes,
        task: &'a TaskContext,
        slice: Slice,
    ) -> Self {
        Self { state, lists, times, task, slice }
    }

    /// Whether due timers are left for the next batch.
    pub(crate) fn has_left(&self) -> bool {
        self.slice.left
    }

    /// Whether timers have fired.
    pub(crate) fn has_fired(&self) -> bool {
        self.slice.fired
    }

    /// The batch's times.
    #[must_use]
    pub fn times(&self) -> BatchTimes {
        *self.times
    }

    /// How many records the group has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }

    /// Whether the group has no records in this batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.iter().all(Vec::is_empty)
    }

    /// Takes the records, those of one key in their order: each with the hash of its key and the key. Beside them the
    /// state that they meet.
    ///
    /// What is not taken is forgotten when the operator returns.
    pub fn records(&mut self) -> (impl Iterator<Item = Entry<K, T>>, &mut GroupState<K>) {
        (self.lists.iter_mut().flat_map(|list| list.drain(..)), self.state)
    }

    /// The records as lists, one for each task that had some: what [`records`](Self::records) takes one by one, for
    /// operators that take them all at once, such as by [`Value::merge_many`](firesteel_state::Value::merge_many).
    pub fn lists(&mut self) -> (&mut [Vec<Entry<K, T>>], &mut GroupState<K>) {
        (self.lists, self.state)
    }

    /// The state of all keys of the group.
    pub fn state(&mut self) -> &mut GroupState<K> {
        self.state
    }

    /// Makes ready for the records' keys: reads their values from the backend in one call, or brings those that are in
    /// memory into the processor's cache. For operators that handle records one by one; what
    /// [`Value::update_many`](firesteel_state::Value::update_many) and `merge_many` change they prepare themselves.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn prefetch(&mut self) -> Result<()> {
        prefetch(self.state, self.lists)
    }

    /// Fires the timers of processing time that the batch's time has reached, in the order of time, then of keys, then
    /// of registration. What `fire` registers for a time that has come fires in its place in that order;
    /// to register a timer for the time at which it fires itself is refused, since it would have no end.
    ///
    /// The [event time](KeyContext::event_time) of `fire` is as far as event time has come: the watermark at the start.
    ///
    /// Of very many, a [slice](crate::Builder::timers_per_batch) fires, and the next batches fire the rest.
    ///
    /// # Errors
    /// Those of `fire`.
    pub fn fire_processing_timers(
        &mut self,
        mut fire: impl FnMut(&Fired<K>, KeyContext<'_, K>) -> Result<()>,
    ) -> Result<()> {
        let times = Times { event: self.times.watermark, ..self.times.now() };
        self.fire(TimeDomain::Processing, self.times.time, &|_| times, &mut fire)
    }

    /// Fires the timers of event time that the [watermark](BatchTimes::reached) has reached, in the order of time, then
    /// of keys, then of registration. What `fire` registers for a time that has come fires in its place in that order;
    /// to register a timer for the time at which it fires itself is refused, since it would have no end.
    ///
    /// Where event time ends, all timers fire; those that are registered by that do not, before there is another batch
    /// after it.
    ///
    /// Of very many, a [slice](crate::Builder::timers_per_batch) fires, and the next batches fire the rest.
    ///
    /// # Errors
    /// Those of `fire`.
    pub fn fire_event_timers(
        &mut self,
        mut fire: impl FnMut(&Fired<K>, KeyContext<'_, K>) -> Result<()>,
    ) -> Result<()> {
        let BatchTimes { time, reached, .. } = *self.times;
        self.fire(TimeDomain::Event, reached, &|fired| Times::new(fired.time, reached, time), &mut fire)
    }

    fn fire(
        &mut self,
        domain: TimeDomain,
        now: Timestamp,
        times: &dyn Fn(&Fired<K>) -> Times,
        fire: &mut dyn FnMut(&Fired<K>, KeyContext<'_, K>) -> Result<()>,
    ) -> Result<()> {
        // Those that are registered at the end of event time would have no end.
        let defers = domain == TimeDomain::Event && self.times.ends;
        loop {
            for _ in 0..BETWEEN_LOOKS {
                if self.slice.room == 0 {
                    self.slice.left |= self.state.next_timer(domain)?.is_some_and(|next| next <= now);
                    return Ok(());
                }
                let Some(fired) = self.state.pop_due(domain, now)? else { return Ok(()) };
                self.slice.room -= 1;
                self.slice.fired = true;
                let mut key = self.state.key(fired.hash, &fired.key, times(&fired));
                key.defer_timers(defers);
                key.fires(&fired);
                fire(&fired, key)?;
            }
            self.task.check_cancelled();
        }
    }
}

/// Timers that fire between two looks at whether the task is cancelled.
const BETWEEN_LOOKS: usize = 1024;

impl<K: Key, T> fmt::Debug for GroupBatch<'_, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupBatch").field("state", self.state).field("times", self.times).finish_non_exhaustive()
    }
}

/// Where an operator puts its results.
pub struct Results<'a, U: Send + 'static, Z: Shape = Plain> {
    rows: &'a mut Vec<Z::Record<U>>,
}

impl<'a, U: Send + 'static, Z: Shape> Results<'a, U, Z> {
    pub(crate) fn new(rows: &'a mut Vec<Z::Record<U>>) -> Self {
        Self { rows }
    }

    /// Yields a result of this time, which counts where results have one.
    #[inline]
    pub fn emit(&mut self, at: Timestamp, result: U) {
        self.rows.push(Z::at(at, result));
    }

    /// Yields a result as it travels: without a time where the stream of results is plain, with it where it is timed.
    #[inline]
    pub fn push(&mut self, result: Z::Record<U>) {
        self.rows.push(result);
    }

    /// Yields results as [`push`](Self::push) does.
    pub fn extend(&mut self, results: impl IntoIterator<Item = Z::Record<U>>) {
        self.rows.extend(results);
    }
}

impl<U: Send + 'static, Z: Shape> fmt::Debug for Results<'_, U, Z> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("so_far", &self.rows.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_add_up_to_about_the_limit_however_timers_lie() {
        let groups = KeyGroups::default();
        let total = |limit, timers: &[u64]| {
            let all = timers.iter().sum();
            timers.iter().map(|of_group| Slice::of(limit, *of_group, all, groups).room).sum::<u64>()
        };
        assert_eq!(total(100_000, &[7_813; 128]), 128 * (391 + 390));
        let mut skewed = [0; 128];
        skewed[5] = 1_000_000;
        assert_eq!(Slice::of(100_000, 1_000_000, 1_000_000, groups).room, 50_391);
        assert!(total(100_000, &skewed) <= 100_128);
        assert_eq!(Slice::of(0, 3, 10, groups).room, 1, "a batch gets on, whatever it is set to");
        assert_eq!(Slice::of(u64::MAX, u64::MAX, u64::MAX, groups).room, (u64::MAX / 2).div_ceil(128) + u64::MAX / 2);
    }
}
