//! The state of one operator in one key group.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use firesteel_window::Timestamp;

use crate::budget::Reservation;
use crate::changes::Changes;
use crate::codec::StateKey;
use crate::context::KeyContext;
use crate::error::{Result, StateError};
use crate::frame::{Frame, FrameWriter, TableId};
use crate::handle::Fired;
use crate::schema::OlderValues;
use crate::table::timers::TimerTable;
use crate::table::{Setup, Stamps, Table};
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
pub struct GroupState<K> {
    operator: Arc<str>,
    /// What every table is told; `table` and `state` are those of the group.
    setup: Setup,
    /// By position in the declaration; timers have none of their own.
    tables: Vec<Option<Box<dyn Table<K>>>>,
    /// The number of each declared state.
    ids: Arc<[TableId]>,
    /// The numbers of the types that each had before.
    older: Arc<[Vec<TableId>]>,
    timers: [Option<Box<dyn TimerTable<K>>>; 2],
    batch: Option<u64>,
    attempt: u64,
    epoch_start: u64,
    applied: u64,
    /// Epochs that have ended and are not applied, with their last attempts.
    ended: VecDeque<(u64, u64)>,
    epoch: u64,
    reservation: Reservation,
}

const fn slot(domain: TimeDomain) -> usize {
    match domain {
        TimeDomain::Event => 0,
        TimeDomain::Processing => 1,
    }
}

impl<K: StateKey> GroupState<K> {
    pub(crate) fn new(
        operator: Arc<str>,
        setup: Setup,
        tables: Vec<Option<Box<dyn Table<K>>>>,
        ids: Arc<[TableId]>,
        timers: [Option<Box<dyn TimerTable<K>>>; 2],
        reservation: Reservation,
    ) -> Self {
        Self {
            operator,
            setup,
            tables,
            ids,
            older: Arc::new([]),
            timers,
            batch: None,
            attempt: 1,
            epoch_start: 1,
            applied: 0,
            ended: VecDeque::new(),
            epoch: 0,
            reservation,
        }
    }

    /// Tells under which numbers each state has values of earlier types.
    pub(crate) fn set_older(&mut self, older: Arc<[Vec<TableId>]>) {
        self.older = older;
    }

    /// The place of the declared state whose values stand under this number.
    fn at(&self, number: TableId) -> Option<usize> {
        let now = self.ids.iter().position(|id| *id == number);
        now.or_else(|| self.older.iter().position(|older| older.contains(&number)))
    }

    /// Counts the values that the backend holds under earlier types, and that nothing has replaced since.
    pub(crate) fn count_older(&self, found: &mut [OlderValues]) -> Result<()> {
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        if self.older.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let unapplied = self.unapplied()?;
        let replaced: HashSet<(TableId, &[u8])> =
            unapplied.changes().map(|change| (change.table, change.key)).collect();
        for older in found {
            backend.scan(self.setup.shard, older.number, &[], &mut |key, _| {
                older.count += u64::from(!replaced.contains(&(older.number, key)));
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(crate) const fn stamps(&self) -> Stamps {
        Stamps { attempt: self.attempt, epoch_start: self.epoch_start, applied: self.applied }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut dyn Table<K>> {
        let tables = self.tables.iter_mut().flatten().map(|table| &mut **table);
        let timers = self.timers.iter_mut().flatten().map(|table| &mut **table as &mut dyn Table<K>);
        tables.chain(timers)
    }

    fn all_ref(&self) -> impl Iterator<Item = &dyn Table<K>> {
        let tables = self.tables.iter().flatten().map(|table| &**table);
        let timers = self.timers.iter().flatten().map(|table| &**table as &dyn Table<K>);
        tables.chain(timers)
    }

    /// The typed table of a handle.
    pub(crate) fn table<T: 'static>(&mut self, at: usize, kind: &'static str) -> Result<&mut T> {
        let table = self.tables.get_mut(at).and_then(Option::as_mut);
        let typed = table.and_then(|table| table.as_any().downcast_mut());
        typed.ok_or_else(|| StateError::Handle { operator: self.operator.to_string(), kind })
    }

    pub(crate) fn timer_table(&mut self, at: usize, domain: TimeDomain) -> Result<(&mut dyn TimerTable<K>, TableId)> {
        match (&mut self.timers[slot(domain)], self.ids.get(at), self.tables.get(at)) {
            (Some(table), Some(id), Some(None)) => Ok((&mut **table, *id)),
            _ => Err(StateError::Handle { operator: self.operator.to_string(), kind: "timers" }),
        }
    }

    /// Begins an attempt at batch number `batch`. If the last attempt was at the same batch, all its changes are rolled
    /// back; if it was at another, they are kept for good.
    ///
    /// The time is proportional to what the last attempt changed, at most.
    pub fn begin(&mut self, batch: u64) {
        let again = self.batch == Some(batch);
        self.batch = Some(batch);
        let stamps = self.stamps();
        for table in self.all() {
            if again {
                table.roll_back();
            }
            table.tidy(stamps);
            table.begin();
        }
        self.attempt += 1;
    }

    /// How much the attempt has changed so far, in all states.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        self.all_ref().for_each(|table| changes += table.changes());
        changes
    }

    /// Whether everything that exists is in memory, so that nothing has to be read from a backend.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.all_ref().all(Table::is_complete)
    }

    /// One key, to be used with handles. `hash` is the hash of the key, by which it belongs to this group.
    pub fn key<'a>(&'a mut self, hash: u64, key: &'a K, times: Times) -> KeyContext<'a, K> {
        KeyContext::new(self, hash, key, times)
    }

    /// Reads the values of these keys from the backend, in one call for each state, so that handling them one by one
    /// finds them in memory. Does nothing where all state is in memory. Lists and maps are read when they are used.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn prefetch(&mut self, keys: &[(u64, &K)]) -> Result<()> {
        let stamps = self.stamps();
        self.all().try_for_each(|table| table.prefetch(keys, stamps))
    }

    /// Says that about this many keys are handled now, one by one. Where they are a good part of those in memory, that
    /// is cheaper once the tables have been read front to back, which this does; otherwise it does nothing.
    /// [`Value::update_many`](crate::Value::update_many) does it by itself.
    pub fn warm_up(&self, keys: usize) {
        self.all_ref().for_each(|table| table.warm_up(keys));
    }

    /// Takes the first timer of the domain that is due at `now`: in the order of time, then of keys, then of
    /// registration. Timers registered while others fire take their place in that order. The caller decides how many
    /// to fire before it does something else: the order does not depend on it.
    pub fn pop_due(&mut self, domain: TimeDomain, now: Timestamp) -> Option<Fired<K>> {
        let stamps = self.stamps();
        loop {
            let (hash, key, timer, time) = self.timers[slot(domain)].as_mut()?.pop_due(now, stamps)?;
            // Timers whose name is not declared any more are dropped when they are due.
            if let Some(at) = self.ids.iter().position(|id| *id == timer) {
                return Some(Fired { hash, key, time, timer, at });
            }
        }
    }

    /// When the first timer of the domain fires.
    #[must_use]
    pub fn next_timer(&self, domain: TimeDomain) -> Option<Timestamp> {
        self.timers[slot(domain)].as_ref()?.next()
    }

    /// Ends the epoch: keeps the last attempt, and yields what changed in the epoch, or `None` if nothing did.
    ///
    /// # Errors
    /// When a key or value cannot be encoded; [`StateError::InvalidState`] unless epochs ascend.
    pub fn end_epoch(&mut self, epoch: u64) -> Result<Option<Frame>> {
        if epoch <= self.epoch {
            return Err(StateError::InvalidState {
                what: format!("the end of epoch {epoch} in {}", self.setup.state),
                reason: format!("epoch {} has ended already", self.epoch),
            });
        }
        let stamps = self.stamps();
        let mut out = FrameWriter::new();
        for table in self.all() {
            table.begin();
            table.end_epoch(stamps, &mut out)?;
        }
        self.close_epoch(epoch);
        Ok((!out.is_empty()).then(|| out.finish(self.setup.shard)))
    }

    /// Ends the epoch without writing down what changed, and counts it as applied: for state that ends with the
    /// process.
    pub fn pass_epoch(&mut self, epoch: u64) {
        for table in self.all() {
            table.begin();
            table.pass_epoch();
        }
        self.close_epoch(epoch.max(self.epoch));
        self.applied(epoch);
    }

    fn close_epoch(&mut self, epoch: u64) {
        self.batch = None;
        self.ended.push_back((epoch, self.attempt));
        self.epoch = epoch;
        self.attempt += 1;
        self.epoch_start = self.attempt;
    }

    /// Says that the changes up to the end of `epoch` are held elsewhere: in the backend, or in the changelog if there
    /// is no backend. From now on they may leave memory.
    pub fn applied(&mut self, epoch: u64) {
        while let Some((ended, attempt)) = self.ended.front().copied()
            && ended <= epoch
        {
            self.applied = attempt;
            self.ended.pop_front();
        }
    }

    /// What has changed since the last epoch that was [applied](Self::applied), as one frame: for backends that do not
    /// get the changes of every epoch. To be called between epochs; it is then the state at the end of the last one.
    ///
    /// # Errors
    /// When a key or value cannot be encoded.
    pub fn unapplied(&self) -> Result<Frame> {
        let mut out = FrameWriter::new();
        let stamps = self.stamps();
        self.all_ref().try_for_each(|table| table.write_unapplied(stamps, &mut out))?;
        Ok(out.finish(self.setup.shard))
    }

    /// All state of the group as one frame, whether it is in memory or in the backend. To be called between epochs; it
    /// is then the state at the end of the last one.
    ///
    /// # Errors
    /// When a key or value cannot be encoded, or the backend cannot be read.
    pub fn image(&self) -> Result<Frame> {
        let mut out = FrameWriter::new();
        if self.all_ref().all(|table| table.is_complete()) {
            self.all_ref().try_for_each(|table| table.write_all(&mut out))?;
            return Ok(out.finish(self.setup.shard));
        }
        let mut entries = BTreeMap::new();
        if let Some(backend) = &self.setup.backend {
            let numbers = self.ids.iter().chain(self.older.iter().flatten());
            for &table in numbers.chain(&[TableId::EVENT_TIMERS, TableId::PROCESSING_TIMERS]) {
                backend.scan(self.setup.shard, table, &[], &mut |key, value| {
                    entries.insert((table, key.to_vec()), value.to_vec());
                    Ok(())
                })?;
            }
        }
        for change in self.unapplied()?.changes() {
            let key = (change.table, change.key.to_vec());
            match change.value {
                Some(value) => _ = entries.insert(key, value.to_vec()),
                None => _ = entries.remove(&key),
            }
        }
        let mut open = None;
        for ((table, key), value) in &entries {
            if open != Some(table) {
                out.begin_table(*table);
                open = Some(table);
            }
            out.put(key, value);
        }
        Ok(out.finish(self.setup.shard))
    }

    /// Takes the changes of an epoch, or an image, into memory, when state is restored: the frame becomes a part of
    /// what counts as applied. With a backend, the frame has been applied there first, and only timers are taken.
    ///
    /// # Errors
    /// When a key or value is not of the declared type; [`StateError::InvalidState`] after the first batch has begun.
    pub fn restore(&mut self, epoch: u64, frame: &Frame) -> Result<()> {
        if self.batch.is_some() || !self.ended.is_empty() {
            return Err(StateError::InvalidState {
                what: format!("restoring {}", self.setup.state),
                reason: "state is restored before the first batch begins".into(),
            });
        }
        let mut changes = frame.sections();
        while let Some(table) = changes.next_table() {
            if crate::faults::has_fault("lost-timers") && table.0 >= TableId::EVENT_TIMERS.0 {
                continue;
            }
            let table: Option<&mut dyn Table<K>> = match table {
                TableId::EVENT_TIMERS => self.timers[0].as_mut().map(|table| &mut **table as &mut dyn Table<K>),
                TableId::PROCESSING_TIMERS => self.timers[1].as_mut().map(|table| &mut **table as &mut dyn Table<K>),
                _ if self.setup.backend.is_some() => None,
                id => self.at(id).and_then(|at| self.tables[at].as_mut()).map(|table| &mut **table),
            };
            // State that was dropped from the program is passed over.
            if let Some(table) = table {
                table.load_all(&mut changes)?;
            }
        }
        self.epoch = self.epoch.max(epoch);
        self.account();
        Ok(())
    }

    /// Takes up what the backend holds: timers are read into memory, values when they are asked for.
    pub(crate) fn open_backend(&mut self) -> Result<()> {
        let Some(backend) = self.setup.backend.clone() else { return Ok(()) };
        let Some(marker) = backend.marker(self.setup.shard)? else {
            self.all().for_each(|table| table.set_complete(true));
            return Ok(());
        };
        for (at, id) in [(0, TableId::EVENT_TIMERS), (1, TableId::PROCESSING_TIMERS)] {
            if let Some(timers) = &mut self.timers[at] {
                backend.scan(self.setup.shard, id, &[], &mut |key, value| {
                    timers.load(crate::frame::Change { table: id, key, value: Some(value) })
                })?;
            }
        }
        for table in self.all() {
            table.set_complete(false);
            table.open_older()?;
        }
        self.epoch = marker;
        self.account();
        Ok(())
    }

    /// Drops about the `share` (0 to 1) of each state's values from memory, as far as the backend holds them, the
    /// longest unused first.
    pub fn evict(&mut self, share: f64) {
        let stamps = self.stamps();
        self.all().for_each(|table| table.evict(share, stamps));
        self.account();
    }

    /// Removes values whose TTL has expired, looking at up to `limit` keys of each state. The next call continues from
    /// there. A change like any other: it belongs to the batch that has begun. Returns how many were removed.
    pub fn sweep(&mut self, limit: usize, times: Times) -> usize {
        let stamps = self.stamps();
        self.all().map(|table| table.sweep(limit, &times, stamps)).sum()
    }

    /// Removes all values whose TTL has expired, as [`sweep`](Self::sweep) does, where there is no backend. A backend
    /// drops them when it rewrites its files, and what is in memory beside it leaves memory anyway.
    pub fn expire(&mut self, times: Times) -> usize {
        if self.setup.backend.is_some() { 0 } else { self.sweep(usize::MAX, times) }
    }

    /// Tells the budget how much memory is taken, and returns it in bytes. To be called when a batch is done.
    pub fn account(&mut self) -> u64 {
        let bytes = self.all().map(|table| table.memory_used()).sum();
        self.reservation.set(bytes);
        bytes
    }

    /// How many values, list and map entries and timers are in memory; removals that are not applied yet count too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all_ref().map(Table::len).sum()
    }

    /// Whether nothing is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last epoch that has ended.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl<K> fmt::Debug for GroupState<K> {
    /// Where it stands, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupState")
            .field("operator", &self.operator)
            .field("shard", &self.setup.shard)
            .field("batch", &self.batch)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
