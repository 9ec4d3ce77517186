//! What an operator with state does with the records of one key group in one batch.

use firesteel_core::Key;
use firesteel_state::{Changes, GroupState, Times};
use firesteel_window::Timestamp;

use crate::error::Result;
use crate::state::group_batch::GroupBatch;
use crate::state::operator::NewState;

/// The times of a batch, as an operator with state sees them. Every attempt at the batch has the same, also after a
/// restart: there is no other clock to look at.
#[derive(Debug, Clone, Copy)]
pub struct BatchTimes {
    pub(crate) time: Timestamp,
    pub(crate) watermark: Timestamp,
    pub(crate) reached: Timestamp,
    /// Whether event time ends with the batch or has ended before, even if an operator upstream still holds it back.
    pub(crate) ends: bool,
}

impl BatchTimes {
    /// The processing time at which the batch was admitted.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The watermark at the start of the batch, which judges what is late; [`Timestamp::MIN`] where there is no event
    /// time.
    #[must_use]
    pub const fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The watermark that all of the batch's records have brought about, which fires timers of event time;
    /// [`Timestamp::MIN`] where there is no event time, [`Timestamp::MAX`] once it has ended.
    #[must_use]
    pub const fn reached(&self) -> Timestamp {
        self.reached
    }

    /// For a record that happened at `event`: what [`GroupState::key`](firesteel_state::GroupState::key) takes.
    #[must_use]
    pub const fn at(&self, event: Timestamp) -> Times {
        Times::new(event, self.watermark, self.time)
    }

    /// For what has no event time of its own: records of a plain stream, and what is not done on behalf of a record.
    #[must_use]
    pub const fn now(&self) -> Times {
        self.at(Timestamp::MIN)
    }
}

/// A record with the hash of its key.
pub(crate) type Entry<K, T> = (u64, K, T);

/// The work of an operator with state, whatever its shape and routes: what a
/// [`KeyedOperator`](crate::operator::KeyedOperator) is to the tasks that run it.
pub(crate) trait Work<K, T>: Send + Sync + 'static {
    /// What it yields.
    type Out: Send + 'static;

    /// How many rows this many records become at most, where that is known and all of them come close.
    fn rows(&self, _records: usize) -> usize {
        0
    }

    /// Handles one key group. It is called for every group and batch, also where there are no records: time passes for
    /// all keys. What is left of the group's records is forgotten.
    fn run(&self, group: &mut GroupBatch<'_, K, T>, out: &mut Vec<Self::Out>) -> firesteel_state::Result<()>;

    /// What the attempt at the batch has changed in the group.
    fn changes(&self, group: &mut GroupState<K>) -> firesteel_state::Result<Changes>;

    /// Fills the state of a new job.
    fn initialize(&self, new: &NewState<'_, K>) -> Result<()>;
}

/// Makes ready for the records' keys: reads what is not in memory in one call, or brings what is into the cache.
pub(crate) fn prefetch<K: Key, T>(
    group: &mut GroupState<K>,
    lists: &[Vec<Entry<K, T>>],
) -> firesteel_state::Result<()> {
    if group.is_complete() {
        group.warm_up(lists.iter().map(Vec::len).sum());
        return Ok(());
    }
    let keys: Vec<_> = lists.iter().flatten().map(|(hash, key, _)| (*hash, key)).collect();
    group.prefetch(&keys)
}
