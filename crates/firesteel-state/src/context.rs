//! The key that is being handled, and the way from a handle to its state.

use firesteel_window::Timestamp;

use crate::codec::{self, StateField, StateKey, StateValue};
use crate::error::{Result, StateError};
use crate::frame::TableId;
use crate::group::{Fired, GroupState, TimersFrom};
use crate::schema::evolution::skip::show;
use crate::schema::{Shape, TypeTag};
use crate::table::Stamps;
use crate::table::cells::Cells;
use crate::table::timers::TimerTable;
use crate::table::values::Values;
use crate::ttl::Times;

/// One key of a [group](GroupState) at one moment: what handles are used with.
#[derive(Debug)]
pub struct KeyContext<'a, K> {
    group: &'a mut GroupState<K>,
    hash: u64,
    key: &'a K,
    times: Times,
    defers: bool,
    /// The timers of which one fires, and its time.
    fires: Option<(usize, Timestamp)>,
}

impl<K: StateKey> GroupState<K> {
    /// One key, to be used with handles. `hash` is the hash of the key, by which it belongs to this group.
    pub fn key<'a>(&'a mut self, hash: u64, key: &'a K, times: Times) -> KeyContext<'a, K> {
        KeyContext::new(self, hash, key, times)
    }
}

impl<'a, K: StateKey> KeyContext<'a, K> {
    pub(crate) fn new(group: &'a mut GroupState<K>, hash: u64, key: &'a K, times: Times) -> Self {
        Self { group, hash, key, times, defers: false, fires: None }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &'a K {
        self.key
    }

    /// The event time of the record, or the time of the timer.
    #[must_use]
    pub fn event_time(&self) -> Timestamp {
        self.times.event
    }

    /// The watermark at the start of the batch.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.times.watermark
    }

    /// The processing time of the batch.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.times.processing
    }

    /// Whether timers of event time that are registered from here on are deferred: nothing fires them before
    /// [`GroupState::admit_deferred`]. For those that are registered where event time ends, which would have no end.
    pub fn defer_timers(&mut self, defers: bool) {
        self.defers = defers;
    }

    /// Says that this timer fires: it can be registered again for a later time only, since it would fire forever.
    pub fn fires(&mut self, timer: &Fired<K>) {
        self.fires = Some((timer.at, timer.time));
    }

    /// Refuses to register a timer for a time that would have it fire forever.
    #[inline]
    pub(crate) fn check_timer(&self, timers: usize, at: Timestamp) -> Result<()> {
        match self.fires {
            Some((fires, time)) if fires == timers && at <= time && !self.defers => Err(self.repeats(at, time)),
            _ => Ok(()),
        }
    }

    #[cold]
    fn repeats(&self, at: Timestamp, time: Timestamp) -> StateError {
        let mut bytes = Vec::new();
        let shape = TypeTag::of::<K>().shape.parse().unwrap_or(Shape::Unknown);
        let key = codec::encode(self.key, &mut bytes).map_or_else(|_| "?".to_owned(), |()| show(&shape, &bytes));
        StateError::TimerRepeats { operator: self.group.operator().to_owned(), key, at, time }
    }

    /// Whether timers of event time are deferred.
    pub(crate) fn defers_timers(&self) -> bool {
        self.defers
    }

    pub(crate) fn values<V: StateValue>(&mut self, at: usize) -> Result<Place<'_, K, Values<K, V>>> {
        let (key, hash, times, stamps) = (self.key, self.hash, self.times, self.group.stamps());
        Ok(Place { table: self.group.table(at, "value")?, hash, key, times, stamps })
    }

    pub(crate) fn cells<F: StateField, V: StateValue>(
        &mut self,
        at: usize,
        kind: &'static str,
    ) -> Result<Place<'_, K, Cells<K, F, V>>> {
        let (key, hash, times, stamps) = (self.key, self.hash, self.times, self.group.stamps());
        Ok(Place { table: self.group.table(at, kind)?, hash, key, times, stamps })
    }

    pub(crate) fn timers(&mut self, at: usize, from: TimersFrom) -> Result<(Place<'_, K, dyn TimerTable<K>>, TableId)> {
        let (key, hash, times, stamps) = (self.key, self.hash, self.times, self.group.stamps());
        let (table, id) = self.group.timer_table(at, from)?;
        Ok((Place { table, hash, key, times, stamps }, id))
    }
}

/// A table, and what its methods want to know.
pub(crate) struct Place<'a, K, T: ?Sized> {
    pub(crate) table: &'a mut T,
    pub(crate) hash: u64,
    pub(crate) key: &'a K,
    pub(crate) times: Times,
    pub(crate) stamps: Stamps,
}
