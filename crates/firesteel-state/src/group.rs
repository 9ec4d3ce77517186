//! The state of one operator in one key group.

mod core;

use std::fmt;
use std::sync::Arc;

use firesteel_budget::Reservation;
use firesteel_window::Timestamp;

use self::core::{Core, Tables};
use crate::changes::Changes;
use crate::codec::StateKey;
use crate::error::Result;
use crate::frame::{Frame, TableId};
use crate::schema::OlderValues;
use crate::table::timers::TimerTable;
use crate::table::{Setup, Stamps, Table, TableOf};
use crate::ttl::{TimeDomain, Times};

/// The state of one operator in one key group: what a task works on.
///
/// # Attempts that leave no trace
///
/// A task may fail halfway and be run again. Everything done after [`begin`](Self::begin) is an attempt at the batch
/// of that number; beginning the same number once more rolls it back: values, lists, maps and timers are what they
/// were. Beginning another number, or ending the epoch, keeps it for good. The cost is one clone of each value that is
/// touched in a batch.
///
/// # Epochs
///
/// [`end_epoch`](Self::end_epoch) yields what changed since the last one, for the changelog. When that is prepared and
/// the backend has the changes too, [`applied`](Self::applied) says so: until then, none of them may leave memory.
// What every batch looks at stands together.
#[repr(C)]
pub struct GroupState<K> {
    typed: Typed<K>,
    /// How often the store had passed an epoch when this was asked last.
    passed: u64,
    core: Core,
}

/// The tables of a group.
struct Typed<K> {
    /// By position in the declaration; timers have none of their own.
    tables: Vec<Option<Box<dyn TableOf<K>>>>,
    /// In the order of [`TableId::TIMERS`].
    timers: [Option<Box<dyn TimerTable<K>>>; 3],
}

const fn slot(domain: TimeDomain) -> usize {
    match domain {
        TimeDomain::Event => 0,
        TimeDomain::Processing => 1,
    }
}

/// The place of [`TableId::DEFERRED_TIMERS`].
const DEFERRED: usize = 2;

/// Which timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimersFrom {
    /// Those that a clock fires.
    Clock(TimeDomain),
    /// Those of event time that are deferred.
    Deferred,
}

impl<K: 'static> Tables for Typed<K> {
    fn count(&self) -> usize {
        self.tables.len() + self.timers.len()
    }

    fn timers(&self, number: TableId) -> Option<usize> {
        TableId::TIMERS.iter().position(|timers| *timers == number).map(|at| self.tables.len() + at)
    }

    fn at(&self, at: usize) -> Option<&dyn Table> {
        match self.tables.get(at) {
            Some(table) => Some(&**table.as_ref()?),
            None => Some(&**self.timers.get(at - self.tables.len())?.as_ref()?),
        }
    }

    fn at_mut(&mut self, at: usize) -> Option<&mut dyn Table> {
        let declared = self.tables.len();
        match self.tables.get_mut(at) {
            Some(table) => Some(&mut **table.as_mut()?),
            None => Some(&mut **self.timers.get_mut(at - declared)?.as_mut()?),
        }
    }

    fn each(&mut self, each: &mut dyn FnMut(&mut dyn Table)) {
        self.tables.iter_mut().flatten().for_each(|table| each(&mut **table));
        self.timers.iter_mut().flatten().for_each(|table| each(&mut **table));
    }
}

/// A timer that fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired<K> {
    /// The hash of the key.
    pub hash: u64,
    /// The key that registered it.
    pub key: K,
    /// When it was to fire; the context of the call gets it as its event time.
    pub time: Timestamp,
    /// The number under which its name is stored.
    pub timer: TableId,
    pub(crate) at: usize,
}

impl<K: StateKey> GroupState<K> {
    pub(crate) fn new(
        operator: Arc<str>,
        setup: Setup,
        tables: Vec<Option<Box<dyn TableOf<K>>>>,
        ids: Arc<[TableId]>,
        timers: [Option<Box<dyn TimerTable<K>>>; 3],
        reservation: Reservation,
    ) -> Self {
        Self { typed: Typed { tables, timers }, passed: 0, core: Core::new(operator, setup, ids, reservation) }
    }

    /// Whether the store has passed epochs since this was asked last: this many in all.
    pub(crate) fn has_missed(&mut self, passed: u64) -> bool {
        std::mem::replace(&mut self.passed, passed) != passed
    }

    /// Tells under which numbers each state has values of earlier types.
    pub(crate) fn set_older(&mut self, older: Arc<[Vec<TableId>]>) {
        self.core.set_older(older);
    }

    /// Counts the values that the backend holds under earlier types, and that nothing has replaced since.
    pub(crate) fn count_older(&self, found: &mut [OlderValues]) -> Result<()> {
        self.core.count_older(&self.typed, found)
    }

    pub(crate) const fn stamps(&self) -> Stamps {
        self.core.stamps()
    }

    /// The typed table of a handle.
    pub(crate) fn table<T: 'static>(&mut self, at: usize, kind: &'static str) -> Result<&mut T> {
        let table = self.typed.tables.get_mut(at).and_then(Option::as_mut);
        let typed = table.and_then(|table| table.as_any().downcast_mut());
        typed.ok_or_else(|| self.core.wrong(kind))
    }

    /// The timers of a clock, or those of event time that are deferred, and the number of the name at this place.
    /// The operator that it belongs to.
    pub(crate) fn operator(&self) -> &str {
        self.core.operator()
    }

    pub(crate) fn timer_table(&mut self, at: usize, from: TimersFrom) -> Result<(&mut dyn TimerTable<K>, TableId)> {
        let slot = match from {
            TimersFrom::Clock(domain) => slot(domain),
            TimersFrom::Deferred => DEFERRED,
        };
        match (&mut self.typed.timers[slot], self.core.number(at), self.typed.tables.get(at)) {
            (Some(table), Some(id), Some(None)) => Ok((&mut **table, id)),
            _ => Err(self.core.wrong("timers")),
        }
    }

    /// Puts the timers that were [deferred](crate::KeyContext::defer_timers) among the others of event time. To be called in a
    /// batch, of which it is a change like any other.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn admit_deferred(&mut self) -> Result<()> {
        let stamps = self.stamps();
        let [Some(event), _, Some(deferred)] = &mut self.typed.timers else { return Ok(()) };
        while let Some((hash, key, timer, time)) = deferred.pop_due(Timestamp::MAX, stamps)? {
            event.register(hash, &key, timer, time, stamps)?;
        }
        Ok(())
    }

    /// Begins an attempt at batch number `batch`. If the last attempt was at the same batch, all its changes are rolled
    /// back; if it was at another, they are kept for good.
    ///
    /// The time is proportional to what the last attempt changed, at most.
    pub fn begin(&mut self, batch: u64) {
        self.core.begin(&mut self.typed, batch);
    }

    /// How much the attempt has changed so far, in all states.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.core.changes(&self.typed)
    }

    /// Whether everything that exists is in memory, so that nothing has to be read from a backend.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.core.is_complete(&self.typed)
    }

    /// Reads the values of these keys from the backend, in one call for each state, so that handling them one by one
    /// finds them in memory. Does nothing where all state is in memory. Lists and maps are read when they are used.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn prefetch(&mut self, keys: &[(u64, &K)]) -> Result<()> {
        let stamps = self.stamps();
        let Typed { tables, timers } = &mut self.typed;
        tables.iter_mut().flatten().try_for_each(|table| table.prefetch(keys, stamps))?;
        timers.iter_mut().flatten().try_for_each(|table| table.prefetch(keys, stamps))
    }

    /// Says that about this many keys are handled now, one by one. Where they are a good part of those in memory, that
    /// is cheaper once the tables have been read front to back, which this does; otherwise it does nothing.
    /// [`Value::update_many`](crate::Value::update_many) does it by itself.
    pub fn warm_up(&self, keys: usize) {
        self.core.warm_up(&self.typed, keys);
    }

    /// Takes the first timer of the domain that is due at `now`: in the order of time, then of keys, then of
    /// registration. Timers registered while others fire take their place in that order. The caller decides how many
    /// to fire before it does something else: the order does not depend on it.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn pop_due(&mut self, domain: TimeDomain, now: Timestamp) -> Result<Option<Fired<K>>> {
        let stamps = self.stamps();
        let Some(timers) = &mut self.typed.timers[slot(domain)] else { return Ok(None) };
        while let Some((hash, key, timer, time)) = timers.pop_due(now, stamps)? {
            // Timers whose name is not declared any more are dropped when they are due.
            if let Some(at) = self.core.declared(timer) {
                return Ok(Some(Fired { hash, key, time, timer, at }));
            }
        }
        Ok(None)
    }

    /// When the first timer of the domain fires. Deferred ones do not count: nothing fires them as they are.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn next_timer(&mut self, domain: TimeDomain) -> Result<Option<Timestamp>> {
        self.typed.timers[slot(domain)].as_mut().map_or(Ok(None), |timers| timers.next())
    }

    /// Ends the epoch: keeps the last attempt, and yields what changed in the epoch, or `None` if nothing did.
    ///
    /// # Errors
    /// When a key or value cannot be encoded; [`InvalidState`](crate::StateError::InvalidState) unless epochs ascend.
    pub fn end_epoch(&mut self, epoch: u64) -> Result<Option<Frame>> {
        self.core.end_epoch(&mut self.typed, epoch)
    }

    /// Ends the epoch without writing down what changed, and counts it as applied: for state that ends with the
    /// process.
    pub fn pass_epoch(&mut self, epoch: u64) {
        self.core.pass_epoch(&mut self.typed, epoch);
    }

    /// Says that the changes up to the end of `epoch` are held elsewhere: in the backend, or in the changelog if there
    /// is no backend. From now on they may leave memory.
    pub fn applied(&mut self, epoch: u64) {
        self.core.applied(epoch);
    }

    /// What has changed since the last epoch that was [applied](Self::applied), as one frame: for backends that do not
    /// get the changes of every epoch. To be called between epochs; it is then the state at the end of the last one.
    ///
    /// # Errors
    /// When a key or value cannot be encoded.
    pub fn unapplied(&self) -> Result<Frame> {
        self.core.unapplied(&self.typed)
    }

    /// All state of the group as one frame, whether it is in memory or in the backend. To be called between epochs; it
    /// is then the state at the end of the last one.
    ///
    /// # Errors
    /// When a key or value cannot be encoded, or the backend cannot be read.
    pub fn image(&self) -> Result<Frame> {
        self.core.image(&self.typed)
    }

    /// Takes the changes of an epoch, or an image, into memory, when state is restored: the frame becomes a part of
    /// what counts as applied. With a backend, the frame has been applied there before the store was opened, and nothing is
    /// taken.
    ///
    /// # Errors
    /// When a key or value is not of the declared type; [`InvalidState`](crate::StateError::InvalidState) after the first
    /// batch has begun.
    pub fn restore(&mut self, epoch: u64, frame: &Frame) -> Result<()> {
        self.core.restore(&mut self.typed, epoch, frame)
    }

    /// Takes up what the backend holds: timers are counted, and all is read when it is asked for.
    pub(crate) fn open_backend(&mut self) -> Result<()> {
        self.core.open_backend(&mut self.typed)
    }

    /// Drops about the `share` (0 to 1) of each state's values from memory, as far as the backend holds them, the
    /// longest unused first.
    pub fn evict(&mut self, share: f64) {
        self.core.evict(&mut self.typed, share);
    }

    /// Removes values whose TTL has expired, looking at up to `limit` keys of each state. The next call continues from
    /// there. A change like any other: it belongs to the batch that has begun. Returns how many were removed.
    pub fn sweep(&mut self, limit: usize, times: Times) -> usize {
        self.core.sweep(&mut self.typed, limit, times)
    }

    /// Removes all values whose TTL has expired, as [`sweep`](Self::sweep) does, where there is no backend. A backend
    /// drops them when it rewrites its files, and what is in memory beside it leaves memory anyway.
    pub fn expire(&mut self, times: Times) -> usize {
        self.core.expire(&mut self.typed, times)
    }

    /// Tells the budget how much memory is taken, and returns it in bytes. To be called when a batch is done.
    pub fn account(&mut self) -> u64 {
        self.core.account(&mut self.typed)
    }

    /// How many timers are set, deferred ones and those included that only the backend has.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.core.timers(&self.typed)
    }

    /// How many values, list and map entries and timers are in memory; removals that are not applied yet count too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len(&self.typed)
    }

    /// Whether nothing is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last epoch that has ended.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.core.epoch()
    }
}

impl<K> fmt::Debug for GroupState<K> {
    /// Where it stands, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.core, f)
    }
}
