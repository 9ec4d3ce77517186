//! A table of accumulators that keeps to the memory budget.

use crate::data::{Exchange, Key};
use crate::shuffle::KeyedTable;
use crate::storage::{Reservation, SpillMemory, estimate_bytes};
use crate::task::TaskContext;

/// A [`KeyedTable`] that says when it is to be looked at, and then whether it may grow on.
pub(crate) struct GrowingTable<K, C> {
    table: KeyedTable<K, C>,
    reservation: Reservation,
    pushed: usize,
    check_at: usize,
}

impl<K: Key, C: Exchange> GrowingTable<K, C> {
    pub(crate) fn new(memory: &SpillMemory) -> Self {
        let (table, reservation) = (KeyedTable::default(), memory.reserve_nothing());
        Self { table, reservation, pushed: 0, check_at: SpillMemory::FIRST_CHECK }
    }

    /// See [`KeyedTable::upsert`]; `true` asks for a [`check`](Self::check).
    #[inline]
    pub(crate) fn upsert<V>(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        create: impl FnOnce(V) -> C,
        update: impl FnOnce(&mut C, V),
    ) -> bool {
        let new = self.table.upsert(hash, key, value, create, update);
        if std::mem::needs_drop::<C>() {
            // An accumulator that owns memory may grow with every value.
            self.pushed += 1;
            self.pushed >= self.check_at
        } else {
            new && self.table.len() >= self.check_at
        }
    }

    /// Whether the table may grow on; if not, it is to be emptied.
    #[cold]
    pub(crate) fn check(&mut self, task: &TaskContext) -> bool {
        task.check_cancelled();
        let index = 8 * self.table.len() as u64;
        self.check_at = SpillMemory::next_check(self.check_at);
        self.reservation.grow(index + estimate_bytes(self.table.entries()))
    }

    /// Takes all entries out: hash, key and accumulator in the order in which the keys came.
    pub(crate) fn take(&mut self) -> Vec<(u64, K, C)> {
        self.reservation.release();
        (self.pushed, self.check_at) = (0, SpillMemory::FIRST_CHECK);
        self.table.take()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All entries, and the memory they hold.
    pub(crate) fn into_parts(self) -> (Vec<(u64, K, C)>, Reservation) {
        (self.table.into_entries(), self.reservation)
    }
}
