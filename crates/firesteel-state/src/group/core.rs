//! What a key group does whatever its types: compiled once, and not once more for each type of key.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use firesteel_budget::Reservation;

use crate::changes::Changes;
use crate::error::{Result, StateError};
use crate::frame::{Frame, FrameWriter, TableId};
use crate::schema::OlderValues;
use crate::table::{Setup, Stamps, Table};
use crate::ttl::Times;

/// The tables of a key group by their places: those of declared states in the order of the declaration, then those of
/// timers. A place may be empty.
pub(super) trait Tables {
    /// How many places there are.
    fn count(&self) -> usize;
    /// The place of the timers of this number; nothing if it is no such number.
    fn timers(&self, number: TableId) -> Option<usize>;
    /// The table at a place.
    fn at(&self, at: usize) -> Option<&dyn Table>;
    /// The table at a place, to be changed.
    fn at_mut(&mut self, at: usize) -> Option<&mut dyn Table>;
    /// Hands all tables over, in the order of their places.
    fn each(&mut self, each: &mut dyn FnMut(&mut dyn Table));
}

fn all(tables: &dyn Tables) -> impl Iterator<Item = &dyn Table> {
    (0..tables.count()).filter_map(|at| tables.at(at))
}

/// Where a key group stands.
// What every batch looks at stands together.
#[repr(C)]
pub(super) struct Core {
    batch: Option<u64>,
    attempt: u64,
    epoch_start: u64,
    applied: u64,
    epoch: u64,
    reservation: Reservation,
    /// Epochs that have ended and are not applied, with their last attempts.
    ended: VecDeque<(u64, u64)>,
    operator: Arc<str>,
    /// What every table is told; `table` and `state` are those of the group.
    setup: Setup,
    /// The number of each declared state.
    ids: Arc<[TableId]>,
    /// The numbers of the types that each had before.
    older: Arc<[Vec<TableId>]>,
}

/// The methods are those of [`GroupState`](super::GroupState).
impl Core {
    pub(super) fn new(operator: Arc<str>, setup: Setup, ids: Arc<[TableId]>, reservation: Reservation) -> Self {
        Self {
            operator,
            setup,
            ids,
            older: Arc::new([]),
            batch: None,
            attempt: 1,
            epoch_start: 1,
            applied: 0,
            ended: VecDeque::new(),
            epoch: 0,
            reservation,
        }
    }

    /// What is said to a handle of another operator, or of another type.
    #[cold]
    pub(super) fn wrong(&self, kind: &'static str) -> StateError {
        StateError::Handle { operator: self.operator.to_string(), kind }
    }

    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    /// The number of a declared state.
    pub(super) fn number(&self, at: usize) -> Option<TableId> {
        self.ids.get(at).copied()
    }

    /// The place of the declared state of this number.
    pub(super) fn declared(&self, number: TableId) -> Option<usize> {
        self.ids.iter().position(|id| *id == number)
    }

    pub(super) fn set_older(&mut self, older: Arc<[Vec<TableId>]>) {
        self.older = older;
    }

    /// The place of the declared state whose values stand under this number.
    fn at(&self, number: TableId) -> Option<usize> {
        self.declared(number).or_else(|| self.older.iter().position(|older| older.contains(&number)))
    }

    pub(super) fn count_older(&self, tables: &dyn Tables, found: &mut [OlderValues]) -> Result<()> {
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        if self.older.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let unapplied = self.unapplied(tables)?;
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

    pub(super) const fn stamps(&self) -> Stamps {
        Stamps { attempt: self.attempt, epoch_start: self.epoch_start, applied: self.applied }
    }

    pub(super) fn begin(&mut self, tables: &mut dyn Tables, batch: u64) {
        let again = self.batch == Some(batch);
        self.batch = Some(batch);
        let stamps = self.stamps();
        tables.each(&mut |table| {
            if again {
                table.roll_back();
            }
            table.tidy(stamps);
            table.begin();
        });
        self.attempt += 1;
    }

    pub(super) fn changes(&self, tables: &dyn Tables) -> Changes {
        let mut changes = Changes::default();
        all(tables).for_each(|table| changes += table.changes());
        changes
    }

    pub(super) fn is_complete(&self, tables: &dyn Tables) -> bool {
        all(tables).all(Table::is_complete)
    }

    pub(super) fn warm_up(&self, tables: &dyn Tables, keys: usize) {
        all(tables).for_each(|table| table.warm_up(keys));
    }

    pub(super) fn end_epoch(&mut self, tables: &mut dyn Tables, epoch: u64) -> Result<Option<Frame>> {
        if epoch <= self.epoch {
            return Err(StateError::InvalidState {
                what: format!("the end of epoch {epoch} in {}", self.setup.state),
                reason: format!("epoch {} has ended already", self.epoch),
            });
        }
        let stamps = self.stamps();
        let mut out = FrameWriter::new();
        for at in 0..tables.count() {
            if let Some(table) = tables.at_mut(at) {
                table.begin();
                table.end_epoch(stamps, &mut out)?;
            }
        }
        self.ended.push_back((epoch, self.attempt));
        self.close_epoch(epoch);
        self.account(tables);
        Ok((!out.is_empty()).then(|| out.finish(self.setup.shard)))
    }

    pub(super) fn pass_epoch(&mut self, tables: &mut dyn Tables, epoch: u64) {
        tables.each(&mut |table| {
            table.begin();
            table.pass_epoch();
        });
        if self.ended.is_empty() && epoch >= self.epoch {
            self.applied = self.attempt;
        } else {
            self.ended.push_back((epoch.max(self.epoch), self.attempt));
            self.applied(epoch);
        }
        self.close_epoch(epoch.max(self.epoch));
    }

    fn close_epoch(&mut self, epoch: u64) {
        self.batch = None;
        self.epoch = epoch;
        self.attempt += 1;
        self.epoch_start = self.attempt;
    }

    pub(super) fn applied(&mut self, epoch: u64) {
        while let Some((ended, attempt)) = self.ended.front().copied()
            && ended <= epoch
        {
            self.applied = attempt;
            self.ended.pop_front();
        }
    }

    pub(super) fn unapplied(&self, tables: &dyn Tables) -> Result<Frame> {
        let mut out = FrameWriter::new();
        let stamps = self.stamps();
        all(tables).try_for_each(|table| table.write_unapplied(stamps, &mut out))?;
        Ok(out.finish(self.setup.shard))
    }

    pub(super) fn image(&self, tables: &dyn Tables) -> Result<Frame> {
        let mut out = FrameWriter::new();
        if all(tables).all(|table| table.is_complete()) {
            all(tables).try_for_each(|table| table.write_all(&mut out))?;
            return Ok(out.finish(self.setup.shard));
        }
        let (mut entries, stamps) = (BTreeMap::new(), self.stamps());
        if let Some(backend) = &self.setup.backend {
            let numbers = self.ids.iter().chain(self.older.iter().flatten());
            for &table in numbers.chain(&TableId::TIMERS).chain(&TableId::TIMERS_BY_KEY) {
                backend.scan(self.setup.shard, table, &[], &mut |key, value| {
                    if !all(tables).any(|held| held.is_gone(table, key, stamps)) {
                        entries.insert((table, key.to_vec()), value.to_vec());
                    }
                    Ok(())
                })?;
            }
        }
        for change in self.unapplied(tables)?.changes() {
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

    pub(super) fn restore(&mut self, tables: &mut dyn Tables, epoch: u64, frame: &Frame) -> Result<()> {
        if self.batch.is_some() || !self.ended.is_empty() {
            return Err(StateError::InvalidState {
                what: format!("restoring {}", self.setup.state),
                reason: "state is restored before the first batch begins".into(),
            });
        }
        let mut changes = frame.sections();
        while let Some(table) = changes.next_table() {
            let at = match firesteel_faults::alterable("restore.table", table) {
                _ if self.setup.backend.is_some() => None,
                id if TableId::TIMERS.contains(&id) => tables.timers(id),
                id => self.at(id),
            };
            // What a backend holds is there, and state that was dropped from the program is passed over.
            if let Some(table) = at.and_then(|at| tables.at_mut(at)) {
                table.load_all(&mut changes)?;
            }
        }
        self.epoch = self.epoch.max(epoch);
        self.account(tables);
        Ok(())
    }

    pub(super) fn open_backend(&mut self, tables: &mut dyn Tables) -> Result<()> {
        let Some(backend) = self.setup.backend.clone() else { return Ok(()) };
        let Some(marker) = backend.marker(self.setup.shard)? else {
            tables.each(&mut |table| table.set_complete(true));
            return Ok(());
        };
        for at in 0..tables.count() {
            if let Some(table) = tables.at_mut(at) {
                table.set_complete(false);
                table.open()?;
            }
        }
        self.epoch = marker;
        self.account(tables);
        Ok(())
    }

    pub(super) fn evict(&mut self, tables: &mut dyn Tables, share: f64) {
        let stamps = self.stamps();
        tables.each(&mut |table| table.evict(share, stamps));
        self.account(tables);
    }

    pub(super) fn sweep(&mut self, tables: &mut dyn Tables, limit: usize, times: Times) -> usize {
        let stamps = self.stamps();
        let mut removed = 0;
        tables.each(&mut |table| removed += table.sweep(limit, &times, stamps));
        removed
    }

    pub(super) fn expire(&mut self, tables: &mut dyn Tables, times: Times) -> usize {
        if self.setup.backend.is_some() { 0 } else { self.sweep(tables, usize::MAX, times) }
    }

    pub(super) fn account(&mut self, tables: &mut dyn Tables) -> u64 {
        let mut bytes = 0;
        tables.each(&mut |table| bytes += table.memory_used());
        self.reservation.set(bytes);
        bytes
    }

    pub(super) fn len(&self, tables: &dyn Tables) -> usize {
        all(tables).map(Table::len).sum()
    }

    pub(super) fn timers(&self, tables: &dyn Tables) -> usize {
        TableId::TIMERS.iter().filter_map(|id| tables.at(tables.timers(*id)?)).map(Table::timers).sum()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupState")
            .field("operator", &self.operator)
            .field("shard", &self.setup.shard)
            .field("batch", &self.batch)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
